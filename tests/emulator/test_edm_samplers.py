"""Solvers against diffusers, scipy and distributions whose denoiser is known exactly."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import EDMDPMSolverMultistepScheduler, HeunDiscreteScheduler
from scipy.integrate import solve_ivp
from torch import Tensor

from napari_eldyn.emulator.config import (
    DiffusionConfig,
    SpatialAutoencoderConfig,
    SpatialConfig,
    SpatialDenoiserConfig,
)
from napari_eldyn.emulator.networks import SpatialNetworks
from napari_eldyn.emulator.samplers import (
    SOLVERS,
    dpmpp_2m,
    heun,
    karras_sigmas,
    solve,
    solver_steps,
)
from napari_eldyn.exceptions import EldynError

MEANS, STDS, SHARES = (-1.2, 0.9), (0.3, 0.5), (0.4, 0.6)
Floats = npt.NDArray[np.float64]


def mixture_denoiser(x: Tensor, sigma: float) -> Tensor:
    """D(x; σ) of a mixture of two normal distributions, for each number alone."""
    weights, cleans = [], []
    for mean, std, share in zip(MEANS, STDS, SHARES, strict=True):
        variance = std**2 + sigma**2
        weights.append(math.log(share / math.sqrt(variance)) - (x - mean) ** 2 / (2 * variance))
        cleans.append(mean + std**2 / variance * (x - mean))
    odds = torch.softmax(torch.stack(weights), dim=0)
    return (odds * torch.stack(cleans)).sum(dim=0)


def draw(evaluations: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise of which only the first draw may be used."""
    start = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(3))
    return torch.cat([start[None], torch.full((evaluations, *shape), torch.nan, dtype=dtype)])


@pytest.mark.parametrize("rho", [3.0, 7.0])
@pytest.mark.parametrize("steps", [1, 2, 5, 18])
def test_levels_are_those_of_diffusers(rho: float, steps: int) -> None:
    theirs = EDMDPMSolverMultistepScheduler(sigma_min=0.02, sigma_max=20.0, rho=rho)
    theirs.set_timesteps(steps)
    mine = karras_sigmas(0.02, 20.0, rho, steps)
    assert mine == pytest.approx(theirs.sigmas.tolist(), rel=1e-5)
    assert mine[-1] == 0.0
    assert all(after < before for before, after in pairwise(mine))


# diffusers 0.42 with torch 2 under numpy 2
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.parametrize("karras", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 4, 20])
def test_heun_is_that_of_diffusers_at_every_evaluation(steps: int, karras: bool) -> None:
    scheduler = HeunDiscreteScheduler(
        beta_start=1e-4, beta_end=0.02, timestep_spacing="trailing", use_karras_sigmas=karras
    )
    scheduler.set_timesteps(steps)
    sigmas = list(dict.fromkeys(scheduler.sigmas.tolist()))
    evaluations = 2 * steps - 1
    noise = draw(evaluations, 3, 2, 4, 4)
    found: list[Tensor] = []
    last = heun(mixture_denoiser, sigmas, noise, lambda _i, _k, x: found.append(x.clone()))
    x = noise[0] * sigmas[0]
    assert len(found) == evaluations == len(scheduler.timesteps)
    for t, mine in zip(scheduler.timesteps, found, strict=True):
        sigma = sigmas_of(scheduler)
        x = scheduler.step((x - mixture_denoiser(x, sigma)) / sigma, t, x).prev_sample
        torch.testing.assert_close(mine, x, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(last, found[-1])


def sigmas_of(scheduler: HeunDiscreteScheduler) -> float:
    """Level of the evaluation that the scheduler expects next."""
    index = 0 if scheduler.step_index is None else scheduler.step_index
    return float(scheduler.sigmas[index])


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 20])
def test_dpmpp_2m_is_that_of_diffusers_at_every_step(steps: int) -> None:
    scheduler = EDMDPMSolverMultistepScheduler(
        sigma_min=0.02, sigma_max=20.0, rho=7.0, sigma_data=1.0, solver_order=2
    )
    scheduler.set_timesteps(steps)

    def network(scaled: Tensor) -> Tensor:
        return torch.tanh(1.5 * scaled.flip(1) + 0.2)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        total = math.sqrt(1.0 + sigma**2)
        return x / total**2 + sigma / total * network(x / total)

    noise = draw(steps, 2, 3, 4, 4, 4)
    found: list[Tensor] = []
    diffusion = DiffusionConfig(sigma_min=0.02, sigma_max=20.0, rho=7.0)
    solve("dpmpp_2m", denoise, diffusion, noise, lambda _i, _k, x: found.append(x.clone()))
    x = noise[0] * 20.0
    for t, mine in zip(scheduler.timesteps, found, strict=True):
        output = network(scheduler.scale_model_input(x, t))
        x = scheduler.step(output, t, x).prev_sample
        torch.testing.assert_close(mine, x, rtol=1e-3, atol=2e-4)


