"""What only the model itself can tell of its rollouts: whether its own rate of the density fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import central_rate
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.exceptions import EldynError

__all__ = ["RateConsistency", "rate_consistency"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RateConsistency:
    """Decoded rate of the density against the difference of decoded neighbours.

    Attributes
    ----------
    correlation : float
        Over all voxels of all frames looked at; 1 for a consistent model.
    relative_error : float
        RMS of the disagreement over the RMS of the difference; 0 for a consistent model.
    n_frames : int
        Frames looked at.
    """

    correlation: float
    relative_error: float
    n_frames: int


def rate_consistency(
    model: Emulator,
    latents: npt.ArrayLike,
    max_frames: int = 16,
    progress: Progress | None = None,
) -> RateConsistency:
    """Compare the decoded ∂ρ̃/∂τ with the central difference of the frames before and after.

    Parameters
    ----------
    model : Emulator
        The model that made the latents.
    latents : array-like, (n, *latent)
        Normalised latents of consecutive frames.
    max_frames : int
        Evenly spaced frames looked at.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    RateConsistency
        Over all voxels of those frames.

    Raises
    ------
    EldynError
        If there are fewer than three frames, or nothing moves.
    """
    latents = np.asarray(latents, dtype=np.float32)
    n = len(latents)
    if n < 3:
        raise EldynError(f"the rate is compared over three frames at least, there are {n}")
    rate_std = model.normalisation.rate_std
    if rate_std is None:
        raise EldynError("the model's normalisation lacks the scale of the density rate")
    chosen = np.unique(np.linspace(1, n - 2, min(n - 2, max_frames)).round().astype(int))
    sums = np.zeros(6)
    for done, index in enumerate(chosen, start=1):
        states = model.decode_states(latents[index - 1 : index + 2]).astype(np.float64)
        difference = central_rate(states[0, 0], states[2, 0], model.timestep)
        rate = states[1, 1] * rate_std
        sums += (
            rate.size,
            rate.sum(),
            difference.sum(),
            (rate * rate).sum(),
            (difference * difference).sum(),
            (rate * difference).sum(),
        )
        if progress is not None:
            progress(done, len(chosen))
    count, sum_r, sum_d, square_r, square_d, product = (float(s) for s in sums)
    if not square_d > 0:
        raise EldynError("the generated frames do not move, so their rate cannot be judged")
    covariance = product - sum_r * sum_d / count
    spread = (square_r - sum_r**2 / count) * (square_d - sum_d**2 / count)
    return RateConsistency(
        correlation=covariance / float(np.sqrt(spread)) if spread > 0 else 0.0,
        relative_error=float(np.sqrt(max(square_r - 2 * product + square_d, 0.0) / square_d)),
        n_frames=len(chosen),
    )
