"""The header of a Gaussian cube: grid, atoms, and which data sets follow.

https://gaussian.com/cubegen and https://h5cube-spec.readthedocs.io describe the format.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase.units import Bohr

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.volume_file import MAX_LENGTH, MAX_POINTS
from napari_eldyn.exceptions import EldynError

__all__ = ["CubeHeader", "looks_like_cube", "read_cube_header"]

_MOST_DATASETS = 4096


@dataclass(frozen=True, eq=False)
class CubeHeader:
    """The header of one cube.

    Parameters
    ----------
    comments : tuple of 2 str
    shape : tuple of 3 int
    voxel_vectors : ndarray, shape (3, 3)
        Vectors from a point to its neighbours, as rows [Å].
    origin : ndarray, shape (3,)
        Of the first point [Å].
    length_unit : {"bohr", "Å"}
        That of the file.
    numbers, charges, positions : ndarray, shape (atoms,), (atoms,) and (atoms, 3)
        The charges are what the file has beside the numbers; positions in Å.
    n_values : int
        Values per point.
    dataset_ids : tuple of int
        Numbers of orbitals, mostly; empty unless the count of atoms is negative.
    data_start : int
        Offset of the line that the values begin with.
    """

    comments: tuple[str, str]
    shape: tuple[int, int, int]
    voxel_vectors: npt.NDArray[np.float64]
    origin: npt.NDArray[np.float64]
    length_unit: str
    numbers: npt.NDArray[np.int64]
    charges: npt.NDArray[np.float64]
    positions: npt.NDArray[np.float64]
    n_values: int
    dataset_ids: tuple[int, ...]
    data_start: int


class _Lines:
    """The lines of a header, in order, with what is needed to say where one is wrong."""

    def __init__(self, source: ByteSource, start: int) -> None:
        self._source = source
        self._lines: Iterator[tuple[int, bytes]] = source.lines(start)
        self._offset = self.next_offset = start

    def text(self, what: str) -> str:
        offset, line = next(self._lines, (None, b""))
        if offset is None:
            raise EldynError(f"the file ends where {what} should be", path=self._source.path)
        self._offset = offset
        # A carriage return before the line's end is left out of the line.
        end = offset + len(line)
        self.next_offset = end + len(self._source.read(end, 2).partition(b"\n")[0]) + 1
        return line.decode("utf-8", "replace")

    def numbers(self, what: str, *counts: int) -> list[float]:
        """Return the numbers of a line, as many as one of `counts`."""
        text = self.text(what)
        try:
            values = [float(word.replace("D", "E")) for word in text.split()]
        except ValueError:
            values = []
        if len(values) not in counts or not all(map(math.isfinite, values)):
            raise self.error(f"“{text.strip()[:60]}” should be {what}")
        return values

    def integer(self, value: float, what: str) -> int:
        if not value.is_integer():
            raise self.error(f"{value:g} is no {what}")
        return int(value)

    def error(self, problem: str) -> EldynError:
        line = self._source.line_number(self._offset)
        return EldynError(f"line {line}: {problem}", path=self._source.path)


def read_cube_header(source: ByteSource, start: int = 0) -> CubeHeader:
    """Read the header of the cube that begins at an offset.

    Raises
    ------
    EldynError
        Naming the file and the line, if it is not the header of a cube.
    """
    lines = _Lines(source, start)
    comments = (lines.text("a comment").strip(), lines.text("a comment").strip())
    count, *rest = lines.numbers("the number of atoms and the origin", 4, 5)
    n_atoms = lines.integer(count, "number of atoms")
    n_values = lines.integer(rest[3], "number of values per point") if len(rest) > 3 else 1
    axes = [lines.numbers("a number of points and their distance", 4) for _ in range(3)]
    counts = [lines.integer(axis[0], "number of points") for axis in axes]
    n_points = math.prod(map(abs, counts))
    if not 0 < n_points <= MAX_POINTS or not 0 < n_values <= _MOST_DATASETS:
        shown = " × ".join(str(abs(count)) for count in counts)
        raise lines.error(f"the header claims a grid of {shown} points, {n_values} values each")
    if abs(n_atoms) * 10 > source.most_bytes:
        raise lines.error(f"the header claims {abs(n_atoms)} atoms, more than the file can hold")
    if max(map(abs, (*rest[:3], *(step for axis in axes for step in axis[1:])))) > MAX_LENGTH:
        raise lines.error(f"the origin or a distance is more than {MAX_LENGTH:g}")
    in_bohr = counts[0] > 0
    length = Bohr if in_bohr else 1.0
    atoms = np.array(
        [lines.numbers("an atom's number, charge and position", 5) for _ in range(abs(n_atoms))]
    ).reshape(-1, 5)
    dataset_ids = _dataset_ids(lines) if n_atoms < 0 else ()
    return CubeHeader(
        comments,
        (abs(counts[0]), abs(counts[1]), abs(counts[2])),
        np.array([axis[1:] for axis in axes]) * length,
        np.array(rest[:3]) * length,
        "bohr" if in_bohr else "Å",
        atoms[:, 0].clip(0, 118).astype(np.int64),
        atoms[:, 1],
        atoms[:, 2:] * length,
        len(dataset_ids) or n_values,
        dataset_ids,
        lines.next_offset,
    )


def _dataset_ids(lines: _Lines) -> tuple[int, ...]:
    """Read how many data sets there are and their numbers, on as many lines as it takes."""
    words = lines.text("the numbers of data sets").split()
    try:
        count = int(words[0])
        if not 0 < count <= _MOST_DATASETS:
            raise ValueError
        while len(words) <= count:
            words += lines.text("the numbers of data sets").split()
        ids = tuple(int(word) for word in words[1:])
    except (ValueError, IndexError):
        raise lines.error("the numbers of data sets should be here, their count first") from None
    if len(ids) != count:
        raise lines.error(f"there are {len(ids)} numbers of data sets, not {count}")
    return ids


def looks_like_cube(head: bytes) -> bool:
    """Whether lines 3 to 6 of a file's first bytes are those of a cube."""
    lines = head.split(b"\n", 6)[2:6]
    if len(lines) < 4:
        return False
    try:
        for index, line in enumerate(lines):
            first, *rest = line.split()
            int(first)
            if len([float(word) for word in rest]) not in ((3, 4) if index == 0 else (3,)):
                return False
    except ValueError:
        return False
    return True
