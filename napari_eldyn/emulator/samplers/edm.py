"""Solvers of the probability flow from noise to a sample, in the terms of Karras et al. 2022.

They know a denoiser D(x; σ), the expected clean sample given x = clean + σ·noise, and a falling
list of noise levels; dx/dσ = (x − D(x; σ))/σ (equation 3). All are pure functions: equal
arguments give equal samples. Samples have any shape, (B, *shape).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from napari_eldyn.emulator.config import DiffusionConfig
from napari_eldyn.exceptions import EldynError

__all__ = [
    "SOLVERS",
    "Denoise",
    "Solver",
    "StepCallback",
    "dpmpp_2m",
    "heun",
    "karras_sigmas",
    "solve",
    "solver_steps",
]

StepCallback = Callable[[int, int, Tensor], None]
"""Called after each evaluation of a denoiser with its index, the step, and the sample then."""

Denoise = Callable[[Tensor, float], Tensor]
"""Expected clean samples D(x; σ), (B, *shape), for noisy ones x of the same shape."""

Solver = Callable[[Denoise, Sequence[float], Tensor, StepCallback | None], Tensor]
"""A sampling function with the parameters of :func:`heun`."""


def karras_sigmas(sigma_min: float, sigma_max: float, rho: float, steps: int) -> list[float]:
    """List noise levels spaced evenly in σ^(1/ρ), and zero (equation 5 of Karras et al. 2022).

    Parameters
    ----------
    sigma_min, sigma_max : float
        Lowest level before zero, and highest.
    rho : float
        The larger, the denser are low levels.
    steps : int
        Steps of a solver.

    Returns
    -------
    list of float
        The `steps` levels from `sigma_max` down to `sigma_min`, then 0; with one step
        `sigma_max` and 0.

    Raises
    ------
    EldynError
        If there is no step.
    """
    if steps < 1:
        raise EldynError(f"{steps} sampling steps are not possible", remedy="Choose 1 or more.")
    high, low = sigma_max ** (1.0 / rho), sigma_min ** (1.0 / rho)
    inner = [(high + index / (steps - 1) * (low - high)) ** rho for index in range(1, steps - 1)]
    return [sigma_max, *inner, *([sigma_min] if steps > 1 else []), 0.0]


def heun(
    denoise: Denoise,
    sigmas: Sequence[float],
    noise: Tensor,
    callback: StepCallback | None = None,
) -> Tensor:
    """Take Heun's steps of second order (algorithm 1 of Karras et al. 2022, without churn).

    Parameters
    ----------
    denoise : callable
        D(x; σ).
    sigmas : sequence of float
        Falling noise levels that end with 0; as many steps as :func:`solver_steps` tells.
    noise : Tensor
        Standard normal, (evaluations + 1, B, *shape): the first sets the start σ·noise, the
        others are not used but for their number.
    callback : callable, optional
        Called after each evaluation with its index, the index k of the step, and x then at the
        level ``sigmas[k + 1]``: predicted after the first evaluation of a step, corrected after
        the second.

    Returns
    -------
    Tensor
        Clean samples, (B, *shape).

    Raises
    ------
    EldynError
        If the number of levels does not fit the evaluations, or levels do not fall to 0.

    Notes
    -----
    A step takes two evaluations, but the last, to σ = 0, only one. When the evaluations are
    even, the first step, where the flow is straightest, is one of Euler's, so that exactly as
    many evaluations are used as were asked for.
    """
    evaluations = len(noise) - 1
    _check_levels(sigmas, solver_steps("heun", evaluations))
    done = 0

    def report(step: int, x: Tensor) -> None:
        nonlocal done
        if callback is not None:
            callback(done, step, x)
        done += 1

    x = noise[0] * sigmas[0]
    for step, (sigma, following) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        predicted = torch.lerp(clean, x, following / sigma)
        report(step, predicted)
        if following > 0.0 and (step > 0 or evaluations % 2):
            slope = (x - clean) / sigma
            slope_there = (predicted - denoise(predicted, following)) / following
            x = torch.add(x, slope + slope_there, alpha=(following - sigma) / 2.0)
            report(step, x)
        else:
            x = predicted
    return x


def dpmpp_2m(
    denoise: Denoise,
    sigmas: Sequence[float],
    noise: Tensor,
    callback: StepCallback | None = None,
) -> Tensor:
    """Take multistep steps of second order, one evaluation each (DPM-Solver++(2M)).

    Algorithm 2 of Lu et al. 2022 (arXiv 2211.01095) with x not scaled: exact in the linear part,
    with D extrapolated in −ln σ from the last two evaluations. The first and the last step are
    of first order.

    Parameters, result and errors are those of :func:`heun`; x after an evaluation lies at the
    next level.
    """
    _check_levels(sigmas, solver_steps("dpmpp_2m", len(noise) - 1))
    x = noise[0] * sigmas[0]
    before: Tensor | None = None
    span_before = 0.0
    for step, (sigma, following) in enumerate(pairwise(sigmas)):
        clean = denoise(x, sigma)
        target = clean
        if following > 0.0:
            span = math.log(sigma / following)
            if before is not None:
                target = torch.lerp(before, clean, 1.0 + span / (2.0 * span_before))
            span_before = span
        x = torch.lerp(target, x, following / sigma)
        before = clean
        if callback is not None:
            callback(step, step, x)
    return x


SOLVERS: dict[str, Solver] = {"heun": heun, "dpmpp_2m": dpmpp_2m}
"""Solvers by name."""


def solve(
    solver: str,
    denoise: Denoise,
    diffusion: DiffusionConfig,
    noise: Tensor,
    callback: StepCallback | None = None,
) -> Tensor:
    """Sample with a solver of :data:`SOLVERS` on the noise levels of a configuration.

    Parameters
    ----------
    solver : str
        ``heun`` or ``dpmpp_2m``.
    denoise : callable
        D(x; σ).
    diffusion : DiffusionConfig
        Lowest and highest noise level, and their spacing.
    noise : Tensor
        Standard normal, (evaluations + 1, B, *shape); only the first is used but for the number.
    callback : callable, optional
        As for :func:`heun`.

    Returns
    -------
    Tensor
        Clean samples, (B, *shape).

    Raises
    ------
    EldynError
        If there are no evaluations.
    """
    steps = solver_steps(solver, len(noise) - 1)
    sigmas = karras_sigmas(diffusion.sigma_min, diffusion.sigma_max, diffusion.rho, steps)
    return SOLVERS[solver](denoise, sigmas, noise, callback)


def solver_steps(solver: str, evaluations: int) -> int:
    """Return the steps, which are the noise levels above zero, for a number of evaluations.

    Raises
    ------
    EldynError
        If there are no evaluations.
    """
    if evaluations < 1:
        raise EldynError(
            f"{evaluations} evaluations of the denoiser per frame are not possible",
            remedy="Choose 1 or more.",
        )
    return evaluations // 2 + 1 if solver == "heun" else evaluations


def _check_levels(sigmas: Sequence[float], steps: int) -> None:
    if len(sigmas) != steps + 1:
        raise EldynError(
            f"{len(sigmas)} noise levels do not fit the evaluations, which make {steps} steps and "
            f"need {steps + 1}"
        )
    if sigmas[-1] != 0.0 or any(after >= before for before, after in pairwise(sigmas)):
        raise EldynError(f"the noise levels {list(sigmas)} do not fall to zero")
