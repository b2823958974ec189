"""Conservation of the electron count by rollouts that never leave the latent space.

A local network cannot see the mean density of the whole cell, so small errors of each step would
add up to a random walk of the electron count. In latents the count is nearly
Σ exp(Σ_c a_c z_c) over latent cells, with a fitted to training frames (real frames keep this sum
to 0.1 %). A step keeps it exactly by one uniform change of the latents.

In a cell larger than those of training there are density waves longer than any that training has
shown, and the network does not know what brings them back. So every box of the size of the training
cell also relaxes to the mean density.
"""

from __future__ import annotations

from typing import cast

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from napari_eldyn.emulator.voxel_blocks import to_blocks

__all__ = ["conserve_electrons", "fit_density_response"]

RELAXATION = 0.1
"""Share of a training-sized box's excess taken away in each step, in larger cells. Without it a
doubled cell parts into dense and empty regions within 1 ps."""


def conserve_electrons(
    latents: Tensor, before: Tensor, response: Tensor, box: tuple[int, int, int]
) -> Tensor:
    """Return latents changed smoothly so that they hold as many electrons as those before.

    Parameters
    ----------
    latents, before : Tensor
        Normalised latents of the next and of the current frame, (B, C, gx, gy, gz).
    response : Tensor
        a, (C, 1, 1, 1); zero for no change.
    box : tuple of int
        Latent cells of the training cell along each axis.
    """
    direction = response / response.square().sum().clamp_min(1e-12)
    if tuple(latents.shape[2:]) != box:
        density = (response * latents).sum(dim=1, keepdim=True).exp()
        excess = (_boxed(density, box) / density.mean(dim=(2, 3, 4), keepdim=True)).log()
        latents = latents - RELAXATION * direction * excess
    return latents - direction * (_log_count(latents, response) - _log_count(before, response))


@torch.no_grad()
def fit_density_response(latents: Tensor, densities: Tensor) -> Tensor:
    """Fit a to frames of one electron count.

    Its direction is that of the linear fit of the logarithm of a latent cell's mean density, its
    length the one whose sum over cells varies least from frame to frame.

    Parameters
    ----------
    latents : Tensor
        Normalised latents, (n, C, gx, gy, gz).
    densities : Tensor
        The frames' densities in any unit, (n, nx, ny, nz).

    Returns
    -------
    Tensor
        a, (C, 1, 1, 1).
    """
    channels = latents.shape[1]
    edge = densities.shape[1] // latents.shape[2]
    target = to_blocks(densities[:, None], edge).mean(dim=1).log().flatten().double()
    inputs = latents.transpose(0, 1).reshape(channels, -1).double()
    inputs = inputs - inputs.mean(dim=1, keepdim=True)
    solution = torch.linalg.lstsq(inputs.T, (target - target.mean())[:, None]).solution
    linear = solution.to(latents).view(channels, 1, 1, 1)

    def variation(scale: float) -> float:
        return (_log_count(latents, scale * linear) / scale).std(dim=0).item()

    best = minimize_scalar(variation, bounds=(0.5, 3.0), method="bounded")
    return cast("Tensor", float(best.x) * linear)


def _log_count(latents: Tensor, response: Tensor) -> Tensor:
    return torch.logsumexp((response * latents).sum(dim=1).flatten(1), dim=1).view(-1, 1, 1, 1, 1)


def _boxed(field: Tensor, box: tuple[int, int, int]) -> Tensor:
    """Average a periodic field (B, 1, gx, gy, gz) over boxes centred on each cell."""
    for axis, edge in enumerate(box, start=2):
        if field.shape[axis] == edge:
            field = field.mean(dim=axis, keepdim=True).expand_as(field)
            continue
        half = edge // 2
        # A box of an even number of cells takes half of the two at its ends.
        ends = 0.5 if edge % 2 == 0 else 1.0
        total = torch.zeros_like(field)
        for step in range(-half, half + 1):
            total = total + (ends if abs(step) == half else 1.0) * field.roll(step, dims=axis)
        field = total / edge
    return field
