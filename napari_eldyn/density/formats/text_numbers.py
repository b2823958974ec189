"""Numbers of text files, by the million."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.number_columns import (
    PAD,
    Columns,
    decode_columns,
    decode_words,
    find_columns,
    find_fraction,
)
from napari_eldyn.exceptions import EldynError

__all__ = ["find_numbers_end", "parse_numbers", "read_numbers"]

_BLOCK = 512 * 1024
_SAMPLE = 128 * 1024
_LONGEST_NUMBER = 64
_NUMBER = re.compile(rb"([+-]?(?:\d+\.?\d*|\.\d+))(?:[EeDd]([+-]?\d{1,4})|([+-]\d{3,4}))?")
_BLANKS = b" " * PAD
_ODD_WORDS = 8
"""One word in so many may be written unlike the others before all are parsed one by one."""

Floats = npt.NDArray[np.floating[Any]]
_Read = Callable[[int, int], bytes]


class _NumbersError(Exception):
    """What is wrong, and at which byte."""

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

    Returns
    -------
    ndarray of float64, shape (count,)
        In columns of exponential notation, off by 3 units in the last place at most; exact else.

    Raises
    ------
    EldynError
        Naming the file and the line, if there are more or fewer numbers, or what is there is not
        a finite number.
    """
    try:
        if 2 * count - 1 > len(data) - offset:
            raise _NumbersError(f"{count} numbers should be here, but there are fewer", len(data))
        values = np.empty(count)
        end = _fill(values, lambda start, length: data[start : start + length], offset, 1.0)
        if rest := data[end:].split(maxsplit=1):
            where = data.index(rest[0], end)
            raise _NumbersError(f"{count} numbers should be here, but there are more", where)
    except _NumbersError as error:
        number = line + data.count(b"\n", 0, error.offset)
        raise EldynError(f"line {number}: {error.problem}", path=path) from error
    return values


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
        Factor of the numbers, such as one over the cell's volume; applied in double precision.

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
    try:
        values = np.empty(count, dtype=np.float32)
    except MemoryError as error:
        raise EldynError(f"{count} numbers do not fit in the memory", path=source.path) from error
    try:
        return values, _fill(values, source.read, start, scale)
    except _NumbersError as error:
        line = source.line_number(error.offset)
        raise EldynError(f"line {line}: {error.problem}", path=source.path) from error


def find_numbers_end(source: ByteSource, start: int, count: int) -> int:
    """Return the offset of the byte after a number of numbers, which are not parsed.

    Where lines are equally long, it is computed, and the text looked at near the end only.

    Raises
    ------
    EldynError
        Naming the file and the line, if the file ends before.
    """
    _check_room(source, start, count)
    try:
        return _skip(source.read, start, count)
    except _NumbersError as error:
        line = source.line_number(error.offset)
        raise EldynError(f"line {line}: {error.problem}", path=source.path) from error


def _check_room(source: ByteSource, start: int, count: int) -> None:
    if 2 * count - 1 > source.most_bytes - start:
        raise EldynError(
            f"{count} numbers should follow byte {start}, more than the file can hold",
            path=source.path,
        )


def _fill(values: Floats, read: _Read, start: int, scale: float) -> int:
    """Read numbers until `values` is full; return the offset of the byte after the last one."""
    # The C library of Linux keeps as much freed memory as the largest block ever freed had; less,
    # and the arrays of every block of text would be given back and faulted in again, page by page.
    np.empty(8 * _BLOCK, dtype=np.uint8)
    columns = find_columns(_BLANKS + read(start, _SAMPLE))
    done, position = _fill_columns(values, read, start, scale, columns) if columns else (0, start)
    carry = b""
    while done < len(values):
        block = read(position + len(carry), _BLOCK)
        buffer = b"".join((_BLANKS, carry, block))
        out = values[done:]
        with np.errstate(over="ignore"):
            n_numbers, used = _parse_words(out, buffer, len(block) < _BLOCK, scale, position)
        if not n_numbers:
            raise _no_number(buffer[PAD:], position, len(out))
        done += n_numbers
        position += used
        carry = buffer[PAD + used :]
    if values.dtype == np.float32 and not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values)))
        raise _NumbersError(
            "a number is too large for single precision", _skip(read, start, first + 1)
        )
    return position


