"""Exact copies of transitions by symmetry: shifts and point group, on the training device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_eldyn.density import PeriodicGrid
from napari_eldyn.density.symmetry import point_group

__all__ = ["Moves", "Symmetries"]


@dataclass(frozen=True, eq=False)
class Moves:
    """Symmetry operations, one for each transition of a batch; on the CPU.

    Attributes
    ----------
    shifts : Tensor
        (B, 3) int64: grid points along each axis, after the operation of the point group.
    operations : Tensor
        (B,) int64: which operation of the point group.
    """

    shifts: Tensor
    operations: Tensor

    def __getitem__(self, part: slice) -> Moves:
        """Return the operations of a part of the batch."""
        return Moves(self.shifts[part], self.operations[part])


class Symmetries:
    """The operations that move densities exactly from grid points to grid points.

    Parameters
    ----------
    grid : PeriodicGrid
        Grid of the fields.
    shifts : bool
        Allow circular shifts by any number of grid points.
    point_group : bool
        Allow the operations of the cell's point group that keep the grid.
    device : torch.device
        Where fields will lie.
    """

    def __init__(
        self, grid: PeriodicGrid, *, shifts: bool, point_group: bool, device: torch.device
    ) -> None:
        operations = _operations(grid) if point_group else np.eye(3, dtype=np.int64)[None]
        self.operations = torch.from_numpy(operations)
        """(operations, 3, 3) int64: on fractional coordinates, x' = W x; the identity first."""
        self._counts = grid.shape
        self._shifts = shifts
        # The value at point j comes from point N ∘ (W⁻¹ (j / N)): whole numbers throughout.
        counts = np.array(grid.shape)
        inverse = np.rint(np.linalg.inv(operations)).astype(np.int64)
        self._steps = torch.from_numpy(counts[:, None] * inverse // counts).to(device)
        # Axes exchanged and reversed only: what comes along an axis depends on that axis alone.
        self._separable = bool(np.all(np.count_nonzero(operations, axis=1) == 1))

    @property
    def trivial(self) -> bool:
        """Whether every field stays as it is."""
        return not self._shifts and len(self.operations) == 1

    def draw(self, count: int, generator: torch.Generator) -> Moves:
        """Draw operations, every one as likely as the others.

        Parameters
        ----------
        count : int
            How many.
        generator : torch.Generator
            On the CPU.
        """
        shifts = torch.zeros((count, 3), dtype=torch.int64)
        if self._shifts:
            for axis, points in enumerate(self._counts):
                shifts[:, axis] = torch.randint(points, (count,), generator=generator)
        return Moves(shifts, torch.randint(len(self.operations), (count,), generator=generator))

    def apply(self, fields: Tensor, moves: Moves) -> Tensor:
        """Return the fields rotated or reflected, then shifted; every value is one of before.

        Parameters
        ----------
        fields : Tensor
            (B, channels, nx, ny, nz) on the device.
        moves : Moves
            B operations.
        """
        device = fields.device
        steps = self._steps[moves.operations.to(device)]
        source = self._sources(steps, moves.shifts.to(device))
        flat = fields.flatten(2)
        index = source.flatten(1)[:, None].expand(flat.shape)
        return flat.gather(2, index).view(fields.shape)

    def _sources(self, steps: Tensor, shifts: Tensor) -> Tensor:
        """Return where the value at each point comes from, (B, nx, ny, nz), as a flat index."""
        _, ny, nz = self._counts
        column = (1, 3, 1, 1, 1)
        counts = torch.tensor(self._counts, device=steps.device).view(column)
        strides = torch.tensor((ny * nz, nz, 1), device=steps.device).view(column)
        contributions = []
        for axis, points in enumerate(self._counts):
            places = torch.arange(points, device=steps.device) - shifts[:, axis, None]
            # (B, 3, points): what this axis adds to the source's three indices.
            part = steps[:, :, axis, None] * places[:, None]
            contributions.append(part.view(len(steps), 3, *_along(axis, points)))
        if self._separable:
            # Rows that an axis does not reach add zero, so each axis is counted by itself.
            x, y, z = ((part.remainder(counts) * strides).sum(dim=1) for part in contributions)
            return x + y + z
        x, y, z = contributions
        return ((x + y + z).remainder(counts) * strides).sum(dim=1)


def _operations(grid: PeriodicGrid) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.stack(point_group(grid))


def _along(axis: int, points: int) -> tuple[int, int, int]:
    shape = [1, 1, 1]
    shape[axis] = points
    return shape[0], shape[1], shape[2]
