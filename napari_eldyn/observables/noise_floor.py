"""How well a reference knows its own S(q), shell by shell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.observables.levels import ReferenceLevels

__all__ = ["add_noise_floor", "noise_floor"]

FloatArray = NDArray[np.float64]

# Mean of |x| of a normal x over its standard deviation.
_MEAN_OVER_STD = float(np.sqrt(2 / np.pi))


def noise_floor(halves: ArrayLike, counts: ArrayLike, error: ArrayLike | None = None) -> FloatArray:
    """Expect how far two halves of a reference differ in S(q).

    The difference found between two halves is a single draw: by chance it is near zero in some
    shells. Its expected size also follows from the standard error of the whole, of which the
    halves' difference has twice; but an error from few blocks misses what fluctuates slowly. So
    both are averaged (root mean square), with each other and with the two neighbouring shells,
    weighted for the waves in a shell, of which the variance is inverse to the number.

    Parameters
    ----------
    halves : array_like, shape (shells,)
        Relative difference of the two halves.
    counts : array_like, shape (shells,)
        Waves in each shell.
    error : array_like, shape (shells,), optional
        Relative standard error of the whole reference.

    Returns
    -------
    numpy.ndarray, shape (shells,)
        Expected |ΔS|/S between the halves; NaN where S vanishes.
    """
    waves = np.asarray(counts, dtype=np.float64)
    variance = np.asarray(halves, dtype=np.float64) ** 2
    if error is not None:
        variance = 0.5 * (variance + 4.0 * np.asarray(error, dtype=np.float64) ** 2)
    per_wave = np.where(np.isfinite(variance), variance * waves, np.nan)
    padded = np.pad(per_wave, 1, constant_values=np.nan)
    around = np.stack([padded[:-2], padded[1:-1], padded[2:]])
    there = np.isfinite(around)
    mean = np.where(there, around, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(np.isfinite(per_wave), _MEAN_OVER_STD * np.sqrt(mean / waves), np.nan)


def add_noise_floor(metrics: dict[str, Any], levels: ReferenceLevels) -> None:
    """Add the noise floor of S(q), and errors over it, to the metrics of a comparison.

    Parameters
    ----------
    metrics : dict
        With ``structure_factor`` and its standard errors.
    levels : ReferenceLevels
        Of the reference.
    """
    section = metrics["structure_factor"]
    known = section["amplitude"]["reference_standard_error"] is not None
    section["noise_floor"] = (
        "expected |ΔS|/S between two halves of the reference, from the difference found between "
        + ("them and from block bootstrap" if known else "them")
        + ", averaged with neighbouring shells; noise_ratio: |ΔS|/S of the generated frames over it"
    )
    for name in ("amplitude", "intensity"):
        part = section[name]
        error = part["reference_standard_error"]
        halves = getattr(levels.noise, f"{name}_difference")
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = None if error is None else error / part["reference"]
            floor = noise_floor(halves, section["shell_counts"], relative)
            part["noise_floor"] = floor
            part["half_against_half"] = np.abs(halves)
            part["noise_ratio"] = np.abs(part["relative_difference"]) / floor
