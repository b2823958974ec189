"""Quantiles of the normalised density against those of the normal distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.special import ndtri

from napari_eldyn.figures.layout import DASHES
from napari_eldyn.figures.live_plot import FloatArray, LivePlot
from napari_eldyn.figures.style import Palette

__all__ = ["QuantilePlot"]

# Shares of values, in per cent, at which thin lines make the tails readable.
_SHARES = (0.01, 1.0, 16.0, 84.0, 99.0, 99.99)
_LEAST_REACH = 3.5


class QuantilePlot(LivePlot):
    """Quantiles of the normalised density; on the diagonal it is standard normal.

    Thick lines are means over frames, thin ones the frame being looked at. Each unit to the right
    of zero is one standard deviation of the normal distribution further into the tail.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    edges : array_like, shape (bins + 1,)
        Bin edges of the normalised density (dimensionless).
    generated : sequence of str
        Names of the generated trajectories, one thick line each.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        edges: ArrayLike,
        *,
        generated: Sequence[str] = ("generated",),
        live: bool = False,
    ) -> None:
        super().__init__(axes, palette, live=live)
        self.edges: FloatArray = np.asarray(edges, dtype=np.float64)
        self._reach = _LEAST_REACH
        self._noise: PolyCollection | None = None
        (self._guide,) = axes.plot(
            self.edges[[0, -1]], self.edges[[0, -1]], color=palette.guide, ls=":", lw=1.0
        )
        self._guide.set_label("normal N(0, 1)")
        (self._reference,) = axes.plot(
            [], [], color=palette.reference, lw=1.1, label="reference", zorder=3
        )
        self._running = self._thick(generated, ls=DASHES)
        self._frames = self._single_frames()
        for share in _SHARES:
            axes.axvline(ndtri(share / 100), color=palette.grid, lw=0.6, zorder=0.5)
            # Where the curves are not: above them on the left, below them on the right.
            left = share < 50
            text = axes.text(
                ndtri(share / 100),
                0.97 if left else 0.03,
                f"{share:g} %",
                transform=axes.get_xaxis_transform(),
                color=palette.muted,
                size="x-small",
                ha="center",
                va="top" if left else "bottom",
                clip_on=True,
            )
            text.set_bbox({"facecolor": palette.background, "lw": 0, "pad": 0.6})
        axes.set_ylim(self.edges[0], self.edges[-1])
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("quantile of the normal distribution")
        axes.set_ylabel(r"normalised $\tilde{\rho}$")
        self._fit()

    def set_reference(
        self, quantiles: ArrayLike, halves: tuple[ArrayLike, ArrayLike] | None = None
    ) -> None:
        """Show the quantiles of the reference trajectory and their sampling noise.

        Parameters
        ----------
        quantiles : array_like, shape (bins + 1,)
            Of the normal distribution, for each edge; NaN beyond the extremes.
        halves : tuple of two array_like, shape (bins + 1,), optional
            Those of the two halves of the reference, between which the noise band is drawn.
        """
        values = np.asarray(quantiles, dtype=np.float64)
        self._reference.set_data(values, self.edges)
        if self._noise is not None:
            self._noise.remove()
            self._noise = None
        if halves is not None:
            first, second = (np.asarray(half, dtype=np.float64) for half in halves)
            self._noise = self.axes.fill_betweenx(
                self.edges, first, second, color=self.palette.reference_fill, lw=0, zorder=1
            )
            self._noise.set_label("reference noise")
        there = values[np.isfinite(values)]
        self._reach = max(_LEAST_REACH, float(np.abs(there).max(initial=0.0)) + 0.3)
        self._fit()

    def set_running(self, quantiles: ArrayLike | None, name: str = "generated") -> None:
        """Show the quantiles of a generated trajectory, or none.

        Parameters
        ----------
        quantiles : array_like, shape (bins + 1,), or None
            Of the normal distribution, for each edge.
        name : str
            Which trajectory.
        """
        self._set(self._running[name], quantiles)

    def set_frame(
        self, generated: ArrayLike | None = None, reference: ArrayLike | None = None
    ) -> None:
        """Show the quantiles of single frames as thin lines, or none.

        Parameters
        ----------
        generated, reference : array_like, shape (bins + 1,), or None
            Of the normal distribution, for each edge.
        """
        self._set(self._frames["generated"], generated)
        self._set(self._frames["reference"], reference)

    def legend(self) -> None:
        """Name the lines inside the axes."""
        handles: list[Artist] = [self._reference, self._guide, *self._running.values()]
        if self._live:
            handles.append(self._frames["generated"])
        self.axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 0.08))
        self._redraw_needed = True

    def _set(self, line: Line2D, quantiles: ArrayLike | None) -> None:
        if quantiles is None:
            line.set_data([], [])
        else:
            line.set_data(np.asarray(quantiles, dtype=np.float64), self.edges)

    def _fit(self) -> None:
        self.axes.set_xlim(-self._reach, self._reach)
        self._redraw_needed = True
