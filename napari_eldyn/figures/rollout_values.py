"""Plots of a rollout's values: their distribution, and their quantiles."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.special import ndtr

from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.live_plot import FloatArray
from napari_eldyn.figures.quantile_plot import QuantilePlot
from napari_eldyn.figures.rollout_plot import PlotChoices, RolloutPlot, ShownFrame, Yardstick
from napari_eldyn.figures.style import Palette
from napari_eldyn.observables.distribution import bin_density, normal_quantiles
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.statistics import FrameStatistics, RunningStatistics

__all__ = ["RolloutDistribution", "RolloutQuantiles"]

Statistics = FrameStatistics | RunningStatistics


class _Curves:
    """Reference, mean so far, and single frames, of one quantity that follows from histograms."""

    def __init__(self, yardstick: Yardstick) -> None:
        self.yardstick = yardstick
        self.reference: Statistics = yardstick.reference
        self.running: Statistics | None = None
        self.shown = ShownFrame()

    def take(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        self.running = history.running if history is not None and history.n else None
        self.shown = shown

    def named(self) -> dict[str, Statistics]:
        found = {
            "reference": self.reference,
            "generated": self.running,
            "generated frame": self.shown.generated,
            "reference frame": self.shown.reference,
        }
        return {name: one for name, one in found.items() if one is not None}


class RolloutDistribution(DistributionPlot, RolloutPlot):
    """Probability density of the normalised density of a rollout over the reference.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    choices : PlotChoices
        Its `log` counts.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        yardstick: Yardstick,
        choices: PlotChoices,
        *,
        live: bool = False,
    ) -> None:
        edges = yardstick.settings.edges
        super().__init__(axes, palette, edges, live=live, log=choices.log)
        self._curves = _Curves(yardstick)
        self.set_reference(yardstick.reference.density)
        self.legend()

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the mean so far, and the frame being looked at."""
        self._curves.take(history, shown)
        running, frames = self._curves.running, (shown.generated, shown.reference)
        self.set_running(None if running is None else self._density(running))
        self.set_frame(*(None if frame is None else self._density(frame) for frame in frames))

    def table(self) -> dict[str, FloatArray]:
        """Return the histograms, bin by bin."""
        curves = {
            f"{name} probability density (dimensionless)": self._density(one)
            for name, one in self._curves.named().items()
        }
        return {
            "normalised density lower edge (dimensionless)": self.edges[:-1],
            "normalised density upper edge (dimensionless)": self.edges[1:],
            **curves,
        }

    def read(self, x: float, y: float) -> str:
        """Give the probability density in a bin."""
        found = self.bin_at(x)
        if found is None:
            return ""
        place, centre = found
        density = float(self._curves.yardstick.settings.normalisation.denormalise(centre))
        reference = self._density(self._curves.reference)[place]
        running = self._curves.running
        text = f"ρ̃ = {centre:.2f} (ρ = {density:.3g} electrons/Å³)\nprobability density "
        if running is None:
            return _minus(text + f"of the reference {reference:.3g}")
        generated = self._density(running)[place]
        return _minus(text + f"{generated:.3g} (reference {reference:.3g})")

    def _density(self, one: Statistics) -> FloatArray:
        return bin_density(one.counts, self.edges, one.n_below, one.n_above)


class RolloutQuantiles(QuantilePlot, RolloutPlot):
    """Quantiles of the normalised density of a rollout, and the reference's, over the normal's.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    live : bool
        Whether a canvas blits the changing lines.
    """

    def __init__(
        self, axes: Axes, palette: Palette, yardstick: Yardstick, *, live: bool = False
    ) -> None:
        super().__init__(axes, palette, yardstick.settings.edges, live=live)
        self._curves = _Curves(yardstick)
        halves = None if yardstick.levels is None else yardstick.levels.halves
        self.set_reference(
            _quantiles(yardstick.reference),
            None if halves is None else (_quantiles(halves[0]), _quantiles(halves[1])),
        )
        self.legend()

    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the mean so far, and the frame being looked at."""
        self._curves.take(history, shown)
        running, frames = self._curves.running, (shown.generated, shown.reference)
        self.set_running(None if running is None else _quantiles(running))
        self.set_frame(*(None if frame is None else _quantiles(frame) for frame in frames))

    def table(self) -> dict[str, FloatArray]:
        """Return the normal's quantile of every bin edge."""
        curves = {
            f"{name} normal quantile (dimensionless)": _quantiles(one)
            for name, one in self._curves.named().items()
        }
        return {"normalised density (dimensionless)": self.edges, **curves}

    def read(self, x: float, y: float) -> str:
        """Give the share of values below a density, and the density of that share."""
        low, high = self.axes.get_xlim()
        if not low <= x <= high:
            return ""
        share = float(ndtr(x))
        told = f"{100 * share:.3g} %" if share < 0.99 else f"all but {100 * ndtr(-x):.2g} %"
        text = f"normal quantile {x:.2f}: {told} of the values lie below"
        for name, one in (
            ("generated", self._curves.running),
            ("reference", self._curves.reference),
        ):
            if one is not None:
                known = _quantiles(one)
                there = np.isfinite(known)
                value = np.interp(x, known[there], self.edges[there], left=np.nan, right=np.nan)
                if np.isfinite(value):
                    text += f"\n{name}: ρ̃ = {value:.2f}"
        return _minus(text)


def _quantiles(one: Statistics) -> FloatArray:
    return normal_quantiles(one.counts, one.n_below, one.n_above)


def _minus(text: str) -> str:
    return text.replace("-", "−")
