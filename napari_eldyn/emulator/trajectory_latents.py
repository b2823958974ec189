"""Latents of all frames of a trajectory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.start import start_state

__all__ = ["encode_trajectory"]

Fields = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]

# States encoded at once.
_BATCH = 16


def encode_trajectory(
    model: Emulator, trajectory: DensityTrajectory, progress: Progress | None = None
) -> list[Fields]:
    """Encode all frames of a trajectory.

    Parameters
    ----------
    model : Emulator
        The model.
    trajectory : DensityTrajectory
        On its grid, with a time step that divides the model's.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    list of ndarray, (n, *latent)
        Normalised latents one model step apart; where the model skips frames, one stretch for
        each first frame. Where a latent holds several frames, those before the first whole one
        are lost. Rates are differenced from past frames, as at a start.

    Raises
    ------
    EldynError
        If the trajectory does not fit the model, or a frame is not finite.
    """
    stride = model.check_compatible(trajectory)
    latents: list[Fields] = []
    for first in range(0, len(trajectory), _BATCH):
        chosen = range(first, min(first + _BATCH, len(trajectory)))
        states = [start_state(trajectory, i, model.normalisation).state for i in chosen]
        latents.append(model.encode_states(np.stack(states)))
        if progress is not None:
            progress(chosen[-1] + 1, len(trajectory))
    joined = np.concatenate(latents)
    return [_stacked(joined[first::stride], model.context_frames) for first in range(stride)]


def _stacked(latents: Fields, context: int) -> Fields:
    """Join each frame's latents with those before it along the channels, oldest first."""
    n = len(latents) - context + 1
    return np.concatenate([latents[k : k + n] for k in range(context)], axis=1)
