"""Where the volumes of a VASP file are: structures and blocks of numbers, found but not parsed."""

from __future__ import annotations

from dataclasses import dataclass

from napari_eldyn.density.formats.byte_source import ByteSource
from napari_eldyn.density.formats.vasp_lines import numbers_end
from napari_eldyn.density.formats.vasp_poscar import LineReader, Poscar, read_poscar
from napari_eldyn.density.formats.volume_file import MAX_POINTS
from napari_eldyn.exceptions import EldynError

__all__ = ["Snapshot", "grid_line", "index_snapshots"]


_MOST_SNAPSHOTS = 100_000
"""More are taken for damage, such as a small file that unpacks to any length."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One structure with its volumes.

    Parameters
    ----------
    offset : int
        Where its structure starts [byte].
    structure : Poscar
    shape : tuple of 3 int
        Points along the cell vectors.
    blocks : tuple of (int, int)
        Where the numbers of each volume start and end [byte]; 1, 2 (spin) or 4 (non-collinear).
    """

    offset: int
    structure: Poscar
    shape: tuple[int, int, int]
    blocks: tuple[tuple[int, int], ...]


def grid_line(line: bytes) -> tuple[int, int, int] | None:
    """Return the three counts of a line that holds just these, or None."""
    words = line.split()
    if len(words) != 3 or not all(word.isdigit() and len(word) <= 9 for word in words):
        return None
    return int(words[0]), int(words[1]), int(words[2])


def index_snapshots(source: ByteSource) -> tuple[list[Snapshot], str | None]:
    """Find all volumes of a file; numbers of regular lines are stepped over, not read.

    Returns
    -------
    list of Snapshot
        At least one.
    str or None
        What is wrong with a last snapshot that is cut, which is left out: a CHG that is still
        being written, or was not copied whole.

    Raises
    ------
    EldynError
        Naming the file and the place, if the first snapshot is not whole, or a header is wrong.
    """
    snapshots: list[Snapshot] = []
    start: int | None = 0
    while start is not None:
        try:
            snapshot, start = _read_snapshot(source, start)
        except _CutError as error:
            if not snapshots:
                raise error.problem from None
            return snapshots, str(error.problem)
        snapshots.append(snapshot)
        if len(snapshots) > _MOST_SNAPSHOTS:
            raise EldynError(f"it holds more than {_MOST_SNAPSHOTS} snapshots", path=source.path)
        if len(snapshot.blocks) != len(snapshots[0].blocks):
            problem = EldynError(
                f"the snapshot at byte {snapshot.offset} holds {len(snapshot.blocks)} volumes, "
                f"the first one {len(snapshots[0].blocks)}",
                path=source.path,
            )
            if start is None and len(snapshot.blocks) < len(snapshots[0].blocks):
                return snapshots[:-1], str(problem)
            raise problem
    return snapshots, None


class _CutError(Exception):
    """A snapshot that the end of the file cuts."""

    def __init__(self, problem: EldynError) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _read_snapshot(source: ByteSource, start: int) -> tuple[Snapshot, int | None]:
    """Return a snapshot and where the next one starts, None at the end of the file."""
    lines = _lines(source, start)
    if start:
        lines.skip_blank()
    first = lines.peek()
    try:
        structure = read_poscar(lines)
        lines.skip_blank()
        line = lines.take("the counts of grid points")
    except EldynError as error:
        raise (_CutError(error) if lines.peek() is None and start else error) from None
    shape = grid_line(line)
    if shape is None:
        raise lines.error("the counts of grid points", line)
    points = shape[0] * shape[1] * shape[2]
    if not 0 < points <= MAX_POINTS:
        raise EldynError(
            f"{lines.place} claims a grid of {' × '.join(map(str, shape))} points",
            path=source.path,
        )
    blocks: list[tuple[int, int]] = []
    following: int | None = _next_offset(lines)
    while following is not None and len(blocks) <= 4:
        end = _numbers_end(source, following, points)
        blocks.append((following, end))
        following, next_start = _after_numbers(source, end, shape, sum(structure.counts))
    if len(blocks) not in (1, 2, 4):
        raise EldynError(
            f"the snapshot at byte {start} holds {len(blocks)} volumes, not 1, 2 (spin) or 4 "
            "(non-collinear)",
            path=source.path,
        )
    offset = start if first is None else first[0]
    return Snapshot(offset, structure, shape, tuple(blocks)), next_start


def _numbers_end(source: ByteSource, start: int, points: int) -> int:
    try:
        return numbers_end(source, start, points)
    except EldynError as error:
        raise _CutError(error) from error


def _lines(source: ByteSource, start: int) -> LineReader:
    return LineReader(source.lines(start), source.path, source.line_number)


def _next_offset(lines: LineReader) -> int:
    following = lines.peek()
    if following is None:
        lines.take("the numbers of a volume")
        raise AssertionError
    return following[0]


def _after_numbers(
    source: ByteSource, end: int, shape: tuple[int, int, int], n_atoms: int
) -> tuple[int | None, int | None]:
    """Return where the snapshot's next block starts, or else where the next snapshot does.

    Between two blocks of a snapshot stand the PAW occupancies of each atom (not in CHG, LOCPOT,
    ELFCAR) and the atoms' magnetic moments.
    """
    lines = _lines(source, end)
    occupancies = 0
    while True:
        line = lines.skip_blank()
        if line is None:
            return None, None
        counts = grid_line(line)
        if counts == shape:
            lines.take("the counts of grid points")
            return _next_offset(lines), None
        if counts is not None:
            lines.take("the counts of grid points")
            raise EldynError(
                f"{lines.place} starts a grid of {' × '.join(map(str, counts))} points, but the "
                f"one before has {' × '.join(map(str, shape))}",
                path=source.path,
            )
        ahead = lines.peek()
        if line.lstrip().lower().startswith(b"augmentation"):
            _skip_occupancies(lines)
            occupancies += 1
            if occupancies > 2 * n_atoms:
                raise EldynError(
                    f"{lines.place}: more PAW occupancies than two for each of {n_atoms} atoms",
                    path=source.path,
                )
        elif not _float_line(line):
            return None, ahead[0] if ahead else None
        elif not _skip_moments(lines, n_atoms):
            if len(line.split()) == 1:
                # The comment line of the next snapshot may be a number.
                return None, ahead[0] if ahead else None
            raise EldynError(
                f"{lines.place}: numbers go on after the {shape[0] * shape[1] * shape[2]} of the "
                "volume; one of its lines may be damaged",
                path=source.path,
            )


def _skip_occupancies(lines: LineReader) -> None:
    title = lines.take("occupancies")
    count = title.split()[-1]
    left = int(count) if count.isdigit() and len(count) <= 6 else 0
    while left > 0:
        left -= len(lines.take("PAW occupancies").split())


def _skip_moments(lines: LineReader, n_atoms: int) -> bool:
    """Skip one number per atom; False if what follows is then no further block."""
    left = n_atoms
    while left > 0:
        line = lines.take("the atoms' magnetic moments")
        if not _float_line(line):
            return False
        left -= len(line.split())
    following = lines.skip_blank()
    return following is not None and grid_line(following) is not None


def _float_line(line: bytes) -> bool:
    try:
        return bool([float(word) for word in line.split()])
    except ValueError:
        return False
