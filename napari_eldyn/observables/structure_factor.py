"""Spherically averaged structure factor of a density, for any cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError

__all__ = [
    "Shells",
    "average_coefficients",
    "equal_lengths",
    "fourier_coefficients",
    "shell_average",
    "shells",
    "structure_factor",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shells:
    """Reciprocal grid points sorted into shells of equal |q|.

    Parameters
    ----------
    grid : PeriodicGrid
        The grid whose Fourier coefficients are averaged.
    q : numpy.ndarray, shape (shells,)
        Mean |q| of the members of each shell, 1/Å, rising.
    counts : numpy.ndarray, shape (shells,)
        Number of reciprocal grid points in each shell, both halves of reciprocal space.
    width : float or None
        Shell width Δq in 1/Å; None for exact shells (one per distinct |q|).
    indices, labels, weights : numpy.ndarray, shape (points,)
        Flat positions in the half space of `scipy.fft.rfftn`, their shell, and their
        multiplicity divided by the shell's count.
    """

    grid: PeriodicGrid
    q: FloatArray
    counts: IntArray
    width: float | None
    indices: IntArray = field(repr=False)
    labels: IntArray = field(repr=False)
    weights: FloatArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.q)


def shells(grid: PeriodicGrid, width: float | None = None, exact: bool = False) -> Shells:
    """Sort the reciprocal grid into shells.

    Shells are centred on whole multiples of the width, q ∈ [kΔq − Δq/2, kΔq + Δq/2) (eq. S18).
    q = 0 is left out, and so is whatever reaches beyond the sphere inscribed in the FFT box:
    there, shells would be cut off by the box. Empty shells are dropped.

    Parameters
    ----------
    grid : PeriodicGrid
        Any cell.
    width : float, optional
        Δq in 1/Å. The default is half of 2π/V^(1/3), which in a cubic cell keeps the first
        shells (|h|² = 1; 2 and 3; 4 and 5 …) apart.
    exact : bool
        One shell per distinct |q| (to a relative 1e-6) instead of bins.

    Returns
    -------
    Shells
        With the mean |q| and the number of reciprocal points of each shell.

    Raises
    ------
    EldynError
        If the width is not positive, or so wide that no whole shell fits the grid.
    """
    if width is not None and exact:
        raise EldynError("exact shells have no width", remedy="Give a width or 'exact', not both.")
    if width is not None and not (np.isfinite(width) and width > 0):
        raise EldynError(f"the shell width must be positive, but is {width:g} 1/Å")
    lengths = np.linalg.norm(grid.wavevectors(), axis=-1).astype(np.float64).ravel()
    multiplicity = np.asarray(grid.rfft_multiplicity(), dtype=np.int64).ravel()
    # Nyquist points lie on the inscribed sphere or outside it; they stand for ±q at once.
    limit = grid.q_max * (1 - 1e-9)
    inside = (lengths > 0) & (lengths < limit)
    if exact:
        used = np.flatnonzero(inside)
        labels = equal_lengths(lengths[used])
    else:
        if width is None:
            width = float(np.pi / np.cbrt(grid.volume))
        numbers = np.floor(lengths / width + 0.5 + 1e-9).astype(np.int64)
        whole = inside & ((numbers + 0.5) * width <= grid.q_max * (1 + 1e-9))
        used = np.flatnonzero(whole)
        labels = np.unique(numbers[used], return_inverse=True)[1].astype(np.int64)
    if used.size == 0:
        raise EldynError(
            f"no whole shell fits a grid of {' × '.join(map(str, grid.shape))} points "
            f"(largest |q| {grid.q_max:.3g} 1/Å)",
            remedy="Use a finer grid or narrower shells.",
        )
    weights = multiplicity[used].astype(np.float64)
    totals = np.bincount(labels, weights=weights)
    return Shells(
        grid=grid,
        q=np.bincount(labels, weights=weights * lengths[used]) / totals,
        counts=np.rint(totals).astype(np.int64),
        width=width,
        indices=used.astype(np.int64),
        labels=labels,
        weights=weights / totals[labels],
    )


def equal_lengths(lengths: FloatArray) -> IntArray:
    """Give lengths numbers by size; equal ones, to a relative 1e-6, have one number.

    Parameters
    ----------
    lengths : numpy.ndarray, shape (n,)
        Positive lengths in any order.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        0 for the shortest, rising with the length and without gaps.
    """
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    steps = np.diff(ordered, prepend=ordered[:1]) > 1e-6 * ordered
    labels = np.empty(lengths.size, dtype=np.int64)
    labels[order] = np.cumsum(steps)
    return labels


def fourier_coefficients(density: ArrayLike, grid: PeriodicGrid) -> NDArray[np.complexfloating]:
    """Fourier transform of a density (eq. S16).

    Parameters
    ----------
    density : array_like, shape (nx, ny, nz)
        Electrons/Å³.
    grid : PeriodicGrid
        Its grid.

    Returns
    -------
    numpy.ndarray, shape (nx, ny, nz // 2 + 1), complex
        F(q) = Σ_r ρ e^(−iq·r) ΔV in electrons, q as in ``grid.wavevectors()``; F(0) is the
        number of electrons.

    Raises
    ------
    EldynError
        If the shape is not that of the grid.
    """
    values = np.asarray(density)
    if values.shape != tuple(grid.shape):
        raise EldynError(f"a density of shape {values.shape} does not fit a grid of {grid.shape}")
    coefficients: NDArray[np.complexfloating] = scipy.fft.rfftn(values, workers=1)
    with np.errstate(invalid="ignore"):  # callers find NaN in F(0)
        coefficients *= grid.voxel_volume
    return coefficients


def shell_average(values: ArrayLike, shells: Shells) -> FloatArray:
    """Mean over each shell of a real quantity given on the half space.

    Parameters
    ----------
    values : array_like, shape (nx, ny, nz // 2 + 1)
        Equal at q and −q.
    shells : Shells
        The shells of the same grid.

    Returns
    -------
    numpy.ndarray, shape (shells,)
        Means over all members, both halves counted.
    """
    selected = np.asarray(values).reshape(-1)[shells.indices]
    return _sum_by_shell(selected, shells)


def structure_factor(density: ArrayLike, shells: Shells) -> tuple[FloatArray, FloatArray]:
    """Structure factor of one frame, in both conventions.

    Parameters
    ----------
    density : array_like, shape (nx, ny, nz)
        Electrons/Å³, on the grid of the shells.
    shells : Shells
        From `shells`.

    Returns
    -------
    amplitude : numpy.ndarray, shape (shells,)
        ⟨|F(q)|⟩ in electrons: the paper's S(q) (eq. S17-S18).
    intensity : numpy.ndarray, shape (shells,)
        ⟨|F(q)|²⟩/N_e in electrons, N_e = F(0) of the same frame: the usual S(q) but for the
        normalisation per electron.

    Raises
    ------
    EldynError
        If the shape is wrong, a value is not finite, or the electron count is not positive.
    """
    coefficients = fourier_coefficients(density, shells.grid)
    amplitude, intensity, _ = average_coefficients(coefficients, shells)
    return amplitude, intensity


def average_coefficients(
    coefficients: NDArray[np.complexfloating], shells: Shells
) -> tuple[FloatArray, FloatArray, float]:
    """Structure factor from Fourier coefficients already there.

    Parameters
    ----------
    coefficients : numpy.ndarray, complex, shape (nx, ny, nz // 2 + 1)
        From `fourier_coefficients`, on the grid of the shells.
    shells : Shells
        From `shells`.

    Returns
    -------
    amplitude, intensity : numpy.ndarray, shape (shells,)
        As `structure_factor`.
    electrons : float
        F(0), the electron count.

    Raises
    ------
    EldynError
        If a value is not finite, or the electron count is not positive.
    """
    flat = coefficients.reshape(-1)
    electrons = float(flat[0].real)
    if not np.isfinite(electrons):
        raise EldynError("the density contains NaN or infinity")
    if not electrons > 0:
        raise EldynError(
            f"the density holds {electrons:g} electrons, so S(q) per electron is undefined",
            remedy="Check the kind and the units of the density.",
        )
    selected = flat[shells.indices]
    square = (selected.real**2 + selected.imag**2).astype(np.float64)
    amplitude = _sum_by_shell(np.sqrt(square), shells)
    intensity = _sum_by_shell(square, shells)
    return amplitude, intensity / electrons, electrons


def _sum_by_shell(selected: NDArray[Any], shells: Shells) -> FloatArray:
    sums = np.bincount(shells.labels, weights=selected * shells.weights, minlength=len(shells))
    return sums.astype(np.float64, copy=False)
