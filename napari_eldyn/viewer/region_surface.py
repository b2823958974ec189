"""The sphere or the layer that is counted, in the 3D view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.observables.planes import miller_plane, outline
from napari_eldyn.viewer.own_surface import OwnSurface, SurfaceData
from napari_eldyn.viewer.plane_place import ShownCells
from napari_eldyn.viewer.plane_surface import fan
from napari_eldyn.viewer.region_count import LayerChoice

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["RegionSurface", "layer_data", "sphere_data"]

_ROUND, _UPWARDS = 32, 16
_OPACITY = 0.35


def sphere_data(
    centre: npt.ArrayLike, radius: float, grid: PeriodicGrid, cells: ShownCells
) -> SurfaceData:
    """Return a sphere; its centre is brought into the first of the cells shown."""
    place = np.asarray(centre, np.float64)
    away = np.floor((place - cells.corner) @ np.linalg.inv(grid.cell) + 1e-9)
    place = place - away @ grid.cell + cells.offset
    around = np.linspace(0.0, 2.0 * np.pi, _ROUND, endpoint=False)
    down = np.linspace(0.0, np.pi, _UPWARDS + 1)
    ring = np.stack(
        [
            np.outer(np.sin(down), np.cos(around)),
            np.outer(np.sin(down), np.sin(around)),
            np.outer(np.cos(down), np.ones_like(around)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(_UPWARDS), np.arange(_ROUND), indexing="ij")
    here, beside = _ROUND * i + j, _ROUND * i + (j + 1) % _ROUND
    faces = np.concatenate(
        [
            np.stack([here, here + _ROUND, beside], axis=-1).reshape(-1, 3),
            np.stack([beside, here + _ROUND, beside + _ROUND], axis=-1).reshape(-1, 3),
        ]
    )
    vertices = (place + radius * ring).astype(np.float32)
    return vertices, faces.astype(np.int32), np.ones(len(vertices), np.float32)


def layer_data(choice: LayerChoice, grid: PeriodicGrid, cells: ShownCells) -> SurfaceData | None:
    """Return the two planes around a layer within the cells shown; None if none is in them."""
    parts = []
    for height in (choice.lower, choice.upper):
        plane = miller_plane(grid, choice.indices, height)
        polygon = outline(plane, cells.corner, cells.edges)
        if len(polygon):
            parts.append(fan(plane.to_space(polygon) + cells.offset))
    if not parts:
        return None
    starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    faces = [part[1] + np.int32(start) for part, start in zip(parts, starts, strict=True)]
    vertices = np.concatenate([part[0] for part in parts])
    return vertices, np.concatenate(faces), np.ones(len(vertices), np.float32)


class RegionSurface(OwnSurface):
    """The region as a surface that shines through.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            shading="none",
            colormap="cyan",
            contrast_limits=(0.0, 1.0),
            blending="translucent_no_depth",
            opacity=_OPACITY,
        )
