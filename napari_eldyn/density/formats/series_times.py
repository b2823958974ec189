"""The order of the files of a series, and the times of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.numbered_files import differing_numbers
from napari_eldyn.density.formats.series_files import SeriesFiles
from napari_eldyn.density.formats.volume_file import VolumeHeader
from napari_eldyn.exceptions import EldynError

__all__ = ["FloatArray", "check_foreseen", "foresee_times", "order_of", "times_of"]

FloatArray = npt.NDArray[np.float64]

MANY = 64
"""Files up to this number are all read for their times."""


def foresee_times(files: SeriesFiles) -> FloatArray | None:
    """Return times [fs] that grow evenly with the numbers in the names of many files.

    Parameters
    ----------
    files : SeriesFiles
        Of these, five headers are read; `check_foreseen` compares the others when they are read.

    Returns
    -------
    ndarray or None
        None if there are few files, they hold no times, or the five are not on a line.
    """
    n = len(files.paths)
    numbers = differing_numbers(files.paths)
    first = files.header(0)
    if n <= MANY or first.times is None or first.n_frames != 1 or numbers is None:
        return None
    chosen = sorted({0, 1, n // 3, n // 2, n - 1})
    times = [files.header(index).times for index in chosen]
    if any(row is None or len(row) != 1 for row in times):
        return None
    known = np.array([row[0] for row in times if row is not None])
    at = np.array([numbers[index] for index in chosen], dtype=np.float64)
    slope = (known[-1] - known[0]) / (at[-1] - at[0])
    foreseen: FloatArray = known[0] + slope * (np.array(numbers, dtype=np.float64) - at[0])
    fits = np.abs(foreseen[chosen] - known) <= 1e-3 * slope
    return foreseen if slope > 0.0 and np.all(fits) and np.all(np.diff(foreseen) > 0.0) else None


def check_foreseen(header: VolumeHeader, times: FloatArray, index: int, path: Path) -> None:
    """Compare the time in a file with the one foreseen for it.

    Raises
    ------
    EldynError
        If they differ.
    """
    found = None if header.times is None else float(header.times[0])
    neighbour = index - 1 if index else 1
    if found is None or abs(found - times[index]) > 1e-3 * abs(times[neighbour] - times[index]):
        raise EldynError(
            f"its time is {'not there' if found is None else f'{found:g} fs'}, where "
            f"{times[index]:g} fs follows from the names and times of the other files",
            path=path,
            remedy="Leave it out, or open stretches of the series by themselves.",
        )


def order_of(headers: Sequence[VolumeHeader], paths: Sequence[Path]) -> list[int]:
    """Return the order of files by their first time, else by their first step, else as it is."""
    for name in ("times", "steps"):
        rows = [getattr(header, name) for header in headers]
        known = [path for path, row in zip(paths, rows, strict=True) if row is not None]
        if len(known) == len(paths):
            return sorted(range(len(rows)), key=lambda index: float(rows[index][0]))
        if known:
            without = next(path for path in paths if path not in known)
            raise EldynError(f"holds no {name}, which {known[0].name} does", path=without)
    return list(range(len(headers)))


def times_of(
    headers: Sequence[VolumeHeader],
    paths: Sequence[Path],
    counts: Sequence[int],
    steps: Sequence[int] | None,
    timestep: float | None,
) -> FloatArray | None:
    """Return the times of all frames [fs], None if neither the files nor the user tell them.

    Parameters
    ----------
    headers : sequence of VolumeHeader
        Of all files, or of the first.
    paths : sequence of Path
        All files.
    counts : sequence of int
        The number of frames in each.
    steps : sequence of int, optional
        The MD step of each frame.
    timestep : float, optional
        What the user says [fs]: between steps if these are known, else between frames.

    Raises
    ------
    EldynError
        If the times do not increase.
    """
    rows = [header.times for header in headers if header.times is not None]
    times: FloatArray
    if rows:
        times = np.concatenate(rows)
    elif timestep is None:
        return None
    else:
        times = np.asarray(range(sum(counts)) if steps is None else steps) * timestep
    wrong = np.flatnonzero(~(np.diff(times) > 0.0))
    if len(wrong):
        at = int(wrong[0]) + 1
        raise EldynError(
            f"its frame at {times[at]:g} fs does not come after the one at {times[at - 1]:g} fs",
            path=paths[int(np.searchsorted(np.cumsum(counts), at, side="right"))],
            remedy="Leave out the files that repeat frames.",
        )
    return times
