"""Conservation of the electron count in latent space."""

from __future__ import annotations

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

    assert response.flatten().tolist() == pytest.approx(truth.tolist(), abs=1e-5)
    # A step that changes everything keeps the count of such a density.
    after = torch.randn((3, 2, 4, 4, 4), generator=generator) + 0.5
    kept = conserve_electrons(after, latents, response)
    count = torch.exp((response * kept).sum(dim=1)).sum(dim=(1, 2, 3))
    before = torch.exp((response * latents).sum(dim=1)).sum(dim=(1, 2, 3))
    assert torch.allclose(count, before, rtol=1e-5)
    # Uniform: differences between cells stay.
    assert torch.allclose((kept - after).std(dim=(2, 3, 4)), torch.zeros(3, 2), atol=1e-5)


def test_nothing_changes_without_a_response() -> None:
    latents = torch.ones((1, 2, 2, 2, 2))
    kept = conserve_electrons(latents, torch.zeros_like(latents), torch.zeros((2, 1, 1, 1)))
    assert torch.equal(kept, latents)
