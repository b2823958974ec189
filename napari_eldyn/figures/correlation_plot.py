"""F(q,t)/F(q,0) of a few shells, of a rollout that grows and of its reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike

from napari_eldyn.figures.live_plot import MEAN_WIDTH, LivePlot
from napari_eldyn.figures.style import Palette

__all__ = ["MOST_SHELLS", "CorrelationPlot"]

MOST_SHELLS = 4
"""Shells that can be told apart in one plot."""

_REFERENCE_DASHES = (0, (3, 1.2))
_LEAST_REACH_FS = 20.0
# Room above the curves for two rows of names, in units of F/F(q,0) and of the axes' height.
_LEGEND_ROOM, _LEGEND_ROW = 0.5, 0.11


class CorrelationPlot(LivePlot):
    """Intermediate scattering functions, one colour for each shell.

    Solid lines are the rollout, broken ones the reference with its standard error as a band.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    q : sequence of float
        Wave number of each shell drawn, 1/Å; at most four.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self, axes: Axes, palette: Palette, q: Sequence[float], *, live: bool = False
    ) -> None:
        super().__init__(axes, palette, live=live)
        self._reach = 0.0
        self._low = 0.0
        self._names: Legend | None = None
        self._bands: list[PolyCollection] = []
        self._running: list[Line2D] = []
        self._references: list[Line2D] = []
        for number, one in enumerate(q):
            colour = palette.generated[number % len(palette.generated)]
            (reference,) = axes.plot([], [], color=colour, lw=1.0, ls=_REFERENCE_DASHES, zorder=3)
            (line,) = axes.plot([], [], color=colour, lw=MEAN_WIDTH, zorder=4)
            line.set_label(f"{one:.2f}/Å")
            self._references.append(reference)
            self._running.append(self._add_changing(line))
        axes.axhline(0.0, color=palette.guide, lw=0.6, zorder=1)
        axes.yaxis.set_major_locator(MultipleLocator(0.5))
        axes.set_xlabel(r"time lag $t$ (fs)")
        axes.set_ylabel(r"$F(q,t)\,/\,F(q,0)$")
        self._fit(_LEAST_REACH_FS, -0.2)

    def set_reference(
        self, lag: ArrayLike, curves: ArrayLike, error: ArrayLike | None = None
    ) -> None:
        """Show the reference.

        Parameters
        ----------
        lag : array_like, shape (lags,)
            fs.
        curves : array_like, shape (shells, lags)
            F(q,t)/F(q,0) of the shells drawn.
        error : array_like, shape (shells, lags), optional
            Their standard errors.
        """
        t, values = np.asarray(lag, dtype=np.float64), np.asarray(curves, dtype=np.float64)
        for band in self._bands:
            band.remove()
        self._bands = []
        for line, one in zip(self._references, values, strict=True):
            line.set_data(t, one)
        if error is not None:
            errors = np.asarray(error, dtype=np.float64)
            for line, one, width in zip(self._references, values, errors, strict=True):
                colour = to_rgba(str(line.get_color()), 0.18)
                self._bands.append(
                    self.axes.fill_between(
                        t, one - width, one + width, color=colour, lw=0, zorder=0.6
                    )
                )
        if t.size:
            self._fit(float(t[-1]), float(np.nanmin(values, initial=0.0)))

    def set_running(self, lag: ArrayLike, curves: ArrayLike) -> None:
        """Show the rollout.

        Parameters
        ----------
        lag : array_like, shape (lags,)
            fs.
        curves : array_like, shape (shells, lags)
            F(q,t)/F(q,0) of the shells drawn.
        """
        t, values = np.asarray(lag, dtype=np.float64), np.asarray(curves, dtype=np.float64)
        for line, one in zip(self._running, values, strict=True):
            line.set_data(t, one)
        if t.size:
            self._fit(float(t[-1]), float(np.nanmin(values, initial=0.0)))

    def legend(self, generated: str = "generated", reference: str = "reference") -> None:
        """Name shells and line styles; called again it changes the names.

        Parameters
        ----------
        generated, reference : str
            What to call solid and broken lines.
        """
        if self._names is None:
            self.axes.add_artist(
                self.axes.legend(
                    handles=self._running, loc="upper right", ncols=MOST_SHELLS, columnspacing=1.0
                )
            )
            colour = self.palette.text
            styles: list[Artist] = [
                Line2D([], [], color=colour, lw=MEAN_WIDTH),
                Line2D([], [], color=colour, lw=1.0, ls=_REFERENCE_DASHES),
            ]
            self._names = self.axes.legend(
                styles,
                [generated, reference],
                loc="upper right",
                bbox_to_anchor=(1.0, 1.0 - _LEGEND_ROW),
                ncols=2,
                columnspacing=1.0,
            )
        for text, name in zip(self._names.get_texts(), (generated, reference), strict=True):
            text.set_text(name)
        self._redraw_needed = True

    def _fit(self, last: float, low: float) -> None:
        """Widen the axes in strides; they never shrink."""
        if last > self._reach:
            self._reach = last if self._reach == 0.0 else max(last, 1.4 * self._reach)
            self.axes.set_xlim(0, self._reach)
            self._redraw_needed = True
        if low < self._low:
            self._low = min(1.3 * low, -0.2)
            self.axes.set_ylim(self._low, 1.0 + _LEGEND_ROOM)
            self._redraw_needed = True
