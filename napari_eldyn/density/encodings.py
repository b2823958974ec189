"""How a frame's numbers are stored: a 16-bit logarithm, or lossless float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.exceptions import EldynError

__all__ = [
    "LEVELS",
    "Clipping",
    "EncodingName",
    "choose_encoding",
    "clip_positive",
    "decode_log16",
    "encode_log16",
    "log16_error",
]

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
    values = np.array(density, dtype=np.float64)
    lowest = values.min()
    if not (lowest > 0.0 and np.isfinite(values.max())):
        n_bad = int(values.size - np.count_nonzero((values > 0.0) & np.isfinite(values)))
        raise EldynError(
            f"the logarithm of {n_bad} values of {values.size} does not exist "
            f"(least value {lowest:g} electrons/Å³)",
            remedy="Store this density with the encoding 'float32'.",
        )
    np.log(values, out=values)  # in place: frames can be large
    low, high = float(values.min()), float(values.max())
    values -= low
    values *= (LEVELS - 1) / (high - low) if high > low else 0.0
    codes = np.rint(values, out=values).astype(np.uint16)
    codes += np.uint16(1)
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


_CLIPPED_SHARE = 1e-4
"""Share of Σ|ρ| that clipping may add; above it a field is signed, and not a density with noise."""

_WIDE_ERROR = 2e-4
"""Error of 16 bits above which lossless numbers are the better choice: vacuum with tiny values."""


def choose_encoding(
    density: npt.NDArray[np.float32], quantity: str
) -> tuple[EncodingName, str | None]:
    """Return the encoding that suits a field, judged by one frame of it.

    Parameters
    ----------
    density : ndarray, shape (nx, ny, nz)
        Finite.
    quantity : str
        A key of `QUANTITIES`.

    Returns
    -------
    encoding : {"log16", "float32"}
        The logarithm for densities; lossless numbers for what has both signs or spans too much.
    reason : str or None
        Why it is not the logarithm.
    """
    if quantity != "density":
        return "float32", f"{QUANTITIES[quantity].title.lower()}: no logarithm"
    largest = float(density.max())
    if largest <= 0.0:
        return "float32", "no value is positive"
    _, clipping = clip_positive(density)
    share = clipping.added / float(np.abs(density).sum(dtype=np.float64))
    if share > _CLIPPED_SHARE:
        return "float32", f"clipping values that are not positive would add {share:.1%} to its sum"
    smallest = float(density.min(where=density > 0.0, initial=np.inf))
    if log16_error(np.log([smallest, largest])) > _WIDE_ERROR:
        return "float32", f"values from {smallest:.1g} to {largest:.3g} need more than 16 bits"
    return "log16", None


@dataclass(frozen=True)
class Clipping:
    """What was done to values whose logarithm does not exist.

    Parameters
    ----------
    values : int
        Values that were not positive.
    frames : int
        Frames that had any.
    added : float
        What the replacements added to Σ ρ in all, in the unit of the values.
    """

    values: int = 0
    frames: int = 0
    added: float = 0.0

    def __add__(self, other: Clipping) -> Clipping:
        return Clipping(
            self.values + other.values, self.frames + other.frames, self.added + other.added
        )


def clip_positive(
    density: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], Clipping]:
    """Replace values that are not positive by the smallest positive one of the frame.

    Raises
    ------
    EldynError
        If no value is positive.
    """
    low = density <= 0.0
    n = int(np.count_nonzero(low))
    if not n:
        return density, Clipping()
    smallest = density.min(where=~low, initial=np.inf)
    if not np.isfinite(smallest):
        raise EldynError("no value of the frame is positive")
    clipped = np.where(low, smallest, density)
    added = float(clipped.sum(dtype=np.float64) - density.sum(dtype=np.float64))
    return clipped, Clipping(n, 1, added)
