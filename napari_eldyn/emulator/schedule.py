"""Noise schedule of the diffusion process (S9)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from napari_eldyn.emulator.config import ScheduleConfig

__all__ = ["NoiseSchedule", "add_noise", "linear_schedule"]


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Variances of the forward process, in float64 on the CPU.

    Attributes
    ----------
    betas : Tensor
        Noise variance added at each step, (T,).
    alphas_cumprod : Tensor
        Products ᾱ_t of 1 − β up to step t, (T,): the share of the signal's variance left.
    """

    betas: Tensor
    alphas_cumprod: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas_cumprod", torch.cumprod(1.0 - self.betas, dim=0))

    @property
    def steps(self) -> int:
        """Number T of diffusion steps."""
        return len(self.betas)


def linear_schedule(config: ScheduleConfig) -> NoiseSchedule:
    """Build the schedule whose variances rise linearly (Ho et al. 2020)."""
    return NoiseSchedule(
        torch.linspace(
            config.beta_start, config.beta_end, config.steps, dtype=torch.float64, device="cpu"
        )
    )


def add_noise(schedule: NoiseSchedule, z_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Draw z_t from clean latents: √ᾱ_t z_0 + √(1 − ᾱ_t) ε.

    Parameters
    ----------
    schedule : NoiseSchedule
        The forward process.
    z_0 : Tensor
        Clean latents, (B, D).
    t : Tensor
        Diffusion steps 0 … T−1, (B,) integer.
    noise : Tensor
        Standard normal ε, (B, D).

    Returns
    -------
    Tensor
        Noisy latents, (B, D).
    """
    signal = schedule.alphas_cumprod
    scale = signal.sqrt().to(z_0)[t, None]
    spread = (1.0 - signal).sqrt().to(z_0)[t, None]
    return scale * z_0 + spread * noise
