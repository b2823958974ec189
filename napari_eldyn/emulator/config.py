"""What an emulator is made of, as checked configuration that travels inside its checkpoint.

The paper (Chiang, Choi, Osei-Kuffuor, arXiv 2509.00169, appendix A.2) states the latent width
(32), the width of the time embedding (128) and the number of diffusion steps (1000). All other
defaults are this project's choice for the recipe ``paper`` at 48³.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from napari_eldyn.config import StrictModel

__all__ = ["AutoencoderConfig", "DenoiserConfig", "EmulatorConfig", "ScheduleConfig"]

PositiveInt = Annotated[int, Field(gt=0)]
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


class EmulatorConfig(StrictModel):
    """Everything needed to rebuild an emulator's networks and to check its input."""

    family: Literal["pooled"] = "pooled"
    """Architecture; ``pooled`` is the paper's: one global latent vector per frame."""
    grid_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Grid points along the three cell vectors."""
    cell: tuple[Vector, Vector, Vector]
    """Cell vectors as rows, in Å."""
    timestep_fs: Annotated[float, Field(gt=0)]
    """Δτ: physical time between a frame and the next generated one, in fs."""
    density_kind: Literal["pseudo", "pseudo_valence", "all_electron", "unknown"] = "unknown"
    """The kind of density the model was trained on."""
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    denoiser: DenoiserConfig = DenoiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
