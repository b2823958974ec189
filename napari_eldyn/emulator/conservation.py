"""Conservation of the electron count by rollouts that never leave the latent space.

A local network cannot see the mean density of the whole cell, so small errors of each step would
add up to a random walk of the electron count. In latents the count is nearly
Σ exp(Σ_c a_c z_c) over latent cells, with a fitted from training frames (real frames keep this sum
to about 0.1 %). A step keeps it exactly by one uniform change of the latents.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from napari_eldyn.emulator.spatial_autoencoder import to_blocks

__all__ = ["conserve_electrons", "fit_density_response"]


def conserve_electrons(latents: Tensor, before: Tensor, response: Tensor) -> Tensor:
    """Return latents changed uniformly so that they hold as many electrons as those before.

    Parameters
    ----------
    latents, before : Tensor
        Normalised latents of the next and of the current frame, (B, C, gx, gy, gz).
    response : Tensor
        a, (C, 1, 1, 1); zero for no change.
    """
    norm = response.square().sum().clamp_min(1e-12)
    excess = _log_count(latents, response) - _log_count(before, response)
    return latents - response / norm * excess


@torch.no_grad()
def fit_density_response(latents: Tensor, densities: Tensor) -> Tensor:
    """Fit the logarithm of a latent cell's mean density as a linear function of its latents.

    Parameters
    ----------
    latents : Tensor
        Normalised latents, (n, C, gx, gy, gz).
    densities : Tensor
        The frames' densities in any unit, (n, nx, ny, nz).

    Returns
    -------
    Tensor
        a, (C, 1, 1, 1): least squares over all cells of all frames.
    """
    channels = latents.shape[1]
    edge = densities.shape[1] // latents.shape[2]
    target = to_blocks(densities[:, None], edge).mean(dim=1).log().flatten().double()
    inputs = latents.transpose(0, 1).reshape(channels, -1).double()
    inputs = inputs - inputs.mean(dim=1, keepdim=True)
    solution = torch.linalg.lstsq(inputs.T, (target - target.mean())[:, None]).solution
    return cast("Tensor", solution.to(latents).view(channels, 1, 1, 1))


def _log_count(latents: Tensor, response: Tensor) -> Tensor:
    return torch.logsumexp((response * latents).sum(dim=1).flatten(1), dim=1).view(-1, 1, 1, 1, 1)
