"""Nearest training frames over all shifts and orientations, and their order in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_eldyn.density.grid import resample
from napari_eldyn.density.symmetry import apply_operation, shift
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.errors import best_shift
from napari_eldyn.observables.memorisation.training import (
    TrainingFrames,
    normalised_frame,
    spectrum_of,
)
from napari_eldyn.observables.uncertainty import BLOCK_FS

__all__ = ["NearestFrames", "nearest_training_frames", "nearest_within_training"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Fields = NDArray[np.float32]
Progress = Callable[[int, int], None]

# Time between the frames of a pair that tells whether training is walked through: enough for the
# density to change clearly, and less than its correlation time.
_PAIR_FS = 20.0
# Best pairs of frame and operation whose distance is then found on the full grid.
_CANDIDATES = 8


@dataclass(frozen=True, eq=False)
class NearestFrames:
    """For each of some frames, the nearest training frame.

    Distances are RMS differences of ρ̃ over the training frames' own RMS about their mean: 0 for
    a copy, √2 for an unrelated frame as it lies; unrelated frames in their best position and
    orientation come nearer, so only the comparison with held-back frames tells.

    Parameters
    ----------
    frames : numpy.ndarray of int, shape (n,)
        Indices of the frames judged, in their own trajectory.
    distance : numpy.ndarray, shape (n,)
        To the nearest training frame over all shifts of the grid and all operations.
    nearest : numpy.ndarray of int, shape (n,)
        Its index in the training trajectory.
    operation : numpy.ndarray of int, shape (n,)
        Index of the operation in `TrainingFrames.operations`.
    shift : numpy.ndarray of int, shape (n, 3)
        Grid points by which the frame is moved after the operation.
    plain_distance : numpy.ndarray, shape (n,)
        To the nearest training frame as both lie, without shift and operation.
    plain_nearest : numpy.ndarray of int, shape (n,)
        Its index in the training trajectory.
    followed : float or None
        Time order: share of pairs of frames a time `pair_interval` apart whose nearest training
        frames are as far apart, to a quarter, forwards or backwards (time reversal is a symmetry
        too), in the same orientation: near 1 for replay. None where no interval fits both
        trajectories.
    plain_followed : float or None
        The same for the nearest frames as they lie.
    pair_interval : float or None
        fs; the shortest from 20 fs on that both trajectories share.
    """

    frames: IntArray
    distance: FloatArray
    nearest: IntArray
    operation: IntArray
    shift: IntArray
    plain_distance: FloatArray
    plain_nearest: IntArray
    followed: float | None
    plain_followed: float | None
    pair_interval: float | None


def nearest_training_frames(
    trajectory: DensityTrajectory,
    training: TrainingFrames,
    max_frames: int = 32,
    progress: Progress | None = None,
) -> NearestFrames:
    """Find the nearest training frame over all shifts and operations of the cell.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Generated frames; or, as the level to compare with, real frames that were held back from
        training. Held-back frames within some 100 fs of a training frame are near to it because
        little time has passed: leave them out.
    training : TrainingFrames
        From `training_frames`.
    max_frames : int
        At most so many frames are judged, evenly spread, in pairs for the time order.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    NearestFrames
        Of those frames.

    Raises
    ------
    EldynError
        If the grid or cell is another, there is no frame, or one is not finite.

    Notes
    -----
    All operations and shifts of all training frames are ranked by FFT cross-correlation on a
    coarser grid; the eight best pairs of frame and operation are then compared on the full grid
    over all its shifts. A distance is thus exact for the pair found, and an upper bound of the
    least one; a copy is found in any case.
    """
    if not trajectory.grid.matches(training.grid):
        raise EldynError(
            f"the grid of {trajectory.grid.shape} points in this cell is not that of the training "
            f"frames ({training.grid.shape})",
            path=trajectory.path,
            remedy="Bring both to one grid (eldyn convert --grid) and compare equal cells only.",
        )
    if len(trajectory) == 0 or max_frames < 1:
        raise EldynError("there is no frame to compare with", path=trajectory.path)
    lag, advance = _pair_lags(trajectory, training)
    chosen, pairs = _choose(len(trajectory), max_frames, lag)
    found = []
    for done, index in enumerate(chosen.tolist(), start=1):
        field_ = normalised_frame(trajectory, index, training.normalisation)
        found.append((*_search(field_, training), *_plain(field_, training)))
        if progress is not None:
            progress(done, len(chosen))
    distance, number, operation, moved, plain_distance, plain_number = (
        np.array(column) for column in zip(*found, strict=True)
    )
    followed = plain_followed = None
    if len(pairs):
        first, second = pairs.T
        walked = _as_far(number[second] - number[first], advance)
        followed = float(np.mean(walked & (operation[second] == operation[first])))
        plain_followed = float(
            np.mean(_as_far(plain_number[second] - plain_number[first], advance))
        )
    return NearestFrames(
        frames=chosen,
        distance=distance,
        nearest=training.frames[number],
        operation=operation,
        shift=moved,
        plain_distance=plain_distance,
        plain_nearest=training.frames[plain_number],
        followed=followed,
        plain_followed=plain_followed,
        pair_interval=lag * trajectory.timestep if len(pairs) else None,
    )


def nearest_within_training(
    training: TrainingFrames, max_frames: int = 16, progress: Progress | None = None
) -> FloatArray | None:
    """Distance from training frames to the nearest ones at other times, for scale.

    Parameters
    ----------
    training : TrainingFrames
        From `training_frames`.
    max_frames : int
        At most so many frames, evenly spread.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    numpy.ndarray, shape (n,), or None
        Over all shifts and operations, among training frames at least 200 fs away; None where
        training spans less.
    """
    chosen = np.unique(np.linspace(0, len(training) - 1, max_frames).round().astype(int))
    apart = np.abs(training.times[chosen, None] - training.times) >= BLOCK_FS
    usable = np.flatnonzero(apart.any(axis=1))
    if len(usable) == 0:
        return None
    distances = []
    for done, row in enumerate(usable.tolist(), start=1):
        allowed = np.flatnonzero(apart[row])
        distances.append(_search(training.fields[chosen[row]], training, allowed)[0])
        if progress is not None:
            progress(done, len(usable))
    return np.array(distances)


def _search(
    values: Fields, training: TrainingFrames, allowed: IntArray | None = None
) -> tuple[float, int, int, tuple[int, int, int]]:
    """Least distance, number of the training frame and of the operation, and shift."""
    numbers = np.arange(len(training)) if allowed is None else allowed
    spectra = training.spectra[numbers]
    reduced = resample(values, training.coarse_shape)
    # |t|² − 2 max C on the coarse grid ranks as the squared distance does.
    points = reduced.size / training.grid.n_points
    squares = np.einsum("nxyz,nxyz->n", training.fields[numbers], training.fields[numbers])
    ranks = np.empty((len(training.operations), len(numbers)))
    for row, operation in enumerate(training.operations):
        turned = spectrum_of(apply_operation(reduced, operation))
        correlations = scipy.fft.irfftn(
            spectra * turned.conj(), s=training.coarse_shape, axes=(1, 2, 3), workers=1
        )
        ranks[row] = squares * points - 2.0 * correlations.reshape(len(numbers), -1).max(axis=1)
    best = (np.inf, 0, 0, (0, 0, 0))
    for place in np.argsort(ranks, axis=None)[:_CANDIDATES].tolist():
        row, column = divmod(place, len(numbers))
        number = int(numbers[column])
        turned_field = apply_operation(values, training.operations[row])
        moved = best_shift(turned_field, training.fields[number])
        distance = _distance(shift(turned_field, moved), training.fields[number], training.scale)
        if distance < best[0]:
            best = (distance, number, row, moved)
    return best


def _plain(values: Fields, training: TrainingFrames) -> tuple[float, int]:
    """Least distance as the fields lie, and the number of the training frame."""
    flat = training.fields.reshape(len(training), -1)
    ranks = np.einsum("nv,nv->n", flat, flat) - 2.0 * (flat @ values.reshape(-1))
    number = int(np.argmin(ranks))
    return _distance(values, training.fields[number], training.scale), number


def _distance(first: Fields, second: Fields, scale: float) -> float:
    difference = first - second
    return float(np.sqrt(np.mean(difference * difference, dtype=np.float64))) / scale


def _as_far(steps: IntArray, advance: int) -> NDArray[np.bool_]:
    """Whether steps among training frames are as long as expected, to a quarter."""
    near: NDArray[np.bool_] = np.abs(np.abs(steps) - advance) <= round(advance / 4)
    return near


def _pair_lags(trajectory: DensityTrajectory, training: TrainingFrames) -> tuple[int, int]:
    """Frames of each that span one common time, 20 fs or little more; zeros if nothing fits."""
    if len(trajectory) < 2 or len(training) < 2:
        return 0, 0
    try:
        ours = trajectory.timestep
    except EldynError:
        return 0, 0
    steps = np.diff(training.times)
    theirs = float(steps.mean())
    ratio = Fraction(ours / theirs).limit_denominator(100)
    even = np.max(np.abs(steps - theirs)) <= 1e-3 * theirs
    if not even or ratio == 0 or abs(float(ratio) - ours / theirs) > 1e-3 * ours / theirs:
        return 0, 0
    repeats = max(1, int(np.ceil(_PAIR_FS / (ratio.denominator * ours) - 1e-6)))
    lag, advance = repeats * ratio.denominator, repeats * ratio.numerator
    return (lag, advance) if lag < len(trajectory) and advance < len(training) else (0, 0)


def _choose(n: int, most: int, lag: int) -> tuple[IntArray, IntArray]:
    """Frames to judge, and which of them make pairs a lag apart, shape (pairs, 2)."""
    if lag == 0 or most < 2:
        chosen = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
        return chosen, np.empty((0, 2), dtype=np.int64)
    firsts = np.unique(np.linspace(0, n - 1 - lag, min(n - lag, most // 2)).round().astype(int))
    chosen = np.union1d(firsts, firsts + lag).astype(np.int64)
    if len(chosen) < min(n, most):  # few pairs fit into a short trajectory
        others = np.linspace(0, n - 1, most - len(chosen)).round().astype(np.int64)
        chosen = np.union1d(chosen, others)
    pairs = np.searchsorted(chosen, np.stack([firsts, firsts + lag], axis=1))
    return chosen, pairs.astype(np.int64)
