"""Structure factor against wave number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike

from napari_eldyn.figures.live_plot import FloatArray, LivePlot
from napari_eldyn.figures.style import Palette
from napari_eldyn.observables.statistics import FrameStatistics, RunningStatistics

__all__ = ["CONVENTION_LABELS", "Convention", "StructureFactorPlot"]

Convention = Literal["amplitude", "intensity"]

#: What S(q) means in each convention; both are in electrons.
CONVENTION_LABELS: dict[Convention, str] = {
    "amplitude": r"$S(q) = \langle |F| \rangle$",
    "intensity": r"$S(q) = \langle |F|^2 \rangle / N_\mathrm{e}$",
}

_LARGEST_RATIO = 3.0
_MARKERS = ("s", "^", "D", "v")


class StructureFactorPlot(LivePlot):
    """S(q) of generated trajectories over the reference.

    Every marker is one shell. Thick lines are means over frames, thin ones the frame being looked
    at; the band around the reference is its own sampling noise.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    q : array_like, shape (shells,)
        Wave number of each shell, 1/Å.
    convention : {"amplitude", "intensity"}
        Mean of abs(F) as in the paper (eqs. S17-S18), or the usual mean of abs(F)² per electron.
    relative : bool
        Divide by the reference, on a linear axis, instead of S(q) itself on a logarithmic one.
        S(q) falls by orders of magnitude; only the ratio shows differences of per cents.
    generated : sequence of str
        Names of the generated trajectories.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        q: ArrayLike,
        *,
        convention: Convention = "amplitude",
        relative: bool = False,
        generated: Sequence[str] = ("generated",),
        live: bool = False,
    ) -> None:
        super().__init__(axes, palette, live=live)
        self.q: FloatArray = np.asarray(q, dtype=np.float64)
        self.convention: Convention = convention
        self.relative = relative
        self._range: tuple[float, float] | None = None
        self._reference_values: FloatArray = np.full(len(self.q), np.nan)
        self._noise: PolyCollection | None = None
        self._legend_room = 0.0
        size = 2.6 if len(self.q) <= 30 else 1.9
        (self._reference,) = axes.plot(
            [],
            [],
            color=palette.reference,
            lw=1.1,
            marker="None" if relative else "o",
            ms=size,
            label="reference",
        )
        self._reference.set_zorder(3)
        self._running = self._thick(generated, marker=_MARKERS, ms=[size])
        self._frames = self._single_frames()
        axes.set_xlim(0, 1.03 * self.q[-1])
        axes.set_xlabel(r"wave number $q$ (1/Å)")
        if relative:
            axes.set_ylabel(r"$S(q)$ / reference")
        else:
            axes.set_yscale("log", nonpositive="mask")
            axes.yaxis.set_major_locator(LogLocator(numticks=6))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_ylabel(r"$S(q)$ (electrons)")

    def s_of_q(self, statistics: FrameStatistics | RunningStatistics) -> FloatArray:
        """Return S(q) in the plot's convention, electrons, shape (shells,)."""
        return statistics.intensity if self.convention == "intensity" else statistics.amplitude

    def set_reference(
        self, values: ArrayLike, halves: tuple[ArrayLike, ArrayLike] | None = None
    ) -> None:
        """Show the mean S(q) of the reference trajectory and its sampling noise.

        Parameters
        ----------
        values : array_like, shape (shells,)
            S(q) in electrons, in the plot's convention.
        halves : tuple of two array_like, shape (shells,), optional
            S(q) of the two halves of the reference, between which the noise band is drawn.
        """
        self._reference_values = np.array(values, dtype=np.float64)
        self._reference_values[self._reference_values <= 0] = np.nan
        self._reference.set_data(self.q, self._shown(values))
        self._replace_noise(halves)
        self._range = None
        self._fit(self._shown(values))
        self._redraw_needed = True

    def set_running(self, values: ArrayLike | None, name: str = "generated") -> None:
        """Show the mean S(q) of a generated trajectory, or none.

        Parameters
        ----------
        values : array_like, shape (shells,), or None
            S(q) in electrons, in the plot's convention.
        name : str
            Which trajectory.
        """
        self._set(self._running[name], values)

    def set_frame(
        self, generated: ArrayLike | None = None, reference: ArrayLike | None = None
    ) -> None:
        """Show S(q) of single frames as thin lines, or none.

        Parameters
        ----------
        generated, reference : array_like, shape (shells,), or None
            S(q) in electrons of the generated and the reference frame.
        """
        self._set(self._frames["generated"], generated)
        self._set(self._frames["reference"], reference)

    def legend(self, *, with_noise: bool = False) -> None:
        """Name the lines inside the axes, and the noise band if it is wide enough to be seen."""
        handles: list[Artist] = [self._reference, *self._running.values()]
        if with_noise and self._noise is not None:
            handles.insert(1, self._noise)
        if self._live:
            handles.append(self._frames["generated"])
        # S(q) falls; its ratio is least known, and so highest, at large q.
        if self.relative:
            self.axes.legend(handles=handles, loc="upper left", ncols=2, columnspacing=1.0)
        else:
            self.axes.legend(handles=handles, loc="upper right")
        if self.relative and self._range is not None:
            self._legend_room = 0.4
            low, high = self._range
            self.axes.set_ylim(low, high + self._legend_room * (high - low))
        self._redraw_needed = True

    def _set(self, line: Line2D, values: ArrayLike | None) -> None:
        if values is None:
            line.set_data([], [])
            return
        shown = self._shown(values)
        line.set_data(self.q, shown)
        self._fit(shown)

    def _shown(self, values: ArrayLike) -> FloatArray:
        array = np.asarray(values, dtype=np.float64)
        return array / self._reference_values if self.relative else array

    def _replace_noise(self, halves: tuple[ArrayLike, ArrayLike] | None) -> None:
        if self._noise is not None:
            self._noise.remove()
            self._noise = None
        if halves is None:
            return
        first, second = (self._shown(half) for half in halves)
        self._noise = self.axes.fill_between(
            self.q,
            np.minimum(first, second),
            np.maximum(first, second),
            color=self.palette.reference_fill,
            lw=0,
            zorder=1,
            label="reference noise",
        )

    def _fit(self, values: FloatArray) -> None:
        """Widen the axis to take in values; it shrinks only with a new reference."""
        usable = values[np.isfinite(values) & ((values > 0) | self.relative)]
        if usable.size == 0:
            return
        low, high = float(usable.min()), float(usable.max())
        if self.relative:
            # A shell where the reference almost vanishes must not press the others flat.
            low, high = min(low, 0.9), float(np.clip(high, 1.1, _LARGEST_RATIO))
        if self._range is not None:
            if low >= self._range[0] and high <= self._range[1]:
                return
            low, high = min(low, self._range[0]), max(high, self._range[1])
        if self.relative:
            self._range = (low - 0.1 * (high - low), high + 0.1 * (high - low))
            self.axes.set_ylim(self._range[0], self._range[1] + self._legend_room * (high - low))
        else:
            self._range = (low / 2, high * 2)
            self.axes.set_ylim(*self._range)
        self._redraw_needed = True
