"""Numbers as VASP writes them to CHG and PARCHG: ten fields of twelve bytes a line, G11.5.

A field is ``12.345`` or ``0.12345E-02``, whichever is shorter; Fortran puts four blanks after the
first, C (ase) before. The general reader of numbers knows columns of one notation only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource

__all__ = ["read_chg_lines"]

_FIELDS = 10
_WIDTH = 12
_LINE = _FIELDS * _WIDTH + 1
_LINES = 2048
"""Lines decoded at a time; their arrays stay in the processor's cache."""

_MOST_DIGITS = 9
_POWERS = 10.0 ** np.arange(-120.0, 121.0)


def read_chg_lines(
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
    values : ndarray of float32, shape (10 n,)
        Of the first n lines, up to some of another kind.
    end : int
        Where the next line begins.
    """
    values = np.empty(count - count % _FIELDS, dtype=np.float32)
    done = 0
    while done < len(values):
        n_lines = min(_LINES, (len(values) - done) // _FIELDS)
        text = source.read(start + done // _FIELDS * _LINE, n_lines * _LINE)
        numbers = _decode(text, scale) if len(text) == n_lines * _LINE else None
        if numbers is None:
            break
        values[done : done + len(numbers)] = numbers
        done += len(numbers)
    return values[:done], start + done // _FIELDS * _LINE


def _decode(text: bytes, scale: float) -> npt.NDArray[np.float64] | None:
    """Return the numbers of lines; None if any field is something else."""
    lines = np.frombuffer(text, dtype=np.uint8).reshape(-1, _LINE)
    if np.any(lines[:, -1] != ord("\n")):
        return None
    fields = lines[:, :-1].reshape(-1, _WIDTH)
    # Bytes of the same place of all fields side by side.
    byte = np.ascontiguousarray(fields.T)
    dark = byte > ord(" ")
    begins = dark[1:] & ~dark[:-1]
    one_word = ~dark[0] & (np.add.reduce(begins, axis=0, dtype=np.uint8) == 1)
    if not one_word.all():
        return None
    exponential = byte[8] == ord("E")
    digit = byte - np.uint8(ord("0"))
    is_digit = digit <= 9
    point, minus = byte == ord("."), byte == ord("-")
    minus[9] &= ~exponential
    legal = is_digit | point | ~dark
    legal[1:] |= minus[1:] & begins
    legal[8] |= exponential
    legal[9] |= exponential & ((byte[9] == ord("+")) | (byte[9] == ord("-")))
    legal[10:] &= is_digit[10:] | ~exponential
    is_digit[9:] &= ~exponential
    n_digits = np.add.reduce(is_digit, axis=0, dtype=np.uint8)
    n_points = np.add.reduce(point, axis=0, dtype=np.uint8)
    if not (legal.all() and (n_points == 1).all()):
        return None
    if n_digits.min() < 1 or n_digits.max() > _MOST_DIGITS:
        return None
    mantissa = np.zeros(byte.shape[1], dtype=np.uint32)
    places = np.zeros(byte.shape[1], dtype=np.int16)
    after_point = np.zeros(byte.shape[1], dtype=np.bool_)
    for place in range(1, _WIDTH):
        here = is_digit[place]
        mantissa *= here * np.uint32(9) + np.uint32(1)
        mantissa += here * digit[place]
        after_point |= point[place]
        places += here & after_point
    power = 10 * digit[10].astype(np.int16) + digit[11]
    power *= np.where(byte[9] == ord("-"), np.int16(-1), np.int16(1))
    power = np.where(exponential, power, np.int16(0)) - places
    numbers = mantissa * (_POWERS * scale)[power + 120]
    return np.asarray(np.where(minus.any(axis=0), -numbers, numbers))
