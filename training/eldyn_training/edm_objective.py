"""The loss of the spatial family's denoiser (Karras et al. 2022, equation 8, unit data spread).

The denoiser learns the change of the normalised latents in one model step, in units of its spread
over the training data. With noise on the context, the change is that from the noisy newest latents
to the true next ones: what the denoiser is given and what it predicts then always add up to latents
of the data, so that a rollout that has left them is brought back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eldyn_training.recipe import SpatialRecipe
from napari_eldyn.emulator.spatial_denoiser import SpatialDenoiser

__all__ = ["EdmDraws", "draw_levels", "residual_loss", "residual_spread"]


@dataclass(frozen=True, eq=False)
class EdmDraws:
    """The random numbers of one loss, on the CPU.

    Attributes
    ----------
    sigma : Tensor
        Noise levels, (draws, B).
    noise : Tensor
        Standard normal, (draws, B, C, gx, gy, gz).
    jitter : Tensor or None
        Noise on the context, (draws, B, K, C, gx, gy, gz).
    """

    sigma: Tensor
    noise: Tensor
    jitter: Tensor | None

    def __getitem__(self, part: slice) -> EdmDraws:
        """Return the draws of some transitions of the batch."""
        jitter = None if self.jitter is None else self.jitter[:, part]
        return EdmDraws(self.sigma[:, part], self.noise[:, part], jitter)


def draw_levels(
    recipe: SpatialRecipe, batch_size: int, shape: tuple[int, ...], generator: torch.Generator
) -> EdmDraws:
    """Draw noise levels and noises for a batch of transitions.

    Parameters
    ----------
    recipe : SpatialRecipe
        Distribution of the levels, draws per transition, noise on the context, context frames.
    batch_size : int
        Transitions.
    shape : tuple of int
        Of one frame's latents, (C, gx, gy, gz).
    generator : torch.Generator
        On the CPU, so that runs on all devices draw the same numbers.
    """
    draws = (recipe.objective.noise_draws, batch_size)
    levels = torch.randn(draws, generator=generator)
    sigma = (recipe.refinement.noise_log_mean + recipe.refinement.noise_log_std * levels).exp()
    noise = torch.randn((*draws, *shape), generator=generator)
    if not recipe.objective.context_noise:
        return EdmDraws(sigma, noise, None)
    frames = recipe.model.denoiser.context_frames
    spread = recipe.objective.context_noise * torch.rand(draws, generator=generator)
    jitter = torch.randn((*draws, frames, *shape), generator=generator)
    return EdmDraws(sigma, noise, jitter * spread.view(*draws, 1, *(1 for _ in shape)))


def residual_spread(change: Tensor, context_noise: float) -> Tensor:
    """Return the unit of what the denoiser predicts.

    Parameters
    ----------
    change : Tensor
        Mean square change of the normalised latents in one step.
    context_noise : float
        Largest standard deviation S of noise on the context. One drawn evenly from 0 to S adds
        S²/3 to the mean square, so that the targets of training have a mean square of 1.
    """
    return (change + context_noise**2 / 3.0).sqrt().clamp_min(1e-6)


def residual_loss(
    denoiser: SpatialDenoiser, residual_std: Tensor, chains: Tensor, draws: EdmDraws
) -> Tensor:
    """Score the predicted change.

    Parameters
    ----------
    denoiser : SpatialDenoiser
        D(x; σ | context).
    residual_std : Tensor
        Unit of the change, (C, 1, 1, 1).
    chains : Tensor
        Normalised latents of the context, oldest first, and of the next frame,
        (B, K + 1, C, gx, gy, gz).
    draws : EdmDraws
        For these transitions.

    Returns
    -------
    Tensor
        Square error of D times (1 + σ²)/σ², averaged over draws and components: that of the
        network's own output, which weighs all noise levels alike at the start.
    """
    repeated = chains.repeat(len(draws.sigma), *(1 for _ in chains.shape[1:]))
    context, following = repeated[:, :-1], repeated[:, -1]
    if draws.jitter is not None:
        context = context + draws.jitter.flatten(0, 1).to(context)
    target = (following - context[:, -1]) / residual_std
    sigma = draws.sigma.flatten().to(target)
    noisy = target + sigma.view(-1, 1, 1, 1, 1) * draws.noise.flatten(0, 1).to(target)
    clean: Tensor = denoiser(noisy, sigma, context.flatten(1, 2))
    errors = (clean - target).square().mean((1, 2, 3, 4))
    weights = (1.0 + sigma.square()) / sigma.square()
    return (weights * errors).mean()
