"""One frame of a movie: volumes, plots, title, time, scale bar and colour bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_eldyn.export.frame_layout import Box, FrameLayout
from napari_eldyn.figures import style
from napari_eldyn.figures.rollout_plots import PLOT_TITLES
from napari_eldyn.figures.style import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_eldyn.figures.rollout_plots import RolloutPlot

__all__ = ["ColourScale", "Composition", "FrameTexts", "PanelName", "scale_length"]

# In points.
_FONT, _TITLE_FONT, _TIME_FONT, _NOTE_FONT = 8.0, 11.0, 10.0, 7.5
_PLOT_MARGINS = (43.0, 7.0, 29.0, 17.0)  # left, right, bottom, top with the plot's title
_FULL_FONT_WIDTH = 215.0  # narrower plots get smaller fonts
_BAR_WIDTH, _BAR_HEIGHT, _BAR_GAP = 9.0, 150.0, 16.0


@dataclass(frozen=True, eq=False)
class ColourScale:
    """A colour bar.

    Parameters
    ----------
    colours : ndarray, shape (n, 4)
        From the lowest to the highest value, RGBA from 0 to 1.
    limits : tuple of float
        The values at the ends.
    unit : str
        Of the values.
    name : str
        Which panels it belongs to; empty if it belongs to all.
    """

    colours: NDArray[np.floating]
    limits: tuple[float, float]
    unit: str
    name: str = ""


@dataclass(frozen=True)
class PanelName:
    """Name of a panel, and its place: left edge, top and width in pixels of the canvas."""

    text: str
    left: float
    top: float
    width: float


@dataclass(frozen=True)
class FrameTexts:
    """What changes from frame to frame.

    Parameters
    ----------
    time : str
        Time of the frame.
    notes : str
        Remarks, such as numbers or where a plane is.
    warning : str
        What must not be overlooked.
    pixels_per_length : float
        Scale of the volumes [pixels/Å]; 0 for none.
    """

    time: str = ""
    notes: str = ""
    warning: str = ""
    pixels_per_length: float = 0.0


class Composition:
    """Draws frames; what stays is drawn once.

    Parameters
    ----------
    layout : FrameLayout
        Places.
    palette : Palette
        Colours.
    title : str
        Above everything.
    scales : sequence of ColourScale
        Colour bars.
    panels : sequence of PanelName
        The panels, if there are several.
    with_names : bool
        Whether to write their names.
    plots : sequence of str
        Names of the plots.
    build : callable
        ``build(name, axes, palette)`` makes a live plot.
    """

    def __init__(
        self,
        layout: FrameLayout,
        palette: Palette,
        *,
        title: str = "",
        scales: Sequence[ColourScale] = (),
        panels: Sequence[PanelName] = (),
        with_names: bool = True,
        plots: Sequence[str] = (),
        build: Callable[[str, Axes, Palette], RolloutPlot] | None = None,
    ) -> None:
        self.layout = layout
        self.palette = palette
        width, height = layout.size
        dpi = 72.0 * layout.point
        self.figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
        self._canvas = FigureCanvasAgg(self.figure)
        self.plots: dict[str, RolloutPlot] = {}
        self._background: NDArray[np.uint8] | None = None
        self._panels = tuple(panels)
        with style.context(palette, size=_FONT):
            self.figure.set_facecolor(palette.background)
            if layout.title is not None:
                self._write_title(title, layout.title)
            if layout.bars is not None:
                self._add_bars(scales, layout.bars)
            for name, box in zip(plots, layout.plots, strict=True):
                assert build is not None
                self._add_plot(name, box, build)
            self._names = [self._write_name(panel) for panel in panels if with_names]
            self._add_footer()

    # -- drawing ------------------------------------------------------------------------------

    def draw(self, volumes: NDArray[np.uint8], texts: FrameTexts) -> NDArray[np.uint8]:
        """Return a frame.

        Parameters
        ----------
        volumes : ndarray, (height, width, 3 or 4) uint8
            Picture of the canvas, of exactly the size of its place.
        texts : FrameTexts
            Time, remarks and scale.

        Returns
        -------
        ndarray, (height, width, 3) uint8
        """
        place = self.layout.volumes
        if volumes.shape[:2] != (place.height, place.width):
            raise ValueError(f"volumes of {volumes.shape} for a place of {place}")
        changing = self._change_texts(texts)
        pixels = self._pixels()
        if self._background is None or any(plot.redraw_needed for plot in self.plots.values()):
            with style.context(self.palette, size=_FONT):
                self._canvas.draw()  # type: ignore[no-untyped-call]
            pixels = self._pixels()
            self._background = pixels.copy()
            for plot in self.plots.values():
                plot.mark_drawn()
        else:
            pixels[:] = self._background
        rows, columns = slice(place.top, place.bottom), slice(place.left, place.right)
        pixels[rows, columns, :3] = volumes[..., :3]
        pixels[rows, columns, 3] = 255
        self._part_panels(pixels[rows, columns])
        with style.context(self.palette, size=_FONT):
            for plot in self.plots.values():
                plot.draw_changing()
            for artist in (*self._names, *changing):
                self.figure.draw_artist(artist)
        return np.ascontiguousarray(pixels[..., :3])

    def _part_panels(self, picture: NDArray[np.uint8]) -> None:
        """Leave a thin gap between panels: volumes that fill theirs would run into each other."""
        half = max(1, round(0.6 * self.layout.point))
        colour = [round(255 * value) for value in to_rgba(self.palette.background)]
        for name in self._panels:
            for edge, axis in ((name.top, 0), (name.left, 1)):
                if edge > 0:
                    gap = slice(round(edge) - half, round(edge) + half)
                    picture[(gap, slice(None)) if axis == 0 else (slice(None), gap)] = colour

    def _renderer(self) -> RendererAgg:
        renderer: RendererAgg = self._canvas.get_renderer()  # type: ignore[no-untyped-call]
        return renderer

    def _pixels(self) -> NDArray[np.uint8]:
        """Give the picture under construction, to be written into."""
        return np.asarray(self._renderer().buffer_rgba())  # type: ignore[no-untyped-call]

    def _change_texts(self, texts: FrameTexts) -> list[Text | Line2D]:
        artists: list[Text | Line2D] = []
        if self._time is not None and texts.time:
            self._time.set_text(texts.time)
            artists.append(self._time)
        room = self.layout.notes.width * (0.5 if texts.notes and texts.warning else 1.0)
        for artist, text in ((self._notes, texts.notes), (self._warning, texts.warning)):
            if text:
                artist.set_text(text)
                self._shorten(artist, room)
                artists.append(artist)
        if self._scale is not None and texts.pixels_per_length > 0:
            artists += self._set_scale(texts.pixels_per_length)
        return artists

    def _set_scale(self, pixels_per_length: float) -> list[Text | Line2D]:
        assert self._scale is not None
        assert self.layout.footer is not None
        bar, label = self._scale
        length = scale_length(0.3 * self.layout.footer.width / pixels_per_length)
        x, y = self._scale_start
        bar.set_data([x, x + length * pixels_per_length / self.layout.size[0]], [y, y])
        label.set_text(f"{length:g} Å")
        label.set_x(
            (x * self.layout.size[0] + length * pixels_per_length + 5 * self.layout.point)
            / self.layout.size[0]
        )
        return [bar, label]

    # -- what stays ---------------------------------------------------------------------------

    def _write_title(self, title: str, box: Box) -> None:
        x, y = self._fraction(box.left, (box.top + box.bottom) / 2)
        text = self.figure.text(x, y, title, size=_TITLE_FONT, weight="bold", va="center_baseline")
        for size in (10.0, 9.0, 8.0):
            if self._width(text) <= box.width:
                break
            text.set_fontsize(size)
        self._shorten(text, box.width)

    def _write_name(self, name: PanelName) -> Text:
        """Write a name above the first row of panels, or into a corner of a panel below."""
        place, point = self.layout.volumes, self.layout.point
        above = name.top == 0
        y = place.top - 3 * point if above else place.top + name.top + 5 * point
        text = self.figure.text(
            *self._fraction(place.left + name.left + 4 * point, y),
            name.text,
            size=9.0,
            va="baseline" if above else "top",
            animated=True,
            path_effects=[withStroke(linewidth=2.0, foreground=self.palette.background)],
        )
        self._shorten(text, name.width - 8 * point)
        return text

    def _add_bars(self, scales: Sequence[ColourScale], box: Box) -> None:
        """Stack colour bars from the top, each with its unit and the panels it belongs to."""
        point = self.layout.point
        n = max(1, len(scales))
        head = (11.0 + (9.0 if any(scale.name for scale in scales) else 0.0)) * point
        each = min(box.height / n - head - _BAR_GAP * point, _BAR_HEIGHT * point)
        top = float(box.top)
        for scale in scales:
            for line, (text, size) in enumerate(((scale.name, 7.0), (scale.unit, _FONT))):
                if text:
                    from_bar = head if line == 0 else 11.0 * point
                    x, y = self._fraction(box.left, top + head - from_bar)
                    label = self.figure.text(x, y, text, size=size, va="top")
                    self._shorten(label, box.width)
            self._add_bar(scale, box.left, top + head + 2 * point, each)
            top += head + each + _BAR_GAP * point

    def _add_bar(self, scale: ColourScale, left: float, top: float, height: float) -> None:
        x, y = self._fraction(left, top + height)
        width = _BAR_WIDTH * self.layout.point / self.layout.size[0]
        axes = self.figure.add_axes((x, y, width, height / self.layout.size[1]))
        axes.imshow(
            np.asarray(scale.colours)[::-1, None, :],
            aspect="auto",
            extent=(0, 1, *scale.limits),
            interpolation="nearest",
        )
        axes.set_xticks([])
        axes.yaxis.tick_right()
        axes.tick_params(axis="y", which="both", length=2, direction="out", left=False)
        axes.yaxis.set_major_locator(MaxNLocator(max(2, int(height / self.layout.point / 22))))
        axes.minorticks_off()

    def _add_plot(
        self, name: str, box: Box, build: Callable[[str, Axes, Palette], RolloutPlot]
    ) -> None:
        point = self.layout.point
        left, right, below, above = (margin * point for margin in _PLOT_MARGINS)
        inner = box.width - left - right
        font = _FONT * float(np.clip(inner / point / _FULL_FONT_WIDTH, 0.65, 1.0))
        x0, y0 = self._fraction(box.left + left, box.bottom - below)
        x1, y1 = self._fraction(box.right - right, box.top + above)
        with style.context(self.palette, size=font):
            axes = self.figure.add_axes((x0, y0, x1 - x0, y1 - y0))
            plot = build(name, axes, self.palette)
            plot.set_box((x0, y0, x1 - x0, y1 - y0))
        label_x, label_y = self._fraction(box.left + left, box.top + 1 * point)
        label = self.figure.text(label_x, label_y, PLOT_TITLES[name], size=font + 0.5, va="top")
        self._shorten(label, inner)
        self.plots[name] = plot

    def _add_footer(self) -> None:
        layout, point = self.layout, self.layout.point
        self._time: Text | None = None
        self._scale: tuple[Line2D, Text] | None = None
        self._notes, self._warning = (
            self.figure.text(
                *self._fraction(edge, layout.notes.bottom), "", size=_NOTE_FONT, ha=side,
                va="bottom", color=colour, animated=True,
            )
            for edge, side, colour in (
                (layout.notes.right, "right", self.palette.muted),
                (layout.notes.left, "left", self.palette.warning),
            )
        )  # fmt: skip
        box = layout.footer
        if box is None:
            return
        x, y = self._fraction(box.right, (box.top + box.bottom) / 2)
        self._time = self.figure.text(
            x, y, "", size=_TIME_FONT, ha="right", va="center_baseline", animated=True
        )
        self._scale_start = self._fraction(box.left + point, (box.top + box.bottom) / 2)
        bar = Line2D(
            [], [], color=self.palette.text, lw=2.2, solid_capstyle="butt", animated=True,
            transform=self.figure.transFigure,
        )  # fmt: skip
        self.figure.add_artist(bar)
        label = self.figure.text(
            *self._scale_start, "", size=_TIME_FONT - 1, va="center_baseline", animated=True
        )
        self._scale = bar, label

    # -- measuring ----------------------------------------------------------------------------

    def _fraction(self, x: float, y: float) -> tuple[float, float]:
        """Turn pixels from the top left into fractions of the figure from the bottom left."""
        width, height = self.layout.size
        return x / width, 1.0 - y / height

    def _width(self, text: Text) -> float:
        return float(text.get_window_extent(self._renderer()).width)

    def _shorten(self, text: Text, width: float) -> None:
        """Leave out the end of a text that is wider than its place."""
        whole = text.get_text()
        kept = len(whole)
        while kept > 1 and self._width(text) > width:
            kept -= 1
            text.set_text(whole[:kept].rstrip() + "…")


def scale_length(longest: float) -> float:
    """Return the longest of 1, 2, 5, 10, … (and 0.5, 0.2, …) that is not longer than this."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(power * max(step for step in (1.0, 2.0, 5.0) if step * power <= longest * 1.0001))