def test_the_first_of_an_even_number_of_evaluations_is_a_step_of_eulers() -> None:
    # Written out after algorithm 1 of Karras et al., in float64.
    sigmas = [10.0, 3.0, 0.8, 0.1, 0.0]
    x = 10.0 * draw(0, 5, dtype=torch.float64)[0]
    expected: list[Tensor] = []
    for step, (sigma, following) in enumerate(pairwise(sigmas)):
        slope = (x - mixture_denoiser(x, sigma)) / sigma
        ahead = x + (following - sigma) * slope
        expected.append(ahead)
        if step in (1, 2):
            slope_there = (ahead - mixture_denoiser(ahead, following)) / following
            ahead = x + (following - sigma) * (slope + slope_there) / 2
            expected.append(ahead)
        x = ahead
    found: list[Tensor] = []
    noise = draw(6, 5, dtype=torch.float64)
    heun(mixture_denoiser, sigmas, noise, lambda _i, _k, x: found.append(x.clone()))
    torch.testing.assert_close(torch.stack(found), torch.stack(expected))


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("evaluations", [*range(1, 10), 24, 25])
def test_exactly_the_evaluations_asked_for_are_used(name: str, evaluations: int) -> None:
    evaluated: list[float] = []
    calls: list[tuple[int, int, int]] = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        evaluated.append(sigma)
        return mixture_denoiser(x, sigma)

    def callback(index: int, step: int, _x: Tensor) -> None:
        calls.append((index, step, len(evaluated)))

    diffusion = DiffusionConfig()
    solve(name, denoise, diffusion, draw(evaluations, 2, 3), callback)
    assert len(evaluated) == evaluations
    # After each evaluation, not later: a stop asked for must not wait for another one.
    assert [(index, seen) for index, _, seen in calls] == [(k, k + 1) for k in range(evaluations)]
    steps = [step for _, step, _ in calls]
    assert steps == sorted(steps)
    assert set(steps) == set(range(solver_steps(name, evaluations)))
    assert evaluated[0] == diffusion.sigma_max


@pytest.mark.parametrize("name", SOLVERS)
def test_one_evaluation_gives_the_expected_clean_sample(name: str) -> None:
    noise = draw(1, 4, 3)
    found = solve(name, mixture_denoiser, DiffusionConfig(), noise)
    torch.testing.assert_close(found, mixture_denoiser(20.0 * noise[0], 20.0))


