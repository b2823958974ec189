"""A quantity of each frame against time, over the usual range of the reference."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from napari_eldyn.figures.live_plot import FloatArray
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import MOST_POINTS, TimePlot, thinned

__all__ = ["TracePlot"]

_LEGEND_ROOM = 0.5  # above the lines, as a fraction of their range


class TracePlot(TimePlot):
    """One quantity of each generated frame against time.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    label : str
        Of the vertical axis, with the unit.
    least : float
        Smallest range of the axis, as a share of the reference's level: what is below looks flat.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        label: str,
        *,
        least: float = 0.0,
        live: bool = False,
    ) -> None:
        super().__init__(axes, palette, live=live)
        self._least = least
        self._values: tuple[float, float] | None = None
        self._legend_room = 0.0
        (line,) = axes.plot([], [], color=palette.generated[0], lw=1.2, zorder=3.5)
        line.set_label("generated")
        self._line = self._add_changing(line)
        self._handles: list[Artist] = [line]
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.set_ylabel(label)

    def set_level(
        self,
        value: float,
        band: tuple[float, float] | None = None,
        label: str = "reference",
    ) -> None:
        """Show what the reference has: a line, and the range of its frames around it.

        Parameters
        ----------
        value : float
            Of the line.
        band : tuple of float, optional
            Lower and upper limit of the band.
        label : str
            Of the line in the legend.
        """
        line = self.axes.axhline(value, color=self.palette.reference, lw=0.9, zorder=1.5)
        line.set_label(label)
        self._handles.append(line)
        if band is not None:
            fill = self.palette.reference_fill
            self.axes.axhspan(*band, color=fill, lw=0, zorder=0.5)
            self._handles.append(Patch(color=fill, label="90 % of frames"))
        around = 0.5 * self._least * abs(value)
        self._fit(np.array([value - around, value + around, *(band or ())]))

    def set_history(self, times: ArrayLike, values: ArrayLike) -> None:
        """Show all frames so far.

        Parameters
        ----------
        times : array_like, shape (n,)
            Rising times in fs.
        values : array_like, shape (n,)
            Of each frame.
        """
        t, y = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
        self._line.set_data(*thinned(t, y))
        # A few frames may still be isolated points: mark them.
        self._line.set_marker("." if len(t) < 3 else "None")
        if len(t):
            self._fit(y[-MOST_POINTS:])
            self._fit_times(t)

    def legend(self) -> None:
        """Name the line, the level and the band in a row above them."""
        self._legend_room = _LEGEND_ROOM
        self.axes.legend(
            handles=self._handles,
            loc="upper left",
            ncols=3,
            columnspacing=0.6,
            handlelength=0.9,
            handletextpad=0.5,
        )
        if self._values is not None:
            self._set_limits(*self._values)

    def _fit(self, values: FloatArray) -> None:
        """Widen the axis to take in values; it never shrinks."""
        usable = values[np.isfinite(values)]
        if usable.size == 0:
            return
        low, high = float(usable.min()), float(usable.max())
        if self._values is not None:
            if low >= self._values[0] and high <= self._values[1]:
                return
            low, high = min(low, self._values[0]), max(high, self._values[1])
        room = 0.1 * (high - low) or 0.05 * max(abs(high), 1e-3)
        self._values = (low - room, high + room)
        self._set_limits(*self._values)

    def _set_limits(self, low: float, high: float) -> None:
        edge = 0.05 * (high - low)
        self.axes.set_ylim(low - edge, high + edge + self._legend_room * (high - low))
        self._redraw_needed = True
