"""The two panels of the paper's Fig. 3 as figures for print."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.layout import add_axes, new_figure, number
from napari_eldyn.figures.structure_factor_plot import (
    CONVENTION_LABELS,
    Convention,
    StructureFactorPlot,
)
from napari_eldyn.figures.style import LIGHT, Palette, context
from napari_eldyn.observables.distribution import scaled_jsd
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.statistics import RunningStatistics

__all__ = ["add_density_axis", "distribution_figure", "structure_factor_figure"]


def distribution_figure(
    reference: RunningStatistics,
    generated: Mapping[str, RunningStatistics],
    *,
    levels: ReferenceLevels | None = None,
    palette: Palette = LIGHT,
    log: bool = False,
) -> Figure:
    """Distribution of density values, reference and generated (left panel of Fig. 3).

    Parameters
    ----------
    reference : RunningStatistics
        All reference frames pooled.
    generated : mapping of str to RunningStatistics
        Generated trajectories by name, counted with the reference's settings.
    levels : ReferenceLevels, optional
        Adds the reference's own sampling noise to the legend, next to the scores.
    palette : Palette
        The colours.
    log : bool
        Logarithmic probability axis.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide. The lower axis is ρ̃, the upper one the same in electrons/Å³.

    Raises
    ------
    EldynError
        If a trajectory was counted in other bins than the reference.
    """
    settings = reference.settings
    for name, statistics in generated.items():
        if not np.array_equal(statistics.settings.edges, settings.edges):
            raise EldynError(f"'{name}' was counted in other bins than the reference")
    with context(palette):
        # The legend stands above the upper axis: inside, long names would cross the peak.
        legend = 0.06 + 0.135 * (2 + len(generated))
        figure = new_figure(height=2.5 + legend)
        axes = add_axes(figure, 0.47, 0.41, 2.83, 1.64)
        plot = DistributionPlot(axes, palette, settings.edges, generated=list(generated), log=log)
        plot.set_reference(reference.density)
        for name, statistics in generated.items():
            plot.set_running(statistics.density, name)
        labels = {
            name: f"{name}, sJSD {number(_sjsd(statistics, reference))}"
            for name, statistics in generated.items()
        }
        if levels is not None:
            labels["reference"] = f"reference, noise {number(levels.noise.sjsd)}"
        plot.legend(labels)
        box = axes.get_legend()
        if box is not None:
            box.set_loc("upper left")
            anchor = (0.08 / figure.get_size_inches()[0], 1 - 0.02 / figure.get_size_inches()[1])
            box.set_bbox_to_anchor(anchor, figure.transFigure)
        mean, std = settings.normalisation.mean, settings.normalisation.std
        axes.tick_params(top=False, which="both")
        add_density_axis(axes, mean, std)
    return figure


def structure_factor_figure(
    reference: RunningStatistics,
    generated: Mapping[str, RunningStatistics],
    *,
    levels: ReferenceLevels | None = None,
    convention: Convention = "amplitude",
    palette: Palette = LIGHT,
) -> Figure:
    """Structure factor, reference and generated (right panel of Fig. 3).

    Parameters
    ----------
    reference : RunningStatistics
        All reference frames pooled.
    generated : mapping of str to RunningStatistics
        Generated trajectories by name, averaged over the reference's shells.
    levels : ReferenceLevels, optional
        Adds the band between the two halves of the reference, its sampling noise.
    convention : {"amplitude", "intensity"}
        The paper's ⟨|F|⟩ (eqs. S17-S18), or the usual ⟨|F|²⟩ per electron.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide: S(q), below it the ratio to the reference, and the number of reciprocal
        grid points in each shell.

    Raises
    ------
    EldynError
        If a trajectory was averaged over other shells than the reference.
    """
    shells = reference.settings.shells
    for name, statistics in generated.items():
        if not np.array_equal(statistics.settings.shells.q, shells.q):
            raise EldynError(f"'{name}' was averaged over other shells than the reference")
    halves = None
    if levels is not None:
        first, second = levels.halves
        halves = (getattr(first, convention), getattr(second, convention))
    with context(palette):
        figure = new_figure(height=3.6)
        boxes = ((0.16, 0.46, 0.815, 0.52), (0.16, 0.255, 0.815, 0.19), (0.16, 0.115, 0.815, 0.125))
        for box, relative in zip(boxes, (False, True), strict=False):
            axes = figure.add_axes(box)
            plot = StructureFactorPlot(
                axes,
                palette,
                shells.q,
                convention=convention,
                relative=relative,
                generated=list(generated),
            )
            plot.set_reference(getattr(reference, convention), halves)
            for name, statistics in generated.items():
                plot.set_running(getattr(statistics, convention), name)
            axes.set_xlabel("")
            axes.xaxis.set_major_formatter(NullFormatter())
            if relative:
                axes.set_ylabel("ratio")
                axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
            else:
                axes.set_ylabel(f"{CONVENTION_LABELS[convention]} (electrons)")
                plot.legend(with_noise=levels is not None)
        axes = figure.add_axes(boxes[2])
        axes.plot(shells.q, shells.counts, color=palette.muted, lw=0.8, marker="o", ms=1.8)
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(figure.axes[0].get_xlim())
        axes.set_ylabel("modes")
        axes.set_xlabel(r"wave number $q$ (1/Å)")
        figure.align_ylabels()
    return figure


def add_density_axis(axes: Axes, mean: float, std: float) -> None:
    """Add an axis in electrons/Å³ on top, by eq. S6."""
    top = axes.secondary_xaxis(
        "top",
        functions=(
            lambda x: np.exp(std * np.asarray(x) + mean),
            lambda rho: (np.log(np.maximum(rho, 1e-300)) - mean) / std,
        ),
    )
    low, high = np.exp(std * np.array(axes.get_xlim()) + mean)
    ticks = [t for t in _ROUND_DENSITIES if low <= t <= high]
    top.set_xticks(ticks, [f"{t:g}" for t in ticks])
    top.set_xticks([], minor=True)
    top.set_xlabel(r"density $\rho$ (electrons/Å³)")


# 1, 2, 5 per decade.
_ROUND_DENSITIES = [m * 10.0**e for e in range(-12, 6) for m in (1, 2, 5)]


def _sjsd(statistics: RunningStatistics, reference: RunningStatistics) -> float:
    return float(scaled_jsd(statistics.probabilities, reference.probabilities))
