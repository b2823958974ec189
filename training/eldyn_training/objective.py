"""The training objective L = L_AE + λ1 L_LDM + λ2 L_sJSD (S15)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from eldyn_training.recipe import ObjectiveRecipe
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.emulator.schedule import NoiseSchedule, add_noise
from napari_eldyn.emulator.soft_histogram import soft_histogram

__all__ = ["DistributionLoss", "denoising_loss", "jensen_shannon", "reconstruction_loss"]

TINY = 1e-12
"""Keeps logarithms finite in bins that hold nothing; JSD changes by less than 1e-10."""


def reconstruction_loss(generated: Tensor, states: Tensor) -> Tensor:
    """Mean square error per channel, (2,): density and rate, both of unit variance in the data.

    L_AE is the mean of the two.
    """
    return functional.mse_loss(generated, states, reduction="none").mean(dim=(0, 2, 3, 4))


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Terms of the Jensen-Shannon divergence per bin in nats; their sum over bins is the JSD.

    Parameters
    ----------
    p, q : Tensor
        Probabilities, (..., bins).
    """
    mixture = 0.5 * (p + q) + TINY
    return 0.5 * (p * ((p + TINY) / mixture).log() + q * ((q + TINY) / mixture).log())


@dataclass(frozen=True, eq=False)
class DistributionLoss:
    """Scaled Jensen-Shannon divergence between value distributions (S13, S14).

    Attributes
    ----------
    recipe : ObjectiveRecipe
        Kernel width, scale, and whether histograms are per frame or per batch.
    centres : Tensor
        Bin centres of the normalised density, (bins,).
    """

    recipe: ObjectiveRecipe
    centres: Tensor

    @classmethod
    def fit(cls, recipe: ObjectiveRecipe, density: Tensor) -> DistributionLoss:
        """Place the bins over the range of normalised densities (any shape)."""
        lower, upper = recipe.histogram_range or (float(density.min()), float(density.max()))
        return cls(recipe, torch.linspace(lower, upper, recipe.histogram_bins))

    def __call__(self, generated: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Compare two batches of normalised densities, (B, nx, ny, nz).

        Returns
        -------
        sjsd, jsd : Tensor
            L_sJSD and the raw divergence [nats], each averaged over histograms.
        """
        rows = len(generated) if self.recipe.histogram_over == "frame" else 1
        width = self.recipe.histogram_width * float(self.centres[1] - self.centres[0])
        centres = self.centres.to(generated.device)
        p = soft_histogram(generated.reshape(rows, -1), centres, width)
        with torch.no_grad():
            q = soft_histogram(reference.reshape(rows, -1), centres, width)
        terms = jensen_shannon(p, q)
        if self.recipe.sjsd_scale == "constant":
            scale: Tensor | float = 0.5 * math.log(2.0)
        else:
            scale = -(1.0 - q) * torch.log1p(-q) + self.recipe.sjsd_epsilon
        return (terms / scale).sum(dim=1).mean(), terms.detach().sum(dim=1).mean()


def denoising_loss(
    recipe: ObjectiveRecipe,
    denoiser: MLPDenoiser,
    schedule: NoiseSchedule,
    current: Tensor,
    following: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Score the predicted noise (S12).

    Parameters
    ----------
    recipe : ObjectiveRecipe
        Draws per transition, noise on the condition, and weighting.
    denoiser : MLPDenoiser
        ε_θ(z_t(τ+Δτ), t, z_0(τ)).
    schedule : NoiseSchedule
        The forward process.
    current, following : Tensor
        Normalised latents at τ and τ+Δτ, (B, D).
    generator : torch.Generator
        On the CPU, so that runs on all devices draw the same numbers.

    Returns
    -------
    loss, error : Tensor
        L_LDM as the recipe weighs diffusion steps, and the plain mean square error of the noise,
        both averaged over draws and components. They are the same for the weighting ``noise``.
    """
    current = current.repeat(recipe.noise_draws, 1)
    following = following.repeat(recipe.noise_draws, 1)
    device = current.device
    t = torch.randint(schedule.steps, (len(current),), generator=generator)
    noise = torch.randn(current.shape, generator=generator).to(device)
    if recipe.context_noise:
        spread = recipe.context_noise * torch.rand((len(current), 1), generator=generator)
        jitter = spread * torch.randn(current.shape, generator=generator)
        current = current + jitter.to(device)
    noisy = add_noise(schedule, following, t.to(device), noise)
    errors = (denoiser(noisy, t.to(device), current) - noise).square().mean(dim=1)
    if recipe.denoising_weighting == "noise":
        return errors.mean(), errors.detach().mean()
    # ε and v differ by z_t, which is given: an error of ε is √ᾱ times that of v.
    weights = 1.0 / schedule.alphas_cumprod[t].to(errors)
    return (weights * errors).mean(), errors.detach().mean()
