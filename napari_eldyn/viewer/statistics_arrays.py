"""Statistics of frames as arrays, one a quantity, to be stored; and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.observables.statistics import FrameStatistics, StatisticsSettings

__all__ = ["pack_statistics", "unpack_statistics"]

Array = npt.NDArray[Any]


def pack_statistics(frames: Sequence[FrameStatistics]) -> dict[str, Array]:
    """Return every quantity as an array, (n, …); nothing if there are no frames."""
    if not frames:
        return {}
    names = [field.name for field in fields(FrameStatistics)]
    return {name: np.array([getattr(frame, name) for frame in frames]) for name in names}


def unpack_statistics(
    arrays: Mapping[str, Array], settings: StatisticsSettings
) -> list[FrameStatistics] | None:
    """Return the statistics of each frame.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of `pack_statistics`.
    settings : StatisticsSettings
        Bins and shells that they were counted with.

    Returns
    -------
    list of FrameStatistics or None
        None if other quantities, bins or shells were stored, by another version perhaps: the
        frames must be measured again.
    """
    if not arrays:
        return []
    names = [field.name for field in fields(FrameStatistics)]
    lengths = {len(array) if array.ndim else -1 for array in arrays.values()}
    if set(arrays) != set(names) or len(lengths) != 1:
        return None
    widths = {
        "counts": len(settings.edges) - 1,
        "amplitude": len(settings.shells),
        "intensity": len(settings.shells),
        "modes": len(settings.waves.indices),
        "power_sums": 5,
    }
    for name, array in arrays.items():
        wanted = (widths[name],) if name in widths else ()
        if array.shape[1:] != wanted or array.dtype.kind not in "iufc":
            return None
    return [
        FrameStatistics(
            **{
                name: array[index] if array.ndim > 1 else array[index].item()
                for name, array in arrays.items()
            }
        )
        for index in range(lengths.pop())
    ]
