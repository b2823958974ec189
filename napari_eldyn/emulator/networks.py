"""All learned parts of an emulator, built from its configuration.

Both families look the same from outside. Latents outside of this module are normalised and describe
the whole state from which the next frame follows: one frame's latents, or those of several frames
stacked along the channels, oldest first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_eldyn.emulator.autoencoder import PooledDecoder, PooledEncoder
from napari_eldyn.emulator.config import BLOCK, EmulatorConfig, PooledConfig, SpatialConfig
from napari_eldyn.emulator.conservation import conserve_electrons
from napari_eldyn.emulator.denoiser import MLPDenoiser
from napari_eldyn.emulator.samplers import (
    SOLVERS,
    VP_SAMPLERS,
    StepCallback,
    default_evaluations,
    solve,
)
from napari_eldyn.emulator.schedule import linear_schedule
from napari_eldyn.emulator.spatial_autoencoder import SpatialDecoder, SpatialEncoder
from napari_eldyn.emulator.spatial_denoiser import SpatialDenoiser
from napari_eldyn.exceptions import EldynError

__all__ = [
    "EmulatorNetworks",
    "PooledNetworks",
    "SpatialNetworks",
    "build_networks",
    "latent_shape",
]

MOST_EVALUATIONS = 1000
"""Evaluations per frame beyond which continuous noise levels gain nothing."""


class _NormalisedAutoencoder(nn.Module):
    """Encoder and decoder with the normalisation of latents between them.

    :meth:`encode` subtracts ``latent_mean`` and divides by ``latent_std``; :meth:`decode` undoes
    it. A denoiser sees normalised latents.
    """

    encoder: nn.Module
    decoder: nn.Module
    latent_mean: Tensor
    latent_std: Tensor

    def normalise(self, raw: Tensor) -> Tensor:
        """Normalise what the encoder gives."""
        return (raw - self.latent_mean) / self.latent_std

    def encode(self, states: Tensor) -> Tensor:
        """Map normalised states (B, 2, nx, ny, nz) to one frame's normalised latents."""
        return self.normalise(self.encoder(states))

    def decode(self, latents: Tensor) -> Tensor:
        """Map one frame's normalised latents to normalised states (B, 2, nx, ny, nz)."""
        states: Tensor = self.decoder(latents * self.latent_std + self.latent_mean)
        return states


class PooledNetworks(_NormalisedAutoencoder):
    """Encoder, decoder and denoiser of one latent vector, (B, D).

    Attributes
    ----------
    encoder, decoder, denoiser : nn.Module
        The networks; encoder and decoder work on raw latents.
    latent_mean, latent_std : Tensor
        Mean and standard deviation of the raw latents over the training set, (D,); zero and one
        until training sets them.
    """

    samplers = tuple(VP_SAMPLERS)
    default_sampler = "ddim"

    def __init__(self, config: PooledConfig) -> None:
        super().__init__()
        self.schedule = linear_schedule(config.schedule)
        width = config.autoencoder.latent_dim
        self.encoder = PooledEncoder(config.autoencoder)
        self.decoder = PooledDecoder(config.autoencoder, config.grid_shape)
        self.denoiser = MLPDenoiser(config.denoiser, width, config.schedule)
        self.register_buffer("latent_mean", torch.zeros(width))
        self.register_buffer("latent_std", torch.ones(width))

    @property
    def most_evaluations(self) -> int:
        """Most evaluations of the denoiser per frame: the diffusion steps."""
        return self.schedule.steps

    def default_evaluations(self, sampler: str) -> int:
        """Return the evaluations per frame that are usual for a sampler."""
        return default_evaluations(sampler, self.schedule)

    def sample(
        self, sampler: str, latents: Tensor, noise: Tensor, callback: StepCallback | None = None
    ) -> Tensor:
        """Sample the latents one model step later.

        Parameters
        ----------
        sampler : str
            One of :attr:`samplers`.
        latents : Tensor
            Normalised latents, (B, D).
        noise : Tensor
            Standard normal, (evaluations + 1, B, D).
        callback : callable, optional
            Called after each evaluation with its index, the diffusion step and the noisy latents.

        Returns
        -------
        Tensor
            Normalised latents, (B, D).
        """
        return VP_SAMPLERS[sampler](self.denoiser, self.schedule, latents, noise, callback)


