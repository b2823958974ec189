"""The loss of the spatial denoiser, against denoisers whose loss is known."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from eldyn_training.edm_objective import draw_levels, residual_loss, residual_spread
from eldyn_training.recipe import SpatialRecipe
from torch import Tensor

from napari_eldyn.emulator.spatial_denoiser import SpatialDenoiser

STD = torch.tensor([0.2, 0.5]).view(2, 1, 1, 1)
"""Spread of the change of the latents in one step, by channel."""


def recipe(**sections: dict[str, Any]) -> SpatialRecipe:
    values: dict[str, Any] = {
        "model": {"family": "spatial", "denoiser": {"width": 8, "blocks": 1, "context_frames": 2}},
        "training": {"stages": "two_stage", "steps": 1},
        "refinement": {"steps": 1},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return SpatialRecipe.model_validate(values)


def transitions(n: int) -> Tensor:
    """Latents whose change in a step is Gaussian and independent of the past."""
    generator = torch.Generator().manual_seed(3)
    context = torch.randn((n, 2, 2, 4, 4, 4), generator=generator)
    change = STD * torch.randn((n, 2, 4, 4, 4), generator=generator)
    return torch.cat([context, (context[:, -1] + change)[:, None]], dim=1)


@pytest.mark.parametrize(("mean", "std"), [(-1.0, 1.6), (-4.0, 0.1), (3.0, 0.1)])
@pytest.mark.parametrize("context_noise", [0.0, 0.4])
def test_the_best_denoiser_of_gaussian_changes_has_a_loss_of_one(
    mean: float, std: float, context_noise: float
) -> None:
    """Karras et al. 2022: D = x/(1 + σ²) leaves σ²/(1 + σ²), and the weight makes it 1.

    An untrained denoiser is that one. Noise on the context adds to the changes, and their unit
    accounts for it: the loss stays 1 at every noise level.
    """
    chosen = recipe(
        objective={"context_noise": context_noise},
        refinement={"noise_log_mean": mean, "noise_log_std": std},
    )
    chains = transitions(600)
    change = (chains[:, -1] - chains[:, -2]).square().mean((0, 2, 3, 4)).view(2, 1, 1, 1)
    spread = residual_spread(change, context_noise)
    if not context_noise:
        assert torch.allclose(spread, STD, rtol=0.02)
    draws = draw_levels(chosen, len(chains), (2, 4, 4, 4), torch.Generator().manual_seed(0))
    denoiser = SpatialDenoiser(chosen.model.denoiser, 2)
    with torch.no_grad():
        loss = residual_loss(denoiser, spread, chains, draws)
    assert loss.item() == pytest.approx(1.0, abs=0.03)


def test_with_noise_on_the_context_the_true_next_latents_are_learned() -> None:
    """A denoiser that leads from what it is given to the truth is without error."""
    chosen = recipe(objective={"context_noise": 0.5, "noise_draws": 3})
    chains = transitions(5)
    seen: list[Tensor] = []

    def oracle(noisy: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        seen.append(context)
        newest = context.view(15, 2, 2, 4, 4, 4)[:, -1]
        return (chains[:, -1].repeat(3, 1, 1, 1, 1) - newest) / STD

    draws = draw_levels(chosen, 5, (2, 4, 4, 4), torch.Generator().manual_seed(0))
    loss = residual_loss(cast("SpatialDenoiser", oracle), STD, chains, draws)
    assert loss.item() < 1e-6
    noise = seen[0].view(3, 5, 2, 2, 4, 4, 4) - chains[:, :-1]
    spreads = noise.flatten(2).std(dim=2)
    # One spread for each draw and transition, between none and the largest.
    assert 0.0 < spreads.min() < 0.25 < spreads.max() < 0.6
    assert (noise.flatten(4).std(dim=4) / spreads[..., None, None]).std() < 0.15


def test_shares_of_a_batch_have_the_numbers_of_the_whole() -> None:
    chosen = recipe(objective={"context_noise": 0.5, "noise_draws": 2})
    whole = draw_levels(chosen, 6, (2, 4, 4, 4), torch.Generator().manual_seed(7))
    chains = transitions(6)
    denoiser = SpatialDenoiser(chosen.model.denoiser, 2)
    with torch.no_grad():
        total = residual_loss(denoiser, STD, chains, whole)
        halves = [
            residual_loss(denoiser, STD, chains[part], whole[part])
            for part in (slice(0, 3), slice(3, 6))
        ]
    assert total.item() == pytest.approx(torch.stack(halves).mean().item(), rel=1e-5)
