"""A time axis that grows with a rollout, and lines that stay short however long it gets."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from napari_eldyn.figures.live_plot import FloatArray, LivePlot
from napari_eldyn.figures.style import Palette

__all__ = ["MOST_POINTS", "TimePlot", "frame_band", "nearest", "thinned"]

MOST_POINTS = 400
"""Points of a line at most."""

# Share of single reference frames outside of their band, on each side.
_BAND_TAIL = 0.05
# The mouse reads the frame nearest to it within this share of the axis.
_REACH = 0.03


class TimePlot(LivePlot):
    """Base of plots against time, with a mark at the frame being looked at.

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
        self._times: tuple[float, float] | None = None
        self._cursor = self._add_changing(
            axes.axvline(0.0, color=palette.muted, lw=0.8, ls=(0, (2, 2)), zorder=3, visible=False)
        )
        axes.set_xlabel(r"time $\tau$ (fs)")

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

    def set_cursor(self, time: float | None) -> None:
        """Mark the time of the frame being looked at (fs), or none."""
        self._cursor.set_visible(time is not None)
        if time is not None:
            self._cursor.set_xdata([time, time])

    def frame_near(self, times: FloatArray, x: float) -> int | None:
        """Return the frame that the mouse points at, or None if none is near.

        Parameters
        ----------
        times : numpy.ndarray, shape (n,)
            Rising times of the frames, fs.
        x : float
            On the axis, fs.
        """
        low, high = self.axes.get_xlim()
        return nearest(times, x, _REACH * (high - low))

    def _fit_times(self, times: FloatArray) -> None:
        """Widen the axis, in strides, to take in rising times (at least one)."""
        first, last = float(times[0]), float(times[-1])
        if self._times is None:
            step = float(times[1] - times[0]) if len(times) > 1 else 1.0
            self.set_time_range(first - step, max(last, first + 10 * step))
        elif last > self._times[1] or first < self._times[0]:
            start = min(first, self._times[0])
            span = max(1.5 * (self._times[1] - start), 1.1 * (last - start))
            self.set_time_range(start, start + span)


def frame_band(values: FloatArray) -> tuple[float, float]:
    """Return the range in which 90 % of single reference frames lie."""
    low, high = np.quantile(values, (_BAND_TAIL, 1 - _BAND_TAIL))
    return float(low), float(high)


def thinned(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Reduce a line to a few hundred points that keep every peak.

    Parameters
    ----------
    times, values : numpy.ndarray, shape (n,)
        The line.

    Returns
    -------
    times, values : numpy.ndarray, shape (m,)
        As given where short; otherwise the extremes of equal stretches.
    """
    n = len(times)
    if n <= MOST_POINTS:
        return times, values
    stretch = -(-2 * n // MOST_POINTS)
    starts = np.arange(0, n, stretch)
    low = np.minimum.reduceat(values, starts)
    high = np.maximum.reduceat(values, starts)
    # Up one stretch and down the next: half of the long strokes, which are what drawing costs.
    ends = np.stack([low, high], axis=1)
    ends[1::2] = ends[1::2, ::-1]
    return np.repeat(times[starts], 2), ends.ravel()


def nearest(positions: FloatArray, x: float, reach: float) -> int | None:
    """Find the entry of rising positions nearest to x, or None if none is within reach."""
    if len(positions) == 0:
        return None
    after = int(np.searchsorted(positions, x))
    around = [k for k in (after - 1, after) if 0 <= k < len(positions)]
    best = min(around, key=lambda k: abs(float(positions[k]) - x))
    return best if abs(float(positions[best]) - x) <= reach else None
