"""One quantity of several rollouts over their reference, with a legend above the axes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.divergence_plot import DivergencePlot
from napari_eldyn.figures.layout import DASHES, legend_size
from napari_eldyn.figures.live_plot import FRAME_WIDTH, MEAN_WIDTH, FloatArray, LivePlot
from napari_eldyn.figures.rollout_plot import PlotChoices, Yardstick
from napari_eldyn.figures.structure_factor_plot import StructureFactorPlot
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import MOST_POINTS, frame_band, thinned
from napari_eldyn.figures.trace_plot import TracePlot
from napari_eldyn.observables.rollout_history import RolloutHistory

__all__ = [
    "COMPARED_PLOTS",
    "COMPARED_TITLES",
    "ComparedPlot",
    "Curve",
    "build_compared_plot",
    "line_look",
]

#: What each plot is called.
COMPARED_TITLES: dict[str, str] = {
    "distribution": "Distribution",
    "divergence": "sJSD(t)",
    "structure_factor": "S(q)",
    "electrons": "Electrons",
}

#: Names of the plots, in the order in which they are offered.
COMPARED_PLOTS: tuple[str, ...] = tuple(COMPARED_TITLES)

Curve = tuple[str, int]
"""Label of a rollout, and number of its line; see `line_look`."""


def line_look(number: int, palette: Palette) -> tuple[str, Any]:
    """Return colour and dashes of a line: solid until the colours are used up, then dashed."""
    n_colours = len(palette.generated)
    return palette.generated[number % n_colours], DASHES[number // n_colours % len(DASHES)]


class ComparedPlot(LivePlot, ABC):
    """A plot of several rollouts, by label, over one reference."""

    labels: tuple[str, ...]

    @abstractmethod
    def show(self, histories: Mapping[str, RolloutHistory]) -> None:
        """Show the frames so far of each rollout, by its label; those left out are empty."""

    @abstractmethod
    def table(self) -> dict[str, FloatArray]:
        """Return what is drawn as columns, named with their units; they may differ in length."""

    def set_box(self, box: tuple[float, float, float, float]) -> None:
        """Move the plot within its figure, the legend above it."""
        left, bottom, width, height = box
        figure = self.axes.get_figure(root=True)
        assert figure is not None
        inches = figure.get_size_inches()
        columns, tall = legend_size([str(x.get_label()) for x in self._named()], inches[0])
        rows = tall / inches[1]
        for legend in list(figure.legends):
            legend.remove()
        figure.legend(
            handles=self._named(),
            loc="upper left",
            bbox_to_anchor=(left, bottom + height),
            ncols=columns,
            # Said here: a canvas that is resized does not draw in the style's context.
            frameon=False,
            labelcolor=self.palette.text,
            fontsize=7.0,
            handlelength=1.6,
            labelspacing=0.3,
            borderaxespad=0.0,
            borderpad=0.0,
            columnspacing=1.0,
        )
        self.axes.set_position((left, bottom, width, max(height - rows - 0.02, 0.1)))

    @abstractmethod
    def lines(self) -> dict[str, Line2D]:
        """Return the line that stands for each rollout in the legend, by label."""

    @abstractmethod
    def _references(self) -> list[Artist]:
        """Artists of the reference that the legend names."""

    def _named(self) -> list[Artist]:
        return [*self._references(), *self.lines().values()]


def build_compared_plot(
    name: str,
    axes: Axes,
    palette: Palette,
    yardstick: Yardstick,
    curves: Sequence[Curve],
    choices: PlotChoices,
    *,
    live: bool = False,
) -> ComparedPlot:
    """Make a plot with its reference; `ComparedPlot.show` adds the rollouts.

    Parameters
    ----------
    name : str
        One of `COMPARED_PLOTS`.
    axes : matplotlib.axes.Axes
        Where to draw, made inside `style.context`.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    curves : sequence of Curve
        Labels and colours of the rollouts.
    choices : PlotChoices
        How to draw it.
    live : bool
        Whether a canvas draws the changing lines itself.

    Raises
    ------
    KeyError
        If there is no plot of the name.
    """
    kinds: dict[str, Any] = {
        "distribution": _Distribution,
        "divergence": _Divergence,
        "structure_factor": _StructureFactor,
        "electrons": _Electrons,
    }
    looks = {label: line_look(number, palette) for label, number in curves}
    own = replace(palette, generated=tuple(colour for colour, _ in looks.values()) or ("none",))
    plot: ComparedPlot = kinds[name](axes, own, yardstick, list(looks), choices, live=live)
    for label, line in plot.lines().items():
        line.set(color=looks[label][0], linestyle=looks[label][1])
    return plot


class _Distribution(DistributionPlot, ComparedPlot):
    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        yardstick: Yardstick,
        labels: Sequence[str],
        choices: PlotChoices,
        *,
        live: bool,
    ) -> None:
        edges = yardstick.settings.edges
        super().__init__(axes, palette, edges, generated=labels, live=live, log=choices.log)
        self.labels = tuple(labels)
        self._yardstick = yardstick
        self._densities: dict[str, FloatArray] = {}
        self.set_reference(yardstick.reference.density)

    def show(self, histories: Mapping[str, RolloutHistory]) -> None:
        self._densities = {
            label: histories[label].running.density
            for label in self.labels
            if label in histories and histories[label].n
        }
        for label in self.labels:
            self.set_running(self._densities.get(label), label)

    def table(self) -> dict[str, FloatArray]:
        known = {"reference": self._yardstick.reference.density, **self._densities}
        return {
            "normalised density lower edge (dimensionless)": self.edges[:-1],
            "normalised density upper edge (dimensionless)": self.edges[1:],
            **{f"{k} probability density (dimensionless)": v for k, v in known.items()},
        }

    def read(self, x: float, y: float) -> str:
        found = self.bin_at(x)
        if found is None:
            return ""
        place, centre = found
        known = {"reference": self._yardstick.reference.density, **self._densities}
        lines = [f"{label}: {values[place]:.3g}" for label, values in known.items()]
        head = f"probability density at ρ̃ = {centre:.2f}"
        return "\n".join([head, *lines]).replace("-", "−")

    def lines(self) -> dict[str, Line2D]:
        return self._running

    def _references(self) -> list[Artist]:
        return [self._reference, self._guide]


class _StructureFactor(StructureFactorPlot, ComparedPlot):
    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        yardstick: Yardstick,
        labels: Sequence[str],
        choices: PlotChoices,
        *,
        live: bool,
    ) -> None:
        super().__init__(
            axes,
            palette,
            yardstick.settings.shells.q,
            convention=choices.convention,
            relative=choices.ratio,
            generated=labels,
            live=live,
        )
        self.labels = tuple(labels)
        self._yardstick = yardstick
        self._curves: dict[str, FloatArray] = {}
        halves = None if yardstick.levels is None else yardstick.levels.halves
        self.set_reference(
            self.s_of_q(yardstick.reference),
            None if halves is None else (self.s_of_q(halves[0]), self.s_of_q(halves[1])),
        )

    def show(self, histories: Mapping[str, RolloutHistory]) -> None:
        self._curves = {
            label: self.s_of_q(histories[label].running)
            for label in self.labels
            if label in histories and histories[label].n
        }
        for label in self.labels:
            self.set_running(self._curves.get(label), label)

    def table(self) -> dict[str, FloatArray]:
        known = {"reference": self.s_of_q(self._yardstick.reference), **self._curves}
        columns = {f"{k} S(q) {self.convention} (electrons)": v for k, v in known.items()}
        return {"wave number q (1/Å)": self.q, **columns}

    def read(self, x: float, y: float) -> str:
        place = int(np.argmin(np.abs(self.q - x)))
        reference = self.s_of_q(self._yardstick.reference)[place]
        lines = [f"S(q) in electrons at q = {self.q[place]:.2f} 1/Å"]
        lines.append(f"reference: {reference:.4g}")
        for label, values in self._curves.items():
            off = 100 * (values[place] / reference - 1) if reference > 0 else np.nan
            lines.append(f"{label}: {values[place]:.4g} ({off:+.2g} %)")
        return "\n".join(lines).replace("-", "−")

    def lines(self) -> dict[str, Line2D]:
        return self._running

    def _references(self) -> list[Artist]:
        return [self._reference] if self._noise is None else [self._reference, self._noise]


class _Divergence(DivergencePlot, ComparedPlot):
    """Thick lines are the means so far, thin ones single frames."""

    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        yardstick: Yardstick,
        labels: Sequence[str],
        choices: PlotChoices,
        *,
        live: bool,
    ) -> None:
        super().__init__(axes, palette, divergence=choices.divergence, live=live)
        self.labels = tuple(labels)
        self._histories: dict[str, RolloutHistory] = {}
        self._means: dict[str, Line2D] = {}
        self._singles: dict[str, Line2D] = {}
        for number, label in enumerate(labels):
            colour = palette.generated[number]
            (mean,) = axes.plot([], [], color=colour, lw=MEAN_WIDTH, label=label, zorder=4)
            (single,) = axes.plot([], [], color=colour, lw=FRAME_WIDTH, alpha=0.7, zorder=3.5)
            self._means[label] = self._add_changing(mean)
            self._singles[label] = self._add_changing(single)
        if yardstick.levels is not None:
            self.set_reference_levels(yardstick.levels)

    def show(self, histories: Mapping[str, RolloutHistory]) -> None:
        self._histories = {x: histories[x] for x in self.labels if x in histories}
        for label in self.labels:
            history = self._histories.get(label)
            if history is None or not history.n:
                self._means[label].set_data([], [])
                self._singles[label].set_data([], [])
                continue
            means = self.scale * history.running_sjsd
            singles = self.scale * history.frame_sjsd
            self._means[label].set_data(*thinned(history.times, means))
            self._singles[label].set_data(*thinned(history.times, singles))
            self._means[label].set_marker("." if history.n < 3 else "None")
            self._fit_times(history.times)
            self._fit(np.concatenate([means[-MOST_POINTS:], singles[-MOST_POINTS:]]))

    def table(self) -> dict[str, FloatArray]:
        columns = {}
        for label, history in self._histories.items():
            columns[f"{label} time (fs)"] = history.times
            columns[f"{label} {self.label} of the frame"] = self.scale * history.frame_sjsd
            columns[f"{label} {self.label} of the mean so far"] = self.scale * history.running_sjsd
        return columns

    def read(self, x: float, y: float) -> str:
        lines = []
        for label, history in self._histories.items():
            place = self.frame_near(history.times, x)
            if place is not None:
                mean = self.scale * history.running_sjsd[place]
                single = self.scale * history.frame_sjsd[place]
                time = history.times[place]
                lines.append(f"{label}: mean so far {mean:.3g}, frame {single:.3g} ({time:g} fs)")
        return "\n".join([self.label, *lines]) if lines else ""

    def lines(self) -> dict[str, Line2D]:
        return self._means

    def _references(self) -> list[Artist]:
        return []  # named in the axes


class _Electrons(TracePlot, ComparedPlot):
    def __init__(
        self,
        axes: Axes,
        palette: Palette,
        yardstick: Yardstick,
        labels: Sequence[str],
        choices: PlotChoices,
        *,
        live: bool,
    ) -> None:
        super().__init__(axes, palette, "electrons", least=2e-3, live=live)
        self._line.set_visible(False)  # that of a single rollout
        self.labels = tuple(labels)
        self._histories: dict[str, RolloutHistory] = {}
        self._traces: dict[str, Line2D] = {}
        for label in labels:
            (line,) = axes.plot([], [], lw=1.2, label=label, zorder=3.5)
            self._traces[label] = self._add_changing(line)
        self._expected = yardstick.reference.electrons
        series = yardstick.series
        band = None if series is None else frame_band(series.electrons)
        self.set_level(self._expected, band)
        self._has_band = band is not None
        (self._level,) = axes.plot([], [], color=palette.reference, lw=0.9)
        self._level.set_label(f"expected: {self._expected:.2f}")

    def show(self, histories: Mapping[str, RolloutHistory]) -> None:
        self._histories = {x: histories[x] for x in self.labels if x in histories}
        for label, line in self._traces.items():
            history = self._histories.get(label)
            if history is None or not history.n:
                line.set_data([], [])
                continue
            line.set_data(*thinned(history.times, history.electrons))
            line.set_marker("." if history.n < 3 else "None")
            self._fit_times(history.times)
            self._fit(history.electrons[-MOST_POINTS:])

    def table(self) -> dict[str, FloatArray]:
        columns = {"mean electrons of the reference": np.array([self._expected])}
        for label, history in self._histories.items():
            columns[f"{label} time (fs)"] = history.times
            columns[f"{label} electrons"] = history.electrons
        return columns

    def read(self, x: float, y: float) -> str:
        lines = []
        for label, history in self._histories.items():
            place = self.frame_near(history.times, x)
            if place is not None:
                count = float(history.electrons[place])
                off = 100 * (count / self._expected - 1)
                lines.append(
                    f"{label}: {count:.3f} electrons, {off:+.3f} % ({history.times[place]:g} fs)"
                )
        return "\n".join(lines).replace("-", "−")

    def lines(self) -> dict[str, Line2D]:
        return self._traces

    def _references(self) -> list[Artist]:
        fill = self.palette.reference_fill
        band = [Patch(color=fill, label="90 % of reference frames")] if self._has_band else []
        return [self._level, *band]
