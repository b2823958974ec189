"""The training objective L = L_AE + λ1 L_LDM + λ2 L_sJSD (S15)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from eldyn_training.recipe import ObjectiveRecipe
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.emulator.schedule import NoiseSchedule, add_noise
from napari_eldyn.emulator.soft_histogram import kernel_counts

__all__ = [
    "DistributionLoss",
    "NoiseDraws",
    "TargetCounts",
    "denoising_loss",
    "draw_noise",
    "jensen_shannon",
    "reconstruction_loss",
]

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
    def over_range(cls, recipe: ObjectiveRecipe, lower: float, upper: float) -> DistributionLoss:
        """Place the bins over a range of normalised densities, or over the recipe's."""
        lower, upper = recipe.histogram_range or (lower, upper)
        return cls(recipe, torch.linspace(lower, upper, recipe.histogram_bins))

    def counts(self, density: Tensor) -> Tensor:
        """Return the kernel counts of normalised densities, (B, nx, ny, nz) to (B, bins).

        They do not change when voxels change places, so those of a frame serve for all its
        shifted, rotated and mirrored copies.
        """
        width = self.recipe.histogram_width * float(self.centres[1] - self.centres[0])
        return kernel_counts(density.flatten(1), self.centres, width)

    def __call__(
        self,
        generated: Tensor,
        reference_counts: Tensor,
        total: Callable[[Tensor], Tensor] = lambda counts: counts,
    ) -> tuple[Tensor, Tensor]:
        """Compare generated densities with reference densities.

        Parameters
        ----------
        generated : Tensor
            Normalised densities, (B, nx, ny, nz).
        reference_counts : Tensor
            :meth:`counts` of the reference densities, (B, bins).
        total : callable, optional
            Sums over the processes that share the batch, with gradient; used by histograms over
            the whole batch.

        Returns
        -------
        sjsd, jsd : Tensor
            L_sJSD and the raw divergence [nats], each averaged over histograms.
        """
        p, q = self.counts(generated), reference_counts.to(generated)
        if self.recipe.histogram_over == "batch":
            p, q = (total(counts.sum(dim=0, keepdim=True)) for counts in (p, q))
        p, q = (counts / counts.sum(dim=1, keepdim=True) for counts in (p, q))
        terms = jensen_shannon(p, q)
        if self.recipe.sjsd_scale == "constant":
            scale: Tensor | float = 0.5 * math.log(2.0)
        else:
            scale = -(1.0 - q) * torch.log1p(-q) + self.recipe.sjsd_epsilon
        return (terms / scale).sum(dim=1).mean(), terms.detach().sum(dim=1).mean()


class TargetCounts:
    """Kernel counts of the training frames, each taken when first needed and then kept.

    One frame at a time and as it is stored, so that the numbers do not depend on the batch or on
    the symmetry operation a frame was first met in.

    Parameters
    ----------
    distribution : DistributionLoss
        Bins and kernel.
    density : Tensor or callable
        ρ̃ of a frame, (nx, ny, nz), by its index.
    n_frames : int
        How many frames there are.
    device : torch.device
        Where counts are kept.
    """

    def __init__(
        self,
        distribution: DistributionLoss,
        density: Callable[[int], Tensor],
        n_frames: int,
        device: torch.device,
    ) -> None:
        self._distribution, self._density = distribution, density
        self._counts = torch.zeros((n_frames, len(distribution.centres)), device=device)
        self._known = torch.zeros(n_frames, dtype=torch.bool)

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Return the counts of frames (B,), (B, bins)."""
        for frame in sorted(set(frames[~self._known[frames]].tolist())):
            density = self._density(frame)[None].to(self._counts.device)
            self._counts[frame] = self._distribution.counts(density)[0]
            self._known[frame] = True
        return self._counts[frames.to(self._counts.device)]


@dataclass(frozen=True, eq=False)
class NoiseDraws:
    """The random numbers of one denoising loss, on the CPU.

    Attributes
    ----------
    t : Tensor
        Diffusion steps, (draws, B).
    noise : Tensor
        Standard normal ε, (draws, B, D).
    jitter : Tensor or None
        Noise on the condition, (draws, B, D).
    """

    t: Tensor
    noise: Tensor
    jitter: Tensor | None

    def __getitem__(self, part: slice) -> NoiseDraws:
        """Return the draws of some transitions of the batch."""
        jitter = None if self.jitter is None else self.jitter[:, part]
        return NoiseDraws(self.t[:, part], self.noise[:, part], jitter)


def draw_noise(
    recipe: ObjectiveRecipe,
    schedule: NoiseSchedule,
    batch_size: int,
    width: int,
    generator: torch.Generator,
) -> NoiseDraws:
    """Draw diffusion steps and noises for a batch of transitions.

    Parameters
    ----------
    recipe : ObjectiveRecipe
        Draws per transition, and noise on the condition.
    schedule : NoiseSchedule
        The forward process.
    batch_size, width : int
        Transitions, and latent numbers.
    generator : torch.Generator
        On the CPU, so that runs on all devices draw the same numbers.
    """
    shape = (recipe.noise_draws, batch_size)
    t = torch.randint(schedule.steps, shape, generator=generator)
    noise = torch.randn((*shape, width), generator=generator)
    if not recipe.context_noise:
        return NoiseDraws(t, noise, None)
    spread = recipe.context_noise * torch.rand((*shape, 1), generator=generator)
    return NoiseDraws(t, noise, spread * torch.randn(noise.shape, generator=generator))


def denoising_loss(
    recipe: ObjectiveRecipe,
    denoiser: MLPDenoiser,
    schedule: NoiseSchedule,
    current: Tensor,
    following: Tensor,
    draws: NoiseDraws,
) -> tuple[Tensor, Tensor]:
    """Score the predicted noise (S12).

    Parameters
    ----------
    recipe : ObjectiveRecipe
        Weighting of the diffusion steps.
    denoiser : MLPDenoiser
        ε_θ(z_t(τ+Δτ), t, z_0(τ)).
    schedule : NoiseSchedule
        The forward process.
    current, following : Tensor
        Normalised latents at τ and τ+Δτ, (B, D).
    draws : NoiseDraws
        For these transitions.

    Returns
    -------
    loss, error : Tensor
        L_LDM as the recipe weighs diffusion steps, and the plain mean square error of the noise,
        both averaged over draws and components. They are the same for the weighting ``noise``.
    """
    current = current.repeat(len(draws.t), 1)
    following = following.repeat(len(draws.t), 1)
    t, noise = draws.t.flatten().to(current.device), draws.noise.flatten(0, 1).to(current)
    if draws.jitter is not None:
        current = current + draws.jitter.flatten(0, 1).to(current)
    noisy = add_noise(schedule, following, t, noise)
    errors = (denoiser(noisy, t, current) - noise).square().mean(dim=1)
    if recipe.denoising_weighting == "noise":
        return errors.mean(), errors.detach().mean()
    # ε and v differ by z_t, which is given: an error of ε is √ᾱ times that of v.
    weights = 1.0 / schedule.alphas_cumprod[draws.t.flatten()].to(errors)
    return (weights * errors).mean(), errors.detach().mean()