def _fill_columns(
    values: Floats, read: _Read, start: int, scale: float, columns: Columns
) -> tuple[int, int]:
    """Read numbers as long as they lie in columns.

    The last record is left: what follows it is not known. Returns how many numbers were read, and
    the offset after their records.
    """
    per_block = max(1, _BLOCK // columns.size)
    total = (len(values) - 1) // columns.count
    done = 0
    while done < total:
        n_records = min(per_block, total - done)
        position = start + done * columns.size
        # What lies before the records stands for the blanks of a buffer.
        begin, size = max(0, position - PAD), n_records * columns.size + PAD
        padding = b" " * (begin + PAD - position)
        buffer = padding + read(begin, size - len(padding))
        if len(buffer) < size:
            break
        out = values[done * columns.count : (done + n_records) * columns.count]
        with np.errstate(over="ignore"):
            if not decode_columns(buffer, columns, n_records, out, scale):
                buffer = _BLANKS + buffer[PAD:]
                # Where lines are not as long as supposed, the last word may be cut.
                n_numbers, end = _parse_words(out, buffer, False, scale, position)
                if n_numbers < len(out) or buffer[PAD + end :].strip():
                    break
        done += n_records
    return done * columns.count, start + done * columns.size


def _skip(read: _Read, start: int, count: int) -> int:
    """Return the offset of the byte after the last one of some numbers."""
    position, left = start, count
    columns = find_columns(_BLANKS + read(start, _SAMPLE))
    if columns and (n_records := (count - 1) // columns.count):
        # The text is only looked at here and there, which shows whether lines are alike.
        looked_at = (n_records * part // 4 - 1 for part in (1, 2, 3, 4))
        if all(
            _is_record(read(start + max(0, index) * columns.size, columns.size), columns)
            for index in looked_at
        ):
            position += n_records * columns.size
            left -= n_records * columns.count
    carry = b""
    while True:
        block = read(position + len(carry), _BLOCK)
        buffer = b"".join((_BLANKS, carry, block))
        ends = _word_ends(buffer, len(block) < _BLOCK)
        if len(ends) >= left:
            return position + int(ends[left - 1]) - PAD
        if not len(ends):
            raise _no_number(buffer[PAD:], position, left)
        left -= len(ends)
        position += int(ends[-1]) - PAD
        carry = buffer[int(ends[-1]) :]


def _is_record(text: bytes, columns: Columns) -> bool:
    lengths = [columns.line - 1] * columns.n_lines + [columns.rest_line - 1] * bool(columns.rest)
    counts = [columns.per_line] * columns.n_lines + [columns.rest] * bool(columns.rest)
    lines = text.removesuffix(b"\n").split(b"\n")
    return list(map(len, lines)) == lengths and [len(line.split()) for line in lines] == counts


def _no_number(text: bytes, position: int, left: int) -> _NumbersError:
    if text.strip():
        where = position + len(text) - len(text.lstrip())
        return _NumbersError(f"“{_shown(text.split(maxsplit=1)[0])}” is not a number", where)
    if len(text) >= _BLOCK:
        return _NumbersError(f"blanks follow where {left} numbers more should be", position)
    return _NumbersError(
        f"the file ends where {left} numbers more should be", position + len(text.rstrip())
    )


def _shown(word: bytes) -> str:
    return word[:_LONGEST_NUMBER].decode("latin-1")


def _word_ends(buffer: bytes, complete: bool) -> npt.NDArray[np.int64]:
    """Offsets after words; after the last one if it is known to be `complete`."""
    dark = np.frombuffer(buffer, dtype=np.uint8) > ord(" ")
    ends = np.flatnonzero(dark[:-1] > dark[1:]) + 1
    return np.append(ends, len(buffer)) if complete and len(dark) and dark[-1] else ends


def _parse_words(
    out: Floats, buffer: bytes, complete: bool, scale: float, position: int
) -> tuple[int, int]:
    """Parse as many words of a text as `out` holds, or there are.

    Returns how many these are, and the offset in the text after them.
    """
    ends = _word_ends(buffer, complete)[: len(out)]
    if not len(ends):
        return 0, 0
    out, text = out[: len(ends)], buffer[PAD : int(ends[-1])]
    fraction = find_fraction(text)
    wrong: npt.NDArray[np.bool_] | None = np.ones(len(ends), dtype=np.bool_)
    if fraction is not None:
        out[:], wrong = decode_words(buffer, ends, fraction, scale)
    odd = [] if wrong is None else np.flatnonzero(wrong).tolist()
    if _ODD_WORDS * len(odd) > len(ends) and _parse_plain(out, text, scale):
        odd = []
    for index in odd:
        begin = int(ends[index - 1]) - PAD if index else 0
        word = text[begin : int(ends[index]) - PAD].lstrip()
        match = _NUMBER.fullmatch(word) if len(word) <= _LONGEST_NUMBER else None
        if match is None:
            where = position + int(ends[index]) - PAD - len(word)
            raise _NumbersError(f"“{_shown(word)}” is not a number", where)
        mantissa, exponent, bare_exponent = match.groups()
        number = float(mantissa + b"e" + (exponent or bare_exponent or b"0"))
        if not math.isfinite(number):
            where = position + int(ends[index]) - PAD - len(word)
            raise _NumbersError(f"“{_shown(word)}” is too large", where)
        out[index] = number * scale
    return len(out), len(text)


def _parse_plain(out: Floats, text: bytes, scale: float) -> bool:
    """Parse words that Python understands too; False if not all of them are."""
    words = text.replace(b"D", b"e").replace(b"d", b"e").split()
    if len(words) != len(out) or b"_" in text:
        return False
    try:
        numbers = np.array(words, dtype=np.float64)
    except ValueError:
        return False
    out[:] = numbers * scale
    return bool(np.isfinite(numbers).all())
