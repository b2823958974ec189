"""Scaled Jensen-Shannon divergence against time, with the levels that give it meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike

from napari_eldyn.figures.live_plot import FRAME_WIDTH, MEAN_WIDTH, FloatArray, LivePlot
from napari_eldyn.figures.style import Palette

__all__ = ["LEVEL_LABELS", "DivergencePlot", "Level"]

Level = Literal["noise", "persistence", "mean_field"]

#: What each reference level is, in words short enough to stand in a plot.
LEVEL_LABELS: dict[Level, str] = {
    "noise": "half against half (noise)",
    "persistence": "persistence",
    "mean_field": "trajectory mean",
}

_MAX_POINTS = 600
_NOTHING = 1e-12  # below every range of the axis
_LABEL_ROOM = 0.095  # height of a label, as a fraction of the axes


class DivergencePlot(LivePlot):
    """sJSD of the value distribution against the reference, on a logarithmic axis.

    The thick line is the sJSD of the mean distribution of all frames so far, the thin one that of
    each frame. A perfect emulator brings the thin line into the shaded band, where single frames
    of the reference lie, and the thick one down to the dotted line, the reference's own sampling
    noise (one half against the other). Broken lines are what naive predictions get.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(self, axes: Axes, palette: Palette, *, live: bool = False) -> None:
        super().__init__(axes, palette, live=live)
        axes.set_ylim(1e-3, 1.0)
        axes.set_yscale("log")
        self._times: tuple[float, float] | None = None
        self._values: tuple[float, float] = (1e-3, 1.0)
        self._levels: dict[Level, float] = {}
        self._fixed_range = False
        self._band: Rectangle = axes.axhspan(
            _NOTHING, _NOTHING, color=palette.reference_fill, lw=0, zorder=0.5
        )
        self._band.set_label("single reference frames")
        self._band_label = axes.text(
            0.015,
            1.0,
            "single reference frames",
            color=palette.muted,
            transform=axes.get_yaxis_transform(),
            size="small",
            va="top",
            visible=False,
        )
        colours: dict[Level, str] = {
            "noise": palette.reference,
            "persistence": palette.persistence,
            "mean_field": palette.mean_field,
        }
        dashes: dict[Level, tuple[int, tuple[float, ...]]] = {
            "noise": (0, (1.2, 1.2)),
            "persistence": (0, (5, 2)),
            "mean_field": (0, (5, 1.5, 1.2, 1.5)),
        }
        self._lines: dict[Level, Line2D] = {}
        self._labels: dict[Level, Text] = {}
        for level, colour in colours.items():
            self._lines[level] = axes.axhline(_NOTHING, color=colour, ls=dashes[level], lw=0.9)
            self._labels[level] = axes.text(
                0.985,
                1.0,
                LEVEL_LABELS[level],
                color=colour,
                transform=axes.get_yaxis_transform(),
                size="small",
                ha="right",
                visible=False,
            )
        colour = palette.generated[0]
        (frame,) = axes.plot([], [], color=colour, lw=FRAME_WIDTH, label="each frame", zorder=3.5)
        (running,) = axes.plot([], [], color=colour, lw=MEAN_WIDTH, label="mean so far", zorder=4)
        self._cursor = self._add_changing(
            axes.axvline(0.0, color=palette.muted, lw=0.8, ls=(0, (2, 2)), zorder=3, visible=False)
        )
        self._frame, self._running = self._add_changing(frame), self._add_changing(running)
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(r"time $\tau$ (fs)")
        axes.set_ylabel("sJSD")
        self.set_levels({})

    def set_levels(
        self, levels: Mapping[Level, float], frame_band: tuple[float, float] | None = None
    ) -> None:
        """Show reference levels.

        Parameters
        ----------
        levels : mapping
            sJSD of the named levels; those left out or not positive are not drawn.
        frame_band : tuple of float, optional
            Range of the sJSD of single reference frames.
        """
        self._levels = {
            level: float(levels[level])
            for level in LEVEL_LABELS
            if level in levels and levels[level] > 0
        }
        low, high = frame_band or (_NOTHING, _NOTHING)
        self._band.set_y(low)
        self._band.set_height(high - low)
        self._band_label.set_visible(frame_band is not None)
        self._band_label.set_y(low)
        for level, line in self._lines.items():
            line.set_visible(level in self._levels)
            self._labels[level].set_visible(level in self._levels)
            if level in self._levels:
                line.set_ydata([self._levels[level]] * 2)
        known = [*self._levels.values(), *(v for v in frame_band or () if v > 0)] or [1e-3, 1.0]
        self._set_values(min(known) / 3, max(known) * 3)

    def set_time_range(self, start: float, stop: float) -> None:
        """Fix the time axis, for instance to the frames asked for; later frames widen it.

        Parameters
        ----------
        start, stop : float
            fs.
        """
        self._times = (start, stop)
        self.axes.set_xlim(start, stop)
        self._redraw_needed = True

    def set_history(self, times: ArrayLike, frames: ArrayLike, running: ArrayLike) -> None:
        """Show sJSD of all frames so far.

        Parameters
        ----------
        times : array_like, shape (n,)
            Rising times in fs.
        frames : array_like, shape (n,)
            sJSD of each frame.
        running : array_like, shape (n,)
            sJSD of the mean distribution of all frames up to each.
        """
        t = np.asarray(times, dtype=np.float64)
        each, mean = np.asarray(frames, dtype=np.float64), np.asarray(running, dtype=np.float64)
        self._frame.set_data(*_thinned(t, each))
        self._running.set_data(*_thinned(t, mean))
        # A few frames may still be isolated points: mark them.
        self._frame.set_marker("." if len(t) < 3 else "None")
        if len(t):
            self._fit(t, np.concatenate([each[-_MAX_POINTS:], mean[-_MAX_POINTS:]]))

    def set_cursor(self, time: float | None) -> None:
        """Mark the time of the frame being looked at (fs), or none."""
        self._cursor.set_visible(time is not None)
        if time is not None:
            self._cursor.set_xdata([time, time])

    def _fit(self, times: FloatArray, values: FloatArray) -> None:
        first, last = float(times[0]), float(times[-1])
        if self._times is None:
            step = float(times[1] - times[0]) if len(times) > 1 else 1.0
            self.set_time_range(first - step, max(last, first + 10 * step))
        elif last > self._times[1] or first < self._times[0]:
            start = min(first, self._times[0])
            span = max(1.5 * (self._times[1] - start), 1.1 * (last - start))
            self.set_time_range(start, start + span)
        positive = values[values > 0]
        if positive.size:
            low, high = float(positive.min()), float(positive.max())
            if low < self._values[0] or high > self._values[1]:
                self._set_values(min(low / 2, self._values[0]), max(high * 2, self._values[1]))

    def _set_values(self, low: float, high: float) -> None:
        self._values = (low, high)
        self.axes.set_ylim(low, high)
        self._place_labels()
        self._redraw_needed = True

    def _place_labels(self) -> None:
        """Put each label above its line, or below where the next line leaves no room."""
        low, high = np.log10(self._values)
        place = {
            level: (np.log10(value) - low) / (high - low) for level, value in self._levels.items()
        }
        for level, height in place.items():
            above = min([p - height for p in place.values() if p > height], default=1 - height)
            below = min([height - p for p in place.values() if p < height], default=height)
            label = self._labels[level]
            under = above < _LABEL_ROOM and below > above
            label.set_verticalalignment("top" if under else "bottom")
            label.set_y(self._levels[level] * 10 ** ((-0.012 if under else 0.012) * (high - low)))


def _thinned(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most a few hundred points that keep every peak: extremes of equal stretches."""
    n = len(times)
    if n <= _MAX_POINTS:
        return times, values
    stretch = -(-2 * n // _MAX_POINTS)
    starts = np.arange(0, n, stretch)
    low = np.minimum.reduceat(values, starts)
    high = np.maximum.reduceat(values, starts)
    return np.repeat(times[starts], 2), np.stack([low, high], axis=1).ravel()
