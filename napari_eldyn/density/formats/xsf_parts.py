"""The parts of an XSF file: cells, atoms and data grids, whose values are not read.

http://www.xcrysden.org/doc/XSF.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from ase.data import atomic_numbers

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.text_numbers import find_numbers_end
from napari_eldyn.density.formats.volume_file import MAX_LENGTH, checked_grid
from napari_eldyn.exceptions import EldynError

__all__ = ["AtomsBlock", "DataGrid", "XsfParts", "find_parts"]

_GRID = re.compile(r"(?:BEGIN_)?DATAGRID_?3D[_#]?(.*)", re.IGNORECASE)
_ATOMS_SECTIONS = ("PRIMCOORD", "CONVCOORD", "ATOMS")
_MAX_ATOMS = 10**7
_MAX_PARTS = 10**6
_MAX_SKIPPED = 10**5  # lines in a row


@dataclass(frozen=True)
class AtomsBlock:
    """Atoms of one step.

    Parameters
    ----------
    numbers : ndarray of int, shape (atoms,)
    positions : ndarray, shape (atoms, 3)
        [Å]
    comment : str
        Of the line before.
    """

    numbers: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]
    comment: str


@dataclass(frozen=True)
class DataGrid:
    """A data grid without its values.

    Parameters
    ----------
    name : str
    shape : tuple of int
        Counts of points in the file, x fastest.
    origin : ndarray, shape (3,)
        [Å]
    span : ndarray, shape (3, 3)
        Vectors from the first to the last points [Å].
    start : int
        Offset of the first byte that may hold values.
    n_atoms_before : int
        Blocks of atoms that come before it.
    """

    name: str
    shape: tuple[int, int, int]
    origin: npt.NDArray[np.float64]
    span: npt.NDArray[np.float64]
    start: int
    n_atoms_before: int


@dataclass
class XsfParts:
    """What a file holds, in its order."""

    n_steps: int | None = None
    periodic: bool = False
    cells: list[npt.NDArray[np.float64]] = field(default_factory=list)
    atoms: list[AtomsBlock] = field(default_factory=list)
    grids: list[DataGrid] = field(default_factory=list)
    block_names: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def find_parts(source: ByteSource) -> XsfParts:
    """Look through a file.

    Raises
    ------
    EldynError
        Naming the file and the line, if it is damaged.
    """
    return _Scan(source).run()


class _Scan:
    """Goes through a file's lines, over the values of its grids."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._lines = source.lines()
        self._at = 0  # the offset of the line read last
        self._after = 0
        self._comment = ""
        self._pending: str | None = None
        self._parts = XsfParts()

    def run(self) -> XsfParts:
        parts = self._parts
        while (line := self._next()) is not None:
            words = line.upper().split()
            key = words[0]
            if key == "ANIMSTEPS":
                parts.n_steps = self._integers(line.split()[1:2], 1)[0]
            elif key in ("CRYSTAL", "SLAB", "POLYMER"):
                parts.periodic = True
            elif key == "PRIMVEC":
                parts.cells.append(np.stack([self._vector() for _ in range(3)]))
            elif key in _ATOMS_SECTIONS:
                atoms = self._atoms(counted=key != "ATOMS")
                if key != "CONVCOORD":
                    parts.atoms.append(atoms)
            elif key.startswith("BEGIN_BLOCK_DATAGRID"):
                parts.block_names.append(self._required("the name of a block of data grids"))
            elif match := _GRID.match(line):
                self._grid(match[1])
            if max(len(parts.atoms), len(parts.grids), len(parts.cells)) > _MAX_PARTS:
                self._wrong(f"more than {_MAX_PARTS} parts")
        return parts

    def _next(self) -> str | None:
        """Return the next line that is neither empty nor a comment."""
        if self._pending is not None:
            line, self._pending = self._pending, None
            return line
        for n_skipped, (offset, raw) in enumerate(self._lines):
            self._at, self._after = offset, offset + len(raw) + 1
            if n_skipped > _MAX_SKIPPED:
                self._wrong(f"{_MAX_SKIPPED} lines before it are empty or comments")
            text = raw.decode("latin-1").strip()
            if text.startswith("#"):
                self._comment = text[1:].strip()
                if not self._parts.atoms and len(self._parts.comments) < 20:
                    self._parts.comments.append(self._comment)
            elif text:
                return text
        return None

    def _required(self, what: str) -> str:
        line = self._next()
        if line is None:
            raise EldynError(
                f"the file ends after line {self._source.line_number(self._at)}, "
                f"where {what} should follow",
                path=self._source.path,
            )
        return line

    def _wrong(self, problem: str) -> NoReturn:
        raise EldynError(
            f"line {self._source.line_number(self._at)}: {problem}", path=self._source.path
        )

    def _numbers(self, words: list[str], count: int) -> list[float]:
        try:
            numbers = [float(word.replace("D", "E").replace("d", "e")) for word in words[:count]]
        except ValueError:
            self._wrong(f"“{' '.join(words)[:60]}” are not numbers")
        if len(numbers) < count or not np.all(np.isfinite(numbers)):
            self._wrong(f"{count} numbers should be here, not “{' '.join(words)[:60]}”")
        return numbers

    def _integers(self, words: list[str], count: int) -> list[int]:
        numbers = self._numbers(words, count)
        if not all(number.is_integer() and 0 <= number < 2**31 for number in numbers):
            self._wrong(f"{count} counts should be here, not “{' '.join(words)[:60]}”")
        return [int(number) for number in numbers]

    def _vector(self) -> npt.NDArray[np.float64]:
        return np.array(self._lengths(self._required("a vector").split()))

    def _lengths(self, words: list[str]) -> list[float]:
        lengths = self._numbers(words, 3)
        if max(map(abs, lengths)) > MAX_LENGTH:
            self._wrong(f"{max(lengths, key=abs):g} Å is more than {MAX_LENGTH:g} Å")
        return lengths

    def _atoms(self, counted: bool) -> AtomsBlock:
        comment = self._comment
        rows = self._counted_atoms() if counted else self._uncounted_atoms()
        numbers, positions = [], []
        for words in rows:
            numbers.append(self._element(words[0]))
            positions.append(self._lengths(words[1:]))
        return AtomsBlock(
            np.array(numbers, dtype=np.int64), np.array(positions).reshape(-1, 3), comment
        )

    def _counted_atoms(self) -> Iterator[list[str]]:
        (count,) = self._integers(self._required("the number of atoms").split(), 1)
        if count > min(_MAX_ATOMS, self._source.most_bytes // 7):
            self._wrong(f"{count} atoms are more than the file can hold")
        for _ in range(count):
            yield self._required("an atom").split()

    def _uncounted_atoms(self) -> Iterator[list[str]]:
        """Atoms of a molecule: as many lines as look like them."""
        while (line := self._next()) is not None:
            words = line.split()
            if len(words) < 4 or words[0].upper() in _ATOMS_SECTIONS:
                self._pending = line
                return
            yield words

    def _element(self, word: str) -> int:
        symbol = re.match(r"[A-Za-z]*", word)
        name = (symbol[0] if symbol else "").capitalize()
        if name:
            for length in (2, 1):
                if name[:length] in atomic_numbers:
                    return int(atomic_numbers[name[:length]])
            self._wrong(f"“{word[:20]}” is not an element")
        (number,) = self._integers([word], 1)
        if number >= 119:
            self._wrong(f"there is no element {number}")
        return number

    def _grid(self, name: str) -> None:
        parts = self._parts
        nx, ny, nz = self._integers(self._required("the counts of points").split(), 3)
        origin = self._vector()
        span = np.stack([self._vector() for _ in range(3)])
        checked_grid(self._source.path, span, (nx, ny, nz))
        start = self._after
        parts.grids.append(
            DataGrid(name.strip(), (nx, ny, nz), origin, span, start, len(parts.atoms))
        )
        end = find_numbers_end(self._source, start, nx * ny * nz)
        self._lines = self._source.lines(end)
        if not (self._required("the end of the data grid").upper().startswith("END_DATAGRID")):
            self._wrong(f"the data grid should end here, after {nx} × {ny} × {nz} numbers")