class SpatialNetworks(_NormalisedAutoencoder):
    """Encoder, decoder and denoiser on a grid of latent vectors, (B, C, gx, gy, gz).

    Attributes
    ----------
    encoder, decoder, denoiser : nn.Module
        The networks; encoder and decoder work on raw latents of one frame.
    latent_mean, latent_std : Tensor
        Mean and standard deviation of the raw latents' channels over the training set,
        (C, 1, 1, 1); zero and one until training sets them.
    residual_std : Tensor
        Standard deviation of the change of the normalised latents in one model step, by channel,
        (C, 1, 1, 1): the unit of what the denoiser predicts.
    density_response : Tensor
        Change of the logarithm of a latent cell's mean density with its normalised latents,
        (C, 1, 1, 1): steps conserve the electron count with it; zero until training sets it.
    """

    residual_std: Tensor
    density_response: Tensor
    samplers = tuple(SOLVERS)
    default_sampler = "dpmpp_2m"
    most_evaluations = MOST_EVALUATIONS

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        self.diffusion = config.diffusion
        nx, ny, nz = (points // BLOCK for points in config.grid_shape)
        self.box = (nx, ny, nz)
        channels = config.autoencoder.latent_channels
        self.channels = channels
        self.encoder = SpatialEncoder(config.autoencoder)
        self.decoder = SpatialDecoder(config.autoencoder)
        self.denoiser = SpatialDenoiser(config.denoiser, channels)
        self.register_buffer("latent_mean", torch.zeros(channels, 1, 1, 1))
        self.register_buffer("latent_std", torch.ones(channels, 1, 1, 1))
        self.register_buffer("residual_std", torch.ones(channels, 1, 1, 1))
        self.register_buffer("density_response", torch.zeros(channels, 1, 1, 1))

    def decode(self, latents: Tensor) -> Tensor:
        """Map normalised latents (B, K C, gx, gy, gz) to the newest frame's normalised state."""
        return super().decode(latents[:, -self.channels :])

    def default_evaluations(self, sampler: str) -> int:
        """Return the evaluations per frame that are usual for a sampler: 8."""
        return 8

    def sample(
        self, sampler: str, latents: Tensor, noise: Tensor, callback: StepCallback | None = None
    ) -> Tensor:
        """Sample the latents one model step later.

        Parameters
        ----------
        sampler : str
            One of :attr:`samplers`.
        latents : Tensor
            Normalised latents of the newest frames, oldest first, (B, K C, gx, gy, gz).
        noise : Tensor
            Standard normal, (evaluations + 1, B, C, gx, gy, gz): the solver's start, then those of
            the context.
        callback : callable, optional
            Called after each evaluation with its index, the solver's step and the noisy change of
            the latents in units of :attr:`residual_std`.

        Returns
        -------
        Tensor
            As `latents`, with the generated frame's in the place of the oldest's.
        """
        context = self._noisy(latents, noise)
        change = solve(sampler, self.denoiser.given(context), self.diffusion, noise, callback)
        following = context[:, -self.channels :] + self.residual_std * change
        newest = latents[:, -self.channels :]
        following = conserve_electrons(following, newest, self.density_response, self.box)
        return torch.cat([latents[:, self.channels :], following], dim=1)

    def _noisy(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Return the context as the denoiser knows it from training."""
        spread = self.diffusion.context_noise
        if not spread:
            return latents
        # The solvers start from the first draw and use no other.
        frames = latents.shape[1] // self.channels
        if len(noise) <= frames:
            raise EldynError(
                f"{len(noise) - 1} evaluations of the denoiser per frame are too few for a model "
                f"with {frames} noisy context frames",
                remedy=f"Choose {frames} or more.",
            )
        return latents + spread * torch.cat(noise[1 : frames + 1].unbind(0), dim=1)


EmulatorNetworks = PooledNetworks | SpatialNetworks
"""The networks of a model of either family."""


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
        fewer = ", or use fewer channels levels" if isinstance(config, PooledConfig) else ""
        raise EldynError(
            f"the grid {grid} does not fit the autoencoder, which needs multiples of {stride}",
            remedy=f"Resample the data to such a grid (eldyn convert --grid){fewer}.",
        )
    if isinstance(config, SpatialConfig):
        return SpatialNetworks(config)
    return PooledNetworks(config)


def latent_shape(config: EmulatorConfig, grid_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the latents of one state on a grid: (D,) or (K C, gx, gy, gz)."""
    if isinstance(config, PooledConfig):
        return (config.autoencoder.latent_dim,)
    channels = config.autoencoder.latent_channels * config.denoiser.context_frames
    return (channels, *(points // BLOCK for points in grid_shape))
