"""Edges of the cells shown, and the lattice vectors a, b, c, as lines in space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid

__all__ = ["VECTOR_NAMES", "CellLines", "cell_lines", "label_places"]

FloatArray = npt.NDArray[np.float64]

VECTOR_NAMES = ("a", "b", "c")
_BEYOND = 0.045  # of the cell's size, from the end of a vector to its name


@dataclass(frozen=True, eq=False)
class CellLines:
    """Straight lines.

    Parameters
    ----------
    starts, vectors : ndarray, shape (n, 3)
        Start and extent of each line [Å].
    axes : ndarray, shape (n,)
        0, 1, 2 for those along a, b and c from the origin; −1 for the others.
    """

    starts: FloatArray
    vectors: FloatArray
    axes: npt.NDArray[np.int64]


def cell_lines(grid: PeriodicGrid, tiling: Sequence[int] = (1, 1, 1)) -> CellLines:
    """Return the edges of all cells shown, none twice; those of neighbours are one line.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell and origin.
    tiling : sequence of 3 int
        Cells along each cell vector.
    """
    starts, vectors, axes = [], [], []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for corner in product(*(range(tiling[other] + 1) for other in others)):
            starts.append(grid.origin + np.array(corner) @ grid.cell[others])
            vectors.append(tiling[axis] * grid.cell[axis])
            axes.append(-1 if any(corner) else axis)
    return CellLines(np.array(starts), np.array(vectors), np.array(axes))


def label_places(grid: PeriodicGrid, tiling: Sequence[int] = (1, 1, 1)) -> FloatArray:
    """Places of the names of the lattice vectors, a little beyond the last cell, (3, 3) [Å]."""
    whole = grid.cell * np.asarray(tiling)[:, None]
    lengths = np.linalg.norm(whole, axis=1)
    beyond = _BEYOND * float(lengths.max()) / lengths
    return np.asarray(grid.origin + whole * (1.0 + beyond)[:, None])
