"""Samplers of a denoiser that predicts noise on a discrete, variance-preserving schedule.

All are pure functions of (denoiser, schedule, condition, noise): equal arguments give equal
latents. With fewer evaluations than diffusion steps, the steps visited go from the last one
downwards ("trailing"; Lin et al. 2024, table 2), so that sampling starts from the step that is
nearly pure noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from napari_eldyn.emulator.samplers.choice import check_evaluations
from napari_eldyn.emulator.samplers.edm import SOLVERS, StepCallback, solver_steps
from napari_eldyn.emulator.schedule import NoiseSchedule

__all__ = [
    "VP_SAMPLERS",
    "Denoiser",
    "Sampler",
    "ddim",
    "ddpm",
    "default_evaluations",
    "probability_flow",
    "quadratic_timesteps",
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


def probability_flow(
    solver: str,
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    condition: Tensor,
    noise: Tensor,
    callback: StepCallback | None = None,
) -> Tensor:
    """Sample with a solver of :data:`~napari_eldyn.emulator.samplers.edm.SOLVERS`.

    Parameters
    ----------
    solver : str
        ``heun`` or ``dpmpp_2m``.
    denoiser, schedule, condition, noise, callback
        As for :func:`ddpm`; only ``noise[0]`` is used. Steps come from
        :func:`quadratic_timesteps`. The callback is told the diffusion step that the solver's
        step starts from, and z at the one that it leads to.

    Returns
    -------
    Tensor
        Latents of the next frame, (B, D).

    Notes
    -----
    Divided by √ᾱ_t, z_t is a clean latent with noise of σ = √((1 − ᾱ_t)/ᾱ_t) added, so that
    D(x; σ) = x − σ ε(x/√(1 + σ²), t).
    """
    evaluations = len(noise) - 1
    check_evaluations(evaluations, schedule.steps)
    timesteps = quadratic_timesteps(schedule, solver_steps(solver, evaluations))
    predict = _bound(denoiser, condition, timesteps)
    signals = schedule.alphas_cumprod.tolist()
    sigmas = [*(math.sqrt((1.0 - signals[t]) / signals[t]) for t in timesteps), 0.0]
    scales = [*(math.sqrt(signals[t]) for t in timesteps), 1.0]
    index_of = {sigma: index for index, sigma in enumerate(sigmas)}

    def denoise(x: Tensor, sigma: float) -> Tensor:
        index = index_of[sigma]
        return torch.sub(x, predict(index, x * scales[index]), alpha=sigma)

    def report(index: int, step: int, x: Tensor) -> None:
        if callback is not None:
            callback(index, timesteps[step], x * scales[step + 1])

    # The start z = noise has unit variance, with what little is left of the signal.
    return SOLVERS[solver](denoise, sigmas, noise / (scales[0] * sigmas[0]), report)


Sampler = Callable[[Denoiser, NoiseSchedule, Tensor, Tensor, StepCallback | None], Tensor]
"""A sampling function with the parameters of :func:`ddpm`."""

VP_SAMPLERS: dict[str, Sampler] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "dpmpp_2m": partial(probability_flow, "dpmpp_2m"),
    "heun": partial(probability_flow, "heun"),
}
"""Samplers of the pooled family by name."""


def default_evaluations(sampler: str, schedule: NoiseSchedule) -> int:
    """Return the evaluations per frame when none are asked for.

    All diffusion steps for ddpm, 20 for ddim; for the others as many as come closer to the exact
    flow than ddim with 20 (tests/benchmarks/bench_samplers.py): 8 for dpmpp_2m, 12 for heun.
    """
    usual = {"ddim": 20, "dpmpp_2m": 8, "heun": 12}
    return min(usual.get(sampler, schedule.steps), schedule.steps)


def trailing_timesteps(schedule: NoiseSchedule, count: int) -> list[int]:
    """List diffusion steps spaced evenly from T − 1 down.

    Raises
    ------
    EldynError
        If there are none, or more than there are diffusion steps.
    """
    check_evaluations(count, schedule.steps)
    ratio = schedule.steps / count
    return [round(schedule.steps - index * ratio) - 1 for index in range(count)]


def quadratic_timesteps(schedule: NoiseSchedule, count: int) -> list[int]:
    """List diffusion steps from T − 1 down, the closer the lower: T (1 − k/n)² − 1.

    The quadratic spacing of Song et al. 2021 (appendix D.2): a solver of second order needs its
    steps where the latent takes shape, at low noise, while an even spacing would leave there, for
    few steps, at a noise half as large as the signal. Where squares lie closer than one diffusion
    step, each step is visited.

    Raises
    ------
    EldynError
        If there are none, or more than there are diffusion steps.
    """
    check_evaluations(count, schedule.steps)
    left = range(count, 0, -1)
    return [max(round(schedule.steps * (k / count) ** 2), k) - 1 for k in left]


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
