"""The look of a rendered volume: camera and colours, and where they put points of the cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.figures.render_figure import cell_corners, project
from napari_eldyn.viewer._compat import short_side
from napari_eldyn.viewer.layers import contrast_limits
from napari_eldyn.viewer.presentation import PERSPECTIVE, UP, VIEW_DIRECTION

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = [
    "Look",
    "colours_of",
    "default_look",
    "fitted_scale",
    "look_of",
    "middle_of",
    "origin_of",
    "projection_of",
    "three",
]

FloatArray = NDArray[np.float64]

_FILLED = 0.96  # of a panel's side, by the cell if nobody has zoomed


@dataclass(frozen=True)
class Look:
    """Camera and colours of a rendered volume.

    Parameters
    ----------
    limits : tuple of float
        Densities in the first and last colour, electrons/Å³.
    colormap : Any
        As napari takes it, or colours from the first to the last, shape (n, 4).
    rendering : str
        napari's name of the projection.
    level : float
        Of the isosurface, electrons/Å³.
    gamma, attenuation : float
        As napari's layer has them.
    interpolation : str
        Between voxels.
    view, up : tuple of float
        Directions into and up the picture, in Å.
    perspective : float
        Opening of the camera, degrees.
    orientation : tuple of str, optional
        Of napari's axes; napari's default if not given.
    scale : float or None
        Sides of a panel that 1 Å fills at the camera's centre; None: the cell fills the panel.
    centre : tuple of float or None
        What the camera looks at, Å; None: the middle of the cell.
    """

    limits: tuple[float, float]
    level: float
    colormap: Any = "inferno"
    rendering: str = "mip"
    gamma: float = 1.0
    attenuation: float = 0.05
    interpolation: str = "linear"
    view: tuple[float, float, float] = VIEW_DIRECTION
    up: tuple[float, float, float] = UP
    perspective: float = PERSPECTIVE
    orientation: tuple[str, str, str] | None = None
    scale: float | None = None
    centre: tuple[float, float, float] | None = None


def default_look(density: NDArray[np.float32]) -> Look:
    """Return how a trajectory looks when it is opened, with the contrast of this frame."""
    low, high = contrast_limits(density)
    return Look(limits=(low, high), level=0.5 * (low + high))


def look_of(viewer: Viewer, layer: Image) -> Look:
    """Return the look of a density layer in a window, camera and all.

    In 2D the camera is that of a newly opened trajectory.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    layer : napari.layers.Image
        A density layer in it.
    """
    low, high = (float(value) for value in layer.contrast_limits)
    look = Look(
        limits=(low, high),
        level=float(layer.iso_threshold),
        colormap=layer.colormap,
        rendering=str(getattr(layer.rendering, "value", layer.rendering)),
        gamma=float(layer.gamma),
        attenuation=float(layer.attenuation),
        interpolation=str(getattr(layer.interpolation3d, "value", layer.interpolation3d)),
    )
    if viewer.dims.ndisplay != 3:
        return look
    camera = viewer.scene.camera
    depth, vertical, horizontal = (str(getattr(x, "value", x)) for x in camera.orientation)
    return replace(
        look,
        view=three(camera.view_direction),
        up=three(camera.up_direction),
        perspective=float(camera.perspective),
        orientation=(depth, vertical, horizontal),
        scale=float(camera.zoom) / short_side(viewer, viewer.canvas.size),
        centre=three(camera.center[-3:]),
    )


def three(vector: ArrayLike) -> tuple[float, float, float]:
    """Return a vector as a tuple."""
    x, y, z = (float(value) for value in np.asarray(vector))
    return x, y, z


def origin_of(grid: PeriodicGrid) -> FloatArray:
    """Return the corner of the cell's box, half a voxel before the first point, Å."""
    origin: FloatArray = -0.5 * grid.voxel_vectors.sum(axis=0)
    return origin


def middle_of(look: Look, grid: PeriodicGrid) -> tuple[float, ...]:
    """Return what the camera looks at, Å: the middle of the cell unless the look says more."""
    if look.centre is not None:
        return look.centre
    return three(origin_of(grid) + grid.cell.sum(axis=0) / 2)


def projection_of(
    look: Look, grid: PeriodicGrid, scale: float, pixels: int, right_handed: bool
) -> FloatArray:
    """Return what turns (x, y, z, 1) in Å into homogeneous pixels of a square picture.

    Parameters
    ----------
    look : Look
        Camera.
    grid : PeriodicGrid
        Gives the middle of the cell.
    scale : float
        Sides of the picture that 1 Å fills at the camera's centre.
    pixels : int
        Side of the picture.
    right_handed : bool
        Whether the camera's axes are.

    Returns
    -------
    numpy.ndarray, shape (4, 4)
        As in `RenderData`. The zoom holds at the camera's centre; a perspective of φ degrees
        stands 1/(2 scale tan φ/2) from it (vispy's turntable and arcball cameras).
    """
    view, up = (np.asarray(v) / np.linalg.norm(v) for v in (look.view, look.up))
    right = np.cross(view, up) if right_handed else np.cross(up, view)
    right /= np.linalg.norm(right)
    up = np.cross(right, view) if right_handed else np.cross(view, right)
    centre = np.array(middle_of(look, grid))
    rows = np.zeros((4, 4))
    rows[0, :3], rows[1, :3] = scale * right, -scale * up
    rows[2, :3] = view
    rows[3, 3] = 1.0
    rows[:3, 3] = -rows[:3, :3] @ centre
    if look.perspective > 0:
        distance = 1.0 / (2 * scale * np.tan(np.radians(look.perspective) / 2))
        rows[3] = rows[2] / distance
        rows[3, 3] += 1.0
    picture = np.diag([pixels, pixels, 1.0, 1.0])
    picture[:2, 3] = pixels / 2
    mapped: FloatArray = picture @ rows
    return mapped


def fitted_scale(look: Look, grid: PeriodicGrid, right_handed: bool) -> float:
    """Return the look's scale, or that at which the cell fills a panel."""
    if look.scale is not None:
        return look.scale
    corners = cell_corners(grid.cell, origin_of(grid))
    reach = float(np.linalg.norm(corners - np.array(middle_of(look, grid)), axis=1).max())

    def filled(scale: float) -> float:
        pixels = project(projection_of(look, grid, scale, 1, right_handed), corners)
        return float(2 * np.abs(pixels - 0.5).max())

    # With perspective what is near grows faster than the scale, until the camera is inside.
    low, high = 1e-3 / reach, 0.5 / reach
    while filled(high) < _FILLED and high < 2 / reach:
        high *= 1.1
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if filled(middle) < _FILLED else (low, middle)
    return low


def colours_of(colormap: Any) -> NDArray[np.float32]:
    """Return 256 colours of a colormap as napari draws them, shape (256, 4)."""
    from napari.utils.colormaps import ensure_colormap

    if isinstance(colormap, np.ndarray):
        return colormap.astype(np.float32)
    mapped = ensure_colormap(colormap).map(np.linspace(0, 1, 256))
    return np.asarray(mapped, dtype=np.float32)
