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
from typing import Any

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
    if (
        not regular
        or not fraction + 7 <= width <= PAD
        or any(len(match[1]) != fraction for match in numbers)
    ):
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

        def gather(
            back: int,
            dtype: str,
            shape: tuple[int, ...] = (n_lines, per_line, n_records),
            first_end: int = offset + columns.first_end,
        ) -> npt.NDArray[Any]:
            # Records last: the innermost loop is then the longest.
            strides = (columns.line, columns.width, columns.size)
            return np.ndarray(shape, dtype, buffer, first_end - back, strides).copy().reshape(-1)

        beyond = range(columns.fraction + 8, columns.width + 1)
        if any(gather(back, "u1").max(initial=0) > _SPACE for back in beyond):
            return False
        for column in _other_columns(columns, per_line, line):
            shape, strides = (n_lines, n_records), (columns.line, columns.size)
            blanks = np.ndarray(shape, np.uint8, buffer, offset + column, strides)
            if blanks.max(initial=0) > _SPACE:
                return False
        decoded = _decode(gather, columns.fraction, scale)
        if decoded is None:
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
    words = np.ndarray((starts,), f"V{_LONGEST}", buffer, 0, (1,))[ends - _LONGEST]
    values = None if _longer(words, fraction).any() else _decode_each(words, fraction, scale)
    if values is not None:
        return values, None
    right = _are_right(words, fraction)
    values = np.full(len(words), np.nan)
    decoded = _decode_each(words[right], fraction, scale) if right.any() else None
    if decoded is None:
        return values, np.ones(len(words), dtype=np.bool_)
    values[right] = decoded
    return values, ~right


def _decode_each(words: npt.NDArray[np.void], fraction: int, scale: float) -> Values | None:
    def gather(back: int, dtype: str) -> npt.NDArray[Any]:
        return np.ndarray(words.shape, dtype, words, _LONGEST - back, (_LONGEST,)).copy()

    return _decode(gather, fraction, scale)


def _longer(words: npt.NDArray[np.void], fraction: int) -> Flags:
    """Return which words go on before the sign's place, as ``12.5E+00`` does."""
    characters = words.view(np.uint8).reshape(-1, _LONGEST)
    sign, before = characters[:, -fraction - 7], characters[:, -fraction - 8]
    return (sign > _SPACE) & (before > _SPACE)


def _are_right(words: npt.NDArray[np.void], fraction: int) -> Flags:
    """Return which words are written as ``±d.dddE±dd``."""
    characters = words.view(np.uint8).reshape(-1, _LONGEST)
    digits = [*range(-fraction - 4, -4), -2, -1]
    right = np.all(np.abs(characters[:, digits].astype(np.int16) * 2 - 105) <= 9, axis=1)
    for place, allowed in ((-3, b"+-"), (-4, b"EeDd"), (-fraction - 5, b".")):
        right &= np.isin(characters[:, place], list(allowed))
    head = characters[:, -fraction - 7 : -fraction - 5].copy().view("<u2").reshape(-1)
    is_head = ~np.isnan(_leading_digits(fraction)[head ^ np.uint16(_PLAIN_ZERO & 0xFFFF)])
    is_right: Flags = right & is_head & ~_longer(words, fraction)
    return is_right


def _other_columns(columns: Columns, per_line: int, line: int) -> list[int]:
    """Columns of a line before and after the widths of its numbers."""
    last_end = columns.first_end + (per_line - 1) * columns.width
    return [*range(columns.first_end - columns.width), *range(last_end, line)]


def _decode(gather: _Gather, fraction: int, scale: float) -> Values | None:
    """Decode ``±d.dddE±dd``; ``gather(back, dtype)`` gives what lies so far before the ends.

    None if any of them is written otherwise.
    """
    exponent = gather(4, "<u4")
    exponent ^= np.uint32(0x30302944)
    # Letter, sign and high halves of the digits; what is left open, the table of powers knows.
    if _bits(exponent) & 0xF0F0F9DE:
        return None
    exponent &= np.uint32(0x0F0F0600)
    exponent *= np.uint32(0x1001)
    exponent >>= np.uint32(21)
    power = np.take(_powers(fraction) * scale, exponent.astype(np.intp), mode="clip")

    head = gather(fraction + 7, "<u4")  # sign, leading digit, point, a digit
    head ^= np.uint32(_PLAIN_ZERO)
    differing = _bits(head)
    if differing & 0xFF0000:
        return None
    integers = _digits(gather, 4, min(fraction, 8))
    if integers is None:
        return None
    if fraction > 8:
        high = _digits(gather, 12, fraction - 8)
        if high is None:
            return None
        high = high.astype(np.int64)
        high *= 10**8
        integers = integers.astype(np.int64)
        integers += high
    values = integers.astype(np.float64)
    if differing & 0xFFFF:
        head &= np.uint32(0xFFFF)
        leading = np.take(_leading_digits(fraction), head.astype(np.intp), mode="clip")
        if np.signbit(leading).any():
            np.copysign(power, leading, out=power)
            np.abs(leading, out=leading)
        values += leading
    values *= power
    # A number that is none, from either table, shows in the largest.
    return None if np.isnan(values.max(initial=0.0)) else values


def _bits(words: npt.NDArray[Any]) -> int:
    return int(np.bitwise_or.reduce(words, axis=None))


def _digits(gather: _Gather, back: int, count: int) -> npt.NDArray[Any] | None:
    """Decode the digits, at most 8, that end `back` bytes before the ends; None if they are none.

    Of two neighbours, the first is worth ten times the second; of two pairs, a hundred times; …
    """
    size = 4 if count <= 4 else 8
    kind = np.dtype(f"<u{size}").type
    words = gather(back + size, f"<u{size}")
    words ^= kind(int.from_bytes(b"0" * size, "little"))
    if count < size:
        words &= kind((1 << 8 * size) - (1 << 8 * (size - count)))
    if words.view(np.uint8).max(initial=0) > 9:
        return None
    for part, worth in ((2, 10), (4, 100), (8, 10_000))[: 2 if size == 4 else 3]:
        parts = words.view(f"<u{part}")
        parts *= parts.dtype.type((worth << 4 * part) + 1)
        parts >>= parts.dtype.type(4 * part)
    return words


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
