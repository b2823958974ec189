"""Schedule and samplers against diffusers, step by step, and against an exact solution."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
)
from torch import Tensor

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.config import DenoiserConfig, ScheduleConfig
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.emulator.samplers import (
    SAMPLERS,
    SOLVERS,
    VP_SAMPLERS,
    Denoiser,
    check_sampler,
    ddim,
    ddpm,
    default_evaluations,
    quadratic_timesteps,
    trailing_timesteps,
)
from napari_eldyn.emulator.schedule import NoiseSchedule, add_noise, linear_schedule
from napari_eldyn.exceptions import EldynError

SAMPLES = Path(__file__).parents[2] / "sample_data"
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


# diffusers 0.42 under numpy 2
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.parametrize("evaluations", [2, 3, 8, 20])
def test_dpmpp_2m_is_that_of_diffusers_at_every_step(evaluations: int) -> None:
    timesteps = quadratic_timesteps(SCHEDULE, evaluations)
    options = {key: value for key, value in OPTIONS.items() if key != "clip_sample"}
    scheduler = DPMSolverMultistepScheduler(
        **options, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero"
    )
    scheduler.set_timesteps(timesteps=timesteps)
    condition = torch.randn(3, 4, generator=torch.Generator().manual_seed(9))
    noise = draw_noise(evaluations, (3, 4))
    found: list[tuple[int, int, Tensor]] = []
    sampler = VP_SAMPLERS["dpmpp_2m"]
    sampler(denoise, SCHEDULE, condition, noise, lambda i, t, z: found.append((i, t, z.clone())))
    assert [(index, t) for index, t, _ in found] == list(enumerate(timesteps))
    z = noise[0]
    for t, (_, _, mine) in zip(scheduler.timesteps, found, strict=True):
        z = scheduler.step(denoise(z, t.expand(3), condition), t, z).prev_sample
        torch.testing.assert_close(mine, z, rtol=2e-3, atol=2e-3)


# diffusers 0.42 under numpy 2
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.parametrize("steps", [1, 2, 6])
def test_heun_is_that_of_diffusers_at_every_step(steps: int) -> None:
    scheduler = HeunDiscreteScheduler(**OPTIONS)
    timesteps = quadratic_timesteps(SCHEDULE, steps)
    scheduler.set_timesteps(timesteps=timesteps)
    condition = torch.randn(3, 4, generator=torch.Generator().manual_seed(9))
    noise = draw_noise(2 * steps - 1, (3, 4))
    found: list[Tensor] = []
    sampler = VP_SAMPLERS["heun"]
    sampler(denoise, SCHEDULE, condition, noise, lambda _i, _t, z: found.append(z.clone()))
    levels = [*scheduler.sigmas.unique().flip(0).tolist()]
    x = noise[0] * (1 + levels[0] ** 2) ** 0.5
    for index, (t, mine) in enumerate(zip(scheduler.timesteps, found, strict=True)):
        z = scheduler.scale_model_input(x, t)
        x = scheduler.step(denoise(z, t.long().expand(3), condition), t, x).prev_sample
        level = levels[index // 2 + 1]
        torch.testing.assert_close(mine, x / (1 + level**2) ** 0.5, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["dpmpp_2m", "heun"])
def test_one_evaluation_is_that_of_ddim(name: str) -> None:
    condition, noise = torch.randn(3, 4), draw_noise(1, (3, 4))
    torch.testing.assert_close(
        VP_SAMPLERS[name](denoise, SCHEDULE, condition, noise, None),
        ddim(denoise, SCHEDULE, condition, noise),
        rtol=1e-4,
        atol=1e-3,
    )


@pytest.mark.parametrize("name", ["dpmpp_2m", "heun"])
@pytest.mark.parametrize("output", ["noise", "velocity"])
def test_the_flow_uses_bound_denoisers_as_it_would_use_them_plainly(name: str, output: str) -> None:
    torch.manual_seed(0)
    network = MLPDenoiser(DenoiserConfig(hidden=32, layers=2, output=output), 4)
    torch.nn.init.normal_(network.output.weight, std=0.02)
    condition, noise = torch.randn(5, 4), draw_noise(9, (5, 4))
    sampler = VP_SAMPLERS[name]
    with torch.inference_mode():
        plain = sampler(lambda *a: network(*a), SCHEDULE, condition, noise, None)
        bound = sampler(network, SCHEDULE, condition, noise, None)
    torch.testing.assert_close(bound, plain, rtol=1e-3, atol=1e-3)


def best_denoiser(mean: float, std: float) -> Denoiser:
    """Noise predicted best for z ~ N(mean z_0, std²)."""
    signal = SCHEDULE.alphas_cumprod

    def best(z_t: Tensor, t: Tensor, z_0: Tensor) -> Tensor:
        share = signal[t][:, None].to(z_t)
        expected = share.sqrt() * mean * z_0
        return (1 - share).sqrt() * (z_t - expected) / (share * std**2 + 1 - share)

    return best


@pytest.mark.parametrize("std", [0.2, 0.5, 1.0])
def test_second_order_needs_fewer_evaluations_than_ddim(std: float) -> None:
    # The flow keeps (z_t − √ᾱ m)/√(ᾱ s² + 1 − ᾱ): what comes out is known for every noise.
    best = best_denoiser(0.9, std)
    condition = torch.full((4000, 1), 1.5, dtype=torch.float64)
    start = torch.randn(4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    last = SCHEDULE.alphas_cumprod[-1]
    exact = 0.9 * 1.5 + std * (start - last.sqrt() * 0.9 * 1.5) / (last * std**2 + 1 - last).sqrt()

    def error(name: str, evaluations: int) -> float:
        noise = start.expand(evaluations + 1, -1, -1)
        found = VP_SAMPLERS[name](best, SCHEDULE, condition, noise, None)
        return float((found - exact).square().mean().sqrt()) / std

    assert error("dpmpp_2m", 8) < 0.07
    assert error("dpmpp_2m", 8) < 0.5 * error("ddim", 20)
    assert error("heun", 12) < 0.2
    for name in ("dpmpp_2m", "heun"):
        assert error(name, 100) < 0.01
        assert error(name, 1000) < 0.01


@functools.cache
def forecast(name: str, evaluations: int) -> Tensor:
    """Ensembles of the sample model, one step from 4 frames: (4, 64, 32)."""
    model = Emulator.load(SAMPLES / "models" / "pooled_li32.safetensors")
    trajectory = DensityTrajectory.open(SAMPLES / "li32_800K.eldyn")
    latents = np.repeat([model.encode(trajectory, frame) for frame in (2, 20, 40, 58)], 64, axis=0)
    noise = np.random.default_rng(0).standard_normal((1, 256, 32), dtype=np.float32)
    draws = np.broadcast_to(noise, (evaluations + 1, 256, 32))
    return torch.from_numpy(model.step(latents, draws, name)).view(4, 64, 32)


@pytest.mark.parametrize(
    ("name", "evaluations", "widening", "offset"),
    [("dpmpp_2m", 8, 0.06, 0.2), ("heun", 12, 0.15, 0.2), ("heun", 8, 0.3, 0.3)],
)
def test_few_evaluations_of_the_sample_model_give_what_ddim_gives_with_100(
    name: str, evaluations: int, widening: float, offset: float
) -> None:
    # Relative to the spread of ddim's ensembles: 4 starts, 64 members, 32 numbers.
    expected = forecast("ddim", 100)
    found = forecast(name, evaluations)
    spread = expected.std(dim=1)
    ratio = (found.std(dim=1).mean() / spread.mean()).item()
    assert ratio == pytest.approx(1.0, abs=widening)
    shift = (found.mean(dim=1) - expected.mean(dim=1)).square().mean().sqrt()
    assert shift < offset * spread.square().mean().sqrt()


def test_gaussian_latents_come_out_with_their_mean_and_spread() -> None:
    # For z ~ N(a z_0, s²) the best denoiser is known, and ddpm with all steps must return
    # that distribution; 5 standard errors.
    a, s, n = 0.9, 0.43, 20_000
    best = best_denoiser(a, s)
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


def test_quadratic_steps_go_down_from_the_last_and_are_close_at_low_noise() -> None:
    assert quadratic_timesteps(SCHEDULE, 4) == [999, 561, 249, 61]
    assert quadratic_timesteps(SCHEDULE, 1000) == list(range(999, -1, -1))
    for count in [*range(1, 1001, 31), 999]:
        steps = quadratic_timesteps(SCHEDULE, count)
        assert len(set(steps)) == count
        assert steps == sorted(steps, reverse=True)
        assert steps[0] == 999
        assert steps[-1] >= 0


@pytest.mark.parametrize("evaluations", [0, 1001])
def test_impossible_evaluations_are_refused(evaluations: int) -> None:
    for timesteps in (trailing_timesteps, quadratic_timesteps):
        with pytest.raises(EldynError, match=r"Choose 1 to 1000"):
            timesteps(SCHEDULE, evaluations)
    for sampler in VP_SAMPLERS.values():
        with pytest.raises(EldynError, match=rf"^{evaluations} evaluations.*Choose 1 to 1000"):
            sampler(denoise, SCHEDULE, torch.zeros(1, 2), torch.zeros(evaluations + 1, 1, 2), None)


def test_samplers_change_no_argument_and_repeat_themselves() -> None:
    condition, noise = torch.randn(2, 4), torch.randn(11, 2, 4)
    kept = condition.clone(), noise.clone()
    for sampler in VP_SAMPLERS.values():
        once = sampler(denoise, SCHEDULE, condition, noise, None)
        torch.testing.assert_close(sampler(denoise, SCHEDULE, condition, noise, None), once)
        torch.testing.assert_close((condition, noise), kept)


@pytest.mark.parametrize(
    ("name", "evaluations"), [("dpmpp_2m", 8), ("heun", 8), ("heun", 7), ("ddim", 3)]
)
def test_a_rollout_can_be_stopped_after_each_evaluation(
    model: Emulator, liquid: DensityTrajectory, name: str, evaluations: int
) -> None:
    rollout = Rollout(model, liquid, 4, name, evaluations, seed=2)
    asked = []

    def stop() -> bool:
        asked.append(len(asked))
        return len(asked) == evaluations + 2

    assert rollout.advance(3, stop=stop) == 1
    assert len(asked) == evaluations + 2
    rollout.advance(1)
    whole = Rollout(model, liquid, 4, name, evaluations, seed=2)
    whole.advance(2)
    np.testing.assert_array_equal(rollout.latents, whole.latents)


def test_defaults_and_names() -> None:
    short = NoiseSchedule(torch.linspace(1e-4, 0.02, 10, dtype=torch.float64))
    defaults = {"ddpm": 1000, "ddim": 20, "dpmpp_2m": 8, "heun": 12}
    assert {name: default_evaluations(name, SCHEDULE) for name in SAMPLERS} == defaults
    assert default_evaluations("ddim", short) == 10
    assert default_evaluations("heun", short) == 10
    assert set(VP_SAMPLERS) == set(SAMPLERS)
    assert set(SOLVERS) <= set(SAMPLERS)
    for name in SAMPLERS:
        check_sampler(name)
    with pytest.raises(EldynError, match=r"no sampler 'dpm'.*did you mean 'ddpm'"):
        check_sampler("dpm")
    with pytest.raises(EldynError, match=r"no sampler 'hein'.*did you mean 'heun'"):
        check_sampler("hein")
    with pytest.raises(EldynError, match=r"no sampler 'DPM\+\+ 2M'.*did you mean 'dpmpp_2m'"):
        check_sampler("DPM++ 2M")
    with pytest.raises(EldynError, match=r"Choose one of heun, dpmpp_2m \(did you mean"):
        check_sampler("ddim2", tuple(SOLVERS))
    message = "the model small samples with heun, dpmpp_2m, not with ddpm"
    with pytest.raises(EldynError, match=message):
        check_sampler("ddpm", tuple(SOLVERS), "small")
