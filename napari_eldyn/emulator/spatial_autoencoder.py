"""Periodic autoencoder whose latents are a grid of short vectors.

Every layer looks at a fixed neighbourhood and nothing else, normalisation included. So latents
follow shifts by whole latent cells exactly, and the same weights run in cells of any size. Blocks
of voxels become channels (Shi et al. 2016) before the first convolution and after the last, so that
no wide convolution works at full resolution.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_eldyn.emulator.autoencoder import STATE_CHANNELS
from napari_eldyn.emulator.config import BLOCK, SpatialAutoencoderConfig
from napari_eldyn.emulator.voxel_blocks import from_blocks, to_blocks

__all__ = ["ChannelNorm", "ResidualBlock", "SpatialDecoder", "SpatialEncoder", "periodic"]

_PATCH = STATE_CHANNELS * BLOCK**3
_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class PeriodicConvolution(nn.Conv3d):
    """A convolution over 3³ points, periodic along all axes.

    For a single sample torch on the CPU takes a slow path where its own oneDNN kernel is 1.6 to
    2.7 times as fast (tests/benchmarks/bench_rollout.py), so inference calls that.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, padding_mode="circular")

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, inputs, nx, ny, nz) to (B, outputs, nx, ny, nz)."""
        if (
            torch.is_grad_enabled()
            or input.device.type != "cpu"
            or not input.dtype == self.weight.dtype == torch.float32
            or not _HAS_ONEDNN
        ):
            return super().forward(input)
        around = functional.pad(input, (1,) * 6, mode="circular")
        once = (1, 1, 1)
        return torch.mkldnn_convolution(around, self.weight, self.bias, (0, 0, 0), once, once, 1)


def periodic(inputs: int, outputs: int) -> nn.Conv3d:
    """Return a convolution over 3³ points, periodic along all axes."""
    return PeriodicConvolution(inputs, outputs)


def pointwise(inputs: int, outputs: int) -> nn.Conv3d:
    """Return a convolution over single points."""
    return nn.Conv3d(inputs, outputs, 1)


class ChannelNorm(nn.Module):
    """Divide by the root mean square over channels, point by point, then scale each channel.

    Zhang & Sennrich 2019. Unlike normalisation over the whole grid it is local.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, nx, ny, nz) to the same shape."""
        square = features.float().square().mean(dim=1, keepdim=True)
        return features * torch.rsqrt(square + 1e-5).to(features) * self.scale.to(features)


class ResidualBlock(nn.Module):
    """Norm, periodic convolution, SiLU, pointwise convolution around an identity.

    Starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = pointwise(channels, channels)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.branch = nn.Sequential(
            ChannelNorm(channels), periodic(channels, channels), nn.SiLU(), last
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, nx, ny, nz) to the same shape."""
        return cast("Tensor", features + self.branch(features))


class SpatialEncoder(nn.Module):
    """State to latents: 4³ voxels to channels, residual blocks, projection, saturation.

    Starts close to block averages of density and rate.
    """

    def __init__(self, config: SpatialAutoencoderConfig) -> None:
        super().__init__()
        self.bound = config.saturation
        self.input = pointwise(_PATCH, config.width)
        self.blocks = nn.Sequential(
            *(ResidualBlock(config.width) for _ in range(config.encoder_blocks))
        )
        self.output = pointwise(config.width, config.latent_channels)
        _start_from_averages(self.input, self.output)

    def forward(self, state: Tensor) -> Tensor:
        """Map states (B, 2, nx, ny, nz) to raw latents (B, C, nx/4, ny/4, nz/4)."""
        raw = self.output(self.blocks(self.input(to_blocks(state, BLOCK)))).float()
        return cast("Tensor", raw / torch.sqrt(1.0 + (raw / self.bound) ** 2))


class SpatialDecoder(nn.Module):
    """Latents to state: residual blocks on the latent grid, then at half resolution, then voxels.

    What the latent grid gives directly and what the finer levels add are summed.
    """

    def __init__(self, config: SpatialAutoencoderConfig) -> None:
        super().__init__()
        width, fine = config.width, config.fine_width
        self.input = pointwise(config.latent_channels, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(config.decoder_blocks)))
        self.direct = pointwise(width, _PATCH)
        self.refine = pointwise(width, 8 * fine)
        self.fine_blocks = nn.Sequential(*(ResidualBlock(fine) for _ in range(config.fine_blocks)))
        self.output = periodic(fine, 8 * STATE_CHANNELS)

    def forward(self, latents: Tensor) -> Tensor:
        """Map raw latents (B, C, nx/4, ny/4, nz/4) to states (B, 2, nx, ny, nz)."""
        features = self.blocks(self.input(latents))
        fine = self.fine_blocks(from_blocks(self.refine(features), 2))
        details = from_blocks(self.output(functional.silu(fine)), 2)
        return details + from_blocks(self.direct(features), BLOCK)


@torch.no_grad()
def _start_from_averages(first: nn.Conv3d, last: nn.Conv3d) -> None:
    """Let the first two latent channels be block averages of density and rate, and random parts."""
    points = _PATCH // STATE_CHANNELS
    weight = torch.randn(first.out_channels, _PATCH) * 0.3 / math.sqrt(_PATCH)
    for channel in range(min(STATE_CHANNELS, first.out_channels)):
        weight[channel] = 0.0
        weight[channel, channel * points : (channel + 1) * points] = 1.0 / points
    first.weight.copy_(weight.view_as(first.weight))
    projection = torch.randn(last.out_channels, last.in_channels) * 0.02
    for channel in range(min(STATE_CHANNELS, last.out_channels, last.in_channels)):
        projection[channel, channel] = 1.5
    last.weight.copy_(projection.view_as(last.weight))
    for layer in (first, last):
        if layer.bias is not None:
            layer.bias.zero_()
