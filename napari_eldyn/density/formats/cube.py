"""Read Gaussian cubes: of molecules or crystals, with one or several data sets, one or many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource, open_source
from napari_eldyn.density.formats.cube_comments import (
    SCALES,
    find_energy,
    find_kind,
    find_quantity,
    find_step,
    find_time,
)
from napari_eldyn.density.formats.cube_header import (
    CubeHeader,
    looks_like_cube,
    read_cube_header,
)
from napari_eldyn.density.formats.end_planes import find_end_planes
from napari_eldyn.density.formats.text_numbers import find_numbers_end, read_numbers
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.exceptions import EldynError

__all__ = ["FORMAT", "CubeFile", "open_cube"]

_T = TypeVar("_T")
_FIELD_NAMES = {"density": "density", "spin_density": "density_spin"}


class _Meaning(NamedTuple):
    """What the values of a cube are: the quantity, which value each channel is, and the factor."""

    quantity: str
    datasets: dict[str, int]
    scale: float


class CubeFile:
    """An opened file of one or several cubes.

    Parameters
    ----------
    source : ByteSource
    cubes : sequence of CubeHeader
        One per frame.
    ends : sequence of int
        Offset after the values of each.
    options : OpenOptions
    first_volume : ndarray, optional
        The first frame, where it had to be read; kept for the first call of `read`.
    """

    def __init__(
        self,
        source: ByteSource,
        cubes: Sequence[CubeHeader],
        ends: Sequence[int],
        options: OpenOptions,
        first_volume: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self._source = source
        self._cubes = cubes
        self._ends = ends
        self._meaning = _meaning(source.path, cubes[0], options)
        self._repeats, self._first_volume = self._find_repeats(first_volume)
        self.header = self._header(self._meaning.quantity, options)

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return one volume, without end planes that repeat the first ones.

        Raises
        ------
        EldynError
            Naming the file and the line, if it is damaged.
        """
        values, self._first_volume = self._first_volume, None
        if values is None or frame or channel != DENSITY:
            values = self._read_whole(frame, channel)
        if self._repeats:
            values = values[:-1, :-1, :-1]
        return np.ascontiguousarray(values)

    def _read_whole(self, frame: int, channel: str) -> npt.NDArray[np.float32]:
        cube = self._cubes[frame]
        values, end = _read_volume(self._source, cube, self._meaning, channel)
        if end != self._ends[frame]:
            # Lines are only counted when a file is opened; a blank within a number shifts the rest.
            line = self._source.line_number(end)
            raise EldynError(
                f"line {line}: the values of the grid end here, but the lines of the cube do not",
                path=self._source.path,
                remedy="A number before is split in two, joined with another, or missing.",
            )
        return values

    def _find_repeats(
        self, volume: npt.NDArray[np.float32] | None
    ) -> tuple[bool, npt.NDArray[np.float32] | None]:
        """Look for end planes, and return the first frame if it was read."""
        cube = self._cubes[0]
        if volume is None:
            count = cube.shape[2] * cube.n_values
            numbers, _ = read_numbers(self._source, cube.data_start, count)
            row = numbers[self._meaning.datasets[DENSITY] :: cube.n_values]
        else:
            row = volume[0, 0]
        voxel = abs(float(np.linalg.det(cube.voxel_vectors)))
        repeats, read = find_end_planes(
            row,
            lambda: self._read_whole(0, DENSITY) if volume is None else volume,
            voxel if self._meaning.quantity == "density" else 0.0,
        )
        return repeats, volume if read is None else read

    def _header(self, quantity: str, options: OpenOptions) -> VolumeHeader:
        first = self._cubes[0]
        shape = tuple(n - self._repeats for n in first.shape)
        cell = first.voxel_vectors * np.array(shape)[:, None]
        electrons = _expected_electrons(first) if quantity == "density" else None
        notes: dict[str, Any] = {"comment": "; ".join(filter(None, first.comments))}
        if quantity in SCALES:
            notes["unit_in_file"] = _unit_note(quantity, options)
        if self._repeats:
            notes["removed_end_planes"] = ["x", "y", "z"]
        else:
            notes["points"] = (
                "all are kept: the end planes do not repeat the first ones, and the file does not "
                "say whether it is periodic"
            )
        if first.dataset_ids:
            notes["datasets"] = list(first.dataset_ids)
        if first.length_unit != "bohr":
            notes["lengths_in_file"] = "Å, as the negative counts of points say"
        if electrons is not None:
            notes["expected_electrons_from"] = "the charges of the atoms, if they are neutral"
        energies = self._of_frames(find_energy)
        times, steps = self._of_frames(find_time), self._of_frames(find_step)
        return VolumeHeader(
            checked_grid(self._source.path, cell, shape, first.origin),
            n_frames=len(self._cubes),
            channels=tuple(self._meaning.datasets),
            quantity=quantity,
            kind=options.kind or find_kind(first.comments) or "unknown",
            numbers=first.numbers if len(first.numbers) else None,
            positions=np.array([cube.positions for cube in self._cubes])
            if len(first.numbers)
            else None,
            times=None if times is None else np.array(times),
            steps=None if steps is None else np.array(steps, dtype=np.int64),
            scalars={} if energies is None else {"energy": np.array(energies)},
            expected_electrons=electrons,
            notes=notes,
        )

    def _of_frames(self, find: Callable[[tuple[str, str]], _T | None]) -> list[_T] | None:
        """Return what the comments of all frames tell; None if not all of them do."""
        found = [value for cube in self._cubes if (value := find(cube.comments)) is not None]
        return found if len(found) == len(self._cubes) else None


