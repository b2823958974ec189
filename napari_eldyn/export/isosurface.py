"""Surfaces of equal density in a periodic cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid, resample

__all__ = ["isosurface"]

_FINER = 2  # points of an isosurface per grid point, by Fourier interpolation


def isosurface(
    density: NDArray[np.float32], grid: PeriodicGrid, level: float
) -> tuple[NDArray[np.float32], NDArray[np.int32]] | None:
    """Find the surface of a level, closed where the cell ends.

    Parameters
    ----------
    density : numpy.ndarray, shape (nx, ny, nz)
        Electrons/Å³, periodic.
    grid : PeriodicGrid
        Of the density.
    level : float
        Electrons/Å³.

    Returns
    -------
    tuple of numpy.ndarray, or None
        Vertices [Å] and triangles; None where the density does not reach the level. The density
        is interpolated to twice the points, which is exact for the waves that the grid holds.
    """
    from skimage.measure import marching_cubes

    fine = resample(density, [_FINER * n for n in density.shape])
    # From half a voxel before the first point to half a voxel behind the last, as napari's boxes.
    fine = np.pad(fine, ((1, 0),) * 3, mode="wrap")
    if not fine.min() < level < fine.max():
        return None
    outside = level - 1e3 * max(abs(level), float(fine.max()) - level)
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        np.pad(fine, 1, constant_values=outside), level
    )
    places = (vertices - 2) / _FINER @ grid.voxel_vectors
    return places.astype(np.float32), faces.astype(np.int32)