def exact_flow(start: Floats, sigma_max: float, sigma_min: float) -> Floats:
    """Clean samples after the exact probability flow down to σ_min."""

    def slope(sigma: float, x: Floats) -> Floats:
        return (x - mixture_denoiser(torch.from_numpy(x), sigma).numpy()) / sigma

    span = (sigma_max, sigma_min)
    end = solve_ivp(slope, span, start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    clean: Floats = mixture_denoiser(torch.from_numpy(end), sigma_min).numpy()
    return clean


@pytest.mark.parametrize(("name", "largest"), [("heun", 2e-3), ("dpmpp_2m", 1e-3)])
def test_solvers_are_of_second_order(name: str, largest: float) -> None:
    diffusion = DiffusionConfig(sigma_min=0.05, sigma_max=10.0, rho=7.0)
    noise = draw(256, 40, dtype=torch.float64)
    exact = exact_flow(10.0 * noise[0].numpy(), 10.0, 0.05)
    errors = []
    for evaluations in (64, 128, 256):
        found = solve(name, mixture_denoiser, diffusion, noise[: evaluations + 1]).numpy()
        errors.append(float(np.sqrt(np.mean((found - exact) ** 2))))
    assert errors[-1] < largest
    orders = [math.log2(before / after) for before, after in pairwise(errors)]
    assert orders == pytest.approx([2.0, 2.0], abs=0.35)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_mixture_comes_out_with_its_shares_means_and_spreads(name: str) -> None:
    # Numbers of a grid of latents, float32; 5 standard errors and 2 % of discretisation.
    diffusion = DiffusionConfig(sigma_min=0.02, sigma_max=40.0, rho=7.0)
    noise = torch.randn(64, 2, 6, 6, 6, generator=torch.Generator().manual_seed(0))
    x = solve(name, mixture_denoiser, diffusion, noise[None].expand(101, -1, -1, -1, -1, -1))
    assert x.dtype == torch.float32
    assert x.shape == noise.shape
    n = x.numel()
    assert (x > 0).float().mean().item() == pytest.approx(
        sum(
            share * 0.5 * (1 + math.erf(mean / std / math.sqrt(2)))
            for mean, std, share in zip(MEANS, STDS, SHARES, strict=True)
        ),
        abs=0.005 + 5 * 0.5 / n**0.5,
    )
    mean = sum(share * mean for mean, share in zip(MEANS, SHARES, strict=True))
    square = sum(
        share * (mean**2 + std**2) for mean, std, share in zip(MEANS, STDS, SHARES, strict=True)
    )
    spread = math.sqrt(square - mean**2)
    assert x.mean().item() == pytest.approx(mean, abs=0.02 * spread + 5 * spread / n**0.5)
    assert x.std().item() == pytest.approx(spread, rel=0.02 + 5 / (2 * n) ** 0.5)


def test_eight_evaluations_of_dpmpp_2m_keep_the_spread_where_eight_of_heun_widen_it() -> None:
    # A normal distribution: the flow is known, x ∝ √(s² + σ²).
    def denoise(x: Tensor, sigma: float) -> Tensor:
        return 0.25 / (0.25 + sigma**2) * x

    noise = draw(8, 1000, dtype=torch.float64)
    exact = 20.0 * 0.5 / math.sqrt(0.25 + 20.0**2)
    even = DiffusionConfig(sigma_min=0.03, sigma_max=20.0, rho=30.0)
    ratio = solve("dpmpp_2m", denoise, even, noise) / noise[0] / exact
    assert ratio.mean().item() == pytest.approx(1.0, abs=0.05)
    ratio = solve("heun", denoise, even, noise) / noise[0] / exact
    assert 1.2 < ratio.mean().item() < 1.6


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("shape", [(1, 32), (3, 2, 8, 8, 16), (2,)])
def test_samples_of_any_shape_repeat_and_leave_arguments_as_they_were(
    name: str, shape: tuple[int, ...]
) -> None:
    noise = torch.randn(9, *shape)
    kept = noise.clone()
    seen: list[Tensor] = []
    once = solve(name, mixture_denoiser, DiffusionConfig(), noise, lambda *a: seen.append(a[2]))
    again = solve(name, mixture_denoiser, DiffusionConfig(), noise)
    assert once.shape == shape
    assert torch.equal(once, again)
    assert torch.equal(noise, kept)
    # What the callback was given is not overwritten later.
    assert len({tensor.data_ptr() for tensor in seen}) == len(seen)


def test_levels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EldynError, match=r"5 noise levels do not fit.*8 steps and need 9"):
        dpmpp_2m(mixture_denoiser, [3.0, 2.0, 1.0, 0.5, 0.0], draw(8, 2))
    with pytest.raises(EldynError, match="5 steps and need 6"):
        heun(mixture_denoiser, [3.0, 2.0, 1.0, 0.0], draw(8, 2))
    for levels in ([3.0, 2.0, 1.0], [3.0, 3.0, 0.0], [1.0, 2.0, 0.0]):
        with pytest.raises(EldynError, match="do not fall to zero"):
            dpmpp_2m(mixture_denoiser, levels, draw(2, 2))
    for name in SOLVERS:
        with pytest.raises(EldynError, match="0 evaluations"):
            solve(name, mixture_denoiser, DiffusionConfig(), draw(0, 2))
    with pytest.raises(EldynError, match="0 sampling steps"):
        karras_sigmas(0.02, 20.0, 7.0, 0)


@pytest.mark.parametrize("name", SOLVERS)
def test_spatial_networks_sample_a_change_and_move_their_context_on(name: str) -> None:
    # A fresh denoiser predicts nothing: D = x/(1 + σ²), that of changes of unit variance.
    config = SpatialConfig(
        grid_shape=(16, 16, 16),
        cell=((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0)),
        timestep_fs=4.0,
        autoencoder=SpatialAutoencoderConfig(latent_channels=2, width=8, fine_width=4),
        denoiser=SpatialDenoiserConfig(width=8, blocks=1, context_frames=2),
    )
    networks = SpatialNetworks(config)
    networks.residual_std.copy_(torch.tensor([0.1, 0.4]).view(2, 1, 1, 1))
    latents = torch.randn(16, 4, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        following = networks.sample(name, latents, draw(60, 16, 2, 4, 4, 4))
    assert name in networks.samplers
    assert following.shape == latents.shape
    torch.testing.assert_close(following[:, :2], latents[:, 2:])
    change = following[:, 2:] - latents[:, 2:]
    assert change.std(dim=(0, 2, 3, 4)).tolist() == pytest.approx([0.1, 0.4], rel=0.12)
    unit = draw(0, 16, 2, 4, 4, 4)[0]
    torch.testing.assert_close(change / networks.residual_std, unit, rtol=0.03, atol=0.01)
