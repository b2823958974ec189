"""Pictures of volumes for figures: drawn by napari's canvas, in a window that is not shown."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.density.grid import PeriodicGrid, resample
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.evaluation.figure_data import frame_at
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.canvas import render_uncovered, volume_canvas
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.render_figure import (
    RenderData,
    RenderOptions,
    cell_corners,
    panel_inches,
    project,
)
from napari_eldyn.figures.style import DARK
from napari_eldyn.viewer._compat import hidden_window, short_side
from napari_eldyn.viewer.layers import contrast_limits, layer_keywords
from napari_eldyn.viewer.presentation import PERSPECTIVE, UP, VIEW_DIRECTION

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["Look", "Studio", "default_look", "look_of", "open_studio", "render_panels"]

Clocks = Mapping[str, tuple[DensityTrajectory, float]]
Rendering = Literal["isosurface", "volume"]
FloatArray = NDArray[np.float64]
T = TypeVar("T")

_FILLED = 0.96  # of a panel's side, by the cell if nobody has zoomed
_FINER = 2  # points of an isosurface per grid point, by Fourier interpolation
# Shading darkens them: the light colours of the dark theme, on any paper.
_SURFACES = ("#c3cad6", *DARK.generated)
_QUANTITY = r"density $\rho$ (electrons/Å³)"


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
        view=_three(camera.view_direction),
        up=_three(camera.up_direction),
        perspective=float(camera.perspective),
        orientation=(depth, vertical, horizontal),
        scale=float(camera.zoom) / short_side(viewer, viewer.canvas.size),
        centre=_three(camera.center[-3:]),
    )


def _three(vector: ArrayLike) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in np.asarray(vector))
    return x, y, z


class Studio:
    """A napari window of its own that is never shown, and draws one volume at a time.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty viewer whose window draws.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._canvas = ExitStack()
        self._pixels = 0

    def picture(
        self,
        density: NDArray[np.float32],
        grid: PeriodicGrid,
        look: Look,
        rendering: Rendering,
        pixels: int,
        colour: str | None = None,
    ) -> NDArray[np.uint8]:
        """Draw a density, what it does not cover being transparent.

        Parameters
        ----------
        density : numpy.ndarray, shape (nx, ny, nz)
            Electrons/Å³.
        grid : PeriodicGrid
            Of the density.
        look : Look
            Camera and colours; without a scale, the cell fills the picture.
        rendering : {"isosurface", "volume"}
            A smooth surface at the level, or the layer's projection.
        pixels : int
            Side of the picture.
        colour : str, optional
            Of an isosurface; by default that of its level.

        Returns
        -------
        numpy.ndarray, shape (pixels, pixels, 4)
            8-bit RGBA.

        Raises
        ------
        EldynError
            If OpenGL cannot draw that many pixels.
        """
        viewer = self._viewer
        if rendering == "volume":
            self._show_volume(density, grid, look)
        elif not self._show_surface(density, grid, look, colour):
            return np.zeros((pixels, pixels, 4), np.uint8)
        viewer.dims.ndisplay = 3
        if pixels == self._pixels:
            picture = self._taken(look, grid)
            if picture.shape[:2] == (pixels, pixels):
                return picture
        self.close()  # another size, or the window's layout took the size back
        self._canvas.enter_context(volume_canvas(viewer, (pixels, pixels), boxes=False))()
        self._pixels = pixels
        return self._taken(look, grid)

    def _taken(self, look: Look, grid: PeriodicGrid) -> NDArray[np.uint8]:
        viewer = self._viewer
        camera = viewer.scene.camera
        if look.orientation is not None:
            camera.orientation = look.orientation
        camera.perspective = look.perspective
        camera.set_view_direction(look.view, look.up)
        camera.center = _middle(look, grid)
        scale = fitted_scale(look, grid, self.right_handed)
        camera.zoom = scale * short_side(viewer, viewer.canvas.size)
        return render_uncovered(viewer)

    @property
    def right_handed(self) -> bool:
        """Whether the camera's axes are right-handed."""
        return bool(self._viewer.scene.camera.handedness == "right")

    def close(self) -> None:
        """Give the canvas its own size back."""
        self._canvas.close()
        self._canvas, self._pixels = ExitStack(), 0

    def _show_volume(self, density: NDArray[np.float32], grid: PeriodicGrid, look: Look) -> None:
        viewer = self._viewer
        keywords = layer_keywords(grid, 0.0, 1.0, look.limits)
        for name in ("scale", "translate", "units", "axis_labels"):
            keywords[name] = keywords[name][1:]
        if "affine" in keywords:
            keywords["affine"] = keywords["affine"][1:, 1:]
        keywords |= {
            "colormap": _colormap(look),
            "rendering": look.rendering,
            "gamma": look.gamma,
            "attenuation": look.attenuation,
            "interpolation3d": look.interpolation,
            "iso_threshold": look.level,
        }
        viewer.layers.clear()
        viewer.add_image(density, **keywords)

    def _show_surface(
        self, density: NDArray[np.float32], grid: PeriodicGrid, look: Look, colour: str | None
    ) -> bool:
        """Show the isosurface; returns whether there is one."""
        surface = isosurface(density, grid, look.level)
        viewer = self._viewer
        viewer.layers.clear()
        if surface is None:
            return False
        vertices, faces = surface
        values = np.full(len(vertices), look.level, np.float32)
        viewer.add_surface(
            (vertices, faces, values),
            colormap=_colormap(look) if colour is None else [colour, colour],
            contrast_limits=look.limits,
            gamma=look.gamma,
            shading="smooth",
            units=("angstrom",) * 3,
        )
        return True


