"""Voxels as channels of coarser grids, and back (Shi et al. 2016, in three dimensions)."""

from __future__ import annotations

from torch import Tensor

__all__ = ["from_blocks", "to_blocks"]


def to_blocks(fields: Tensor, edge: int) -> Tensor:
    """Turn blocks of edge³ points into channels: (B, C, …) to (B, C edge³, … / edge)."""
    batch, channels, nx, ny, nz = fields.shape
    blocks = fields.view(batch, channels, nx // edge, edge, ny // edge, edge, nz // edge, edge)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
        batch, channels * edge**3, nx // edge, ny // edge, nz // edge
    )


def from_blocks(features: Tensor, edge: int) -> Tensor:
    """Turn channels into blocks of edge³ points: (B, C edge³, …) to (B, C, … · edge)."""
    batch, channels, nx, ny, nz = features.shape
    blocks = features.view(batch, channels // edge**3, edge, edge, edge, nx, ny, nz)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(
        batch, -1, edge * nx, edge * ny, edge * nz
    )
