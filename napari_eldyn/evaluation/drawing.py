"""The figures of an evaluation, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.evaluation.drawing_dynamics import (
    draw_ensemble,
    draw_ensemble_reconstruction,
    draw_memorisation,
    draw_relaxation,
    draw_scattering,
    draw_spectrum,
)
from napari_eldyn.evaluation.drawing_paper import (
    distribution_figure,
    draw_slices,
    draw_training_curves,
    draw_training_distribution,
    structure_factor_figure,
)
from napari_eldyn.evaluation.drawing_targets import (
    draw_noise_ratio,
    draw_reconstruction,
    draw_relaxation_ratio,
    draw_transfer_distribution,
    draw_transfer_relaxation,
    draw_transfer_structure_factor,
    draw_windows,
)
from napari_eldyn.evaluation.drawn import Drawn
from napari_eldyn.evaluation.judge import Evaluation
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.figures.forecast_plot import forecast_figure
from napari_eldyn.figures.time_series import TimeSeries, time_series_figure
from napari_eldyn.observables.distribution import scaled_jsd
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics

__all__ = ["draw_figures"]


def draw_figures(evaluation: Evaluation, stages: Stages) -> dict[str, Drawn]:
    """Draw every figure that the inputs allow.

    Parameters
    ----------
    evaluation : Evaluation
        Judged rollouts.
    stages : Stages
        Shows progress.

    Returns
    -------
    dict of str to Drawn
        By the name of its files.
    """
    makers: dict[str, Callable[[], Drawn | None]] = {
        "slices": lambda: draw_slices(evaluation),
        "distribution": lambda: _distribution(evaluation),
        "structure_factor": lambda: _structure_factor(evaluation),
        "structure_factor_intensity": lambda: _intensity(evaluation),
        "structure_factor_noise": lambda: draw_noise_ratio(evaluation),
        "time_series": lambda: _time_series(evaluation),
        "windows": lambda: draw_windows(evaluation),
        "forecast": lambda: _forecast(evaluation),
        "scattering": lambda: draw_scattering(evaluation.motion),
        "relaxation": lambda: draw_relaxation(evaluation.motion),
        "relaxation_ratio": lambda: draw_relaxation_ratio(evaluation),
        "spectrum": lambda: draw_spectrum(evaluation.motion),
        "ensemble": lambda: draw_ensemble(evaluation.judged),
        "ensemble_reconstruction": lambda: draw_ensemble_reconstruction(evaluation.judged),
        "transfer_distribution": lambda: draw_transfer_distribution(evaluation),
        "transfer_structure_factor": lambda: draw_transfer_structure_factor(evaluation),
        "transfer_relaxation": lambda: draw_transfer_relaxation(evaluation),
        "reconstruction": lambda: draw_reconstruction(evaluation),
        "memorisation": lambda: draw_memorisation(evaluation.nearness),
        "training_distribution": lambda: draw_training_distribution(evaluation),
        "training_curves": lambda: draw_training_curves(evaluation),
    }
    drawn: dict[str, Drawn] = {}
    with stages.stage("drawing") as report:
        for done, (name, make) in enumerate(makers.items(), start=1):
            figure = make()
            if figure is not None:
                drawn[name] = figure
            report(done, len(makers))
    return drawn


def _distribution(evaluation: Evaluation) -> Drawn:
    levels = next(iter(evaluation.judged.values())).comparison.levels
    pooled = {name: one.comparison.generated.pooled for name, one in evaluation.judged.items()}
    return Drawn(
        distribution_figure(levels, pooled),
        "Distribution of the normalised density, all frames pooled (the paper's Fig. 3, left). "
        "The noise in the legend is the sJSD of one half of the reference against the other.",
    )


def _structure_factor(evaluation: Evaluation) -> Drawn:
    levels = next(iter(evaluation.judged.values())).comparison.levels
    pooled = {name: one.comparison.generated.pooled for name, one in evaluation.judged.items()}
    return Drawn(
        structure_factor_figure(levels, pooled),
        "Structure factor as the paper defines it, the mean amplitude |F(q)| (the paper's "
        "Fig. 3, right), its ratio to the reference, and the number of reciprocal grid points in "
        "each shell. The band lies between the two halves of the reference.",
    )


def _intensity(evaluation: Evaluation) -> Drawn:
    levels = next(iter(evaluation.judged.values())).comparison.levels
    pooled = {name: one.comparison.generated.pooled for name, one in evaluation.judged.items()}
    return Drawn(
        structure_factor_figure(levels, pooled, "intensity"),
        "Structure factor in the usual convention, the mean intensity |F(q)|² per electron.",
    )


def _time_series(evaluation: Evaluation) -> Drawn:
    reference = evaluation.inputs.reference
    target = next(iter(evaluation.judged.values())).comparison.levels.reference.probabilities

    def series(statistics: TrajectoryStatistics, times: NDArray[np.float64]) -> TimeSeries:
        return TimeSeries(
            times,
            statistics.electrons,
            np.asarray(scaled_jsd(statistics.probabilities, target)),
            statistics.steps,
        )

    compared = next(iter(evaluation.judged.values())).comparison
    lines = {
        name: series(
            one.comparison.generated, one.candidate.trajectory.times - one.candidate.start_time
        )
        for name, one in evaluation.judged.items()
    }
    intervals = {
        rollout["step_size"].get("interval") for rollout in evaluation.metrics["rollouts"].values()
    }
    interval = intervals.pop() if len(intervals) == 1 else None
    return Drawn(
        time_series_figure(
            series(compared.reference, reference.times - reference.times[0]),
            lines,
            interval=interval,
        ),
        "Frame by frame: electron count, step size, and sJSD of each frame against all reference "
        "frames. Light: each frame; strong: running mean over a twenty-fifth of the rollout; "
        "band: where 90 % of the reference frames lie.",
    )


def _forecast(evaluation: Evaluation) -> Drawn | None:
    forecasts = {
        name: one.comparison.forecast
        for name, one in evaluation.judged.items()
        if one.comparison.forecast is not None
    }
    if not forecasts:
        return None
    return Drawn(
        forecast_figure(forecasts),
        "Error of each generated frame against the reference frame of the same time, beside the "
        "start frame repeated (persistence) and the trajectory mean.",
    )
