"""One trajectory of one or many files of volumes: indexed when opened, read when looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.numbered_files import by_pattern, md_steps, natural_order
from napari_eldyn.density.formats.series_files import SeriesFiles
from napari_eldyn.density.formats.series_times import (
    FloatArray,
    check_foreseen,
    foresee_times,
    order_of,
    times_of,
)
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
)
from napari_eldyn.density.frame_cache import CachePlace
from napari_eldyn.density.frames import LazyRows
from napari_eldyn.density.trajectory import DensityKind, DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["open_series"]


def open_series(
    paths: Sequence[Path],
    form: VolumeFormat,
    options: OpenOptions,
    *,
    cache: CachePlace | None = None,
    label: Path | None = None,
) -> DensityTrajectory:
    """Open files of one format as one trajectory.

    Of a series the header of the first file alone is read, and those of the first files that are
    named otherwise. All headers are if the first has several frames, a number of its step that is
    not in its name, or a time that does not grow evenly with the numbers in the names.

    Parameters
    ----------
    paths : sequence of Path
        In any order; they are put in the order of their times or steps, else of their names.
    form : VolumeFormat
        Their format.
    options : OpenOptions
        What the files leave open. ``timestep`` is the time between frames; between MD steps where
        the files, or their names, number these.
    cache : {"beside", "user"}, optional
        Where parsed frames are kept.
    label : Path, optional
        What was opened; the file, or the directory of the first, by default.

    Raises
    ------
    EldynError
        If a file is damaged, or the headers read tell that the files do not belong together.
    """
    ordered = natural_order(dict.fromkeys(paths))
    files = SeriesFiles(ordered, form, options, cache)
    first = files.header(0)
    steps = md_steps(ordered)
    foreseen = foresee_times(files)
    headers = [first]
    if foreseen is None and len(ordered) > 1 and _tells_order(first, steps is not None):
        headers = [files.header(index) for index in range(len(ordered))]
        order = order_of(headers, ordered)
        headers = [headers[index] for index in order]
        ordered = [ordered[index] for index in order]
        files = SeriesFiles(ordered, form, options, cache)
    else:
        for others in by_pattern(ordered)[1:]:
            files.header(ordered.index(others[0]))
    counts = [header.n_frames for header in headers] * (len(ordered) // len(headers))
    if steps is None and len(headers) == len(ordered) and first.steps is not None:
        steps = np.concatenate([header.steps for header in headers]).tolist()
    times = foreseen
    if times is None:
        times = times_of(headers, ordered, counts, steps, options.timestep)
    index = _Index(files, counts, foreseen)
    return DensityTrajectory(
        _Frames(index),
        first.grid,
        np.arange(sum(counts)) if times is None else times,
        numbers=first.numbers,
        positions=_rows(index, "positions"),
        velocities=_rows(index, "velocities"),
        scalars=_scalars(headers) if sum(counts) == sum(h.n_frames for h in headers) else {},
        extra={name: _Volumes(index, name) for name in first.channels if name != DENSITY},
        kind=_kind(first, options, ordered[0]),
        quantity=first.quantity,
        times_known=times is not None,
        provenance=_provenance(first, ordered, form, steps),
        path=label or (ordered[0] if len(ordered) == 1 else ordered[0].parent),
    )


def _tells_order(first: VolumeHeader, steps_known: bool) -> bool:
    """Whether headers hold what names do not: times, steps, or how many frames there are."""
    steps = first.steps is not None and not steps_known
    return first.times is not None or first.n_frames != 1 or steps


def _scalars(headers: Sequence[VolumeHeader]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the numbers per frame that all files have."""
    common = set.intersection(*(set(header.scalars) for header in headers))
    return {
        name: np.concatenate([header.scalars[name] for header in headers])
        for name in headers[0].scalars
        if name in common
    }


def _kind(first: VolumeHeader, options: OpenOptions, path: Path) -> DensityKind:
    """Return the kind of density that the file tells, else the user."""
    wanted = options.kind or first.kind
    if first.kind not in ("unknown", wanted) and first.quantity == "density":
        raise EldynError(
            f"the file holds a density of kind {first.kind}, not {wanted}",
            path=path,
            remedy="Leave the kind out.",
        )
    return wanted if first.kind == "unknown" else first.kind


def _provenance(
    first: VolumeHeader, paths: Sequence[Path], form: VolumeFormat, steps: Sequence[int] | None
) -> dict[str, Any]:
    names = [path.name for path in paths]
    entries: dict[str, Any] = {"source": names if len(names) <= 8 else [names[0], "…", names[-1]]}
    if len(names) > 1:
        entries["source_files"] = len(names)
    entries["source_format"] = form.name
    if steps:
        entries["md_steps"] = [int(steps[0]), int(steps[-1])]
    if first.expected_electrons is not None:
        entries["expected_electrons"] = first.expected_electrons
    return {**entries, **first.notes}


class _Index:
    """Which frame of which file a frame of the trajectory is.

    Parameters
    ----------
    files : SeriesFiles
        The files.
    counts : sequence of int
        The number of frames in each.
    times : ndarray, optional
        What the times in the files should be [fs].
    """

    def __init__(self, files: SeriesFiles, counts: Sequence[int], times: FloatArray | None) -> None:
        self.files = files
        self._times = times
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def locate(self, index: int) -> tuple[int, int]:
        """Return the file and the frame in it.

        Raises
        ------
        EldynError
            If the file holds another number of frames, or another time, than was foreseen.
        """
        file = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[file - 1]) if file else 0
        header = self.files.header(file)
        expected, found = int(self._ends[file]) - start, header.n_frames
        if found != expected:
            raise EldynError(
                f"the file holds {found} frames, where {expected} "
                f"{'is' if expected == 1 else 'are'} expected from the first file of the series",
                path=self.files.paths[file],
                remedy="Open it by itself.",
            )
        if self._times is not None:
            check_foreseen(header, self._times, index, self.files.paths[file])
        return file, index - start


class _Frames:
    """The densities of a series."""

    def __init__(self, index: _Index) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`."""
        file, frame = self._index.locate(index)
        return self._index.files.read(file, frame, DENSITY)


class _Volumes(LazyRows):
    """A further channel of a series."""

    def __init__(self, index: _Index, channel: str) -> None:
        self._index = index
        self._channel = channel

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._index), *self._index.files.header(0).grid.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def _row(self, index: int) -> npt.NDArray[Any]:
        file, frame = self._index.locate(index)
        return self._index.files.read(file, frame, self._channel)


class _HeaderRows(LazyRows):
    """Positions or velocities of a series, from the headers of the files."""

    def __init__(
        self, index: _Index, name: Literal["positions", "velocities"], shape: tuple[int, ...]
    ) -> None:
        self._index = index
        self._name = name
        self._shape = (len(index), *shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def _row(self, index: int) -> npt.NDArray[Any]:
        file, frame = self._index.locate(index)
        rows = getattr(self._index.files.header(file), self._name)
        if rows is None:
            raise EldynError(
                f"the file holds no {self._name}, which {self._index.files.paths[0].name} does",
                path=self._index.files.paths[file],
            )
        return np.asarray(rows[frame], dtype=np.float64)


def _rows(index: _Index, name: Literal["positions", "velocities"]) -> _HeaderRows | None:
    rows = getattr(index.files.header(0), name)
    return None if rows is None else _HeaderRows(index, name, tuple(rows.shape[1:]))
