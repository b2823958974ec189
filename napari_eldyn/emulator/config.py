"""What an emulator is made of, as checked configuration that travels inside its checkpoint.

The paper (Chiang, Choi, Osei-Kuffuor, arXiv 2509.00169, appendix A.2) states the latent width
(32), the width of the time embedding (128) and the number of diffusion steps (1000). All other
defaults of the pooled family are this project's choice for the recipe ``paper`` at 48³.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.exceptions import EldynError

__all__ = [
    "AutoencoderConfig",
    "DenoiserConfig",
    "DiffusionConfig",
    "EmulatorConfig",
    "PooledConfig",
    "ScheduleConfig",
    "SpatialAutoencoderConfig",
    "SpatialConfig",
    "SpatialDenoiserConfig",
    "parse_emulator_config",
]

BLOCK = 4
"""Voxels per edge of a latent cell of the spatial family."""

PositiveInt = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Channels = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Vector = tuple[float, float, float]


class AutoencoderConfig(StrictModel):
    """Encoder and decoder of a pooled latent.

    All convolutions work at half resolution and below: a 32→32 convolution at 48³ alone costs
    about 100 ms on one CPU thread.
    """

    latent_dim: PositiveInt = 32
    """Length of the latent vector."""
    channels: Channels = (16, 32, 64, 128)
    """Encoder channels per level; level k lies at 1/2^(k+1) of the full resolution."""
    blocks_per_level: Annotated[int, Field(ge=0)] = 1
    """Residual blocks per encoder level."""
    decoder_channels: Channels = (128, 64, 32)
    """Decoder channels per level, from the projected map up to half the full resolution; each
    level doubles the resolution, and a sub-pixel convolution doubles it once more."""
    decoder_blocks_per_level: Annotated[int, Field(ge=0)] = 1
    """Residual blocks per decoder level."""
    kernel_size: Literal[3, 5] = 3
    """Edge of the convolution kernels in voxels."""
    norm_groups: Annotated[int, Field(ge=0)] = 0
    """Groups of the group normalisation inside residual blocks; 0 for none (the paper names
    none)."""

    @model_validator(mode="after")
    def _groups_divide_channels(self) -> Self:
        blocks = (*self.channels, *self.decoder_channels)
        if self.norm_groups and any(width % self.norm_groups for width in blocks):
            raise ValueError(f"norm_groups={self.norm_groups} must divide the channels {blocks}")
        return self

    @property
    def total_stride(self) -> int:
        """Voxels per edge of the coarsest map: every grid axis must be a multiple of it."""
        return int(2 ** max(len(self.channels), len(self.decoder_channels)))


class DenoiserConfig(StrictModel):
    """The multi-layer perceptron that predicts the noise."""

    hidden: PositiveInt = 512
    """Width of the hidden layers."""
    layers: PositiveInt = 4
    """Number of residual hidden layers between input and output layer."""
    time_embedding: Annotated[int, Field(gt=0, multiple_of=2)] = 128
    """Width of the sinusoidal embedding of the diffusion step."""
    output: Literal["noise", "velocity"] = "noise"
    """What the last layer gives: the noise ε itself, or the velocity v of Salimans & Ho (2022),
    from which ε = √ᾱ v + √(1 − ᾱ) z_t follows. The loss is the same (S12). With ``velocity`` an
    error of the network at the noisiest steps is not multiplied by 1/√ᾱ (158 for the default
    schedule), so that rollouts with few evaluations stay bounded."""


class ScheduleConfig(StrictModel):
    """Linear noise schedule (S9)."""

    steps: PositiveInt = 1000
    """Number of diffusion steps."""
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """Noise variance of the first step (Ho et al. 2020)."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Noise variance of the last step (Ho et al. 2020)."""


class SpatialAutoencoderConfig(StrictModel):
    """Encoder and decoder of a grid of latent vectors, one for each block of 4³ voxels.

    Every layer is local and periodic: the latents follow shifts by whole blocks, and the same
    weights work in a cell of any size.
    """

    latent_channels: PositiveInt = 2
    """Numbers per latent cell; 2 for 2 × 4³ values of the state are a compression of 64."""
    width: PositiveInt = 64
    """Channels on the latent grid."""
    encoder_blocks: Annotated[int, Field(ge=0)] = 2
    """Residual blocks of the encoder; each sees one latent cell farther."""
    decoder_blocks: Annotated[int, Field(ge=0)] = 4
    """Residual blocks of the decoder on the latent grid."""
    fine_width: PositiveInt = 24
    """Channels on the grid of half the full resolution."""
    fine_blocks: Annotated[int, Field(ge=0)] = 1
    """Residual blocks of the decoder on that grid."""
    saturation: Positive = 5.0
    """Bound b of the latents: z/√(1 + (z/b)²), which keeps them in a known range without the
    Kullback-Leibler term of a variational autoencoder."""

    @property
    def total_stride(self) -> int:
        """Voxels per edge of a latent cell: every grid axis must be a multiple of it."""
        return BLOCK


