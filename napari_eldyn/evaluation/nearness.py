"""Whether rollouts repeat training frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.evaluation.inputs import Inputs
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.memorisation import (
    NearestFrames,
    TrainingFrames,
    nearest_training_frames,
    training_frames,
)
from napari_eldyn.observables.statistics import StatisticsSettings

__all__ = ["Nearness", "judge_nearness"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Progress = Callable[[int, int], None]

# Frames judged of each trajectory, and training frames searched.
_JUDGED, _SEARCHED = 32, 250
# A frame so soon after a training frame is near to it only because little time has passed.
_APART_FS = 100.0
_FEWEST_HELD_BACK = 4


@dataclass(frozen=True, eq=False)
class Nearness:
    """Distances to the nearest training frame.

    Parameters
    ----------
    held_back : numpy.ndarray, shape (n,)
        Of reference frames; empty where nothing could be judged.
    rollouts : mapping of str to numpy.ndarray, shape (m,)
        Of generated frames by name.
    metrics : dict
        Numbers for JSON, or the reason why there are none.
    """

    held_back: FloatArray
    rollouts: Mapping[str, FloatArray]
    metrics: dict[str, Any] = field(repr=False)


def judge_nearness(inputs: Inputs, settings: StatisticsSettings, stages: Stages) -> Nearness:
    """Find the nearest training frame of generated and of held-back frames.

    Parameters
    ----------
    inputs : Inputs
        Rollouts, reference, and what the models were trained on.
    settings : StatisticsSettings
        For the normalisation.
    stages : Stages
        Shows progress.

    Returns
    -------
    Nearness
        Distances and numbers.

    Raises
    ------
    EldynError
        If a frame is not finite.
    """
    sources = [source for source in inputs.training if source.left_out is None]
    if not sources:
        reason = "the training frames lie on another grid or in another cell"
        return Nearness(np.empty(0), {}, {"available": False, "reason": reason})
    trajectories = [source.trajectory for source in sources]
    reference, left_out = _held_back(inputs.reference, trajectories)
    in_all = sum(map(len, trajectories))
    try:
        with stages.stage("distances to training frames") as report:
            searched = [
                training_frames(
                    trajectory,
                    settings.normalisation,
                    max(2, round(_SEARCHED * len(trajectory) / in_all)),
                    report,
                )
                for trajectory in trajectories
            ]
            held = _nearest(reference, searched, report)
            found = {
                candidate.name: _nearest(candidate.trajectory, searched, report)
                for candidate in inputs.candidates
            }
    except EldynError as error:
        if error.path is not None:
            raise
        return Nearness(np.empty(0), {}, {"available": False, "reason": error.problem})
    names = [source.name for source in sources]
    scales = ", ".join(f"{one.scale:.3g}" for one in searched)
    metrics = {
        "available": True,
        "meaning": "RMS difference of ρ̃ to the nearest training frame over all shifts and "
        f"{len(searched[0].operations)} symmetry operations, over the training frames' own RMS "
        f"({scales}): 0 is a copy, 1.41 an unrelated frame as it lies"
        + (f"; held-back frames within {_APART_FS:g} fs of training left out" if left_out else "")
        + "; p_nearer: chance that distances of the generated frames are so small if they are "
        "those of held-back frames (one-sided Mann-Whitney test)",
        "training_frames": {"searched": sum(map(len, searched)), "of": in_all},
        "trajectories": names,
        "left_out": [
            {"name": source.name, "reason": source.left_out}
            for source in inputs.training
            if source.left_out is not None
        ],
        "held_back": {**_numbers(held, held, names), "left_out": left_out},
        "rollouts": {name: _numbers(one, held, names) for name, one in found.items()},
    }
    return Nearness(held.distance, {name: one.distance for name, one in found.items()}, metrics)


@dataclass(frozen=True, eq=False)
class _Nearest:
    """The nearest training frames among all trajectories."""

    frames: IntArray
    distance: FloatArray
    plain_distance: FloatArray
    source: IntArray
    nearest: IntArray
    followed: float | None
    pair_interval: float | None


def _nearest(
    trajectory: DensityTrajectory, searched: Sequence[TrainingFrames], report: Progress
) -> _Nearest:
    by_source = [nearest_training_frames(trajectory, one, _JUDGED, report) for one in searched]
    # Where time steps differ, pairs of frames are chosen differently for each trajectory.
    frames = _common(by_source)
    if len(frames) == 0:
        raise EldynError("the training trajectories have time steps that do not go together")
    common = [np.isin(one.frames, frames) for one in by_source]
    distances = np.stack([one.distance[c] for one, c in zip(by_source, common, strict=True)])
    nearest = np.stack([one.nearest[c] for one, c in zip(by_source, common, strict=True)])
    plain = np.stack([one.plain_distance[c] for one, c in zip(by_source, common, strict=True)])
    source = distances.argmin(axis=0)
    columns = np.arange(len(frames))
    # A replay of one trajectory follows that one.
    followed = [one for one in by_source if one.followed is not None]
    most = max(followed, key=lambda one: one.followed or 0.0) if followed else None
    return _Nearest(
        frames=frames,
        distance=distances[source, columns],
        plain_distance=plain.min(axis=0),
        source=source,
        nearest=nearest[source, columns],
        followed=None if most is None else most.followed,
        pair_interval=None if most is None else most.pair_interval,
    )


def _common(found: Sequence[NearestFrames]) -> IntArray:
    """Frames that were judged against every trajectory."""
    frames = found[0].frames
    for one in found[1:]:
        frames = np.intersect1d(frames, one.frames)
    return frames


def _held_back(
    reference: DensityTrajectory, trainings: Sequence[DensityTrajectory]
) -> tuple[DensityTrajectory, int]:
    """Leave out where a reference goes on from training, or training goes on from it."""
    first, last = 0, len(reference)
    for training in trainings:
        after = reference.times - training.times[-1]
        before = training.times[0] - reference.times
        if after[0] > 0:
            first = max(first, int(np.searchsorted(after, _APART_FS)))
        elif before[-1] > 0:
            last = min(last, int(np.searchsorted(-before, -_APART_FS, side="right")))
    if last - first < _FEWEST_HELD_BACK:
        return reference, 0
    return reference[first:last], len(reference) - (last - first)


def _numbers(one: _Nearest, held: _Nearest, names: Sequence[str]) -> dict[str, Any]:
    low, median, high = np.quantile(one.distance, (0.05, 0.5, 0.95))
    level = float(np.median(held.distance))
    test = scipy.stats.mannwhitneyu(one.distance, held.distance, alternative="less")
    return {
        "n_frames": len(one.frames),
        "frames": one.frames,
        "distance": one.distance,
        "nearest_training_trajectory": [names[i] for i in one.source],
        "nearest_training_frame": one.nearest,
        "plain_distance": one.plain_distance,
        "quantiles": {
            "minimum": one.distance.min(),
            "q05": low,
            "median": median,
            "q95": high,
        },
        "ratio": median / level if level > 0 else None,
        "p_nearer": None if one is held else float(test.pvalue),
        # Share of pairs of frames `pair_interval` fs apart whose nearest training frames are, too.
        "followed": one.followed,
        "pair_interval": one.pair_interval,
    }
