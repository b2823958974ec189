"""The best circular shift of one density onto another, and how well they agree there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_eldyn.observables.errors import best_shift, nmae

__all__ = ["Alignment", "align"]


@dataclass(frozen=True)
class Alignment:
    """Where one density lies best on another.

    Attributes
    ----------
    shift : tuple of 3 int
        Grid points by which ``np.roll(prediction, shift, axis=(0, 1, 2))`` is moved; each in
        (−n/2, n/2].
    correlation : float
        Pearson correlation over all grid points after the shift; of all shifts the highest.
    nmae : float
        100 Σ|ρ̂ − ρ|/Σ|ρ| after the shift, percent.
    """

    shift: tuple[int, int, int]
    correlation: float
    nmae: float


def align(prediction: ArrayLike, reference: ArrayLike) -> Alignment:
    """Find the circular shift of highest correlation, by FFT, and what agreement it brings.

    Parameters
    ----------
    prediction, reference : array_like, shape (nx, ny, nz)
        Densities on one grid, electrons/Å³.

    Returns
    -------
    Alignment
        Its correlation is 0 if a field is the same everywhere.

    Raises
    ------
    EldynError
        If the shapes differ or are not three-dimensional, a value is not finite, or the
        reference is zero everywhere.

    Notes
    -----
    A shift changes neither mean nor variance, so the shift of least squared error is also the
    one of highest correlation.
    """
    shift = best_shift(prediction, reference)
    moved = np.roll(np.asarray(prediction, dtype=np.float64), shift, axis=(0, 1, 2))
    fixed = np.asarray(reference, dtype=np.float64)
    first, second = moved - moved.mean(), fixed - fixed.mean()
    varies = np.ptp(moved) > 0 and np.ptp(fixed) > 0
    spread = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    correlation = float(np.sum(first * second)) / spread if varies else 0.0
    return Alignment(shift, correlation, nmae(moved, fixed))
