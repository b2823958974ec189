"""Numbers of text files, by the million."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.exceptions import EldynError

__all__ = ["find_numbers_end", "parse_numbers", "read_numbers"]

_BLOCK = 256 * 1024
_LONGEST_NUMBER = 64
_NUMBER = re.compile(rb"([+-]?(?:\d+\.?\d*|\.\d+))(?:[EeDd]([+-]?\d{1,4})|([+-]\d{3,4}))?")


class _BadNumberError(Exception):
    """What is wrong, and at which byte of the data."""

    def __init__(self, problem: str, offset: int) -> None:
        self.problem = problem
        self.offset = offset
        super().__init__(problem)


def parse_numbers(
    data: bytes, count: int, *, path: str | Path, line: int = 1, offset: int = 0
) -> npt.NDArray[np.float64]:
    """Return the numbers of a text.

    Parameters
    ----------
    data : bytes
        Numbers parted by blanks and ends of lines. Fortran's exponents are understood: ``1.0D-10``
        and ``1.0-100``.
    count : int
        How many there must be.
    path, line
        The file, and the number of the line that the data begin with, for messages.
    offset : int
        Where in `data` the numbers begin.

    Raises
    ------
    EldynError
        Naming the file and the line, if there are more or fewer numbers, or what is there is not
        a finite number.
    """
    try:
        return _parse(data[offset:] if offset else data, count)
    except _BadNumberError as error:
        number = line + data.count(b"\n", 0, offset + error.offset)
        raise EldynError(f"line {number}: {error.problem}", path=path) from error


def read_numbers(
    source: ByteSource, start: int, count: int, *, scale: float = 1.0
) -> tuple[npt.NDArray[np.float32], int]:
    """Return the numbers of a file from an offset, and the offset of the byte after them.

    The text is read in pieces, so that the memory is that of the result.

    Parameters
    ----------
    source : ByteSource
    start : int
        Offset of a byte before the first number.
    count : int
        How many to read.
    scale : float
        Factor of the numbers, such as one over the cell's volume; in double precision.

    Returns
    -------
    values : ndarray of float32, shape (count,)
    end : int

    Raises
    ------
    EldynError
        Naming the file and the line.
    """
    _check_room(source, start, count)
    values = np.empty(count, dtype=np.float32)
    done, position = 0, start
    while done < count:
        piece, end = _next_piece(source, position, count - done)
        n_numbers = min(_count(piece), count - done)
        try:
            numbers = _parse(piece[: _end_of(piece, n_numbers)], n_numbers)
        except _BadNumberError as error:
            line = source.line_number(position + error.offset)
            raise EldynError(f"line {line}: {error.problem}", path=source.path) from error
        values[done : done + n_numbers] = numbers * scale
        done += n_numbers
        if done == count:
            return values, position + _end_of(piece, n_numbers)
        position = end
    return values, position


def find_numbers_end(source: ByteSource, start: int, count: int) -> int:
    """Return the offset of the byte after a number of numbers, which are not parsed.

    Raises
    ------
    EldynError
        If the file ends before.
    """
    _check_room(source, start, count)
    position, left = start, count
    while left:
        piece, end = _next_piece(source, position, left)
        n_numbers = _count(piece)
        if n_numbers >= left:
            return position + _end_of(piece, left)
        left -= n_numbers
        position = end
    return position


def _check_room(source: ByteSource, start: int, count: int) -> None:
    if 2 * count - 1 > source.most_bytes - start:
        raise EldynError(
            f"{count} numbers should follow byte {start}, more than the file can hold",
            path=source.path,
        )


def _next_piece(source: ByteSource, position: int, left: int) -> tuple[bytes, int]:
    """Return text that ends between numbers, and the offset after it."""
    piece = source.read(position, _BLOCK)
    if not piece:
        line = source.line_number(position)
        raise EldynError(
            f"the file ends at line {line}, where {left} numbers more should be", path=source.path
        )
    if len(piece) == _BLOCK:
        whole = max(piece.rfind(b"\n"), piece.rfind(b" ")) + 1
        piece = piece[:whole] if whole > _BLOCK - 1024 else piece
    return piece, position + len(piece)


def _ends(data: bytes) -> npt.NDArray[np.int64]:
    """Offsets after each word."""
    dark = np.frombuffer(data, dtype=np.uint8) > 32
    ends = np.flatnonzero(dark[:-1] & ~dark[1:]) + 1
    return np.append(ends, len(data)) if len(dark) and dark[-1] else ends


def _count(data: bytes) -> int:
    dark = np.frombuffer(data, dtype=np.uint8) > 32
    return int(np.count_nonzero(dark[:-1] & ~dark[1:])) + int(len(dark) > 0 and dark[-1])


def _end_of(data: bytes, count: int) -> int:
    return int(_ends(data)[count - 1]) if count else 0


def _parse(data: bytes, count: int) -> npt.NDArray[np.float64]:
    words = data.split()
    if len(words) != count:
        raise _BadNumberError(f"{len(words)} numbers where {count} should be", len(data))
    try:
        values = np.array(words, dtype=np.float64)
        if np.all(np.isfinite(values)):
            return values
    except ValueError:
        pass
    return np.array([_number(word, data) for word in words])


def _number(word: bytes, data: bytes) -> float:
    match = _NUMBER.fullmatch(word)
    if match is None or len(word) > _LONGEST_NUMBER:
        shown = word[:_LONGEST_NUMBER].decode("latin-1")
        raise _BadNumberError(f"“{shown}” is not a number", data.find(word))
    mantissa, exponent, bare_exponent = match.groups()
    return float(mantissa + b"e" + (exponent or bare_exponent or b"0"))
