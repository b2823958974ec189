"""Numbers in exponential notation decoded by array operations on the bytes of many at once.

Codes write grids by one format, such as Fortran's E18.11, so that all numbers have as many digits.
Eight digits are one 64-bit word, which three multiplications turn into an integer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["PAD", "Columns", "decode_columns", "decode_words", "find_columns", "find_fraction"]

PAD = 32
"""Blanks that must lie before the text in a buffer, since words of bytes may reach before it."""

_EXPONENTIAL = re.compile(rb"[+-]?\d?\.(\d{1,16})[EeDd][+-]\d\d(?!\d)")
_SPACE = 32
_NEWLINE = 10
_PLAIN_ZERO = int.from_bytes(b" 0.", "little")
_LONGEST = 24  # sign, digit, point, 16 digits, exponent, and the byte before

_STEPS = (
    (8, 0x00FF00FF00FF00FF, 10),
    (16, 0x0000FFFF0000FFFF, 100),
    (32, 0x00000000FFFFFFFF, 10_000),
)
"""Bits of a part of a word, which parts to keep, and what the first of two is worth."""

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_Gather = Callable[[int, str], npt.NDArray[Any]]


@dataclass(frozen=True)
class Columns:
    """Where numbers lie in a text of equal records.

    A record is some lines of equal length and, where numbers do not fill the last line, a
    shorter one (cube files break lines after each row of the grid).

    Parameters
    ----------
    fraction : int
        Digits after the point.
    first_end, width : int
        Where the first number of a line ends, and bytes from there to the next one's end.
    per_line, n_lines, line : int
        Numbers of a full line, full lines, and bytes of each, with the end of the line.
    rest, rest_line : int
        Numbers and bytes of the shorter line, 0 if there is none.
    """

    fraction: int
    first_end: int
    width: int
    per_line: int
    n_lines: int
    line: int
    rest: int = 0
    rest_line: int = 0

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return self.n_lines * self.line + self.rest_line

    @property
    def count(self) -> int:
        """Numbers of a record."""
        return self.n_lines * self.per_line + self.rest


def find_fraction(text: bytes) -> int | None:
    """Return how many digits the first numbers of a text mostly have after the point.

    None if they are not in exponential notation.
    """
    words = text[:1024].split()[:16]
    found = Counter(len(match[1]) for word in words if (match := _EXPONENTIAL.fullmatch(word)))
    return found.most_common(1)[0][0] if found else None


def find_columns(buffer: bytes) -> Columns | None:
    """Return the columns of a text that begins with a line of numbers, if it has any.

    Only the ends of lines are compared; `decode_columns` tells whether all is as it seems.

    Parameters
    ----------
    buffer : bytes
        `PAD` blanks, then the text.
    """
    line = buffer.find(b"\n", PAD) + 1 - PAD
    numbers = list(_EXPONENTIAL.finditer(buffer, PAD, PAD + max(line, 0)))
    if not numbers:
        return None
    ends = [match.end() - PAD for match in numbers]
    fraction = len(numbers[0][1])
    width = ends[1] - ends[0] if len(ends) > 1 else max(line, fraction + 7)
    regular = all(end == ends[0] + index * width for index, end in enumerate(ends))
    if not regular or width < fraction + 7 or any(len(match[1]) != fraction for match in numbers):
        return None
    one_line = Columns(fraction, ends[0], width, len(ends), 1, line)
    are_ends = np.frombuffer(buffer, dtype=np.uint8)[PAD + line - 1 :: line] == _NEWLINE
    n_lines = len(are_ends) if are_ends.all() else int(np.argmin(are_ends))
    start = PAD + n_lines * line
    rest_line = buffer.find(b"\n", start) + 1 - start
    rest = len(_EXPONENTIAL.findall(buffer, start, start + max(rest_line, 0)))
    if 2 * start > len(buffer) or not 0 < rest_line < line or not 0 < rest < len(ends):
        return one_line
    return Columns(fraction, ends[0], width, len(ends), n_lines, line, rest, rest_line)


def decode_columns(
    buffer: bytes,
    columns: Columns,
    n_records: int,
    out: npt.NDArray[np.floating[Any]],
    scale: float,
) -> bool:
    """Decode the numbers of records.

    Parameters
    ----------
    buffer : bytes
        `PAD` blanks, then the records.
    columns : Columns
    n_records : int
    out : ndarray of float32 or float64, shape (n_records * columns.count,)
        Is given the numbers; off by 3 units in the last place of a float64 at most.
    scale : float
        Factor of the numbers.

    Returns
    -------
    bool
        False if anything is not as `columns` says; the numbers mean nothing then.
    """
    table = out.reshape(n_records, columns.count)
    full = columns.n_lines * columns.per_line
    parts = [(0, columns.n_lines, columns.per_line, columns.line, table[:, :full])]
    if columns.rest:
        start = columns.n_lines * columns.line
        parts.append((start, 1, columns.rest, columns.rest_line, table[:, full:]))
    for start, n_lines, per_line, line, part in parts:
        offset = PAD + start
        for column in _blank_columns(columns, per_line, line):
            shape, strides = (n_lines, n_records), (columns.line, columns.size)
            blanks = np.ndarray(shape, np.uint8, buffer, offset + column, strides)
            if np.any(blanks > _SPACE):
                return False

        def gather(
            back: int,
            dtype: str,
            shape: tuple[int, ...] = (n_lines, per_line, n_records),
            first_end: int = offset + columns.first_end,
        ) -> npt.NDArray[Any]:
            # Records last: the innermost loop is then the longest.
            strides = (columns.line, columns.width, columns.size)
            return np.ndarray(shape, dtype, buffer, first_end - back, strides).copy()

        decoded, wrong = _decode(gather, columns.fraction, scale)
        if wrong is not None:
            return False
        by_place = decoded.reshape(-1, n_records)
        if n_records > len(by_place):
            for place, numbers in enumerate(by_place):
                part[:, place] = numbers
        else:
            part[...] = by_place.T
    return True


def decode_words(
    buffer: bytes, ends: npt.NDArray[np.int64], fraction: int, scale: float
) -> tuple[Values, Flags | None]:
    """Return the numbers of a text that end at given bytes of a buffer.

    Parameters
    ----------
    buffer : bytes
        `PAD` blanks, then the text.
    ends : ndarray of int, shape (n,)
        Offsets in the buffer after each number.
    fraction : int
        Digits after the point.

    Returns
    -------
    values : ndarray of float64, shape (n,)
        Off by 2 units in the last place at most.
    wrong : ndarray of bool, shape (n,), or None
        Which of them are written in another way, so that their values mean nothing.
    """
    starts = len(buffer) - _LONGEST + 1
    windows = np.ndarray((starts,), f"V{_LONGEST}", buffer, 0, (1,))[ends - _LONGEST]

    def gather(back: int, dtype: str) -> npt.NDArray[Any]:
        return np.ndarray(ends.shape, dtype, windows, _LONGEST - back, (_LONGEST,)).copy()

    values, wrong = _decode(gather, fraction, scale)
    # A longer word, such as 12.5E+00: its last part must not be taken for all of it.
    longer = (gather(fraction + 7, "u1") > _SPACE) & (gather(fraction + 8, "u1") > _SPACE)
    if longer.any():
        wrong = longer if wrong is None else wrong | longer
    return values, wrong


def _blank_columns(columns: Columns, per_line: int, line: int) -> list[int]:
    """Columns of a line before, between and after its numbers with their signs."""
    ends = range(columns.first_end, columns.first_end + per_line * columns.width, columns.width)
    taken = {end - back for end in ends for back in range(1, columns.fraction + 8)}
    return [column for column in range(line) if column not in taken]


def _decode(gather: _Gather, fraction: int, scale: float) -> tuple[Values, Flags | None]:
    """Decode ``±d.dddE±dd``; ``gather(back, dtype)`` gives what lies so far before the ends."""
    exponent = gather(4, "<u4")
    exponent ^= np.uint32(0x30302944)
    # Letter, sign and high halves of the digits; what is left open, the table of powers knows.
    checks = [_Check(exponent, 0xF0F0F9DE)]
    key = exponent & np.uint32(0x0F0F0600)
    key *= np.uint32(0x1001)
    key >>= np.uint32(21)
    power = (_powers(fraction) * scale)[key.astype(np.intp)]

    values, check = _digits(gather, 4, min(fraction, 8))
    checks.append(check)
    if fraction > 8:
        high, check = _digits(gather, 12, fraction - 8)
        checks.append(check)
        values += high * np.uint64(10**8)

    head = gather(fraction + 7, "<u4")  # sign, leading digit, point, a digit
    head ^= np.uint32(_PLAIN_ZERO)
    if _Check(head, 0xFFFFFF).fails():
        checks.append(_Check(head, 0xFF0000))
        leading = _leading_digits(fraction)[(head & np.uint32(0xFFFF)).astype(np.intp)]
        values = values + np.abs(leading)
        values *= np.copysign(power, leading)
    else:
        values = values * power
    if any(check.fails() for check in checks) or np.isnan(values.max(initial=0.0)):
        wrong = np.isnan(values)
        for check in checks:
            wrong |= (check.words & check.words.dtype.type(check.bits)).astype(np.bool_)
        return values, wrong
    return values, None


class _Check(NamedTuple):
    """Words that must not have any of some bits."""

    words: npt.NDArray[Any]
    bits: int

    def fails(self) -> bool:
        return bool(int(np.bitwise_or.reduce(self.words, axis=None)) & self.bits)


def _digits(gather: _Gather, back: int, count: int) -> tuple[npt.NDArray[Any], _Check]:
    """Decode the digits, at most 8, that end `back` bytes before the ends, as integers."""
    size = 4 if count <= 4 else 8
    kind = np.uint32 if size == 4 else np.uint64

    def repeated(byte: int) -> int:
        return int.from_bytes(bytes([byte]) * size, "little")

    digits = gather(back + size, f"<u{size}")
    digits ^= kind(repeated(ord("0")))
    if count < size:
        digits &= kind((1 << 8 * size) - (1 << 8 * (size - count)))
    check: npt.NDArray[Any] = digits + kind(repeated(6))
    check |= digits
    # Of two neighbours, the first is worth ten times the second; of two pairs, a hundred times; …
    for bits, mask, factor in _STEPS[: 2 if size == 4 else 3]:
        digits *= kind((factor << bits) + 1)
        digits >>= kind(bits)
        if 2 * bits < 8 * size:
            digits &= kind(mask & repeated(0xFF))
    return digits, _Check(check, repeated(0xF0))


@lru_cache
def _powers(fraction: int) -> Values:
    """Powers of ten less `fraction`, by the bits of an exponent's digits and sign; NaN if none."""
    powers = np.full(2048, np.nan)
    for sign_bits, sign in ((1, 1), (2, -1)):
        for exponent in range(100):
            key = exponent // 10 << 7 | exponent % 10 << 3 | sign_bits
            powers[key] = float(f"1e{sign * exponent - fraction}")
    return powers


@lru_cache
def _leading_digits(fraction: int) -> Values:
    """Signed leading digits times ten to `fraction`, by two bytes that differ from `_PLAIN_ZERO`.

    NaN where they are no sign and digit.
    """
    leading = np.full((256, 256), np.nan)  # by digit, by sign
    signs = dict.fromkeys(b"\t\n\r +", 1.0) | {ord("-"): -1.0}
    for byte, sign in signs.items():
        for digit in range(10):
            leading[ord("0") + digit, byte] = np.copysign(digit * 10.0**fraction, sign)
        # Fortran drops a leading zero where the sign needs the place.
        leading[byte, list(b"\t\n\r ")] = np.copysign(0.0, sign)
    digit_bytes, sign_bytes = np.ogrid[:256, :256]
    by_difference: Values = leading[digit_bytes ^ ord("0"), sign_bytes ^ ord(" ")].reshape(-1)
    return by_difference
