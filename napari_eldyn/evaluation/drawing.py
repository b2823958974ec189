"""The figures of an evaluation, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.trajectory import check_frame
from napari_eldyn.evaluation.drawing_dynamics import (
    draw_ensemble,
    draw_ensemble_reconstruction,
    draw_memorisation,
    draw_relaxation,
    draw_scattering,
    draw_spectrum,
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
from napari_eldyn.figures.paper import distribution_figure, structure_factor_figure
from napari_eldyn.figures.slices import slices_figure
from napari_eldyn.figures.time_series import TimeSeries, time_series_figure
from napari_eldyn.figures.training import training_curves_figure, training_distribution_figure
from napari_eldyn.observables.distribution import scaled_jsd
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics

__all__ = ["draw_figures"]

_COLUMNS = 5


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
        "slices": lambda: _slices(evaluation),
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
        "training_distribution": lambda: _training_distribution(evaluation),
        "training_curves": lambda: _training_curves(evaluation),
    }
    drawn: dict[str, Drawn] = {}
    with stages.stage("drawing") as report:
        for done, (name, make) in enumerate(makers.items(), start=1):
            figure = make()
            if figure is not None:
                drawn[name] = figure
            report(done, len(makers))
    return drawn


def _slices(evaluation: Evaluation) -> Drawn:
    reference = evaluation.inputs.reference
    candidates = evaluation.inputs.candidates
    first = candidates[0]
    clocks = {"reference": (reference, float(reference.times[first.start.frame]))}
    clocks |= {c.name: (c.trajectory, c.start_time) for c in candidates}
    last = min(float(t.times[-1]) - start for t, start in clocks.values())
    elapsed = first.trajectory.times - first.start_time
    within = elapsed[elapsed <= last + 1e-6]
    shown = within if len(within) else elapsed[:1]
    chosen = np.unique(np.linspace(0, len(shown) - 1, _COLUMNS).round().astype(int))
    leads = [float(shown[i]) for i in chosen]
    planes = {
        name: [_plane(evaluation, trajectory, start + lead) for lead in leads]
        for name, (trajectory, start) in clocks.items()
    }
    lengths = np.linalg.norm(reference.grid.cell, axis=1)
    together = all(candidate.start.in_reference for candidate in candidates)
    return Drawn(
        slices_figure(planes, leads, (float(lengths[1]), float(lengths[2]))),
        "The mid-plane across the first cell vector (x) of the reference and of each rollout at "
        "the same times, counted from the start (the paper's Fig. 2). "
        + (
            "All started from the same frame of the reference."
            if together
            else "Not every rollout started from this reference: compare the look, not places."
        ),
        wide=True,
    )


def _plane(
    evaluation: Evaluation, trajectory: DensityTrajectory, time: float
) -> NDArray[np.floating] | None:
    """Mid-plane of ρ̃ of the frame at a time, None where there is none."""
    index = int(np.argmin(np.abs(trajectory.times - time)))
    steps = np.diff(trajectory.times)
    tolerance = 0.51 * float(steps.min()) if len(steps) else 1e-3
    if abs(trajectory.times[index] - time) > tolerance:
        return None
    density = trajectory[index]
    check_frame(density, trajectory.path, index)
    normalised = evaluation.settings.normalisation.normalise(density)[0]
    plane: NDArray[np.floating] = normalised[normalised.shape[0] // 2]
    return plane


def _distribution(evaluation: Evaluation) -> Drawn:
    levels = next(iter(evaluation.judged.values())).comparison.levels
    pooled = {name: one.comparison.generated.pooled for name, one in evaluation.judged.items()}
    return Drawn(
        distribution_figure(levels.reference, pooled, levels=levels),
        "Distribution of the normalised density, all frames pooled (the paper's Fig. 3, left). "
        "The noise in the legend is the sJSD of one half of the reference against the other.",
    )


def _structure_factor(evaluation: Evaluation) -> Drawn:
    levels = next(iter(evaluation.judged.values())).comparison.levels
    pooled = {name: one.comparison.generated.pooled for name, one in evaluation.judged.items()}
    return Drawn(
        structure_factor_figure(levels.reference, pooled, levels=levels),
        "Structure factor as the paper defines it, the mean amplitude |F(q)| (the paper's "
        "Fig. 3, right), its ratio to the reference, and the number of reciprocal grid points in "
        "each shell. The band lies between the two halves of the reference.",
    )


def _intensity(evaluation: Evaluation) -> Drawn:
    levels = next(iter(evaluation.judged.values())).comparison.levels
    pooled = {name: one.comparison.generated.pooled for name, one in evaluation.judged.items()}
    return Drawn(
        structure_factor_figure(levels.reference, pooled, levels=levels, convention="intensity"),
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


def _training_distribution(evaluation: Evaluation) -> Drawn | None:
    training = evaluation.training
    if training is None:
        return None
    return Drawn(
        training_distribution_figure(training.pooled, n_frames=training.n_frames),
        "Distribution of the normalised density in the training frames with the normal fit (the "
        "paper's Fig. S1), on a linear and a logarithmic axis.",
    )


def _training_curves(evaluation: Evaluation) -> Drawn | None:
    runs = evaluation.inputs.runs
    if not runs:
        return None
    return Drawn(
        training_curves_figure({name: (log.steps, log.mse) for name, log in runs.items()}),
        "Mean squared error of the autoencoder at each training step (the paper's Fig. S2), on "
        "the normalised state. Light: each step; strong: running geometric mean.",
    )
