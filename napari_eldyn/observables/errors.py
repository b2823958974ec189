"""Voxel-by-voxel errors of one density against another, as they lie and aligned."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.exceptions import EldynError

__all__ = ["aligned_nmae", "best_shift", "mse", "nmae"]

FloatArray = NDArray[np.float64]


def _pair(prediction: ArrayLike, reference: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first = np.asarray(prediction, dtype=np.float64)
    second = np.asarray(reference, dtype=np.float64)
    if first.shape != second.shape:
        raise EldynError(
            f"fields of shape {first.shape} and {second.shape} cannot be compared",
            remedy="Bring both to one grid first.",
        )
    if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second))):
        raise EldynError("a field to compare contains NaN or infinity")
    return first, second


def nmae(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Normalised mean absolute error of a density, 100 Σ|ρ̂ − ρ| / Σ|ρ|.

    Parameters
    ----------
    prediction, reference : array_like, same shape
        Densities, electrons/Å³.

    Returns
    -------
    float
        Percent of the reference's electrons.

    Raises
    ------
    EldynError
        If the shapes differ, a value is not finite, or the reference is zero everywhere.
    """
    first, second = _pair(prediction, reference)
    norm = np.abs(second).sum()
    if norm == 0:
        raise EldynError("the reference density is zero everywhere, so NMAE is undefined")
    return float(100.0 * np.abs(first - second).sum() / norm)


def mse(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Mean squared error.

    Parameters
    ----------
    prediction, reference : array_like, same shape
        Fields, usually normalised densities ρ̃.

    Returns
    -------
    float
        In the square of the fields' unit.

    Raises
    ------
    EldynError
        If the shapes differ or a value is not finite.
    """
    first, second = _pair(prediction, reference)
    return float(np.mean((first - second) ** 2))


def best_shift(prediction: ArrayLike, reference: ArrayLike) -> tuple[int, int, int]:
    """Circular shift of a field that brings it nearest to another.

    Of all nx·ny·nz shifts, the one of least squared error, found by the peak of the FFT
    cross-correlation.

    Parameters
    ----------
    prediction, reference : array_like, shape (nx, ny, nz)
        Fields on one grid.

    Returns
    -------
    tuple of 3 int
        ``np.roll(prediction, shift, axis=(0, 1, 2))`` is the aligned field; each component
        lies in (−n/2, n/2].

    Raises
    ------
    EldynError
        If the shapes differ, are not three-dimensional, or a value is not finite.
    """
    first, second = _pair(prediction, reference)
    if first.ndim != 3:
        raise EldynError(f"alignment needs fields of three dimensions, not {first.ndim}")
    product = scipy.fft.rfftn(second, workers=1) * scipy.fft.rfftn(first, workers=1).conj()
    correlation = scipy.fft.irfftn(product, s=first.shape, workers=1)
    peak = np.unravel_index(int(np.argmax(correlation)), first.shape)
    i, j, k = (
        int(p) if p <= n // 2 else int(p) - n for p, n in zip(peak, first.shape, strict=True)
    )
    return i, j, k


def aligned_nmae(prediction: ArrayLike, reference: ArrayLike) -> tuple[float, tuple[int, int, int]]:
    """NMAE after the best circular shift, for models that do not know where things are.

    Parameters
    ----------
    prediction, reference : array_like, shape (nx, ny, nz)
        Densities, electrons/Å³.

    Returns
    -------
    nmae : float
        Percent.
    shift : tuple of 3 int
        The shift of `best_shift`.

    Raises
    ------
    EldynError
        As `nmae` and `best_shift`.
    """
    shift = best_shift(prediction, reference)
    return nmae(np.roll(np.asarray(prediction), shift, axis=(0, 1, 2)), reference), shift
