"""The parts of the objective (S15) against independent forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from eldyn_training.objective import (
    DistributionLoss,
    denoising_loss,
    draw_noise,
    jensen_shannon,
    reconstruction_loss,
)
from eldyn_training.recipe import ObjectiveRecipe
from scipy.spatial.distance import jensenshannon

from napari_eldyn.emulator.config import DenoiserConfig, ScheduleConfig
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.emulator.schedule import linear_schedule
from napari_eldyn.observables import scaled_jsd


def histograms(fields: torch.Tensor, loss: DistributionLoss) -> np.ndarray:
    """(S13) of each field in float64, by numpy."""
    centres = loss.centres.numpy().astype(np.float64)
    width = loss.recipe.histogram_width * (centres[1] - centres[0])
    values = np.clip(fields.numpy().astype(np.float64), centres[0], centres[-1])
    kernel = np.exp(-0.5 * ((values.reshape(len(values), -1, 1) - centres) / width) ** 2)
    counts = kernel.sum(axis=1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def fit(recipe: ObjectiveRecipe, reference: torch.Tensor) -> DistributionLoss:
    return DistributionLoss.over_range(recipe, float(reference.min()), float(reference.max()))


def compare(
    loss: DistributionLoss, generated: torch.Tensor, reference: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    return loss(generated, loss.counts(reference))


def fields() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(3, 8, 8, 8, generator=generator)
    generated = 0.7 * torch.randn(3, 8, 8, 8, generator=generator) + 0.2
    return generated, reference


@pytest.mark.parametrize("scale", ["constant", "per_bin"])
def test_sjsd_against_scipy_and_observables(scale: str) -> None:
    generated, reference = fields()
    recipe = ObjectiveRecipe(sjsd_scale=scale, histogram_bins=40, sjsd_epsilon=1e-3)
    loss = fit(recipe, reference)
    sjsd, jsd = compare(loss, generated, reference)
    p, q = histograms(generated, loss), histograms(reference, loss)
    assert jsd.item() == pytest.approx(np.mean(jensenshannon(p, q, axis=1) ** 2), rel=1e-4)
    expected = scaled_jsd(p, q, scale=scale, epsilon=1e-3).mean()
    assert sjsd.item() == pytest.approx(expected, rel=2e-4)


def test_constant_scale_reaches_two_for_disjoint_distributions() -> None:
    loss = DistributionLoss(ObjectiveRecipe(), torch.linspace(-10, 10, 128))
    sjsd, jsd = compare(loss, torch.full((1, 4, 4, 4), -9.0), torch.full((1, 4, 4, 4), 9.0))
    assert jsd.item() == pytest.approx(math.log(2), rel=1e-5)
    assert sjsd.item() == pytest.approx(2.0, rel=1e-5)


def test_batch_histograms_pool_the_frames() -> None:
    generated, reference = fields()
    loss = fit(ObjectiveRecipe(histogram_over="batch"), reference)
    _, jsd = compare(loss, generated, reference)
    p, q = (histograms(x.reshape(1, -1), loss) for x in (generated, reference))
    assert jsd.item() == pytest.approx(jensenshannon(p[0], q[0]) ** 2, rel=1e-3)


def test_the_gradient_of_sjsd_is_finite_where_bins_are_empty() -> None:
    loss = DistributionLoss(ObjectiveRecipe(), torch.linspace(-50, 50, 128))
    generated = fields()[0].requires_grad_()
    compare(loss, generated, fields()[1])[0].backward()
    assert generated.grad is not None
    assert torch.isfinite(generated.grad).all()
    assert generated.grad.abs().max() > 0


def test_descending_sjsd_makes_distributions_alike() -> None:
    generated, reference = fields()
    loss = fit(ObjectiveRecipe(histogram_bins=32), reference)
    generated.requires_grad_()
    optimiser = torch.optim.Adam([generated], lr=0.05)
    first = compare(loss, generated, reference)[0].item()
    for _ in range(30):
        optimiser.zero_grad()
        compare(loss, generated, reference)[0].backward()
        optimiser.step()
    assert compare(loss, generated, reference)[0].item() < 0.2 * first


def test_jensen_shannon_of_equal_distributions_is_zero() -> None:
    p = torch.tensor([0.0, 0.25, 0.75])
    assert jensen_shannon(p, p).sum().item() == pytest.approx(0.0, abs=1e-9)


def test_reconstruction_loss_is_per_channel() -> None:
    states = torch.zeros(2, 2, 3, 3, 3)
    generated = torch.stack([torch.ones(2, 3, 3, 3), torch.full((2, 3, 3, 3), 2.0)], dim=1)
    assert reconstruction_loss(generated, states).tolist() == [1.0, 4.0]


def test_a_denoiser_that_predicts_nothing_scores_the_variance_of_the_noise() -> None:
    denoiser = MLPDenoiser(DenoiserConfig(hidden=16, layers=1, time_embedding=8), 4)  # zero output
    schedule = linear_schedule(ScheduleConfig(steps=100))
    latents = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    recipe = ObjectiveRecipe(noise_draws=20, context_noise=0.3)
    draws = draw_noise(recipe, schedule, 200, 4, torch.Generator().manual_seed(1))
    loss, error = denoising_loss(recipe, denoiser, schedule, latents, latents, draws)
    assert loss.item() == pytest.approx(1.0, abs=0.05)  # χ² of 16000 numbers: ± 0.011
    assert error.item() == loss.item()


def test_velocity_weighting_is_the_error_of_the_velocity() -> None:
    """Against v = √ᾱ ε − √(1 − ᾱ) z_0 computed from the definition, for a trained output layer."""
    config = DenoiserConfig(hidden=16, layers=1, time_embedding=8, output="velocity")
    schedule_config = ScheduleConfig(steps=100)
    torch.manual_seed(0)
    denoiser = MLPDenoiser(config, 4, schedule_config)
    torch.nn.init.normal_(denoiser.output.weight)
    schedule = linear_schedule(schedule_config)
    latents = torch.randn(300, 4)
    recipe = ObjectiveRecipe(denoising_weighting="velocity")
    draws = draw_noise(recipe, schedule, 300, 4, torch.Generator().manual_seed(1))
    loss, error = denoising_loss(recipe, denoiser, schedule, latents, latents.flip(1), draws)
    generator = torch.Generator().manual_seed(1)
    t = torch.randint(100, (300,), generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    signal = schedule.alphas_cumprod[t][:, None].float()
    noisy = signal.sqrt() * latents.flip(1) + (1 - signal).sqrt() * noise
    predicted = denoiser(noisy, t, latents)
    clean = (noisy - (1 - signal).sqrt() * predicted) / signal.sqrt()
    velocity = signal.sqrt() * predicted - (1 - signal).sqrt() * clean
    truth = signal.sqrt() * noise - (1 - signal).sqrt() * latents.flip(1)
    assert loss.item() == pytest.approx((velocity - truth).square().mean().item(), rel=1e-4)
    assert error.item() == pytest.approx((predicted - noise).square().mean().item(), rel=1e-4)


def test_context_noise_reaches_the_condition_only() -> None:
    """With it, the same draws give another condition but the same noisy latents."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Spy(MLPDenoiser):
        def forward(self, z_t: torch.Tensor, t: torch.Tensor, z_0: torch.Tensor) -> torch.Tensor:
            seen.append((z_t.detach(), z_0.detach()))
            return super().forward(z_t, t, z_0)

    denoiser = Spy(DenoiserConfig(hidden=16, layers=1, time_embedding=8), 4)
    schedule = linear_schedule(ScheduleConfig(steps=100))
    latents = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    for noise in (0.0, 0.25):
        recipe = ObjectiveRecipe(context_noise=noise)
        draws = draw_noise(recipe, schedule, 1000, 4, torch.Generator().manual_seed(1))
        denoising_loss(recipe, denoiser, schedule, latents, latents, draws)
    torch.testing.assert_close(seen[0][0], seen[1][0])
    torch.testing.assert_close(seen[0][1], latents)
    jitter = seen[1][1] - latents
    # A standard deviation uniform in [0, σ] gives a variance of σ²/3 in all.
    assert jitter.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.05)


