"""All learned parts of an emulator, built from its configuration."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_eldyn.emulator.autoencoder import PooledDecoder, PooledEncoder
from napari_eldyn.emulator.config import EmulatorConfig
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.exceptions import EldynError

__all__ = ["EmulatorNetworks", "build_networks"]


class EmulatorNetworks(nn.Module):
    """Encoder, decoder and denoiser, with the normalisation of the latents between them.

    Latents outside of this module are normalised: :meth:`encode` subtracts ``latent_mean`` and
    divides by ``latent_std``; :meth:`decode` undoes it. The denoiser sees normalised latents.

    Attributes
    ----------
    encoder, decoder, denoiser : nn.Module
        The networks; encoder and decoder work on raw latents.
    latent_mean, latent_std : Tensor
        Mean and standard deviation of the raw latents over the training set, (D,); zero and one
        until training sets them.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: EmulatorConfig) -> None:
        super().__init__()
        width = config.autoencoder.latent_dim
        self.encoder = PooledEncoder(config.autoencoder)
        self.decoder = PooledDecoder(config.autoencoder, config.grid_shape)
        self.denoiser = MLPDenoiser(config.denoiser, width, config.schedule)
        self.register_buffer("latent_mean", torch.zeros(width))
        self.register_buffer("latent_std", torch.ones(width))

    def encode(self, states: Tensor) -> Tensor:
        """Map normalised states (B, 2, nx, ny, nz) to normalised latents (B, D)."""
        latents: Tensor = self.encoder(states)
        return (latents - self.latent_mean) / self.latent_std

    def decode(self, latents: Tensor) -> Tensor:
        """Map normalised latents (B, D) to normalised states (B, 2, nx, ny, nz)."""
        states: Tensor = self.decoder(latents * self.latent_std + self.latent_mean)
        return states


def build_networks(config: EmulatorConfig) -> EmulatorNetworks:
    """Build freshly initialised networks.

    Raises
    ------
    EldynError
        If a grid axis is not a multiple of the autoencoder's total stride.
    """
    stride = config.autoencoder.total_stride
    if any(points % stride for points in config.grid_shape):
        grid = "×".join(map(str, config.grid_shape))
        raise EldynError(
            f"the grid {grid} does not fit the autoencoder, which needs multiples of {stride}",
            remedy="Resample the data to such a grid (eldyn convert --grid), or use fewer "
            "channels levels.",
        )
    return EmulatorNetworks(config)
