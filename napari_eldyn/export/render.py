"""Pictures of volumes for figures: drawn by napari's canvas, in a window that is not shown."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.evaluation.figure_data import frame_at
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.canvas import render_uncovered, volume_canvas
from napari_eldyn.export.isosurface import isosurface
from napari_eldyn.export.look import (
    Look,
    colours_of,
    fitted_scale,
    middle_of,
    origin_of,
    projection_of,
    three,
)
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.render_figure import (
    RenderData,
    RenderOptions,
    panel_inches,
)
from napari_eldyn.figures.style import DARK
from napari_eldyn.viewer._compat import hidden_window, short_side
from napari_eldyn.viewer.layers import layer_keywords

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Clocks", "Rendering", "Studio", "finish", "open_studio", "render_panels"]

Clocks = Mapping[str, tuple[DensityTrajectory, float]]
Rendering = Literal["isosurface", "volume"]
T = TypeVar("T")

# Shading darkens them: the light colours of the dark theme, on any paper.
_SURFACES = ("#c3cad6", *DARK.generated)
_QUANTITY = r"density $\rho$ (electrons/Å³)"


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
        camera.center = middle_of(look, grid)
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
        cell=tuple(three(vector) for vector in grid.cell),
        origin=three(origin_of(grid)),
        projection=projection_of(look, grid, scale, pixels, studio.right_handed),
        view_direction=three(view / np.linalg.norm(view)),
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


def finish(steps: Generator[tuple[int, int], None, T], report: Callable[[int, int], Any]) -> T:
    """Take all steps of `render_panels`, reporting each; return what comes at the end."""
    while True:
        try:
            report(*next(steps))
        except StopIteration as end:
            result: T = end.value
            return result
