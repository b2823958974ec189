"""Whether a trajectory keeps its statistics: consecutive windows, trends, frozen frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from napari_eldyn.observables.levels import Level, ReferenceLevels
from napari_eldyn.observables.statistics import combine
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics

__all__ = ["WINDOWS", "stability_metrics"]

FloatArray = NDArray[np.float64]

WINDOWS = 10
"""Consecutive windows of equal length."""

# A frame that moves less than this share of the reference's median step stands still.
_FROZEN = 0.1
# A trend within so many standard errors is none.
_ERRORS = 2.0


def stability_metrics(
    ours: TrajectoryStatistics,
    theirs: TrajectoryStatistics,
    levels: ReferenceLevels,
    times: FloatArray,
    *,
    same_interval: bool,
    not_finite: int = 0,
) -> dict[str, Any]:
    """Score consecutive windows of a trajectory against the whole reference.

    Parameters
    ----------
    ours, theirs : TrajectoryStatistics
        Of the trajectory and of the reference.
    levels : ReferenceLevels
        The reference pooled, and its half-against-half noise.
    times : numpy.ndarray, shape (n,)
        Of the trajectory, fs.
    same_interval : bool
        Whether steps of both span the same time; otherwise they are not compared.
    not_finite : int
        Frames left out because they, or frames before them, are not finite.

    Returns
    -------
    dict
        ``windows``; ``trends`` of sJSD, S(q) error and step size with first and last window,
        fitted change over the whole trajectory and its standard error; electron drift in percent;
        frozen frames.
    """
    moved = theirs.steps if same_interval else np.empty(0)
    real = float(np.sqrt(np.mean(moved**2))) if len(moved) else 0.0
    windows = [
        _window(ours, levels, times, part, real)
        for part in np.array_split(np.arange(len(ours)), min(WINDOWS, len(ours)))
    ]
    noise = {
        "sjsd": levels.noise.sjsd,
        "structure_factor_error": levels.noise.amplitude_error,
        "step_ratio": _step_noise(moved),
    }
    trends = {name: _trend(windows, name, level) for name, level in noise.items()}
    counts = np.array([window["electrons"] for window in windows])
    target = levels.reference.electrons
    electrons = _trend(windows, "electrons", None)
    frozen = _FROZEN * float(np.median(moved)) if len(moved) else None
    return {
        "meaning": f"{len(windows)} consecutive windows, each pooled and judged against the whole "
        "reference; structure_factor_error: Σ|ΔS|/ΣS over shells of the amplitude; trend: 'change' "
        "is that of a straight line over the whole trajectory, 'error' its standard error from "
        "the scatter of the windows, 'noise' what separates the two halves of the reference; "
        f"'drifts' if the change exceeds both {_ERRORS:g} errors and the noise; a frame is frozen "
        f"if it moves less than {_FROZEN:g} of the reference's median step",
        "windows": windows,
        "trends": trends,
        "electrons": {
            "fitted_change_percent": _percent(electrons["change"], target),
            "fitted_change_error_percent": _percent(electrons["error"], target),
            "largest_offset_percent": float(100 * np.abs(counts / target - 1).max()),
            "meaning": "largest_offset: of a window's mean from the reference's mean",
        },
        "frozen_frames": None if frozen is None else int(np.sum(ours.steps < frozen)),
        "not_finite_frames": not_finite,
    }


def _window(
    ours: TrajectoryStatistics,
    levels: ReferenceLevels,
    times: FloatArray,
    part: NDArray[np.int64],
    real: float,
) -> dict[str, Any]:
    first, last = int(part[0]), int(part[-1])
    pooled = combine(ours[first : last + 1], ours.settings)
    steps = ours.steps[first : last + 1]
    judged = Level.of(pooled, levels.reference)
    size = float(np.sqrt(np.mean(steps**2))) if len(steps) else None
    return {
        "first_frame": first,
        "last_frame": last,
        "first_time": times[first],
        "last_time": times[last],
        "jsd": judged.jsd,
        "sjsd": judged.sjsd,
        "structure_factor_error": judged.amplitude_error,
        "electrons": pooled.electrons,
        "minimum": pooled.minimum,
        "maximum": pooled.maximum,
        "step_size": size,
        "step_ratio": size / real if size is not None and real > 0 else None,
    }


def _trend(windows: list[dict[str, Any]], name: str, noise: float | None) -> dict[str, Any]:
    """Fit a straight line through the windows; time runs from 0 to 1."""
    known = [(i, window[name]) for i, window in enumerate(windows) if window[name] is not None]
    if len(known) < 3:
        return {
            "first": known[0][1] if known else None,
            "last": known[-1][1] if known else None,
            "change": None,
            "error": None,
            "noise": noise,
            "drifts": None,
        }
    places, values = np.array(known, dtype=np.float64).T
    line = scipy.stats.linregress((places + 0.5) / len(windows), values)
    change, error = float(line.slope), float(line.stderr)
    return {
        "first": values[0],
        "last": values[-1],
        "change": change,
        "error": error,
        "noise": noise,
        "drifts": abs(change) > max(_ERRORS * error, noise or 0.0),
    }


def _step_noise(steps: FloatArray) -> float | None:
    """Relative difference of the RMS steps of the two halves of the reference."""
    if len(steps) < 4:
        return None
    first, second = (np.sqrt(np.mean(half**2)) for half in np.array_split(steps, 2))
    return float(abs(first / second - 1)) if second > 0 else None


def _percent(value: float | None, whole: float) -> float | None:
    return None if value is None else 100 * value / whole
