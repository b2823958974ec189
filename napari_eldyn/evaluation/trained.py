"""The distribution of the training frames: the paper's Fig. S1 in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from napari_eldyn.density import DensityTrajectory, fit_normalisation
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.observables.metrics import describe
from napari_eldyn.observables.statistics import RunningStatistics, default_settings
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

__all__ = ["TrainingData", "measure_training"]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Values of the training frames, normalised by their own mean and standard deviation.

    Parameters
    ----------
    pooled : RunningStatistics
        All frames.
    n_frames : int
        How many.
    metrics : dict
        Fit, skew, kurtosis, counts.
    """

    pooled: RunningStatistics
    n_frames: int
    metrics: dict[str, Any] = field(repr=False)


def measure_training(
    training: DensityTrajectory, frames: str | None, stages: Stages
) -> TrainingData:
    """Fit ln ρ of the training frames and count their values.

    Parameters
    ----------
    training : DensityTrajectory
        The frames the models were trained on.
    frames : str or None
        Which of its trajectory's frames these are, as given.
    stages : Stages
        Shows progress.

    Returns
    -------
    TrainingData
        For Fig. S1.

    Raises
    ------
    EldynError
        If a frame is not finite or all values are the same.
    """
    with stages.stage("training distribution") as report:
        fit, _ = fit_normalisation(training, report)
        settings = default_settings(training, fit)
        pooled = trajectory_statistics(training, settings, report).pooled
    return TrainingData(
        pooled,
        len(training),
        {
            "meaning": "ln ρ (ρ in electrons/Å³) over all training frames: mean and std of the "
            "normal fit; moments of (ln ρ − mean)/std, of which a log-normal density has skew "
            "and excess kurtosis 0",
            "frames": frames or "all",
            "trajectory": describe(training),
            "fit": {"mean": fit.mean, "std": fit.std},
            "moments": asdict(pooled.moments),
            "edges": settings.edges,
            "counts": pooled.counts,
            "n_clipped_to_floor": pooled.n_clipped,
        },
    )
