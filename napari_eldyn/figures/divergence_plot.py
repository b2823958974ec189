"""Jensen-Shannon divergence against time, with the levels that give it meaning."""

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

from napari_eldyn.figures.live_plot import FRAME_WIDTH, MEAN_WIDTH, FloatArray
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import MOST_POINTS, TimePlot, frame_band, thinned
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.rollout_history import JSD_PER_SJSD

__all__ = ["DIVERGENCE_LABELS", "LEVEL_LABELS", "Divergence", "DivergencePlot", "Level"]

Divergence = Literal["sjsd", "jsd"]
Level = Literal["noise", "persistence", "mean_field"]

#: How each divergence is written, with its unit; the scaled one has none.
DIVERGENCE_LABELS: dict[Divergence, str] = {"sjsd": "sJSD", "jsd": "JSD (nats)"}

#: What each reference level is, in words short enough to stand in a plot.
LEVEL_LABELS: dict[Level, str] = {
    "noise": "half against half (noise)",
    "persistence": "persistence",
    "mean_field": "trajectory mean",
}

_NOTHING = 1e-12  # below every range of the axis
_LABEL_ROOM = 0.095  # height of a label, as a fraction of the axes


class DivergencePlot(TimePlot):
    """sJSD or JSD of the value distribution against the reference, on a logarithmic axis.

    The thick line is that of the mean distribution of all frames so far, the thin one that of
    each frame. A perfect emulator brings the thin line into the shaded band, where single frames
    of the reference lie, and the thick one down to the dotted line, the reference's own sampling
    noise (one half against the other). Broken lines are what naive predictions get.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    divergence : {"sjsd", "jsd"}
        Scaled with the constant Z = ½ ln 2 (eq. S14), or in nats.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        *,
        divergence: Divergence = "sjsd",
        live: bool = False,
    ) -> None:
        super().__init__(axes, palette, live=live)
        self.label = DIVERGENCE_LABELS[divergence]
        self.scale = 1.0 if divergence == "sjsd" else JSD_PER_SJSD
        """What an sJSD is multiplied by."""
        axes.set_ylim(1e-3, 1.0)
        axes.set_yscale("log")
        self._values: tuple[float, float] = (1e-3, 1.0)
        self._levels: dict[Level, float] = {}
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
        self._frame, self._running = self._add_changing(frame), self._add_changing(running)
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(DIVERGENCE_LABELS[divergence])
        self.set_levels({})

    def set_reference_levels(self, levels: ReferenceLevels) -> None:
        """Show the levels of a reference, and the range of its single frames."""
        low, high = frame_band(levels.frame_sjsd)
        self.set_levels(
            {
                "noise": self.scale * levels.noise.sjsd,
                "persistence": self.scale * levels.persistence.sjsd,
                "mean_field": self.scale * levels.mean_field.sjsd,
            },
            (self.scale * low, self.scale * high),
        )

    def set_levels(
        self, levels: Mapping[Level, float], frame_band: tuple[float, float] | None = None
    ) -> None:
        """Show reference levels.

        Parameters
        ----------
        levels : mapping
            Divergences of the named levels; those left out or not positive are not drawn.
        frame_band : tuple of float, optional
            Range of the divergence of single reference frames.
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

    def set_history(self, times: ArrayLike, frames: ArrayLike, running: ArrayLike) -> None:
        """Show the divergence of all frames so far.

        Parameters
        ----------
        times : array_like, shape (n,)
            Rising times in fs.
        frames : array_like, shape (n,)
            Divergence of each frame.
        running : array_like, shape (n,)
            That of the mean distribution of all frames up to each.
        """
        t = np.asarray(times, dtype=np.float64)
        each, mean = np.asarray(frames, dtype=np.float64), np.asarray(running, dtype=np.float64)
        self._frame.set_data(*thinned(t, each))
        self._running.set_data(*thinned(t, mean))
        # A few frames may still be isolated points: mark them.
        self._frame.set_marker("." if len(t) < 3 else "None")
        if len(t):
            self._fit_times(t)
            self._fit(np.concatenate([each[-MOST_POINTS:], mean[-MOST_POINTS:]]))

    def _fit(self, values: FloatArray) -> None:
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
