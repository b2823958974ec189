"""Symmetry operations that are exact on the grid: shifts, point group, time reversal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError

__all__ = ["apply_operation", "point_group", "shift", "time_reverse"]

IntArray = npt.NDArray[np.int64]


def shift(field: npt.NDArray[Any], by: Sequence[int]) -> npt.NDArray[Any]:
    """Move periodic fields by whole grid points.

    Parameters
    ----------
    field : ndarray, shape (..., nx, ny, nz)
        Fields.
    by : sequence of 3 int
        Grid points along each cell vector: the value at i moves to i + by.
    """
    return np.roll(field, tuple(int(n) for n in by), axis=(-3, -2, -1))


def point_group(grid: PeriodicGrid, tolerance: float = 1e-4) -> list[IntArray]:
    """Rotations and reflections that map the cell's lattice and the grid to themselves.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell and points. Unequal counts along equivalent axes lower the symmetry.
    tolerance : float
        Largest change of a length, relative to the longest cell vector.

    Returns
    -------
    list of ndarray of int, shape (3, 3)
        Matrices W on fractional coordinates, x' = W x, the identity first: 48 for a cubic cell,
        16 tetragonal, 8 orthorhombic, 24 hexagonal, 12 rhombohedral, 4 monoclinic, 2 triclinic.

    Notes
    -----
    A column of W is the image of a cell vector: a lattice vector of the same length. All such
    vectors are listed, and triples that keep the angles, |W x| = |x| for every x, are kept. This
    is complete for any cell, reduced or not.
    """
    metric = grid.cell @ grid.cell.T
    scale = 2.0 * tolerance * float(np.max(np.diag(metric)))
    images = _vectors_as_long_as_axes(grid, metric, scale)
    counts = np.array(grid.shape)
    operations = []
    for columns in itertools.product(*images):
        operation = np.stack(columns, axis=1)
        if np.all(np.abs(operation.T @ metric @ operation - metric) <= scale) and _keeps_grid(
            operation, counts
        ):
            operations.append(operation)
    identity = np.eye(3, dtype=np.int64)
    operations.sort(key=lambda operation: not np.array_equal(operation, identity))
    return operations


def _vectors_as_long_as_axes(
    grid: PeriodicGrid, metric: npt.NDArray[np.float64], scale: float
) -> list[list[IntArray]]:
    """Integer lattice vectors of the same length as each cell vector."""
    # A lattice vector of length R has |h_i| ≤ R |b_i|/2π.
    longest = np.sqrt(np.max(np.diag(metric))) * (1.0 + 1e-3)
    bounds = np.floor(
        longest * np.linalg.norm(grid.reciprocal_vectors, axis=1) / (2.0 * np.pi) + 1e-9
    ).astype(int)
    axes = [np.arange(-bound, bound + 1) for bound in bounds]
    candidates = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = np.einsum("ni,ij,nj->n", candidates, metric, candidates)
    return [list(candidates[np.abs(squares - metric[i, i]) <= scale]) for i in range(3)]


def _keeps_grid(operation: IntArray, counts: IntArray) -> bool:
    """Whether every grid point i/N goes to a grid point: N_r W_rc / N_c whole for all r, c."""
    return not np.any((counts[:, None] * operation) % counts[None, :])


def apply_operation(field: npt.NDArray[Any], operation: npt.ArrayLike) -> npt.NDArray[Any]:
    """Rotate or reflect periodic fields exactly: the value at x moves to W x.

    Parameters
    ----------
    field : ndarray, shape (..., nx, ny, nz)
        Scalar fields; ρ̃ and ∂ρ̃/∂τ both are.
    operation : array-like of int, shape (3, 3)
        One of `point_group`.

    Returns
    -------
    ndarray, shape (..., nx, ny, nz)
        A new array with the same values in other places.

    Raises
    ------
    EldynError
        If the operation does not map the grid to itself.
    """
    matrix = np.asarray(operation, dtype=np.int64)
    counts = np.array(field.shape[-3:])
    if (
        matrix.shape != (3, 3)
        or round(abs(np.linalg.det(matrix))) != 1
        or not _keeps_grid(matrix, counts)
    ):
        raise EldynError(
            f"the operation {matrix.tolist()} does not map a grid of {field.shape[-3:]} points "
            "to itself"
        )
    inverse = np.rint(np.linalg.inv(matrix)).astype(np.int64)
    if np.all(np.abs(matrix).sum(axis=0) == 1) and np.all(np.abs(matrix).sum(axis=1) == 1):
        return _permute(field, inverse)
    # Index of the source of every point: i = N ∘ (W⁻¹ (j / N)), whole numbers throughout.
    steps = (counts[:, None] * inverse) // counts[None, :]
    grids = np.meshgrid(*(np.arange(n) for n in counts), indexing="ij", sparse=True)
    source = tuple(
        sum(steps[row, column] * grids[column] for column in range(3)) % counts[row]
        for row in range(3)
    )
    return np.asarray(field[(..., *source)])


def _permute(field: npt.NDArray[Any], inverse: IntArray) -> npt.NDArray[Any]:
    """Axes exchanged and reversed: no table of indices is needed."""
    # Row r of W⁻¹ says which axis of the result the field's axis r comes to lie on.
    target = np.argmax(np.abs(inverse), axis=1)
    signs = inverse[np.arange(3), target]
    reverse = tuple(axis - 3 for axis in range(3) if signs[axis] < 0)
    if reverse:
        # i → −i modulo N keeps point 0 in its place.
        field = np.roll(np.flip(field, reverse), 1, reverse)
    lead = field.ndim - 3
    order = [*range(lead), *(lead + int(axis) for axis in np.argsort(target))]
    return np.ascontiguousarray(np.transpose(field, order))


def time_reverse(state: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn the arrow of time of a state (ρ̃, ∂ρ̃/∂τ): the rate changes its sign.

    Parameters
    ----------
    state : ndarray, shape (2, nx, ny, nz)
        Normalised density and its rate.
    """
    if state.shape[0] != 2:
        raise EldynError(f"a state has 2 channels, not {state.shape[0]}")
    reversed_state = state.copy()
    reversed_state[1] *= -1
    return reversed_state
