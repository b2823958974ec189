"""The denoiser of the spatial family: a periodic convolutional network on latent cells.

Preconditioning after Karras et al. (2022, "Elucidating the design space of diffusion-based
generative models"), table 1, for data of unit variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_eldyn.emulator.config import SpatialDenoiserConfig
from napari_eldyn.emulator.spatial_autoencoder import ChannelNorm, periodic, pointwise

__all__ = ["SpatialDenoiser"]

_LOWEST_FREQUENCY, _HIGHEST_FREQUENCY = 0.25, 16.0
"""Radians per unit of ln σ: the range of ln σ is about 10, changes matter from about 0.1."""


class SpatialDenoiser(nn.Module):
    """Predicts the clean residual D(x; σ | context) from a noisy one.

    D(x; σ | c) = x/(1 + σ²) + σ/√(1 + σ²) F(x/√(1 + σ²), ln σ, c): at low noise the network F need
    only predict the noise, at high noise only the residual. F is local: each block sees one latent
    cell farther.

    Parameters
    ----------
    config : SpatialDenoiserConfig
        Width, depth, context.
    latent_channels : int
        Channels C of one frame's latents.
    """

    def __init__(self, config: SpatialDenoiserConfig, latent_channels: int) -> None:
        super().__init__()
        width = config.width
        half = config.noise_embedding // 2
        self.frequencies = torch.logspace(
            math.log10(_LOWEST_FREQUENCY), math.log10(_HIGHEST_FREQUENCY), half, device="cpu"
        ).tolist()
        self.input = pointwise((1 + config.context_frames) * latent_channels, width)
        self.embedding = nn.Sequential(
            nn.Linear(config.noise_embedding, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.blocks = nn.ModuleList(
            _ConditionedBlock(width, config.expansion) for _ in range(config.blocks)
        )
        self.norm = ChannelNorm(width)
        self.output = pointwise(width, latent_channels)
        nn.init.zeros_(self.output.weight)
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, noisy: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        """Predict the clean residual.

        Parameters
        ----------
        noisy : Tensor
            Normalised residual plus noise of standard deviation σ, (B, C, gx, gy, gz).
        sigma : Tensor
            Noise levels, (B,).
        context : Tensor
            Latents of the newest frames, oldest first, (B, K C, gx, gy, gz).

        Returns
        -------
        Tensor
            Expected residual, (B, C, gx, gy, gz) float32.
        """
        level = sigma.to(noisy).view(-1, 1, 1, 1, 1)
        total = torch.sqrt(1.0 + level.square())
        embedding = self.embedding(self._embed(sigma))
        features = self.input(torch.cat([noisy / total, context], dim=1))
        for block in self.blocks:
            features = block(features, embedding)
        change = self.output(functional.silu(self.norm(features))).float()
        return cast("Tensor", noisy / total.square() + (level / total) * change)

    def given(self, context: Tensor) -> Callable[[Tensor, float], Tensor]:
        """Return D(x; σ) for a context, as the samplers want it."""

        def denoise(noisy: Tensor, sigma: float) -> Tensor:
            return cast("Tensor", self(noisy, noisy.new_full((len(noisy),), sigma), context))

        return denoise

    def _embed(self, sigma: Tensor) -> Tensor:
        phase = sigma.float().log()[:, None] * torch.tensor(self.frequencies, device=sigma.device)
        return torch.cat([phase.sin(), phase.cos()], dim=1)


class _ConditionedBlock(nn.Module):
    """Norm, scale and shift by the noise level, periodic and pointwise convolution; adds itself."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.modulation = nn.Linear(channels, 2 * channels)
        self.mix = periodic(channels, expansion * channels)
        self.output = pointwise(expansion * channels, channels)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.output.weight)
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None, None].chunk(2, dim=1)
        branch = self.norm(features) * (1.0 + scale) + shift
        return cast("Tensor", features + self.output(functional.silu(self.mix(branch))))
