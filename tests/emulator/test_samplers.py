"""Schedule and samplers against diffusers, step by step, and against an exact solution."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from napari_eldyn.emulator.config import DenoiserConfig, ScheduleConfig
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.emulator.samplers import (
    VP_SAMPLERS,
    check_sampler,
    ddim,
    ddpm,
    default_evaluations,
    trailing_timesteps,
)
from napari_eldyn.emulator.schedule import NoiseSchedule, add_noise, linear_schedule
from napari_eldyn.exceptions import EldynError

SCHEDULE = linear_schedule(ScheduleConfig())
OPTIONS = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "clip_sample": False,
    "timestep_spacing": "trailing",
}


def denoise(z_t: Tensor, t: Tensor, z_0: Tensor) -> Tensor:
    """Mix its arguments smoothly; bounded, so that 1000 steps do not overflow."""
    return torch.tanh(z_t + 0.3 * z_0.flip(1) + 1e-3 * t[:, None])


def draw_noise(evaluations: int, shape: tuple[int, int], seed: int = 5) -> Tensor:
    """Start and draws as diffusers makes them with the same generator: none in the last step."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
    draws = [torch.randn(shape, generator=generator) for _ in range(evaluations - 1)]
    return torch.stack([start, *draws, torch.full(shape, torch.nan)])


def test_schedule_and_noising_are_those_of_diffusers() -> None:
    theirs = DDPMScheduler(**OPTIONS)
    torch.testing.assert_close(SCHEDULE.betas.float(), theirs.betas)
    torch.testing.assert_close(
        SCHEDULE.alphas_cumprod.float(), theirs.alphas_cumprod, rtol=1e-4, atol=1e-7
    )
    z, noise = torch.randn(64, 3), torch.randn(64, 3)
    t = torch.randint(1000, (64,))
    torch.testing.assert_close(
        add_noise(SCHEDULE, z, t, noise), theirs.add_noise(z, noise, t), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("evaluations", [1000, 50, 7, 1])
def test_ddpm_is_that_of_diffusers_at_every_step(evaluations: int) -> None:
    scheduler = DDPMScheduler(**OPTIONS)
    scheduler.set_timesteps(evaluations)
    condition = torch.randn(3, 4, generator=torch.Generator().manual_seed(9))
    noise = draw_noise(evaluations, (3, 4))
    generator = torch.Generator().manual_seed(5)
    z = noise[0]
    expected = []
    for t in scheduler.timesteps:
        predicted = denoise(z, t.expand(3), condition)
        z = scheduler.step(predicted, t, z, generator=generator).prev_sample
        expected.append((int(t), z))
    found: list[tuple[int, Tensor]] = []
    last = ddpm(denoise, SCHEDULE, condition, noise, lambda _, t, z: found.append((t, z.clone())))
    assert [t for t, _ in found] == [t for t, _ in expected]
    for (_, mine), (_, theirs) in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(last, found[-1][1])


@pytest.mark.parametrize("evaluations", [1000, 50, 20, 1])
def test_ddim_is_that_of_diffusers_at_every_step(evaluations: int) -> None:
    scheduler = DDIMScheduler(**OPTIONS)
    scheduler.set_timesteps(evaluations)
    condition = torch.randn(3, 4, generator=torch.Generator().manual_seed(9))
    noise = draw_noise(evaluations, (3, 4))
    z = noise[0]
    found: list[Tensor] = []
    ddim(denoise, SCHEDULE, condition, noise, lambda _i, _t, z: found.append(z.clone()))
    for t, mine in zip(scheduler.timesteps, found, strict=True):
        z = scheduler.step(denoise(z, t.expand(3), condition), t, z).prev_sample
        torch.testing.assert_close(mine, z, rtol=2e-3, atol=2e-3)


def test_a_velocity_network_is_sampled_as_diffusers_samples_velocities() -> None:
    torch.manual_seed(0)
    config = DenoiserConfig(hidden=32, layers=2, output="velocity")
    network = MLPDenoiser(config, 4)
    torch.nn.init.normal_(network.output.weight, std=0.1)
    raw = MLPDenoiser(config.model_copy(update={"output": "noise"}), 4)
    raw.load_state_dict(network.state_dict())
    scheduler = DDIMScheduler(**OPTIONS, prediction_type="v_prediction")
    scheduler.set_timesteps(20)
    condition, noise = torch.randn(2, 4), torch.randn(21, 2, 4)
    with torch.no_grad():
        z = noise[0]
        for t in scheduler.timesteps:
            z = scheduler.step(raw(z, t.expand(2), condition), t, z).prev_sample
        found = ddim(network, SCHEDULE, condition, noise)
    torch.testing.assert_close(found, z, rtol=1e-3, atol=1e-3)


def test_gaussian_latents_come_out_with_their_mean_and_spread() -> None:
    # For z ~ N(a z_0, s²) the best denoiser is known, and ddpm with all steps must return
    # that distribution; 5 standard errors.
    a, s, n = 0.9, 0.43, 20_000
    signal = SCHEDULE.alphas_cumprod.float()

    def best(z_t: Tensor, t: Tensor, z_0: Tensor) -> Tensor:
        share = signal[t][:, None]
        return (1 - share).sqrt() * (z_t - share.sqrt() * a * z_0) / (share * s**2 + 1 - share)

    generator = torch.Generator().manual_seed(0)
    condition = torch.full((n, 1), 1.5)
    z = ddpm(best, SCHEDULE, condition, torch.randn(1001, n, 1, generator=generator))
    assert z.mean().item() == pytest.approx(a * 1.5, abs=5 * s / n**0.5)
    assert z.std().item() == pytest.approx(s, rel=0.01 + 5 / (2 * n) ** 0.5)


def test_trailing_steps_end_at_the_last_diffusion_step() -> None:
    assert trailing_timesteps(SCHEDULE, 1000) == list(range(999, -1, -1))
    assert trailing_timesteps(SCHEDULE, 4) == [999, 749, 499, 249]
    for evaluations in [*range(1, 1001, 31), 999]:
        steps = trailing_timesteps(SCHEDULE, evaluations)
        assert len(set(steps)) == evaluations
        assert steps[0] == 999
        assert steps[-1] >= 0


@pytest.mark.parametrize("evaluations", [0, 1001])
def test_impossible_evaluations_are_refused(evaluations: int) -> None:
    with pytest.raises(EldynError, match=r"Choose 1 to 1000"):
        trailing_timesteps(SCHEDULE, evaluations)


def test_samplers_change_no_argument_and_repeat_themselves() -> None:
    condition, noise = torch.randn(2, 4), torch.randn(11, 2, 4)
    kept = condition.clone(), noise.clone()
    for sampler in VP_SAMPLERS.values():
        once = sampler(denoise, SCHEDULE, condition, noise, None)
        torch.testing.assert_close(sampler(denoise, SCHEDULE, condition, noise, None), once)
        torch.testing.assert_close((condition, noise), kept)


def test_defaults_and_names() -> None:
    short = NoiseSchedule(torch.linspace(1e-4, 0.02, 10, dtype=torch.float64))
    assert default_evaluations("ddpm", SCHEDULE) == 1000
    assert default_evaluations("ddim", SCHEDULE) == 20
    assert default_evaluations("ddim", short) == 10
    with pytest.raises(EldynError, match=r"no sampler 'dpm'.*did you mean 'ddpm'"):
        check_sampler("dpm")
