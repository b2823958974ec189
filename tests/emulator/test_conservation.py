"""Conservation of the electron count in latent space."""

from __future__ import annotations

import math

import pytest
import torch

from napari_eldyn.emulator.conservation import conserve_electrons, fit_density_response


def test_response_of_latents_that_are_logarithms_of_the_density() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn((3, 2, 4, 4, 4), generator=generator)
    truth = torch.tensor([0.3, -0.1])
    blocks = torch.exp((truth.view(2, 1, 1, 1) * latents).sum(dim=1) - 1.7)
    densities = blocks.repeat_interleave(4, 1).repeat_interleave(4, 2).repeat_interleave(4, 3)

    response = fit_density_response(latents, densities)

    ratio = response[1] / response[0]
    assert ratio.item() == pytest.approx(-1 / 3, abs=1e-5)
    # A step that changes everything keeps the count of such a density.
    after = torch.randn((3, 2, 4, 4, 4), generator=generator) + 0.5
    kept = conserve_electrons(after, latents, response, (4, 4, 4))
    count = torch.exp((response * kept).sum(dim=1)).sum(dim=(1, 2, 3))
    before = torch.exp((response * latents).sum(dim=1)).sum(dim=(1, 2, 3))
    assert torch.allclose(count, before, rtol=1e-5)
    # Uniform: differences between cells stay.
    assert torch.allclose((kept - after).std(dim=(2, 3, 4)), torch.zeros(3, 2), atol=1e-5)


def test_nothing_changes_without_a_response() -> None:
    latents = torch.ones((1, 2, 2, 2, 2))
    kept = conserve_electrons(
        latents, torch.zeros_like(latents), torch.zeros((2, 1, 1, 1)), (2, 2, 2)
    )
    assert torch.equal(kept, latents)


def test_the_length_is_that_whose_sum_varies_least() -> None:
    """Frames whose blocks hold exp(0.3 z), scaled to one count by a uniform change of z."""
    latents = torch.randn((16, 1, 4, 4, 4), generator=torch.Generator().manual_seed(2))
    count = torch.exp(0.3 * latents).mean(dim=(1, 2, 3, 4), keepdim=True)
    latents = latents - count.log() / 0.3
    densities = torch.exp(0.3 * latents[:, 0])
    for axis in (1, 2, 3):
        densities = densities.repeat_interleave(4, axis)
    assert fit_density_response(latents, densities).item() == pytest.approx(0.3, abs=1e-3)


def test_a_wave_longer_than_the_training_cell_relaxes_and_shorter_ones_stay() -> None:
    response = torch.tensor([0.4, 0.0]).view(2, 1, 1, 1)

    def left(periods: int) -> float:
        place = 2 * math.pi * periods * torch.arange(16.0) / 16
        latents = torch.zeros((1, 2, 16, 8, 8))
        latents[:, 0] = 0.01 * torch.cos(place).view(16, 1, 1)
        kept = conserve_electrons(latents, torch.zeros_like(latents), response, (8, 8, 8))
        profile = kept[0, 0, :, 0, 0]
        return float((profile - profile.mean()).max() / 0.01)

    # What a box 8 cells long passes of a wave 16 cells long, by the trapezoidal rule.
    ends = [0.5 if abs(k) == 4 else 1.0 for k in range(-4, 5)]
    passes = (
        sum(w * math.cos(2 * math.pi * k / 16) for w, k in zip(ends, range(-4, 5), strict=True)) / 8
    )
    assert left(1) == pytest.approx(1 - 0.1 * passes, abs=2e-3)
    assert left(2) == pytest.approx(1.0, abs=1e-3)


def test_a_larger_cell_keeps_its_count() -> None:
    generator = torch.Generator().manual_seed(1)
    response = torch.tensor([0.3, -0.1]).view(2, 1, 1, 1)
    before = torch.randn((2, 2, 8, 4, 4), generator=generator)
    after = torch.randn((2, 2, 8, 4, 4), generator=generator) + 0.3
    kept = conserve_electrons(after, before, response, (4, 4, 4))
    counts = [torch.exp((response * z).sum(dim=1)).sum(dim=(1, 2, 3)) for z in (before, kept)]
    assert torch.allclose(*counts, rtol=1e-5)
