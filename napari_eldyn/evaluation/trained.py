"""The distribution of the training frames: the paper's Fig. S1 in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from napari_eldyn.density import NormalisationFit, check_frame
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.evaluation.trained_on import TrainingSource
from napari_eldyn.observables.distribution import uniform_edges
from napari_eldyn.observables.metrics import describe
from napari_eldyn.observables.statistics import RunningStatistics, default_settings
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

__all__ = ["TrainingData", "measure_training"]

_BINS = 128


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


def measure_training(sources: Sequence[TrainingSource], stages: Stages) -> TrainingData:
    """Fit ln ρ of the training frames and count their values.

    Parameters
    ----------
    sources : sequence of TrainingSource
        All frames the models were trained on, in whatever cells.
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
        fitting = NormalisationFit()
        for source in sources:
            for index in range(len(source.trajectory)):
                density = source.trajectory[index]
                check_frame(density, source.trajectory.path, index)
                fitting.add(density, None)
                report(index + 1, len(source.trajectory))
        fit, _ = fitting.result()
        own = [default_settings(source.trajectory, fit) for source in sources]
        edges = uniform_edges(
            min(one.edges[0] for one in own), max(one.edges[-1] for one in own), _BINS
        )
        pooled = RunningStatistics(replace(own[0], edges=edges))
        waves = np.zeros(pooled.amplitude_shape)
        for source, settings in zip(sources, own, strict=True):
            counted = replace(settings, edges=edges)
            for frame in trajectory_statistics(source.trajectory, counted, report):
                # Only values are pooled: in another cell S(q) has other shells.
                pooled.add(replace(frame, amplitude=waves, intensity=waves))
    n_frames = sum(len(source.trajectory) for source in sources)
    return TrainingData(
        pooled,
        n_frames,
        {
            "meaning": "ln ρ (ρ in electrons/Å³) over all training frames: mean and std of the "
            "normal fit; moments of (ln ρ − mean)/std, of which a log-normal density has skew "
            "and excess kurtosis 0; left_out: why frames are compared with nothing else",
            "n_frames": n_frames,
            "trajectories": [
                {
                    **describe(source.trajectory),
                    "name": source.name,
                    "frames": source.frames,
                    "left_out": source.left_out,
                }
                for source in sources
            ],
            "fit": {"mean": fit.mean, "std": fit.std},
            "moments": asdict(pooled.moments),
            "edges": edges,
            "counts": pooled.counts,
            "n_clipped_to_floor": pooled.n_clipped,
        },
    )
