"""Periodic grids: the cell, its points, its wavevectors, and resampling between grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = ["PeriodicGrid", "resample"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PeriodicGrid:
    """Points of a periodic cell at origin + i/N of its vectors; no end point is repeated.

    Parameters
    ----------
    cell : array-like, shape (3, 3)
        Cell vectors as rows [Å]; any cell with a volume, orthogonal or not.
    shape : sequence of 3 int
        Number of points along each cell vector.
    origin : array-like, shape (3,)
        Position of point (0, 0, 0) in the coordinates of the atoms [Å].

    Raises
    ------
    EldynError
        If the cell is not three finite, linearly independent vectors, a count is below 1, or the
        origin is not three finite numbers.
    """

    cell: FloatArray
    shape: tuple[int, int, int]
    origin: FloatArray

    def __init__(
        self,
        cell: npt.ArrayLike,
        shape: Sequence[int],
        origin: npt.ArrayLike = (0.0, 0.0, 0.0),
    ) -> None:
        vectors = np.array(cell, dtype=np.float64)
        if vectors.shape != (3, 3) or not np.all(np.isfinite(vectors)):
            raise EldynError(f"a cell is 3 finite vectors, not an array of shape {vectors.shape}")
        lengths = np.linalg.norm(vectors, axis=1)
        if abs(np.linalg.det(vectors)) <= 1e-9 * np.prod(lengths):
            raise EldynError(f"the cell {vectors.tolist()} Å has no volume")
        counts = tuple(int(n) for n in shape)
        if len(counts) != 3 or min(counts) < 1:
            raise EldynError(f"a grid has three counts of at least 1, not {counts}")
        corner = np.array(origin, dtype=np.float64)
        if corner.shape != (3,) or not np.all(np.isfinite(corner)):
            raise EldynError(f"an origin is 3 finite numbers, not {corner.tolist()}")
        vectors.flags.writeable = corner.flags.writeable = False
        object.__setattr__(self, "cell", vectors)
        object.__setattr__(self, "origin", corner)
        object.__setattr__(self, "shape", counts)

    def __repr__(self) -> str:
        lengths = ", ".join(f"{length:g}" for length in np.linalg.norm(self.cell, axis=1))
        return f"PeriodicGrid({' × '.join(map(str, self.shape))}; |a| = {lengths} Å)"

    @cached_property
    def volume(self) -> float:
        """Volume of the cell [Å³]."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def n_points(self) -> int:
        """Number of grid points."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def voxel_volume(self) -> float:
        """Volume per grid point, ΔV [Å³]."""
        return self.volume / self.n_points

    @property
    def voxel_vectors(self) -> FloatArray:
        """Vectors from a grid point to its neighbours, as rows, shape (3, 3) [Å]."""
        return np.asarray(self.cell / np.array(self.shape)[:, None])

    @cached_property
    def reciprocal_vectors(self) -> FloatArray:
        """Reciprocal cell vectors b with a_i·b_j = 2π δ_ij, as rows, shape (3, 3) [1/Å]."""
        return np.asarray(2.0 * np.pi * np.linalg.inv(self.cell).T)

    @property
    def is_orthogonal(self) -> bool:
        """Whether the cell vectors are at right angles."""
        unit = self.cell / np.linalg.norm(self.cell, axis=1)[:, None]
        return bool(np.allclose(unit @ unit.T, np.eye(3), atol=1e-6))

    @property
    def is_cubic(self) -> bool:
        """Whether the cell vectors are at right angles and equally long."""
        lengths = np.linalg.norm(self.cell, axis=1)
        return self.is_orthogonal and bool(np.allclose(lengths, lengths[0], rtol=1e-6))

    @cached_property
    def q_max(self) -> float:
        """Radius of the largest sphere inside the box of FFT wavevectors [1/Å].

        The box is |h_i| ≤ N_i/2; its faces lie π N_i/|a_i| from the origin.
        """
        return float(np.min(np.pi * np.array(self.shape) / np.linalg.norm(self.cell, axis=1)))

    def wavevectors(self) -> FloatArray:
        """Wavevectors q of the half space that ``numpy.fft.rfftn`` returns.

        Returns
        -------
        ndarray, shape (nx, ny, nz // 2 + 1, 3)
            q = h·B [1/Å], with integer h in the order of the transform.
        """
        nx, ny, nz = self.shape
        indices = np.meshgrid(
            np.fft.fftfreq(nx, 1.0 / nx),
            np.fft.fftfreq(ny, 1.0 / ny),
            np.fft.rfftfreq(nz, 1.0 / nz),
            indexing="ij",
        )
        wavevectors: FloatArray = np.stack(indices, axis=-1) @ self.reciprocal_vectors
        return wavevectors

    def rfft_multiplicity(self) -> npt.NDArray[np.int64]:
        """How many wavevectors of the full space each entry of the half space stands for.

        Returns
        -------
        ndarray, shape (nx, ny, nz // 2 + 1)
            2, or 1 on the planes that hold their own conjugates. The sum is `n_points`.
        """
        nx, ny, nz = self.shape
        along_z = np.full(nz // 2 + 1, 2, dtype=np.int64)
        along_z[0] = 1
        if nz % 2 == 0:
            along_z[-1] = 1
        return np.broadcast_to(along_z, (nx, ny, nz // 2 + 1)).copy()

    def matches(self, other: PeriodicGrid, tolerance: float = 1e-4) -> bool:
        """Whether two grids have the same counts and, to `tolerance` [Å], cell and origin."""
        return (
            self.shape == other.shape
            and bool(np.all(np.abs(self.cell - other.cell) <= tolerance))
            and bool(np.all(np.abs(self.origin - other.origin) <= tolerance))
        )

    def with_shape(self, shape: Sequence[int]) -> PeriodicGrid:
        """Return the same cell with other counts of points."""
        return PeriodicGrid(self.cell, shape, self.origin)


def resample(values: npt.ArrayLike, shape: Sequence[int]) -> npt.NDArray[Any]:
    """Fourier resampling of periodic fields on to another number of points.

    Exact for fields whose wavevectors both grids hold. The mean, and so the number of electrons,
    is kept. On an even grid the two wavevectors ±N/2 share one coefficient: it is halved between
    them when points are added, and they are added up when points are taken away. Taking points
    away cuts short waves off, which can make a positive field dip below zero.

    Parameters
    ----------
    values : array-like, shape (..., nx, ny, nz)
        Real periodic fields.
    shape : sequence of 3 int
        Points wanted along the last three axes.

    Returns
    -------
    ndarray, shape (..., *shape)
        float64 for float64 input, otherwise float32.
    """
    field = np.asarray(values)
    target = tuple(int(n) for n in shape)
    if field.ndim < 3 or len(target) != 3 or min(target) < 1:
        raise EldynError(f"cannot resample an array of shape {field.shape} to {target}")
    dtype = np.float64 if field.dtype == np.float64 else np.float32
    result = field.astype(np.float64)
    # Removing points first keeps the intermediate arrays small.
    for axis in sorted((-3, -2, -1), key=lambda axis: target[axis] / field.shape[axis]):
        result = _resample_axis(result, target[axis], axis)
    return result.astype(dtype, copy=False)


def _resample_axis(field: FloatArray, n_new: int, axis: int) -> FloatArray:
    n_old = field.shape[axis]
    if n_new == n_old:
        return field
    spectrum = np.moveaxis(np.fft.rfft(field, axis=axis), axis, -1)
    n_common = min(n_old, n_new)
    kept = np.zeros((*spectrum.shape[:-1], n_new // 2 + 1), dtype=spectrum.dtype)
    kept[..., : n_common // 2 + 1] = spectrum[..., : n_common // 2 + 1]
    if n_common % 2 == 0:
        kept[..., n_common // 2] *= 2.0 if n_new < n_old else 0.5
    result = np.fft.irfft(kept, n=n_new, axis=-1) * (n_new / n_old)
    return np.moveaxis(result, -1, axis)