def test_parts_of_a_batch_take_their_parts_of_its_draws() -> None:
    """The mean over parts is the loss of the whole batch: what several processes rely on."""
    torch.manual_seed(0)
    denoiser = MLPDenoiser(DenoiserConfig(hidden=16, layers=1, time_embedding=8), 4)
    torch.nn.init.normal_(denoiser.output.weight)
    schedule = linear_schedule(ScheduleConfig(steps=100))
    latents = torch.randn(8, 4)
    recipe = ObjectiveRecipe(noise_draws=3, context_noise=0.2)
    draws = draw_noise(recipe, schedule, 8, 4, torch.Generator().manual_seed(1))
    whole = denoising_loss(recipe, denoiser, schedule, latents, latents.flip(0), draws)[0]
    parts = [
        denoising_loss(
            recipe, denoiser, schedule, latents[part], latents.flip(0)[part], draws[part]
        )[0].item()
        for part in (slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8))
    ]
    assert np.mean(parts) == pytest.approx(whole.item(), rel=1e-5)


def test_counts_do_not_change_when_voxels_change_places() -> None:
    _, reference = fields()
    loss = fit(ObjectiveRecipe(), reference)
    turned = reference.roll((1, 2, 3), dims=(1, 2, 3)).flip(2).transpose(1, 3)
    torch.testing.assert_close(loss.counts(turned), loss.counts(reference))
