"""Surfaces of equal value as triangles, in step with the cells that are shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer.plane_place import ShownCells

__all__ = ["Mesh", "isosurface_mesh"]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in space.

    Parameters
    ----------
    vertices : ndarray, shape (n, 3)
        World coordinates [Å].
    faces : ndarray of int, shape (m, 3)
        Three vertices each.
    signs : ndarray, shape (n,)
        +1 or −1: on which side of zero the level of each vertex is.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    signs: npt.NDArray[np.float32]


def isosurface_mesh(
    values: npt.NDArray[np.float32],
    grid: PeriodicGrid,
    levels: tuple[float, ...],
    cells: ShownCells,
) -> Mesh | None:
    """Find the surfaces of one or two levels in all cells shown.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        The field of one cell.
    grid : PeriodicGrid
        Its grid.
    levels : tuple of float
        In the unit of the field.
    cells : ShownCells
        How often the cell is shown, and from which corner on.

    Returns
    -------
    Mesh or None
        Open where the cells shown end, and without seams between them; None where no level is
        reached.
    """
    from skimage.measure import marching_cubes

    # Whole grid points only, so that nothing is interpolated: cells begin at one.
    start = np.rint((cells.corner - grid.origin) @ np.linalg.inv(grid.cell) * grid.shape)
    moved = np.roll(values, -start.astype(int), axis=(0, 1, 2))
    closed = np.pad(moved, ((0, 1),) * 3, mode="wrap")
    counts = np.rint(np.linalg.norm(cells.edges, axis=1) / np.linalg.norm(grid.cell, axis=1))
    images = np.stack(
        np.meshgrid(*(np.arange(n) for n in counts.astype(int)), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    corners = (images @ grid.cell + cells.corner + cells.offset).astype(np.float32)
    parts: list[Mesh] = []
    for level in levels:
        if not closed.min() < level < closed.max():
            continue
        found, faces, _, _ = marching_cubes(closed, level)  # type: ignore[no-untyped-call]
        vertices = (found @ grid.voxel_vectors).astype(np.float32)
        tiled = (vertices[None] + corners[:, None]).reshape(-1, 3)
        steps = len(vertices) * np.arange(len(images), dtype=np.int32)
        tiled_faces = (faces[None].astype(np.int32) + steps[:, None, None]).reshape(-1, 3)
        sign = np.full(len(tiled), -1.0 if level < 0 else 1.0, np.float32)
        parts.append(Mesh(tiled, tiled_faces, sign))
    if not parts:
        return None
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + np.int32(n) for part, n in zip(parts, starts, strict=True)]),
        np.concatenate([part.signs for part in parts]),
    )
