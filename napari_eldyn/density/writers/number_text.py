"""Write fields as fixed columns of decimal numbers, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["number_columns", "number_lines"]

_BLOCK = 2**18
"""Numbers written at a time, which bounds the memory that it takes."""

_TRIPLES = np.frombuffer(b"".join(b"%03d" % n for n in range(1000)), dtype=np.uint8).reshape(-1, 3)


def number_columns(
    values: npt.NDArray[np.floating], significant: int, width: int
) -> npt.NDArray[np.uint8]:
    """Return numbers as C's ``%{width}.{significant - 1}E`` writes them.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite, with exponents of at most two digits.
    significant : int
        Significant digits, 2 to 15. The last one may differ by one where the exact number lies
        within 1e-15 of the middle between two decimals.
    width : int
        Characters of a column, filled with blanks from the left.

    Returns
    -------
    ndarray of uint8, shape (n, width)
        ASCII.
    """
    magnitudes = np.abs(values.astype(np.float64))
    written = magnitudes > 0.0
    exponents = np.zeros(len(values), dtype=np.int64)
    np.floor(np.log10(magnitudes, where=written, out=np.zeros_like(magnitudes))).astype(
        np.int64
    ).clip(-99, 99, out=exponents)
    mantissas = _scaled(magnitudes, significant - 1 - exponents)
    # Rounding up, and a logarithm that is off by one unit in the last place, shift the exponent.
    carried = mantissas >= 10**significant
    short = written & (mantissas < 10 ** (significant - 1))
    exponents += carried
    exponents -= short
    for wrong in (carried, short):
        mantissas[wrong] = _scaled(magnitudes[wrong], significant - 1 - exponents[wrong])

    text = np.full((len(values), width), ord(" "), dtype=np.uint8)
    n_triples = -(-significant // 3)
    digits = np.empty((len(values), n_triples, 3), dtype=np.uint8)
    for place in range(n_triples - 1, -1, -1):
        mantissas, triples = np.divmod(mantissas, 1000)
        digits[:, place] = _TRIPLES[triples]
    digits = digits.reshape(len(values), -1)[:, -significant:]
    first = width - significant - 5  # d . ddd E ± dd
    text[:, first - 1] = np.where(np.signbit(values) & written, ord("-"), ord(" "))
    text[:, first] = digits[:, 0]
    text[:, first + 1] = ord(".")
    text[:, first + 2 : -4] = digits[:, 1:]
    text[:, -4] = ord("E")
    text[:, -3] = np.where(exponents < 0, ord("-"), ord("+"))
    text[:, -2:] = _TRIPLES[np.abs(exponents)][:, 1:]
    return text


def _scaled(
    magnitudes: npt.NDArray[np.float64], powers: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    # 10^22 is the last power of ten that float64 holds exactly; beyond, two factors stay in range.
    half = powers // 2
    scaled = magnitudes * 10.0 ** half.astype(np.float64)
    scaled *= 10.0 ** (powers - half).astype(np.float64)
    return np.rint(scaled).astype(np.int64)


def number_lines(
    values: npt.NDArray[np.floating], per_line: int, significant: int, width: int
) -> Iterator[bytes]:
    """Write numbers in lines of so many, each row of the array beginning a new one.

    Parameters
    ----------
    values : ndarray, shape (rows, n) or (n,)
        Finite.
    per_line : int
        Numbers on a line; the last one of a row may have fewer.
    significant, width : int
        As in `number_columns`.

    Yields
    ------
    bytes
        Whole lines, of at most a few hundred thousand numbers.
    """
    if values.ndim == 1:
        whole = len(values) // per_line * per_line
        yield from number_lines(values[:whole].reshape(-1, per_line), per_line, significant, width)
        if whole < len(values):
            yield _lines(values[None, whole:], per_line, significant, width)
        return
    n_rows = max(_BLOCK // max(values.shape[1], 1), 1)
    for start in range(0, len(values), n_rows):
        yield _lines(values[start : start + n_rows], per_line, significant, width)


def _lines(rows: npt.NDArray[np.floating], per_line: int, significant: int, width: int) -> bytes:
    n_rows, n = rows.shape
    columns = number_columns(np.ascontiguousarray(rows).reshape(-1), significant, width)
    columns = columns.reshape(n_rows, n * width)
    n_lines = -(-n // per_line)
    text = np.full((n_rows, n * width + n_lines), ord("\n"), dtype=np.uint8)
    for line in range(n_lines):
        begin, end = line * per_line * width, min((line + 1) * per_line, n) * width
        text[:, begin + line : end + line] = columns[:, begin:end]
    return text.tobytes()
