"""Where points of the cell lie in a picture of a panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["extent_corners", "project"]

FloatArray = NDArray[np.float64]


def project(viewer: Viewer, points: ArrayLike, panel: tuple[float, float]) -> FloatArray:
    """Project points as the viewer's camera sees them in 3D.

    Parameters
    ----------
    viewer : napari.Viewer
        In 3D.
    points : array_like, shape (n, 3)
        World coordinates [Å] in the order of the displayed dimensions.
    panel : tuple of float
        Width and height of the panel in pixels.

    Returns
    -------
    ndarray, shape (n, 2)
        Pixels from the panel's middle, to the right and down; nan behind the camera.

    Notes
    -----
    The camera's zoom holds at its centre. With a perspective of φ degrees it stands at a distance
    of h / (2 tan φ/2) from there, h being the height of the panel in Å (vispy's turntable and
    arcball cameras).
    """
    camera = viewer.scene.camera
    view, up = np.array(camera.view_direction), np.array(camera.up_direction)
    right = np.cross(view, up) if camera.handedness == "right" else np.cross(up, view)
    offset = np.asarray(points, dtype=np.float64) - np.array(camera.center)
    across = np.stack([offset @ right, -(offset @ up)], axis=-1)
    scale = np.ones(len(offset))
    if camera.perspective > 0:
        height = panel[1] / camera.zoom
        distance = height / (2 * np.tan(np.radians(camera.perspective) / 2))
        depth = distance + offset @ view
        scale = np.divide(distance, depth, out=np.full(len(offset), np.nan), where=depth > 0)
    return np.asarray(camera.zoom * across * scale[:, None])


def extent_corners(viewer: Viewer) -> FloatArray:
    """Corners of the box around all voxels in the displayed dimensions, shape (8, 3) [Å]."""
    extent, shown = viewer.layers.extent, list(viewer.dims.displayed)
    half = np.asarray(extent.step)[shown] / 2  # extents run from middle to middle of voxels
    low, high = extent.world[0][shown] - half, extent.world[1][shown] + half
    choice = np.array(np.meshgrid(*[[0, 1]] * len(low), indexing="ij")).reshape(len(low), -1).T
    return np.asarray(np.where(choice == 1, high, low), np.float64)
