"""The paper's figures in the report of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from matplotlib.figure import Figure

from napari_eldyn.evaluation.drawn import Drawn
from napari_eldyn.evaluation.figure_data import collect_fig2, collect_figs2
from napari_eldyn.evaluation.judge import Evaluation
from napari_eldyn.figures.fig2 import Fig2Options, draw_fig2
from napari_eldyn.figures.fig3 import Fig3Options, draw_fig3, fig3_data
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.training_figures import (
    FigS1Options,
    FigS2Options,
    draw_figs1,
    draw_figs2,
    figs1_data,
)
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.statistics import RunningStatistics

__all__ = [
    "distribution_figure",
    "draw_slices",
    "draw_training_curves",
    "draw_training_distribution",
    "structure_factor_figure",
]

_NARROW = FigureStyle("report", "single")
_WIDE = FigureStyle("report", "double")


def draw_slices(evaluation: Evaluation) -> Drawn:
    """Draw the mid-plane of the reference and of each rollout at the same times."""
    candidates = evaluation.inputs.candidates
    data = collect_fig2(candidates, evaluation.inputs.reference, evaluation.settings.normalisation)
    together = all(candidate.start.in_reference for candidate in candidates)
    return Drawn(
        draw_fig2(data, _WIDE, Fig2Options()),
        "The mid-plane across the first cell vector (x) of the reference and of each rollout at "
        "the same times, counted from the start (the paper's Fig. 2). "
        + (
            "All started from the same frame of the reference."
            if together
            else "Not every rollout started from this reference: compare the look, not places."
        ),
        wide=True,
    )


def distribution_figure(levels: ReferenceLevels, pooled: Mapping[str, RunningStatistics]) -> Figure:
    """Draw the distribution of values, reference and generated (Fig. 3, left)."""
    data = fig3_data(levels.reference, pooled, levels)
    return draw_fig3(data, _NARROW, Fig3Options(panels=("distribution",)))


def structure_factor_figure(
    levels: ReferenceLevels,
    pooled: Mapping[str, RunningStatistics],
    convention: Literal["amplitude", "intensity"] = "amplitude",
) -> Figure:
    """Draw S(q), its ratio to the reference and the shell counts (Fig. 3, right)."""
    options = Fig3Options(panels=("structure_factor",), convention=convention, modes=True)
    return draw_fig3(fig3_data(levels.reference, pooled, levels), _NARROW, options)


def draw_training_distribution(evaluation: Evaluation) -> Drawn | None:
    """Draw the values of the training frames with their log-normal fit."""
    training = evaluation.training
    if training is None:
        return None
    data = figs1_data(training.pooled, f"{training.n_frames} training frames")
    return Drawn(
        draw_figs1(data, _NARROW, FigS1Options()),
        "Distribution of the normalised density in the training frames with the normal fit (the "
        "paper's Fig. S1), on a linear and a logarithmic axis.",
    )


def draw_training_curves(evaluation: Evaluation) -> Drawn | None:
    """Draw the autoencoder's error at each training step."""
    runs = evaluation.inputs.runs
    if not runs:
        return None
    return Drawn(
        draw_figs2(collect_figs2(runs, {}), _NARROW, FigS2Options()),
        "Mean squared error of the autoencoder at each training step (the paper's Fig. S2), on "
        "the normalised state. Light: each step; strong: running geometric mean.",
    )
