"""Whether a grid of points repeats, at its end, the planes that it begins with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["find_end_planes", "repeats_first_planes"]

_SAME = 1e-4  # of the largest value
_NOTHING = 1e-3  # of the largest value: planes in a vacuum are all alike
_WHOLE = 1e-3
_CORNER = 1e-3  # relative to the larger one

Volume = npt.NDArray[np.float32]


def find_end_planes(
    first_row: Volume, read: Callable[[], Volume], electrons_per_value: float
) -> tuple[bool, Volume | None]:
    """Return whether a volume repeats its first planes, and the volume if it had to be read.

    Parameters
    ----------
    first_row : ndarray, shape (nz,)
        Its values along z from the corner, which mostly settle it.
    read : callable
        Gives the volume.
    electrons_per_value : float
        See `repeats_first_planes`.
    """
    ends = np.abs(first_row[[0, -1]])
    if abs(first_row[0] - first_row[-1]) > _CORNER * ends.max():
        return False, None
    values = read()
    return repeats_first_planes(values, electrons_per_value), values


def repeats_first_planes(values: Volume, electrons_per_value: float) -> bool:
    """Return whether the last plane along each axis is the first one again.

    So it is where a periodic field is written with both ends of the cell. Planes without density,
    around a molecule, tell nothing: they count as no repeats. If the field is a mirror image of
    itself as well, its end planes are alike anyway; then they count as no repeats if the number of
    electrons is whole with them, and not without them.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
    electrons_per_value : float
        Factor from the sum of all values to a number of electrons; 0 for what is no density.
    """
    if min(values.shape) < 3:
        return False
    largest = float(np.abs(values).max())
    highest_plane, is_mirrored = 0.0, True
    for axis in range(3):
        first, second, last_but_one, last = (values.take(n, axis=axis) for n in (0, 1, -2, -1))
        if np.abs(first - last).max() > _SAME * largest:
            return False
        highest_plane = max(highest_plane, float(np.abs(first).max()))
        is_mirrored &= bool(np.abs(second - last_but_one).max() <= _SAME * largest)
    if highest_plane <= _NOTHING * largest:
        return False
    if is_mirrored and electrons_per_value:
        kept = float(values.sum(dtype=np.float64)) * electrons_per_value
        cut = float(values[:-1, :-1, :-1].sum(dtype=np.float64)) * electrons_per_value
        return not _is_whole(kept) or _is_whole(cut)
    return True


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) <= _WHOLE
