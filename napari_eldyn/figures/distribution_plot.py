"""Distribution of the values of the normalised density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from napari_eldyn.figures.layout import DASHES
from napari_eldyn.figures.live_plot import FloatArray, LivePlot
from napari_eldyn.figures.style import Palette

__all__ = ["DistributionPlot"]

_LOG_FLOOR = 1e-5


class DistributionPlot(LivePlot):
    """Probability density of the normalised density, generated over reference.

    Thick lines are means over frames, thin ones the frame being looked at; a dotted line is the
    normal distribution N(0, 1), which the normalisation would give if densities were exactly
    log-normal (eqs. S5-S6).

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
    log : bool
        Logarithmic probability axis.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        edges: ArrayLike,
        *,
        generated: Sequence[str] = ("generated",),
        live: bool = False,
        log: bool = False,
    ) -> None:
        super().__init__(axes, palette, live=live)
        self.edges: FloatArray = np.asarray(edges, dtype=np.float64)
        self._steps = np.repeat(self.edges, 2)
        self._log = log
        self._top = 0.0
        self._tops: dict[str, float] = {}
        zeros = np.zeros(len(self.edges) - 1)
        self._fill = axes.stairs(
            zeros, self.edges, baseline=1e-12, fill=True, color=palette.reference_fill, lw=0
        )
        (self._reference,) = axes.plot(
            [], [], color=palette.reference, lw=1.1, label="reference", zorder=3
        )
        (self._guide,) = axes.plot(
            *_normal(self.edges[0], self.edges[-1]), color=palette.guide, ls=":", lw=1.0, zorder=2.5
        )
        self._guide.set_label("normal N(0, 1)")
        self._running = self._thick(generated, ls=DASHES)
        self._frames = self._single_frames()
        axes.set_xlim(self.edges[0], self.edges[-1])
        axes.set_xlabel(r"normalised density $\tilde{\rho}$ (dimensionless)")
        axes.set_ylabel("probability density")
        if log:
            axes.set_yscale("log", nonpositive="clip")
        self._fit()

    def bin_at(self, x: float) -> tuple[int, float] | None:
        """Return the bin that a normalised density lies in and its centre, or None outside."""
        place = int(np.searchsorted(self.edges, x, side="right")) - 1
        if not 0 <= place < len(self.edges) - 1:
            return None
        return place, 0.5 * float(self.edges[place] + self.edges[place + 1])

    def set_reference(self, density: ArrayLike) -> None:
        """Show the distribution of the reference trajectory.

        Parameters
        ----------
        density : array_like, shape (bins,)
            Probability density in each bin.
        """
        values = np.asarray(density, dtype=np.float64)
        self._fill.set_data(values, self.edges)
        self._reference.set_data(self._steps, _outline(values))
        self._note_top("reference", values)
        self._redraw_needed = True

    def set_running(self, density: ArrayLike | None, name: str = "generated") -> None:
        """Show the mean distribution of a generated trajectory, or none.

        Parameters
        ----------
        density : array_like, shape (bins,), or None
            Probability density in each bin.
        name : str
            Which trajectory.
        """
        self._set(self._running[name], f"running {name}", density)

    def set_frame(
        self, generated: ArrayLike | None = None, reference: ArrayLike | None = None
    ) -> None:
        """Show the distributions of single frames as thin lines, or none.

        Parameters
        ----------
        generated, reference : array_like, shape (bins,), or None
            Probability density in each bin of the generated and the reference frame.
        """
        self._set(self._frames["generated"], "generated", generated)
        self._set(self._frames["reference"], "reference frame", reference)

    def legend(self, labels: Mapping[str, str] | None = None) -> None:
        """Name the lines inside the axes.

        Parameters
        ----------
        labels : mapping, optional
            What to call the lines instead of "reference" and the names of the trajectories.
        """
        names = labels or {}
        handles: list[Artist] = [self._reference, self._guide, *self._running.values()]
        if self._live:
            handles.append(self._frames["generated"])
        texts = [names.get(str(h.get_label()), str(h.get_label())) for h in handles]
        # Under the logarithm the curve fills the corners, and leaves room below.
        self.axes.legend(handles, texts, loc="lower center" if self._log else "upper left")
        self._redraw_needed = True

    def _set(self, line: Line2D, key: str, density: ArrayLike | None) -> None:
        if density is None:
            line.set_data([], [])
            self._tops.pop(key, None)
            return
        values = np.asarray(density, dtype=np.float64)
        line.set_data(self._steps, _outline(values))
        self._note_top(key, values)

    def _note_top(self, key: str, values: FloatArray) -> None:
        self._tops[key] = float(values.max(initial=0.0))
        self._fit()

    def _fit(self) -> None:
        """Widen the probability axis when a line outgrows it; it never shrinks by itself."""
        highest = max([*self._tops.values(), 0.4])
        if 1.05 * highest <= self._top:
            return
        self._top = 1.15 * highest
        self.axes.set_ylim(*((_LOG_FLOOR, 3 * self._top) if self._log else (0, self._top)))
        self._redraw_needed = True


def _outline(values: FloatArray) -> FloatArray:
    """Heights along the outline of a histogram, two per edge."""
    return np.concatenate([[0.0], np.repeat(values, 2), [0.0]])


def _normal(start: float, stop: float) -> tuple[FloatArray, FloatArray]:
    x = np.linspace(start, stop, 201)
    return x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
