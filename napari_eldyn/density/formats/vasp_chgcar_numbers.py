"""Numbers as VASP writes them to CHGCAR, AECCAR and LOCPOT: five a line, Fortran's ``1X,E17.11``.

Of `` 0.12345678901E+02``, the last 16 bytes are two words of 64 bits: the point with seven digits,
and four digits with the exponent. Arithmetic on words turns pairs of digits into numbers, pairs of
pairs, and so on, for thousands of numbers at a time. The general reader of numbers knows more ways
of writing them, and takes longer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource

__all__ = ["read_chgcar_lines"]

_LINE = re.compile(rb"(?: +(?:-?\d|-)\.\d{11}E[+-]\d\d)+\n")
_LONGEST_LINE = 512
_NUMBERS = 50_000
"""Numbers decoded at a time; their arrays stay in the processor's cache."""

_LOW = np.uint64(int.from_bytes(b"0000E+00", "little"))
_HIGH = np.uint64(int.from_bytes(b".0000000", "little"))
_SIGN = ord("+") ^ ord("-")
_LETTER, _POINT = np.uint64(0xFF << 32), np.uint64(0xFF)

Floats = npt.NDArray[np.float64]


def read_chgcar_lines(
    source: ByteSource, start: int, count: int, scale: float
) -> tuple[npt.NDArray[np.float32], int]:
    """Return the numbers of whole lines, as many as are of this kind.

    Parameters
    ----------
    source : ByteSource
    start : int
        Where the first line begins [byte].
    count : int
        Numbers wanted at most.
    scale : float
        Factor of the numbers, applied in double precision.

    Returns
    -------
    values : ndarray of float32, shape (n,)
        Those of the first lines, up to some of another kind.
    end : int
        Where the next line begins.
    """
    layout = _find_layout(source.read(start, _LONGEST_LINE))
    if layout is None:
        return np.empty(0, dtype=np.float32), start
    values = np.empty((count // layout.fields, layout.fields), dtype=np.float32)
    decoder = _Decoder(layout, scale)
    done = 0
    while done < len(values):
        n_lines = min(decoder.n_lines, len(values) - done)
        text = source.read(start + done * layout.line, n_lines * layout.line)
        out = values[done : done + n_lines]
        if len(text) < n_lines * layout.line or not decoder.decode(text, out):
            break
        done += n_lines
    return values[:done].reshape(-1), start + done * layout.line


class _Layout(NamedTuple):
    """Where numbers lie in a line: how many, their width, their first point, the line's length."""

    fields: int
    width: int
    point: int
    line: int

    @property
    def blanks(self) -> list[int]:
        """Columns that hold no number, with that of the line's end."""
        points = range(self.point, self.line - 1, self.width)
        taken = {point + place for point in points for place in range(-2, 16)}
        return sorted(set(range(self.line)) - taken)


def _find_layout(text: bytes) -> _Layout | None:
    """Return the layout of the line that a text begins with, None if it is of another kind."""
    match = _LINE.match(text)
    if match is None:
        return None
    points = [place for place, byte in enumerate(match[0]) if byte == ord(".")]
    width = points[1] - points[0] if len(points) > 1 else 18
    if points != list(range(points[0], points[-1] + 1, width)) or width < 18:
        return None
    return _Layout(len(points), width, points[0], len(match[0]))


class _Decoder:
    """Decodes lines in arrays that are used again and again."""

    def __init__(self, layout: _Layout, scale: float) -> None:
        self._layout = layout
        self.n_lines = max(1, _NUMBERS // layout.fields)
        size = self.n_lines * layout.fields
        self._powers = _powers() * scale
        self._low, self._high, self._check = np.empty((3, size), dtype=np.uint64)
        self._values, self._addend = np.empty((2, size))

    def decode(self, text: bytes, out: npt.NDArray[np.float32]) -> bool:
        """Give `out` the numbers of lines; False if any of them is written in another way."""
        (n_lines, fields), layout = out.shape, self._layout
        lines = np.frombuffer(text, np.uint8).reshape(n_lines, layout.line)
        if any(lines[:, column].max() > ord(" ") for column in layout.blanks):
            return False

        def gather(offset: int, dtype: str) -> npt.NDArray[Any]:
            strides = (layout.width, layout.line)
            return np.ndarray((fields, n_lines), dtype, text, layout.point + offset, strides)

        n = fields * n_lines
        low, high, check = self._low[:n], self._high[:n], self._check[:n]
        np.copyto(low.reshape(fields, n_lines), gather(8, "<u8"))
        np.copyto(high.reshape(fields, n_lines), gather(0, "<u8"))
        low ^= _LOW
        high ^= _HIGH
        if max(low.view(np.uint8).max(), high.view(np.uint8).max()) > 9:
            return False
        if np.bitwise_or.reduce(low) & _LETTER or np.bitwise_or.reduce(high) & _POINT:
            return False
        # The two bytes before the point: mostly a blank and a digit.
        head = gather(-2, "<u2").reshape(-1)
        digits = head ^ _POSITIVE
        signs: Floats | None = None
        if np.bitwise_or.reduce((digits + _HEAD_CHECK) | digits) & _HEAD_MASK:
            signs = _signs()[head]
            digits = _HEAD_DIGITS[head]
        else:
            digits >>= np.uint16(8)
        # The point's byte of the word is 0: the leading digit takes its place.
        high |= digits
        # Ten times the first of two neighbours plus the second; a hundred times the first pair …
        for word in (low, high):
            pairs, fours = word.view("<u2"), word.view("<u4")
            pairs *= np.uint16((10 << 8) + 1)
            pairs >>= np.uint16(8)
            fours *= np.uint32((100 << 16) + 1)
            fours >>= np.uint32(16)
        high *= np.uint64((10_000 << 32) + 1)
        high >>= np.uint64(32)
        high *= np.uint64(10_000)
        np.bitwise_and(low, np.uint64(0xFFFF), out=check)
        high += check
        low >>= np.uint64(32)
        values, powers = self._values[:n], self._addend[:n]
        np.take(self._powers, low.view(np.int64), out=powers, mode="clip")
        np.copyto(values, high.view(np.int64))
        values *= powers
        if signs is not None:
            values *= signs
        with np.errstate(over="ignore"):
            for place, column in enumerate(values.reshape(fields, n_lines)):
                out[:, place] = column
        # Not finite: exponents and signs that are none, and what is beyond single precision.
        return bool(np.isfinite(out).all())


_HEAD_CHECK, _HEAD_MASK = np.uint16(0x0600), np.uint16(0xF0FF)
_POSITIVE = np.uint16(int.from_bytes(b" 0", "little"))


@lru_cache
def _powers() -> Floats:
    """Powers of ten less 11 by a hundred times the bits of the sign plus the exponent; or NaN."""
    powers = np.full(1000, np.nan)
    for exponent in range(100):
        powers[exponent] = float(f"1e{exponent - 11}")
        powers[100 * _SIGN + exponent] = float(f"1e{-exponent - 11}")
    return powers


@lru_cache
def _signs() -> Floats:
    """Signs by the two bytes before the point; NaN if these are of no number."""
    signs = np.full(65536, np.nan)
    for digit in range(10):
        signs[ord(" ") | ord("0") + digit << 8] = 1.0
        signs[ord("-") | ord("0") + digit << 8] = -1.0
    # Fortran drops the zero where the sign needs its place.
    signs[ord(" ") | ord("-") << 8] = -1.0
    return signs


_HEAD_DIGITS = np.zeros(65536, dtype=np.uint16)
for _digit in range(10):
    _HEAD_DIGITS[(ord("0") + _digit) << 8 :][:256] = _digit