@contextmanager
def open_studio() -> Iterator[Studio]:
    """Open a window that is never shown, for as long as pictures are drawn.

    Call this on the GUI thread, or in a process without a window; a screen is needed.
    """
    with hidden_window() as viewer:
        studio = Studio(viewer)
        try:
            yield studio
        finally:
            studio.close()


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


# -- where things lie -----------------------------------------------------------------------------


def _origin(grid: PeriodicGrid) -> FloatArray:
    origin: FloatArray = -0.5 * grid.voxel_vectors.sum(axis=0)
    return origin


def _middle(look: Look, grid: PeriodicGrid) -> tuple[float, ...]:
    if look.centre is not None:
        return look.centre
    return _three(_origin(grid) + grid.cell.sum(axis=0) / 2)


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
    centre = np.array(_middle(look, grid))
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
    corners = cell_corners(grid.cell, _origin(grid))
    reach = float(np.linalg.norm(corners - np.array(_middle(look, grid)), axis=1).max())

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


# -- whole figures --------------------------------------------------------------------------------


def render_panels(
    studio: Studio,
    rendering: Rendering,
    clocks: Clocks,
    times: Sequence[float],
    look: Look,
    style: FigureStyle,
    options: RenderOptions,
) -> Generator[tuple[int, int], None, RenderData]:
    """Draw each trajectory at each time, one picture at every step of the iteration.

    Parameters
    ----------
    studio : Studio
        From `open_studio`.
    rendering : {"isosurface", "volume"}
        How.
    clocks : mapping of str to (DensityTrajectory, float)
        Trajectories and the time of their start [fs], by name: the rows.
    times : sequence of float
        Since the start, fs: the columns.
    look : Look
        Camera and colours of all.
    style : FigureStyle
        Pictures have its size in the figure times its dots per inch.
    options : RenderOptions
        What is written; takes room.

    Yields
    ------
    tuple of int
        Pictures drawn, and how many there will be.

    Returns
    -------
    RenderData
        All pictures.

    Raises
    ------
    EldynError
        If cells differ, there is no frame at a time, a frame is not finite, or the isosurface
        has a level that no frame reaches.
    """
    first = next(iter(clocks.values()))[0]
    for name, (trajectory, _) in clocks.items():
        if not np.allclose(trajectory.grid.cell, first.grid.cell, atol=1e-3):
            raise EldynError(f"“{name}” lies in another cell than the rest", path=trajectory.path)
    names, leads = tuple(clocks), tuple(float(time) for time in times)
    grid = first.grid
    is_surface = rendering == "isosurface"
    side, _ = panel_inches(style, names, leads, options, with_bar=not is_surface)
    pixels = max(16, round(side * style.dpi))
    rows: list[tuple[NDArray[np.uint8] | None, ...]] = []
    highest = -np.inf
    colours = _SURFACES if "reference" in clocks else _SURFACES[1:]
    for i, (trajectory, start) in enumerate(clocks.values()):
        row: list[NDArray[np.uint8] | None] = []
        for j, lead in enumerate(leads):
            index = frame_at(trajectory, start + lead)
            if index is None:
                row.append(None)
            else:
                density = trajectory[index]
                check_frame(density, trajectory.path, index)
                highest = max(highest, float(density.max()))
                colour = colours[i % len(colours)] if is_surface else None
                row.append(
                    studio.picture(density, trajectory.grid, look, rendering, pixels, colour)
                )
            yield i * len(leads) + j + 1, len(names) * len(leads)
        rows.append(tuple(row))
    for j, lead in enumerate(leads):
        if all(row[j] is None for row in rows):
            raise EldynError(
                f"no trajectory has a frame {lead:g} fs after the start",
                remedy="Choose times at which there are frames.",
            )
    if is_surface and highest <= look.level:
        raise EldynError(
            f"no frame reaches the level {look.level:g} of the isosurface: the densities are at "
            f"most {highest:.3g} electrons/Å³",
            remedy="Choose a lower level.",
        )
    scale = fitted_scale(look, grid, studio.right_handed)
    view = np.asarray(look.view, dtype=np.float64)
    return RenderData(
        names=names,
        times=leads,
        pictures=tuple(rows),
        cell=tuple(_three(vector) for vector in grid.cell),
        origin=_three(_origin(grid)),
        projection=projection_of(look, grid, scale, pixels, studio.right_handed),
        view_direction=_three(view / np.linalg.norm(view)),
        rendering="iso" if is_surface else look.rendering,
        level=look.level if is_surface or look.rendering == "iso" else None,
        colours=colours_of(look.colormap),
        limits=look.limits,
        gamma=look.gamma,
        quantity=_QUANTITY,
    )


def _colormap(look: Look) -> Any:
    """Return the look's colours as napari takes them."""
    from napari.utils.colormaps import Colormap

    colours = look.colormap
    return Colormap(colours, name="figure") if isinstance(colours, np.ndarray) else colours


def colours_of(colormap: Any) -> NDArray[np.float32]:
    """Return 256 colours of a colormap as napari draws them, shape (256, 4)."""
    from napari.utils.colormaps import ensure_colormap

    if isinstance(colormap, np.ndarray):
        return colormap.astype(np.float32)
    mapped = ensure_colormap(colormap).map(np.linspace(0, 1, 256))
    return np.asarray(mapped, dtype=np.float32)


def finish(steps: Generator[tuple[int, int], None, T], report: Callable[[int, int], Any]) -> T:
    """Take all steps of `render_panels`, reporting each; return what comes at the end."""
    while True:
        try:
            report(*next(steps))
        except StopIteration as end:
            result: T = end.value
            return result
