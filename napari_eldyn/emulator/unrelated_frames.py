"""Real frames that have nothing to do with the one to be forecast: climatology."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import DensityTrajectory, shift
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.observables.memorisation.training import normalised_frame
from napari_eldyn.observables.uncertainty import BLOCK_FS

__all__ = ["UnrelatedFrames", "scattered"]

Fields = npt.NDArray[np.float32]

# Frames held for climatology and the mean field.
_POOL = 64


class UnrelatedFrames:
    """Up to 64 real frames, evenly spread over trajectories.

    Parameters
    ----------
    model : Emulator
        Normalises them.
    sources : sequence of DensityTrajectory
        On the model's grid, in its cell.

    Raises
    ------
    EldynError
        If one is not, or a frame is not finite.
    """

    def __init__(self, model: Emulator, sources: Sequence[DensityTrajectory]) -> None:
        n = sum(map(len, sources))
        chosen = np.unique(np.linspace(0, n - 1, min(n, _POOL)).round().astype(int))
        self._times = np.concatenate([source.times for source in sources])[chosen]
        fields, first = [], 0
        for source in sources:
            model.check_grid(source)
            inside = chosen[(chosen >= first) & (chosen < first + len(source))] - first
            fields += [
                normalised_frame(source, index, model.normalisation) for index in inside.tolist()
            ]
            first += len(source)
        self._fields: Fields = np.stack(fields)

    def unrelated(self, time: float | None) -> Fields:
        """Return all frames, or those at least 200 fs from a time, or the farthest few."""
        if time is None:
            return self._fields
        away = np.abs(self._times - time)
        far = away >= BLOCK_FS
        if far.sum() < 4:
            far = away >= np.sort(away)[-min(4, len(away))]
        fields: Fields = self._fields[far]
        return fields


def scattered(fields: Fields, members: int, rng: np.random.Generator) -> Fields:
    """Draw frames, each moved by a random shift: an exact symmetry of a fluid's statistics."""
    chosen = rng.choice(len(fields), members, replace=len(fields) < members)
    return np.stack([shift(fields[i], rng.integers(fields.shape[1:]).tolist()) for i in chosen])
