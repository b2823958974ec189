"""Fourier modes of densities and of ions against time, ρ_q(t)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.structure_factor import equal_lengths, fourier_coefficients

__all__ = ["DensityModes", "density_modes", "ion_modes", "lowest_modes", "shell_labels"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

# Frames of ions whose phases are held at once.
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class DensityModes:
    """Lowest Fourier modes of a density against time, one of each pair ±q.

    Parameters
    ----------
    h : numpy.ndarray of int, shape (modes, 3)
        q = h·B with the reciprocal cell vectors B.
    q : numpy.ndarray, shape (modes,)
        |q|, 1/Å, rising.
    values : numpy.ndarray of complex, shape (frames, modes)
        ρ_q = Σ_r ρ(r) e^(−iq·r) ΔV in electrons, or Σ_a e^(−iq·R_a) of ions.
    timestep : float
        Time between frames, fs.
    electrons : float
        Mean number of electrons, or number of ions, that F(q,t) is divided by.
    cell : numpy.ndarray, shape (3, 3)
        Cell vectors as rows, Å.
    """

    h: IntArray
    q: FloatArray
    values: ComplexArray = field(repr=False)
    timestep: float
    electrons: float
    cell: FloatArray

    def __len__(self) -> int:
        return len(self.values)


def density_modes(
    trajectory: DensityTrajectory,
    q_max: float = 2.6,
    progress: Callable[[int, int], None] | None = None,
) -> DensityModes:
    """Fourier modes of the density up to a wave number, frame by frame.

    Parameters
    ----------
    trajectory : DensityTrajectory
        At least two frames, equally spaced in time. One frame is held at a time.
    q_max : float
        Largest |q|, 1/Å. Modes beyond the sphere that the grid resolves are not there.
    progress : callable, optional
        Called with (frames done, frames in all); what it raises ends the pass.

    Returns
    -------
    DensityModes
        Modes sorted by |q|, without q = 0.

    Raises
    ------
    EldynError
        If frames are too few, not equally spaced or not finite, the mean electron count is not
        positive, or no mode lies below `q_max`.
    """
    grid, timestep, n = trajectory.grid, trajectory.timestep, len(trajectory)
    h, q = lowest_modes(grid, min(q_max, grid.q_max * (1 - 1e-9)))
    places = tuple(h.T % np.array(grid.shape)[:, None])
    values = np.empty((n, len(h)), dtype=np.complex128)
    electrons = 0.0
    for index in range(n):
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        coefficients = fourier_coefficients(density.astype(np.float64), grid)
        values[index] = coefficients[places]
        electrons += float(coefficients[0, 0, 0].real) / n
        if progress is not None:
            progress(index + 1, n)
    if not electrons > 0:
        raise EldynError(
            f"the density holds {electrons:g} electrons, so F(q,t) per electron is undefined",
            path=trajectory.path,
            remedy="Check the kind and the units of the density.",
        )
    return DensityModes(h, q, values, timestep, electrons, grid.cell)


def ion_modes(trajectory: DensityTrajectory, q_max: float = 2.6) -> DensityModes:
    """Fourier modes of the atoms' positions, each atom of weight one.

    Parameters
    ----------
    trajectory : DensityTrajectory
        With positions; at least two frames, equally spaced in time.
    q_max : float
        Largest |q|, 1/Å.

    Returns
    -------
    DensityModes
        ρ_q = Σ_a e^(−iq·R_a); `electrons` is the number of atoms.

    Raises
    ------
    EldynError
        If there are no positions, frames are too few or not equally spaced, or no mode lies
        below `q_max`.
    """
    positions = trajectory.positions
    if positions is None or positions.shape[1] == 0:
        raise EldynError(
            "the trajectory holds no positions of atoms",
            path=trajectory.path,
            remedy="Generated densities have none; use the modes of the density.",
        )
    timestep = trajectory.timestep
    h, q = lowest_modes(trajectory.grid, q_max)
    fractional = positions @ np.linalg.inv(trajectory.grid.cell)
    values = np.concatenate(
        [
            np.exp(-2j * np.pi * (fractional[start : start + _CHUNK] @ h.T)).sum(axis=1)
            for start in range(0, len(fractional), _CHUNK)
        ]
    )
    return DensityModes(h, q, values, timestep, float(positions.shape[1]), trajectory.grid.cell)


def shell_labels(lengths: FloatArray, grid: PeriodicGrid) -> IntArray:
    """Give waves the number of their shell.

    Parameters
    ----------
    lengths : numpy.ndarray, shape (waves,)
        abs(q), 1/Å.
    grid : PeriodicGrid
        Only its cell counts.

    Returns
    -------
    numpy.ndarray of int, shape (waves,)
        Rising with q and without gaps. In a cubic cell a shell is one abs(q); in others, where
        hardly two are equal, a bin π/V^(1/3) wide and centred on a multiple of that, as in
        `structure_factor.shells`.
    """
    if grid.is_cubic:
        return equal_lengths(lengths)
    bins = np.floor(lengths * np.cbrt(grid.volume) / np.pi + 0.5 + 1e-9)
    return np.unique(bins, return_inverse=True)[1].astype(np.int64)


def lowest_modes(grid: PeriodicGrid, q_max: float) -> tuple[IntArray, FloatArray]:
    """Find the longest waves of a cell.

    Parameters
    ----------
    grid : PeriodicGrid
        Only its cell counts.
    q_max : float
        Largest abs(q), 1/Å.

    Returns
    -------
    h : numpy.ndarray of int, shape (waves, 3)
        One of each pair ±q with 0 < abs(q) ≤ q_max, by rising abs(q).
    q : numpy.ndarray, shape (waves,)
        abs(q), 1/Å.

    Raises
    ------
    EldynError
        If there is none.
    """
    bounds = np.floor(q_max * np.linalg.norm(grid.cell, axis=1) / (2 * np.pi) + 1e-9).astype(int)
    axes = [np.arange(-bound, bound + 1) for bound in bounds]
    h = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # The half space that rfftn keeps.
    x, y, z = h.T
    h = h[(z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))]
    q = np.linalg.norm(h @ grid.reciprocal_vectors, axis=1)
    chosen = np.flatnonzero(q <= q_max * (1 + 1e-9))
    if len(chosen) == 0:
        raise EldynError(
            f"no mode of the cell has a wave number up to {q_max:.3g} 1/Å",
            remedy="Raise q_max, or use a finer grid.",
        )
    order = chosen[np.argsort(q[chosen], kind="stable")]
    return h[order].astype(np.int64), q[order]
