"""The viewer made ready for a movie, and pictures of its moments."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.camera_path import (
    CameraPath,
    aim,
    camera_path,
    look,
    vertical_axis,
)
from napari_eldyn.export.canvas import Grab, is_whole, volume_canvas
from napari_eldyn.export.composition import ColourScale, Composition, FrameTexts, PanelName
from napari_eldyn.export.frame_layout import lay_out
from napari_eldyn.export.movie_settings import CameraKey, MovieSettings
from napari_eldyn.export.movie_source import MovieSource
from napari_eldyn.export.slicing import describe_slice, slice_volumes
from napari_eldyn.export.timeline import Moment
from napari_eldyn.export.view_state import kept_view
from napari_eldyn.figures.style import Palette, palette_on
from napari_eldyn.viewer._compat import is_shown
from napari_eldyn.viewer.layers import shows_density

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Studio", "open_studio"]

_DARK, _LIGHT = ("#000000", "#f0f1f2"), ("#ffffff", "#1a1a1a")
_UNIT = "e/Å³"
_ANGLES = 24  # at which a turntable is checked for a cell that would be cut


class Studio(ABC):
    """Takes pictures of moments.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    source : MovieSource
        What the movie is of.
    settings : MovieSettings
        What the movie is made with.
    """

    def __init__(self, viewer: Viewer, source: MovieSource, settings: MovieSettings) -> None:
        self.viewer, self.source, self.settings = viewer, source, settings

    def go_to(self, moment: Moment, *, again: bool = False) -> None:
        """Bring viewer and plots to a moment.

        Parameters
        ----------
        moment : Moment
            Step and progress.
        again : bool
            Whether the volumes of this step have come in since the last time.
        """
        viewer = self.viewer
        if not is_shown(viewer):
            raise EldynError("the window was closed before the movie was finished")
        viewer.dims.set_point(viewer.dims.ndim - 4, self.source.point(moment.step))
        if again:
            for layer in viewer.layers:
                if layer.visible:
                    layer.refresh(thumbnail=False, highlight=False, extent=False)

    @abstractmethod
    def picture(self, moment: Moment) -> NDArray[np.uint8]:
        """Return the frame of a moment, (height, width, 3), 8-bit RGB, after `go_to`."""


class _CompositionStudio(Studio):
    """Volumes and plots in one frame."""

    def __init__(
        self, viewer: Viewer, source: MovieSource, settings: MovieSettings, grab: Grab,
        palette: Palette, composition: Composition, path: CameraPath | None,
    ) -> None:  # fmt: skip
        super().__init__(viewer, source, settings)
        self._grab, self._palette, self._composition = grab, palette, composition
        self._path = path
        camera = viewer.scene.camera
        self._view = tuple(camera.view_direction)
        self._flat = (camera.center, camera.zoom)

    def picture(self, moment: Moment) -> NDArray[np.uint8]:
        """Compose the frame."""
        viewer, settings = self.viewer, self.settings
        if self._path is not None:
            aim(viewer, self._path(moment.progress))
        else:
            viewer.scene.camera.center, viewer.scene.camera.zoom = self._flat
        if settings.slices != "none":
            slice_volumes(viewer, _volumes(viewer), settings, moment.progress, self._view)
        self.source.show(self._composition.plots, moment.step)
        place = self._composition.layout.volumes
        volumes = _fitted(self._grab(), (place.width, place.height))
        notes = [self.source.notes(moment.step)]
        if settings.slices != "none":
            notes.append(describe_slice(settings, self.source.cell, moment.progress))
        texts = FrameTexts(
            self.source.describe(moment.step) if settings.time else "",
            "   ".join(note for note in notes if note),
            self.source.warning(moment.step),
            self._pixels_per_length(place.width) if settings.scale_bar else 0.0,
        )
        return self._composition.draw(volumes, texts)

    def _pixels_per_length(self, width: int) -> float:
        return float(self.viewer.scene.camera.zoom * width / self.viewer.canvas.size[1])


class _WindowStudio(Studio):
    """The whole window with its docks."""

    def __init__(self, viewer: Viewer, source: MovieSource, settings: MovieSettings) -> None:
        super().__init__(viewer, source, settings)
        self._path = _plan_camera(viewer, source, settings)
        self._view = tuple(viewer.scene.camera.view_direction)

    def picture(self, moment: Moment) -> NDArray[np.uint8]:
        """Take a picture of the window, its plots brought to the same step."""
        viewer, settings = self.viewer, self.settings
        if self._path is not None and settings.camera != "still":
            aim(viewer, self._path(moment.progress))
        if settings.slices != "none":
            slice_volumes(viewer, _volumes(viewer), settings, moment.progress, self._view)
        self.source.announce(moment.step)
        for widget in viewer.window.dock_widgets.values():
            draw_now = getattr(widget, "draw_now", None)  # plots otherwise follow a little later
            if draw_now is not None:
                draw_now()
        return _fitted(
            viewer.screenshot(canvas_only=False, flash=False), settings.size, is_window=True
        )


def open_studio(
    viewer: Viewer, source: MovieSource, settings: MovieSettings
) -> AbstractContextManager[Studio]:
    """Make a viewer ready for pictures of a movie; afterwards it is as it was.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer whose window is on a screen.
    source : MovieSource
        What the movie is of.
    settings : MovieSettings
        What the movie is made with.

    Raises
    ------
    EldynError
        If the size is impossible, plots cannot be shown, the view is not in 3D but camera or
        slices need that, or the window is not on a screen.
    """
    if not is_shown(viewer):
        raise EldynError(
            "a movie needs the napari window on a screen", remedy="Open the viewer with show=True."
        )
    if settings.looks_in_3d and viewer.dims.ndisplay != 3:
        raise EldynError(
            "turntable, camera key frames and slices need the 3D view",
            remedy="Switch to 3D, or choose a still camera and no slices.",
        )
    if settings.shown_plots and source.why_no_plots:
        raise EldynError(
            f"the plots cannot be shown: {source.why_no_plots}",
            remedy="Choose the layout without plots.",
        )
    studio = _window_studio if settings.layout == "window" else _composition_studio
    return studio(viewer, source, settings)


@contextmanager
def _composition_studio(
    viewer: Viewer, source: MovieSource, settings: MovieSettings
) -> Iterator[Studio]:
    palette = _palette(viewer, settings)
    with kept_view(viewer):
        scales = _colour_scales(viewer)
        n_panels = sum(layer.visible for layer in viewer.layers)
        has_names = viewer.canvas.grid.enabled and n_panels > 1
        layout = lay_out(settings, has_bars=bool(scales), has_names=has_names)
        place = layout.volumes
        size = (place.width, place.height)
        with volume_canvas(viewer, size, background=palette.background) as grab:
            grab()  # panels have their places from now on
            composition = Composition(
                layout,
                palette,
                title=settings.title,
                scales=scales if settings.colour_bar else (),
                panels=_panel_names(viewer, size) if has_names else (),
                with_names=settings.names,
                plots=settings.shown_plots,
                build=source.build,
            )
            path = _plan_camera(viewer, source, settings)
            yield _CompositionStudio(viewer, source, settings, grab, palette, composition, path)


@contextmanager
def _window_studio(
    viewer: Viewer, source: MovieSource, settings: MovieSettings
) -> Iterator[Studio]:
    height, width = viewer.screenshot(canvas_only=False, flash=False).shape[:2]
    x, y, *before = viewer.window.geometry()
    scale = width / before[0]  # device pixels per logical pixel
    with kept_view(viewer):
        try:
            if settings.size != (width, height):
                _resize_window(viewer, settings.size, scale)
            yield _WindowStudio(viewer, source, settings)
        finally:
            if is_shown(viewer):
                viewer.window.set_geometry(x, y, *before)


def _resize_window(viewer: Viewer, size: tuple[int, int], scale: float) -> None:
    from qtpy.QtWidgets import QApplication

    viewer.window.resize(round(size[0] / scale), round(size[1] / scale))
    deadline = time.monotonic() + 1.0  # window managers resize when it suits them
    while True:
        QApplication.processEvents()
        height, width = viewer.screenshot(canvas_only=False, flash=False).shape[:2]
        if abs(width - size[0]) < 2 and abs(height - size[1]) < 2:
            return
        if time.monotonic() > deadline:
            raise EldynError(
                f"the window cannot be {size[0]}×{size[1]} pixels; it stayed {width}×{height}",
                remedy="Choose a larger size, or close docks.",
            )


def _plan_camera(viewer: Viewer, source: MovieSource, settings: MovieSettings) -> CameraPath | None:
    """Return the way of the camera; a cell that is whole at first is never cut on a turntable."""
    if viewer.dims.ndisplay != 3:
        return None
    start = look(viewer)
    axis = vertical_axis(source.cell, start.up)
    pivot = np.asarray(source.cell).sum(axis=0) / 2

    def way(key: CameraKey) -> CameraPath:
        return camera_path(settings, key, axis, pivot)

    if settings.camera == "turntable" and is_whole(viewer):
        for place in np.arange(_ANGLES) / _ANGLES / max(abs(settings.turns), 1e-6):
            aim(viewer, way(start)(float(place)))
            while not is_whole(viewer):
                start = start.model_copy(update={"field": 1.02 * start.field})
                aim(viewer, way(start)(float(place)))
        aim(viewer, start)
    return way(start)


def _palette(viewer: Viewer, settings: MovieSettings) -> Palette:
    if settings.theme == "window":
        background = tuple(viewer.canvas.background_color)[:3]
        theme = get_theme(viewer.theme)
        return palette_on(_hex(background), str(theme.text))
    return palette_on(*(_DARK if settings.theme == "dark" else _LIGHT))


def _hex(colour: Any) -> str:
    from matplotlib.colors import to_hex

    red, green, blue = (float(value) for value in colour)
    return str(to_hex((red, green, blue)))


def _volumes(viewer: Viewer) -> list[Any]:
    return [x for x in viewer.layers if x.visible and shows_density(x)]


def _colour_scales(viewer: Viewer) -> list[ColourScale]:
    """Give one colour bar for all layers with the same colours and limits."""
    groups: dict[Any, list[Any]] = {}
    for layer in _volumes(viewer):
        key = (layer.colormap.name, tuple(layer.contrast_limits), float(layer.gamma))
        groups.setdefault(key, []).append(layer)
    values = np.linspace(0, 1, 256)
    return [
        ColourScale(
            np.asarray(layers[0].colormap.map(values**gamma)),
            (float(low), float(high)),
            _UNIT,
            layers[-1].name if len(groups) > 1 and len(layers) == 1 else "",
        )
        for (_, (low, high), gamma), layers in groups.items()
    ]


def _panel_names(viewer: Viewer, size: tuple[int, int]) -> list[PanelName]:
    """Give the names of the panels, with their places."""
    grid, layers = viewer.canvas.grid, viewer.layers
    rows, columns = grid.actual_shape(layers)
    width, height = size[0] / columns, size[1] / rows
    names = []
    for (row, column), places in grid.iter_viewboxes(layers):
        shown = [layers[place].name for place in places if layers[place].visible]
        if shown:
            names.append(PanelName(", ".join(shown), column * width, row * height, width))
    return names


def _fitted(
    picture: NDArray[np.uint8], size: tuple[int, int], *, is_window: bool = False
) -> NDArray[np.uint8]:
    """RGB of exactly ``size``; fractional screen scales may give a pixel more or less."""
    width, height = size
    rgb = picture[:height, :width, :3]
    missing = (height - rgb.shape[0], width - rgb.shape[1])
    if max(missing) > 1 or max(picture.shape[0] - height, picture.shape[1] - width) > 1:
        what = "window" if is_window else "canvas"
        raise EldynError(
            f"the {what} changed its size while the movie was recorded",
            remedy="Record again and leave the window as it is.",
        )
    return np.pad(rgb, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
