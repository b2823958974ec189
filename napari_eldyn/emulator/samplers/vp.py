"""Samplers: from noise and a condition to the latent of the next frame.

All are pure functions of (denoiser, schedule, condition, noise): equal arguments give equal
latents. With fewer evaluations than diffusion steps, the steps visited are spaced evenly from
the last one downwards ("trailing"; Lin et al. 2024, table 2), so that sampling starts from the
step that is nearly pure noise.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from napari_eldyn.emulator.samplers.edm import StepCallback
from napari_eldyn.emulator.schedule import NoiseSchedule
from napari_eldyn.exceptions import EldynError

__all__ = [
    "SAMPLERS",
    "Denoiser",
    "Sampler",
    "check_sampler",
    "ddim",
    "ddpm",
    "default_evaluations",
    "trailing_timesteps",
]

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Predicts the noise in z_t (B, D) at steps t (B,), given the condition z_0 (B, D)."""


@runtime_checkable
class _BindableDenoiser(Protocol):
    """A denoiser that can do once per run what does not depend on z_t."""

    def bind(self, condition: Tensor, timesteps: Tensor) -> Callable[[int, Tensor], Tensor]:
        """Prepare predictions by index of the step; see :meth:`MLPDenoiser.bind`."""
        ...


def ddpm(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    condition: Tensor,
    noise: Tensor,
    callback: StepCallback | None = None,
) -> Tensor:
    """Ancestral sampling of Ho et al. 2020, the paper's sampler (S10).

    Parameters
    ----------
    denoiser : callable
        Predicts the noise.
    schedule : NoiseSchedule
        The forward process.
    condition : Tensor
        Latents of the current frame, (B, D).
    noise : Tensor
        Standard normal, (evaluations + 1, B, D): the start, then one draw per evaluation. The
        last evaluation adds none, so the last draw is not used.
    callback : callable, optional
        Called after each evaluation.

    Returns
    -------
    Tensor
        Latents of the next frame, (B, D).

    Notes
    -----
    The variance of a step from t to s is β̃ = (1 − ᾱ_s)/(1 − ᾱ_t) · (1 − ᾱ_t/ᾱ_s), the posterior
    variance, also when steps are skipped.
    """
    timesteps = trailing_timesteps(schedule, len(noise) - 1)
    predict = _bound(denoiser, condition, timesteps)
    signals = schedule.alphas_cumprod.tolist()
    z = noise[0]
    for index, (step, following) in enumerate(_pairs(timesteps)):
        signal = signals[step]
        signal_after = signals[following] if following >= 0 else 1.0
        alpha = signal / signal_after
        # Posterior mean, equation 7 of Ho et al., with the clean latent put in terms of the
        # predicted noise: the mean is (z_t − (1 − α)/√(1 − ᾱ_t) ε)/√α.
        noise_weight = (alpha - 1.0) / math.sqrt((1.0 - signal) * alpha)
        spread = math.sqrt((1.0 - signal_after) / (1.0 - signal) * (1.0 - alpha))
        z = torch.add(z / math.sqrt(alpha), predict(index, z), alpha=noise_weight)
        if following >= 0:
            z = z.add_(noise[index + 1], alpha=spread)
        if callback is not None:
            callback(index, step, z)
    return z


def ddim(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    condition: Tensor,
    noise: Tensor,
    callback: StepCallback | None = None,
) -> Tensor:
    """Deterministic sampling of Song et al. 2021 (η = 0), for few evaluations.

    Parameters and result are those of :func:`ddpm`; only ``noise[0]`` is used.
    """
    timesteps = trailing_timesteps(schedule, len(noise) - 1)
    predict = _bound(denoiser, condition, timesteps)
    signals = schedule.alphas_cumprod.tolist()
    z = noise[0]
    for index, (step, following) in enumerate(_pairs(timesteps)):
        signal = signals[step]
        signal_after = signals[following] if following >= 0 else 1.0
        # Equation 12 with σ = 0, gathered by z_t and ε.
        scale = math.sqrt(signal_after / signal)
        noise_weight = math.sqrt(1.0 - signal_after) - scale * math.sqrt(1.0 - signal)
        z = torch.add(z * scale, predict(index, z), alpha=noise_weight)
        if callback is not None:
            callback(index, step, z)
    return z


Sampler = Callable[[Denoiser, NoiseSchedule, Tensor, Tensor, StepCallback | None], Tensor]
"""A sampling function with the parameters of :func:`ddpm`."""

SAMPLERS: dict[str, Sampler] = {"ddpm": ddpm, "ddim": ddim}
"""Samplers by the names used in configurations, files and the interface."""


def trailing_timesteps(schedule: NoiseSchedule, evaluations: int) -> list[int]:
    """List the diffusion steps visited, from T − 1 down.

    Raises
    ------
    EldynError
        If there are no evaluations, or more than diffusion steps.
    """
    if not 1 <= evaluations <= schedule.steps:
        raise EldynError(
            f"{evaluations} evaluations of the denoiser per frame are not possible",
            remedy=f"Choose 1 to {schedule.steps}, the model's number of diffusion steps.",
        )
    ratio = schedule.steps / evaluations
    return [round(schedule.steps - index * ratio) - 1 for index in range(evaluations)]


def default_evaluations(sampler: str, schedule: NoiseSchedule) -> int:
    """Return the evaluations per frame when none are asked for: all for ddpm, 20 for ddim."""
    return schedule.steps if sampler == "ddpm" else min(20, schedule.steps)


def check_sampler(name: str) -> Sampler:
    """Return the sampler of a name.

    Raises
    ------
    EldynError
        If there is no such sampler; the nearest name is suggested.
    """
    if name in SAMPLERS:
        return SAMPLERS[name]
    near = difflib.get_close_matches(name, SAMPLERS, n=1, cutoff=0.0)
    raise EldynError(
        f"there is no sampler '{name}'",
        remedy=f"Choose one of {', '.join(SAMPLERS)} (did you mean '{near[0]}'?).",
    )


def _pairs(timesteps: list[int]) -> list[tuple[int, int]]:
    """Pair each step with the one after it; −1 stands for the clean latent."""
    return list(zip(timesteps, [*timesteps[1:], -1], strict=True))


def _bound(
    denoiser: Denoiser, condition: Tensor, timesteps: list[int]
) -> Callable[[int, Tensor], Tensor]:
    steps = torch.tensor(timesteps, device=condition.device)
    if isinstance(denoiser, _BindableDenoiser):
        return denoiser.bind(condition, steps)
    repeated = steps[:, None].expand(-1, len(condition))

    def predict(index: int, z_t: Tensor) -> Tensor:
        return denoiser(z_t, repeated[index], condition)

    return predict
