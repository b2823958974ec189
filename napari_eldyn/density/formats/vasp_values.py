"""The numbers of a VASP volume, which run fastest along x, as an array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.text_numbers import read_numbers

__all__ = ["read_block"]

_SLAB = 2**18
"""Numbers in memory beside the array: enough that reading in pieces costs nothing."""

_CACHE_LINE = 16
"""Planes that fill whole lines of the processor's cache, so that turning the axes is quick."""


def read_block(
    source: ByteSource, start: int, shape: tuple[int, int, int], scale: float
) -> npt.NDArray[np.float32]:
    """Return the volume whose numbers start at an offset.

    Parameters
    ----------
    source : ByteSource
    start : int
        Offset of its first number, or of blanks before it [byte].
    shape : tuple of 3 int
        Points along x, y, z.
    scale : float
        Factor of all values.

    Raises
    ------
    EldynError
        Naming the file and the line, if there are too few numbers, or one is none.
    """
    nx, ny, nz = shape
    depth = max(_CACHE_LINE, _SLAB // (nx * ny))
    values: npt.NDArray[np.float32] | None = None
    for first in range(0, nz, depth):
        planes = min(depth, nz - first)
        numbers, start = read_numbers(source, start, planes * ny * nx, scale=scale)
        if values is None:
            # Only now: the first numbers show that the file is no mere header.
            values = np.empty(shape, dtype=np.float32)
        values[:, :, first : first + planes] = numbers.reshape(planes, ny, nx).transpose(2, 1, 0)
    assert values is not None
    return values
