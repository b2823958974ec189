"""Differences of trajectories on one grid, frame by frame, as trajectories."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = ["difference", "difference_to_mean", "mean_frame"]

_DIFFERENCES = {"density": "density_difference", "localisation": "localisation_difference"}
"""What a difference is; those of signed quantities are of the same quantity."""

_SAME_TIME = 1e-3  # of a step


class _Differences:
    """Frames of one source minus those of another."""

    def __init__(
        self,
        first: DensityTrajectory,
        second: DensityTrajectory,
        pairs: npt.NDArray[np.int64],
    ) -> None:
        self._first, self._second, self._pairs = first, second, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return the difference of pair `index`."""
        i, j = (int(frame) for frame in self._pairs[index])
        values = []
        for trajectory, frame in ((self._first, i), (self._second, j)):
            values.append(trajectory[frame])
            check_frame(values[-1], trajectory.path, frame)
        return np.asarray(values[0] - values[1], np.float32)


class _MinusField:
    """Frames of a source minus one field."""

    def __init__(self, frames: DensityTrajectory, field: npt.NDArray[np.float32]) -> None:
        self._frames, self._field = frames, field

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index` minus the field."""
        values = self._frames[index]
        check_frame(values, self._frames.path, index)
        return values - self._field


def difference(first: DensityTrajectory, second: DensityTrajectory) -> DensityTrajectory:
    """Subtract one trajectory from another, lazily.

    Frames of equal time are subtracted; where one of the two is a single frame, it stands beside
    every frame of the other, and where times are unknown, frames are paired in their order.

    Parameters
    ----------
    first, second : DensityTrajectory
        Of the same quantity on the same grid.

    Returns
    -------
    DensityTrajectory
        first − second at the times of the first (of the second, if the first is a single frame),
        with the atoms of the first.

    Raises
    ------
    EldynError
        If the grids, cells, origins or quantities differ, or no frames have equal times: a
        difference would mean nothing.
    """
    _check_grids(first, second)
    if first.quantity != second.quantity:
        raise EldynError(
            f"'{first.name}' is a {first.quantity} and '{second.name}' a {second.quantity}: their "
            "difference means nothing",
            remedy="Subtract two fields of the same quantity.",
        )
    pairs = _pairs(first, second)
    leading, column = (second, 1) if len(first) == 1 and len(second) > 1 else (first, 0)
    return _like(
        first,
        _Differences(first, second, pairs),
        leading.times[pairs[:, column]],
        leading.times_known,
        pairs[:, 0],
        {"difference": [first.name, second.name]},
    )


def difference_to_mean(
    trajectory: DensityTrajectory, mean: npt.NDArray[np.float64]
) -> DensityTrajectory:
    """Subtract the mean over frames from every frame, lazily.

    Parameters
    ----------
    trajectory : DensityTrajectory
        The frames.
    mean : ndarray, shape (nx, ny, nz)
        Of `mean_frame`.
    """
    return _like(
        trajectory,
        _MinusField(trajectory, mean.astype(np.float32)),
        trajectory.times,
        trajectory.times_known,
        np.arange(len(trajectory)),
        {"difference": [trajectory.name, "mean over its frames"]},
    )


def mean_frame(
    trajectory: DensityTrajectory, progress: Callable[[int, int], None] | None = None
) -> npt.NDArray[np.float64]:
    """Average all frames, reading one at a time.

    Parameters
    ----------
    trajectory : DensityTrajectory
        At least one frame.
    progress : callable, optional
        Called with (frames done, frames in all); what it raises ends the work.

    Raises
    ------
    EldynError
        If there is no frame, or one is not finite.
    """
    n = len(trajectory)
    if n == 0:
        raise EldynError("there is no frame to average", path=trajectory.path)
    total = np.zeros(trajectory.grid.shape)
    for index in range(n):
        values = trajectory[index]
        check_frame(values, trajectory.path, index)
        total += values
        if progress is not None:
            progress(index + 1, n)
    return np.asarray(total / n)


def _check_grids(first: DensityTrajectory, second: DensityTrajectory) -> None:
    a, b = first.grid, second.grid
    if a.matches(b):
        return
    if a.shape != b.shape:
        what = f"{_points(a)} and {_points(b)} points"
        remedy = "Bring both to one grid first (eldyn convert --grid)."
    elif not np.allclose(a.cell, b.cell, atol=1e-4):
        what = f"cells {_lengths(a)} and {_lengths(b)} Å"
        remedy = "Only fields of the same cell can be subtracted point by point."
    else:
        what = f"origins {a.origin.round(4).tolist()} and {b.origin.round(4).tolist()} Å"
        remedy = "Only fields with the same grid points can be subtracted."
    raise EldynError(
        f"'{first.name}' and '{second.name}' lie on different grids: {what}", remedy=remedy
    )


def _points(grid: PeriodicGrid) -> str:
    return " × ".join(str(n) for n in grid.shape)


def _lengths(grid: PeriodicGrid) -> str:
    return str(grid.cell.round(4).tolist())


def _pairs(first: DensityTrajectory, second: DensityTrajectory) -> npt.NDArray[np.int64]:
    """Frames that belong together, shape (n, 2)."""
    n, m = len(first), len(second)
    if n == 0 or m == 0:
        raise EldynError("a trajectory without frames has no differences")
    if n == 1 or m == 1:
        count = max(n, m)
        i, j = (np.arange(count) if length > 1 else np.zeros(count, int) for length in (n, m))
        return np.stack([i, j], axis=1).astype(np.int64)
    if not (first.times_known and second.times_known):
        count = min(n, m)
        return np.stack([np.arange(count)] * 2, axis=1).astype(np.int64)
    tolerance = _SAME_TIME * min(np.diff(first.times).min(), np.diff(second.times).min())
    near = np.clip(np.searchsorted(second.times, first.times - tolerance), 0, m - 1)
    same = np.abs(second.times[near] - first.times) <= tolerance
    if not same.any():
        raise EldynError(
            f"no frame of '{first.name}' ({_span(first)}) has the time of one of '{second.name}' "
            f"({_span(second)})",
            remedy="Subtract trajectories that were recorded at the same times, or a single frame.",
        )
    return np.stack([np.flatnonzero(same), near[same]], axis=1).astype(np.int64)


def _span(trajectory: DensityTrajectory) -> str:
    return f"{trajectory.times[0]:g} … {trajectory.times[-1]:g} fs"


def _like(
    trajectory: DensityTrajectory,
    frames: _Differences | _MinusField,
    times: npt.NDArray[np.float64],
    times_known: bool,
    chosen: npt.NDArray[np.int64],
    provenance: dict[str, list[str]],
) -> DensityTrajectory:
    """Return a trajectory of differences with the atoms of another one."""
    positions = trajectory.positions
    return DensityTrajectory(
        frames,
        trajectory.grid,
        times,
        numbers=trajectory.numbers,
        positions=None if positions is None else positions[chosen],
        kind=trajectory.kind,
        quantity=_DIFFERENCES.get(trajectory.quantity, trajectory.quantity),
        times_known=times_known,
        provenance=provenance,
    )
