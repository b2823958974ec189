"""The numbers of a VASP volume, which run fastest along x, as an array."""

from __future__ import annotations

from math import lcm

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.text_numbers import read_numbers
from napari_eldyn.density.formats.vasp_chg_numbers import read_chg_lines
from napari_eldyn.density.formats.vasp_chgcar_numbers import read_chgcar_lines
from napari_eldyn.exceptions import EldynError

__all__ = ["read_block"]

_PIECE = 2**19
"""Numbers in memory beside the array: enough that reading in pieces costs nothing."""

_CACHE_LINE = 16
"""Planes that fill whole lines of the processor's cache, so that turning the axes is quick."""

_LINES = 60
"""Multiples of this end where lines of 3, 5, 6 or 10 numbers do."""


_WIDEST_BLANK = 64
"""Blanks that may follow the last number of a volume [bytes]."""


def read_block(
    source: ByteSource, start: int, end: int, shape: tuple[int, int, int], scale: float
) -> npt.NDArray[np.float32]:
    """Return the volume whose numbers start at an offset.

    Parameters
    ----------
    source : ByteSource
    start, end : int
        Where the first line begins and the last number ends [byte].
    shape : tuple of 3 int
        Points along x, y, z.
    scale : float
        Factor of all values.

    Raises
    ------
    EldynError
        Naming the file and the line, if there are too few or too many numbers, or one is none.
    """
    nx, ny, nz = shape
    plane, count = nx * ny, nx * ny * nz
    # Pieces end with a line, and with a plane unless that makes them much larger.
    step = lcm(_LINES, plane) if lcm(_LINES, plane) <= _PIECE else _LINES
    piece = step * max(1, max(_PIECE, _CACHE_LINE * plane) // step)
    values: npt.NDArray[np.float32] | None = None
    # The C library of Linux gives memory back above the size of the largest block freed so far:
    # without this one, texts and numbers would be faulted in anew for each piece, page by page.
    np.empty(2 * _PIECE, dtype=np.uint64)
    stop, got, done, rest = start, 0, 0, np.empty(0, dtype=np.float32)
    while got < count:
        wanted = min(piece, count - got)
        numbers, stop = read_chgcar_lines(source, start, wanted, scale)
        if not len(numbers):
            numbers, stop = read_chg_lines(source, start, wanted, scale)
        if not len(numbers):
            numbers, stop = read_numbers(source, start, wanted, scale=scale)
        # Columns are found quickest by who reads from the start of a line.
        start = stop + 1 if source.read(stop, 1) == b"\n" else stop
        got += len(numbers)
        if values is None:
            # Only now: the first numbers show that the file is no mere header.
            values = np.empty(shape, dtype=np.float32)
        if len(rest):
            numbers = np.concatenate([rest, numbers])
        planes = len(numbers) // plane
        whole = numbers[: planes * plane].reshape(planes, ny, nx)
        values[:, :, done : done + planes] = whole.transpose(2, 1, 0)
        done, rest = done + planes, numbers[planes * plane :]
    assert values is not None
    low, high = sorted((stop, end))
    if high - low > _WIDEST_BLANK or source.read(low, high - low).strip():
        raise EldynError(
            f"the volume should end at line {source.line_number(end)}, but its {count} numbers "
            f"end at line {source.line_number(stop)}: one of its lines is damaged",
            path=source.path,
        )
    return values