def open_cube(path: Path, options: OpenOptions) -> CubeFile:
    """Read the headers of a file that holds one cube, or one after the other.

    Parameters
    ----------
    path : Path
    options : OpenOptions
        ``dataset`` is the number of an orbital, or of a value; ``unit`` that of a density.

    Raises
    ------
    EldynError
        Naming the file and the line, if it is damaged; if grids or atoms differ.
    """
    source = open_source(path)
    cubes: list[CubeHeader] = []
    ends: list[int] = []
    first_volume: npt.NDArray[np.float32] | None = None
    start: int | None = 0
    while start is not None:
        cube = read_cube_header(source, start)
        _check_belongs(path, cubes, cube)
        cubes.append(cube)
        if len(cubes) == 1 and source.size is None:
            # To find the end of compressed values takes almost as long as to read them.
            first_volume, end = _read_volume(source, cube, _meaning(path, cube, options))
        else:
            count = math.prod(cube.shape) * cube.n_values
            end = find_numbers_end(source, cube.data_start, count)
        ends.append(end)
        start = _next_cube(source, end)
    return CubeFile(source, cubes, ends, options, first_volume)


def _meaning(path: Path, cube: CubeHeader, options: OpenOptions) -> _Meaning:
    quantity = find_quantity(cube.comments, has_dataset_ids=bool(cube.dataset_ids))
    datasets = _datasets(path, cube, quantity, options.dataset)
    if datasets[DENSITY] > 0 and not cube.dataset_ids:
        quantity = "unknown"
    in_angstrom = options.unit == "e/Å³" and "density" in quantity
    return _Meaning(quantity, datasets, 1.0 if in_angstrom else SCALES.get(quantity, 1.0))


def _read_volume(
    source: ByteSource, cube: CubeHeader, meaning: _Meaning, channel: str = DENSITY
) -> tuple[npt.NDArray[np.float32], int]:
    """Return a volume with all its planes, and the offset after the values of its cube."""
    scale = 1.0 if channel.startswith("value_") else meaning.scale
    count = math.prod(cube.shape) * cube.n_values
    values, end = read_numbers(source, cube.data_start, count, scale=scale)
    return values.reshape(*cube.shape, cube.n_values)[..., meaning.datasets[channel]], end


def _next_cube(source: ByteSource, end: int) -> int | None:
    """Return the offset of the line after one, unless the rest is blank."""
    rest = source.read(end, 4096)
    if not rest.strip(b" \t\r\n\0"):
        return None
    line, newline, _ = rest.partition(b"\n")
    if line.strip() or not newline:
        number = source.line_number(end)
        raise EldynError(
            f"line {number}: there are more values than the grid has points", path=source.path
        )
    return end + len(line) + 1


def _check_belongs(path: Path, cubes: Sequence[CubeHeader], cube: CubeHeader) -> None:
    if not cubes:
        return
    first, number = cubes[0], len(cubes) + 1
    if cube.shape != first.shape or not (
        np.allclose(cube.voxel_vectors, first.voxel_vectors, atol=1e-5)
        and np.allclose(cube.origin, first.origin, atol=1e-4)
    ):
        raise EldynError(
            f"cube {number} has another grid or cell than the first: a trajectory has one",
            path=path,
        )
    if not np.array_equal(cube.numbers, first.numbers) or cube.n_values != first.n_values:
        raise EldynError(f"cube {number} has other atoms or data sets than the first", path=path)


def _datasets(path: Path, cube: CubeHeader, quantity: str, wanted: str | None) -> dict[str, int]:
    """Return which value of a point each channel is."""
    labels = [str(label) for label in cube.dataset_ids or range(1, cube.n_values + 1)]
    field = _FIELD_NAMES.get(quantity, quantity) if cube.dataset_ids else "value"
    names = [f"{field}_{label}" for label in labels]
    if wanted is None:
        return {DENSITY: 0} | {name: index for index, name in enumerate(names) if index}
    for spelling in (labels, names):
        if wanted in spelling:
            return {DENSITY: spelling.index(wanted)}
    raise EldynError(f"there is no data set '{wanted}', but {', '.join(labels)}", path=path)


def _unit_note(quantity: str, options: OpenOptions) -> str:
    if "density" in quantity and options.unit is not None:
        return f"{options.unit}, as asked for"
    return "atomic units: not named in the file, but cubes are in them"


def _expected_electrons(cube: CubeHeader) -> float | None:
    """Return the sum of the atoms' charges, where a code writes charges that mean something.

    Quantum ESPRESSO writes atomic numbers beside densities of valence electrons.
    """
    if not len(cube.charges) or cube.charges.min() <= 0.0 or "PWSCF" in " ".join(cube.comments):
        return None
    total = float(cube.charges.sum())
    return total if total.is_integer() else None


def _accepts(path: Path, head: bytes) -> bool:
    if looks_like_cube(head):
        return True
    # Colour tables of film makers have the same ending.
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".cube", ".cub")) and b"LUT_" not in head


FORMAT = VolumeFormat("Gaussian cube", ("*.cube", "*.cub"), _accepts, open_cube)