class SpatialDenoiserConfig(StrictModel):
    """The periodic convolutional network on the latent grid."""

    width: PositiveInt = 64
    """Channels."""
    blocks: PositiveInt = 4
    """Residual blocks; each sees one latent cell (4 voxels) farther."""
    expansion: PositiveInt = 1
    """Channels inside a block over those between blocks."""
    noise_embedding: Annotated[int, Field(gt=0, multiple_of=2)] = 64
    """Width of the embedding of the noise level."""
    context_frames: PositiveInt = 1
    """Newest frames whose latents the denoiser sees."""


class DiffusionConfig(StrictModel):
    """Noise levels in units of the data's standard deviation (Karras et al. 2022, table 1)."""

    sigma_min: Positive = 0.03
    """Lowest level of a sampler before zero."""
    sigma_max: Positive = 20.0
    """Level a sampler starts from."""
    rho: Positive = 30.0
    """Exponent of their spacing: the larger, the denser at low noise. Nearly geometric levels serve
    few evaluations best: 8 of ``dpmpp_2m`` keep the spread of exact denoisers within 4 %, the
    paper's exponent 7 within 9 %."""

    context_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Standard deviation of noise on the context in rollouts, in units of the normalised latents.
    A denoiser trained with such noise takes a rollout's own small errors for noise and removes
    them, motion with them; given the noise it was trained with, it keeps both."""

    @model_validator(mode="after")
    def _levels_increase(self) -> Self:
        if not self.sigma_min < self.sigma_max:
            raise ValueError(
                f"sigma_min = {self.sigma_min:g} must be below sigma_max = {self.sigma_max:g}"
            )
        return self


class _EmulatorConfig(StrictModel):
    """What every family needs to rebuild its networks and to check its input."""

    grid_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Grid points along the three cell vectors."""
    cell: tuple[Vector, Vector, Vector]
    """Cell vectors as rows, in Å."""
    timestep_fs: Positive
    """Δτ: physical time between a frame and the next generated one, in fs."""
    density_kind: Literal["pseudo", "pseudo_valence", "all_electron", "unknown"] = "unknown"
    """The kind of density the model was trained on."""


class PooledConfig(_EmulatorConfig):
    """The paper's architecture: one global latent vector per frame."""

    family: Literal["pooled"] = "pooled"
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    denoiser: DenoiserConfig = DenoiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()


class SpatialConfig(_EmulatorConfig):
    """A grid of latent vectors, so that generated atoms are in comparable places."""

    family: Literal["spatial"] = "spatial"
    autoencoder: SpatialAutoencoderConfig = SpatialAutoencoderConfig()
    denoiser: SpatialDenoiserConfig = SpatialDenoiserConfig()
    diffusion: DiffusionConfig = DiffusionConfig()


EmulatorConfig = PooledConfig | SpatialConfig
"""Everything needed to rebuild an emulator's networks and to check its input."""

CONFIGS: dict[str, type[PooledConfig] | type[SpatialConfig]] = {
    "pooled": PooledConfig,
    "spatial": SpatialConfig,
}
"""Configurations by family."""


def parse_emulator_config(values: dict[str, Any], *, path: str | Path | None) -> EmulatorConfig:
    """Check the configuration of a model of any family.

    Parameters
    ----------
    values : dict
        As a checkpoint holds them.
    path : path-like, optional
        The file, for messages.

    Raises
    ------
    EldynError
        If there is no such family, or a key is unknown, missing or of a wrong type.
    """
    family = values.get("family", "pooled")
    if family not in CONFIGS:
        raise EldynError(
            f"the configuration names the family {family!r}; this program knows "
            f"{', '.join(CONFIGS)}",
            path=path,
            remedy="Use the version of napari-eldyn that wrote the model, or a newer one.",
        )
    return parse_config(CONFIGS[family], values, path=path)
