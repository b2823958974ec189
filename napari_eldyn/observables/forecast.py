"""Errors of generated frames against the reference frames of the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.observables.errors import aligned_nmae, mse, nmae

__all__ = ["ForecastErrors", "forecast_errors", "same_times"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Lead times looked at; closer together at short leads, where errors grow.
_LEADS = 48


@dataclass(frozen=True, eq=False)
class ForecastErrors:
    """Errors against lead time, with those of the trivial forecasts.

    Parameters
    ----------
    generated_frames, reference_frames : numpy.ndarray, shape (leads,)
        Which frame is compared with which.
    lead : numpy.ndarray, shape (leads,)
        Time since the start frame, fs.
    nmae : numpy.ndarray, shape (leads,)
        100 Σ|ρ̂ − ρ|/Σ|ρ| of the generated frame, voxel by voxel, percent.
    aligned_nmae : numpy.ndarray, shape (leads,)
        The same after the best circular shift of each frame.
    mse : numpy.ndarray, shape (leads,)
        Mean squared error of ρ̃.
    persistence_nmae, persistence_mse : numpy.ndarray, shape (leads,)
        Of the start frame.
    mean_field_nmae, mean_field_mse : numpy.ndarray, shape (leads,)
        Of the mean density of the reference.
    """

    generated_frames: IntArray
    reference_frames: IntArray
    lead: FloatArray
    nmae: FloatArray
    aligned_nmae: FloatArray
    mse: FloatArray
    persistence_nmae: FloatArray
    persistence_mse: FloatArray
    mean_field_nmae: FloatArray
    mean_field_mse: FloatArray


def same_times(first: FloatArray, second: FloatArray) -> tuple[IntArray, IntArray]:
    """Pair the entries of two rising time axes that agree.

    Parameters
    ----------
    first, second : numpy.ndarray
        Times, fs.

    Returns
    -------
    tuple of two numpy.ndarray
        Indices into both, of times equal to a hundredth of the smaller time step.
    """
    steps = np.concatenate([np.diff(first), np.diff(second)])
    tolerance = 0.01 * float(steps.min()) if steps.size else 1e-3
    after = np.searchsorted(second, first).clip(1, len(second) - 1) if len(second) > 1 else 0
    before = np.maximum(np.asarray(after) - 1, 0)
    closer = np.abs(second[before] - first) <= np.abs(second[after] - first)
    nearest = np.where(closer, before, after)
    agree = np.abs(first - second[nearest]) <= tolerance
    return np.flatnonzero(agree), nearest[agree]


def forecast_errors(
    generated: DensityTrajectory,
    reference: DensityTrajectory,
    normalisation: LogNormalisation,
    start_frame: int,
    mean_density: FloatArray,
    progress: Callable[[int, int], None] | None = None,
) -> ForecastErrors | None:
    """Compare generated frames with the reference frames of the same time.

    Meaningful only when the rollout started from a frame of this reference.

    Parameters
    ----------
    generated, reference : DensityTrajectory
        On one grid.
    normalisation : LogNormalisation
        For errors of ρ̃.
    start_frame : int
        Frame of the reference from which the rollout started.
    mean_density : numpy.ndarray, shape (nx, ny, nz)
        Mean density of the reference, electrons/Å³.
    progress : callable, optional
        Called with (leads done, leads in all).

    Returns
    -------
    ForecastErrors or None
        At up to 48 lead times; None if no frames share a time after the start.

    Raises
    ------
    EldynError
        If a frame is not finite.
    """
    ours, theirs = same_times(generated.times, reference.times)
    later = theirs > start_frame
    ours, theirs = ours[later], theirs[later]
    if len(ours) == 0:
        return None
    chosen = np.unique(np.geomspace(1, len(ours), min(len(ours), _LEADS)).round().astype(int)) - 1
    ours, theirs = ours[chosen], theirs[chosen]
    start = reference[start_frame]
    start_normalised = normalisation.normalise(start)[0]
    mean_normalised = normalisation.normalise(mean_density)[0]
    rows = []
    for done, (i, j) in enumerate(zip(ours, theirs, strict=True), start=1):
        prediction, truth = generated[int(i)], reference[int(j)]
        check_frame(prediction, generated.path, int(i))
        check_frame(truth, reference.path, int(j))
        normalised = normalisation.normalise(truth)[0]
        rows.append(
            (
                nmae(prediction, truth),
                aligned_nmae(prediction, truth)[0],
                mse(normalisation.normalise(prediction)[0], normalised),
                nmae(start, truth),
                mse(start_normalised, normalised),
                nmae(mean_density, truth),
                mse(mean_normalised, normalised),
            )
        )
        if progress is not None:
            progress(done, len(ours))
    columns = np.array(rows).T
    return ForecastErrors(
        ours, theirs, generated.times[ours] - reference.times[start_frame], *columns
    )
