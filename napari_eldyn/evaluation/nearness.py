"""Whether rollouts repeat training frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.evaluation.inputs import Inputs
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.memorisation import (
    NearestFrames,
    nearest_training_frames,
    training_frames,
)
from napari_eldyn.observables.statistics import StatisticsSettings

__all__ = ["Nearness", "judge_nearness"]

FloatArray = NDArray[np.float64]

# Frames judged of each trajectory, and training frames searched.
_JUDGED, _SEARCHED = 24, 250
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


def judge_nearness(
    inputs: Inputs, training: DensityTrajectory, settings: StatisticsSettings, stages: Stages
) -> Nearness:
    """Find the nearest training frame of generated and of held-back frames.

    Parameters
    ----------
    inputs : Inputs
        Rollouts and reference.
    training : DensityTrajectory
        What the models were trained on.
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
    if not training.grid.matches(inputs.reference.grid):
        reason = "the training frames lie on another grid or in another cell"
        return Nearness(np.empty(0), {}, {"available": False, "reason": reason})
    reference, left_out = _held_back(inputs.reference, training)
    try:
        with stages.stage("distances to training frames") as report:
            searched = training_frames(training, settings.normalisation, _SEARCHED, report)
            held = nearest_training_frames(reference, searched, _JUDGED, report)
            found = {
                candidate.name: nearest_training_frames(
                    candidate.trajectory, searched, _JUDGED, report
                )
                for candidate in inputs.candidates
            }
    except EldynError as error:
        if error.path is not None:
            raise
        return Nearness(np.empty(0), {}, {"available": False, "reason": error.problem})
    level = float(np.median(held.distance))
    metrics = {
        "available": True,
        "meaning": "RMS difference of ρ̃ to the nearest training frame over all shifts and "
        f"{len(searched.operations)} symmetry operations, over the training frames' own RMS "
        f"({searched.scale:.3g}): 0 is a copy, 1.41 an unrelated frame as it lies"
        + (f"; held-back frames within {_APART_FS:g} fs of training left out" if left_out else ""),
        "training_frames": {"searched": len(searched), "of": len(training)},
        "held_back": {**_numbers(held, level), "left_out": left_out},
        "rollouts": {name: _numbers(one, level) for name, one in found.items()},
    }
    return Nearness(held.distance, {name: one.distance for name, one in found.items()}, metrics)


def _held_back(
    reference: DensityTrajectory, training: DensityTrajectory
) -> tuple[DensityTrajectory, int]:
    """Leave out the start of a reference that goes on where training ends."""
    gap = reference.times - training.times[-1]
    if gap[0] <= 0:
        return reference, 0
    first = int(np.searchsorted(gap, _APART_FS))
    if first == 0 or len(reference) - first < _FEWEST_HELD_BACK:
        return reference, 0
    return reference[first:], first


def _numbers(one: NearestFrames, level: float) -> dict[str, Any]:
    low, median, high = np.quantile(one.distance, (0.05, 0.5, 0.95))
    return {
        "n_frames": len(one.frames),
        "frames": one.frames,
        "distance": one.distance,
        "nearest_training_frame": one.nearest,
        "plain_distance": one.plain_distance,
        "quantiles": {
            "minimum": one.distance.min(),
            "q05": low,
            "median": median,
            "q95": high,
        },
        "ratio": median / level if level > 0 else None,
        # Share of pairs of frames `pair_interval` fs apart whose nearest training frames are, too.
        "followed": one.followed,
        "pair_interval": one.pair_interval,
    }
