"""Quantities of each frame against time, over the usual range of the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from napari_eldyn.figures.live_plot import FloatArray
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import MOST_POINTS, TimePlot, thinned

__all__ = ["TracePlot"]

_BAND_LABEL = "90 % of reference frames"
_DASHES = ("-", (0, (4, 1.5)))
_LEGEND_ROOM = 0.45  # above the lines, as a fraction of their range


class TracePlot(TimePlot):
    """One or two quantities of each generated frame against time.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    names : sequence of str
        What is drawn, as it is called in the legend.
    label : str
        Of the vertical axis, with the unit.
    log : bool
        Logarithmic axis.
    least : float
        Smallest range of a linear axis, as a share of the first level: what is below looks flat.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        names: Sequence[str],
        label: str,
        *,
        log: bool = False,
        least: float = 0.0,
        live: bool = False,
    ) -> None:
        super().__init__(axes, palette, live=live)
        self._log = log
        self._least = least
        self._values: tuple[float, float] | None = None
        self._lines: dict[str, Line2D] = {}
        self._handles: list[Artist] = []
        for number, name in enumerate(names):
            (line,) = axes.plot(
                [], [], color=palette.generated[0], lw=1.2, ls=_DASHES[number % 2], zorder=3.5
            )
            line.set_label(name)
            self._lines[name] = self._add_changing(line)
            self._handles.append(line)
        if log:
            axes.set_yscale("log", nonpositive="mask")
            axes.yaxis.set_major_locator(LogLocator(numticks=5))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.ticklabel_format(axis="y", useOffset=False)
        axes.set_ylabel(label)

    def set_level(
        self, value: float, band: tuple[float, float] | None = None, label: str | None = None
    ) -> None:
        """Show what the reference has: a line, and the range of its frames around it.

        Parameters
        ----------
        value : float
            Of the line.
        band : tuple of float, optional
            Lower and upper limit of the band.
        label : str, optional
            Of the line in the legend; none leaves it out.
        """
        line = self.axes.axhline(value, color=self.palette.reference, lw=0.9, zorder=1.5)
        if label is not None:
            line.set_label(label)
            self._handles.append(line)
        if band is not None:
            area = self.axes.axhspan(*band, color=self.palette.reference_fill, lw=0, zorder=0.5)
            if not any(str(handle.get_label()) == _BAND_LABEL for handle in self._handles):
                area.set_label(_BAND_LABEL)
                self._handles.append(Patch(color=self.palette.reference_fill, label=_BAND_LABEL))
        around = 0.5 * self._least * abs(value)
        self._fit(np.array([value - around, value + around, *(band or ())]))

    def set_history(self, times: ArrayLike, traces: Mapping[str, ArrayLike]) -> None:
        """Show all frames so far.

        Parameters
        ----------
        times : array_like, shape (n,)
            Rising times in fs.
        traces : mapping of str to array_like, shape (n,)
            By name.
        """
        t = np.asarray(times, dtype=np.float64)
        for name, line in self._lines.items():
            values = np.asarray(traces[name], dtype=np.float64)
            line.set_data(*thinned(t, values))
            # A few frames may still be isolated points: mark them.
            line.set_marker("." if len(t) < 3 else "None")
            if len(t):
                self._fit(values[-MOST_POINTS:])
        if len(t):
            self._fit_times(t)

    def legend(self, loc: Literal["upper left", "center left"]) -> None:
        """Name the lines and the band inside the axes."""
        self.axes.legend(handles=self._handles, loc=loc, ncols=2, columnspacing=1.0)
        self._redraw_needed = True

    def _fit(self, values: FloatArray) -> None:
        """Widen the axis to take in values; it never shrinks."""
        usable = values[np.isfinite(values) & ((values > 0) | (not self._log))]
        if usable.size == 0:
            return
        low, high = float(usable.min()), float(usable.max())
        if self._values is not None:
            if low >= self._values[0] and high <= self._values[1]:
                return
            low, high = min(low, self._values[0]), max(high, self._values[1])
        if self._log:
            self._values = (low / 1.15, high * 1.15)
            self.axes.set_ylim(low / 1.4, high * 1.4)
        else:
            room = 0.1 * (high - low) or 0.05 * max(abs(high), 1e-3)
            self._values = (low - room, high + room)
            self.axes.set_ylim(
                low - 1.5 * room, high + room + _LEGEND_ROOM * (high - low + 2 * room)
            )
        self._redraw_needed = True
