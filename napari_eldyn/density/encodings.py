"""How a frame's numbers are stored: a 16-bit logarithm, or lossless float32."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = ["LEVELS", "EncodingName", "decode_log16", "encode_log16", "log16_error"]

EncodingName = Literal["log16", "float32"]

LEVELS = 65535
"""Codes run from 1 to 65535; 0 is the fill value of a frame that was never written."""


def encode_log16(
    density: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float64]]:
    """Quantise ln ρ of one frame over the frame's own range.

    Parameters
    ----------
    density : ndarray, shape (nx, ny, nz)
        Positive densities [electrons/Å³].

    Returns
    -------
    codes : ndarray of uint16, shape (nx, ny, nz)
        1 to 65535.
    limits : ndarray, shape (2,)
        The least and the largest ln ρ.

    Raises
    ------
    EldynError
        If a value is not positive, or not finite.
    """
    values = np.asarray(density, dtype=np.float64)
    lowest = values.min()
    if not (lowest > 0.0 and np.isfinite(values.max())):
        n_bad = int(values.size - np.count_nonzero((values > 0.0) & np.isfinite(values)))
        raise EldynError(
            f"the logarithm of {n_bad} values of {values.size} does not exist "
            f"(least value {lowest:g} electrons/Å³)",
            remedy="Store this density with the encoding 'float32'.",
        )
    logarithm = np.log(values)
    low, high = float(logarithm.min()), float(logarithm.max())
    scale = (LEVELS - 1) / (high - low) if high > low else 0.0
    codes = np.rint((logarithm - low) * scale).astype(np.uint16) + np.uint16(1)
    return codes, np.array([low, high])


def decode_log16(
    codes: npt.NDArray[np.uint16], limits: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Return the density [electrons/Å³] of codes and limits made by `encode_log16`."""
    low, high = float(limits[0]), float(limits[1])
    # float64 keeps the arithmetic far below half a level.
    exponent = (codes.astype(np.float64) - 1.0) * ((high - low) / (LEVELS - 1)) + low
    return np.exp(exponent, out=exponent).astype(np.float32)


def log16_error(limits: npt.NDArray[np.float64]) -> float:
    """Return the largest relative error of ρ in a frame with these limits.

    Half a level of ln ρ, and the rounding of the result to float32.
    """
    half_level = 0.5 * float(limits[1] - limits[0]) / (LEVELS - 1)
    return float(np.expm1(half_level)) + float(np.finfo(np.float32).eps)
