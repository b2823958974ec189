"""The structure at the head of VASP's volumes: cell, elements, positions, as in a POSCAR."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase.data import atomic_numbers

from napari_eldyn.exceptions import EldynError

__all__ = ["MAX_ATOMS", "LineReader", "Poscar", "element_number", "read_poscar"]

MAX_ATOMS = 10**6
"""Atoms above which a header is taken for damaged."""

_LARGEST = 1e12
"""Numbers above it are no lengths, whatever the scale; products of them stay finite."""

_MOST_BLANK = 1000

_SYMBOL = re.compile(r"([A-Z][a-z]?)(?:[_/.\d].*)?$")


class LineReader:
    """Lines one by one, with one line of looking ahead and their place for messages.

    Parameters
    ----------
    lines : iterator of (int, bytes)
        Offsets and lines, without their ends.
    path : Path
    line_number : callable
        Number of the line at an offset, for messages.
    """

    def __init__(
        self,
        lines: Iterator[tuple[int, bytes]],
        path: Path,
        line_number: Callable[[int], int],
    ) -> None:
        self._lines = lines
        self._ahead: tuple[int, bytes] | None = None
        self._line_number = line_number
        self.path = path
        self.offset = 0
        """Where the line last taken starts [byte]."""

    def peek(self) -> tuple[int, bytes] | None:
        """Return the next line and its offset without taking it, or None at the end."""
        if self._ahead is None:
            self._ahead = next(self._lines, None)
        return self._ahead

    def take(self, expected: str) -> bytes:
        """Return the next line.

        Raises
        ------
        EldynError
            If the file ends, saying what was `expected` there.
        """
        following = self.peek()
        if following is None:
            raise EldynError(
                f"the file ends after {self.place}, where {expected} should follow",
                path=self.path,
                remedy="It may have been cut while copying, or is still being written.",
            )
        self.offset, line = following
        self._ahead = None
        return line

    def skip_blank(self) -> bytes | None:
        """Skip blank lines and return the next one without taking it, or None at the end."""
        n_blank = 0
        while (following := self.peek()) is not None and not following[1].strip():
            self.take("a line")
            n_blank += 1
            if n_blank > _MOST_BLANK:
                raise EldynError(
                    f"more than {_MOST_BLANK} blank lines end in {self.place}", path=self.path
                )
        return None if following is None else following[1]

    @property
    def place(self) -> str:
        """Which line was taken last, such as "line 7"."""
        return f"line {self._line_number(self.offset)}"

    def error(self, expected: str, line: bytes) -> EldynError:
        """Return an error that says what was expected in the line last taken."""
        found = line[:60].decode("utf-8", "replace").strip()
        return EldynError(f"{self.place} should hold {expected}, not '{found}'", path=self.path)


@dataclass(frozen=True, eq=False)
class Poscar:
    """A structure.

    Parameters
    ----------
    comment : str
        The first line.
    cell : ndarray, shape (3, 3)
        Cell vectors as rows [Å].
    symbols : tuple of str
        One per species, as written; empty in files of VASP 4, which name none.
    counts : tuple of int
        Atoms per species.
    positions : ndarray, shape (atoms, 3)
        [Å].
    """

    comment: str
    cell: npt.NDArray[np.float64]
    symbols: tuple[str, ...]
    counts: tuple[int, ...]
    positions: npt.NDArray[np.float64]

    def numbers(self, symbols: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Return the atomic numbers, shape (atoms,), 0 where `symbols` are not of elements."""
        species = [element_number(symbol) for symbol in symbols] or [0] * len(self.counts)
        return np.repeat(np.array(species, dtype=np.int64), self.counts)


def element_number(symbol: str) -> int:
    """Return the atomic number of ``Fe``, ``Fe_pv`` or ``Fe/a1b2c3``; 0 if it is no element."""
    match = _SYMBOL.match(symbol)
    return int(atomic_numbers.get(match[1], 0)) if match else 0


def read_poscar(lines: LineReader) -> Poscar:
    """Read a structure from its first line to the last position.

    Raises
    ------
    EldynError
        Naming the file and the line, if it is not a structure.

    Notes
    -----
    Format: https://vasp.at/wiki/POSCAR. A negative scale is the volume; three scales are of the
    Cartesian directions; flags of selective dynamics are skipped.
    """
    comment = lines.take("a comment").decode("utf-8", "replace").strip()
    cell, scale = _read_cell(lines)
    symbols, counts = _read_species(lines)
    line = lines.take("'Direct' or 'Cartesian'")
    if line.strip()[:1] in (b"S", b"s"):
        line = lines.take("'Direct' or 'Cartesian'")
    mode = line.strip()[:1].upper()
    if mode not in (b"D", b"C", b"K"):
        raise lines.error("'Direct' or 'Cartesian'", line)
    coordinates = array("d")
    for _ in range(sum(counts)):
        coordinates.extend(_read_numbers(lines, 3, "the coordinates of an atom"))
    given = np.array(coordinates, dtype=np.float64).reshape(-1, 3)
    positions = given @ cell if mode == b"D" else given * scale
    return Poscar(comment, cell, symbols, counts, positions)


def _read_cell(
    lines: LineReader,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    line = lines.take("a scale")
    try:
        scales = [float(word) for word in line.split()[:3]]
    except ValueError:
        # VASP reads but one number when words follow it.
        scales = _numbers(line, 1)
    if (
        len(scales) not in (1, 3)
        or 0.0 in scales
        or not all(abs(scale) < _LARGEST for scale in scales)
    ):
        raise lines.error("one or three scales", line)
    vectors = np.array([_read_numbers(lines, 3, "a cell vector") for _ in range(3)])
    if len(scales) == 1 and scales[0] < 0.0:
        volume = abs(float(np.linalg.det(vectors)))
        scales = [(-scales[0] / volume) ** (1.0 / 3.0)] if volume > 0.0 else [1.0]
    scale = np.array(scales * (3 // len(scales)))
    return vectors * scale, scale


def _read_species(lines: LineReader) -> tuple[tuple[str, ...], tuple[int, ...]]:
    line = lines.take("elements, or numbers of atoms")
    symbols: tuple[str, ...] = ()
    if not line.split()[:1] or not line.split()[0].isdigit():
        symbols = tuple(word.decode("utf-8", "replace") for word in line.split())
        line = lines.take("numbers of atoms")
    counts: list[int] = []
    for word in line.split():
        if not word.isdigit() or len(word) > 9:
            break
        counts.append(int(word))
    if not counts or (symbols and len(symbols) != len(counts)):
        raise lines.error(
            f"the numbers of atoms of {len(symbols)} species" if symbols else "numbers of atoms",
            line,
        )
    if sum(counts) > MAX_ATOMS:
        raise EldynError(f"{lines.place} claims {sum(counts)} atoms", path=lines.path)
    return symbols, tuple(counts)


def _read_numbers(lines: LineReader, count: int, expected: str) -> list[float]:
    line = lines.take(expected)
    numbers = _numbers(line, count)
    if len(numbers) != count or not all(abs(number) < _LARGEST for number in numbers):
        raise lines.error(expected, line)
    return numbers


def _numbers(line: bytes, count: int) -> list[float]:
    try:
        return [float(word) for word in line.split()[:count]]
    except ValueError:
        return []
