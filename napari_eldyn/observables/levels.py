"""Reference levels: what a score would be without a model, so that a number means something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.distribution import jsd, scaled_jsd
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
    combine,
    frame_statistics,
)
from napari_eldyn.observables.trajectory_statistics import (
    TrajectoryStatistics,
    trajectory_statistics,
)

__all__ = ["Level", "ReferenceLevels", "check_length", "levels_from_statistics", "reference_levels"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Level:
    """One prediction judged against one reference.

    Parameters
    ----------
    jsd : float
        Jensen-Shannon divergence of ρ̃, nats.
    sjsd : float
        Scaled JSD with the constant Z, 0 … 2.
    probabilities : numpy.ndarray, shape (bins,)
        Distribution of ρ̃ of the prediction.
    amplitude, intensity : numpy.ndarray, shape (shells,)
        S(q) of the prediction in both conventions, electrons.
    amplitude_difference, intensity_difference : numpy.ndarray, shape (shells,)
        (prediction − reference)/reference per shell.
    amplitude_error, intensity_error : float
        Σ|prediction − reference| / Σ reference over shells: one number in which each shell
        counts by its size, so that the last shells, a thousandth of the first, do not decide it.
    """

    jsd: float
    sjsd: float
    probabilities: FloatArray
    amplitude: FloatArray
    intensity: FloatArray
    amplitude_difference: FloatArray
    intensity_difference: FloatArray
    amplitude_error: float
    intensity_error: float

    @classmethod
    def of(
        cls, prediction: RunningStatistics | FrameStatistics, reference: RunningStatistics
    ) -> Level:
        """Judge a prediction against pooled reference frames.

        Parameters
        ----------
        prediction : RunningStatistics or FrameStatistics
            What is judged.
        reference : RunningStatistics
            Counted with the same settings.

        Returns
        -------
        Level
            Divergences and relative differences.
        """
        p, q = prediction.probabilities, reference.probabilities
        return cls(
            jsd=jsd(p, q),
            sjsd=scaled_jsd(p, q),
            probabilities=p,
            amplitude=prediction.amplitude,
            intensity=prediction.intensity,
            amplitude_difference=_relative(prediction.amplitude, reference.amplitude),
            intensity_difference=_relative(prediction.intensity, reference.intensity),
            amplitude_error=_total_error(prediction.amplitude, reference.amplitude),
            intensity_error=_total_error(prediction.intensity, reference.intensity),
        )


def _relative(values: FloatArray, reference: FloatArray) -> FloatArray:
    """(values − reference)/reference; NaN where the reference vanishes."""
    missing = np.full_like(reference, np.nan)
    return np.divide(values - reference, reference, out=missing, where=reference > 0)


def _total_error(values: FloatArray, reference: FloatArray) -> float:
    return float(np.abs(values - reference).sum() / reference.sum())


@dataclass(frozen=True, eq=False)
class ReferenceLevels:
    """Scores of trivial predictions, and of the data against itself.

    Parameters
    ----------
    reference : RunningStatistics
        All reference frames pooled: what every level but `noise` is judged against.
    noise : Level
        First half of the frames against the second. A perfect model reaches about this
        level with as many frames as one half has.
    halves : tuple of two RunningStatistics
        The two halves, for drawing a band between them.
    persistence : Level
        The start frame repeated.
    mean_field : Level
        The mean density of the reference at every time (climatology).
    frame_sjsd : numpy.ndarray, shape (n,)
        sJSD of each single reference frame against all: what a perfect single frame scores.
    start_frame : int
        Index in the reference of the frame repeated by `persistence`.
    """

    reference: RunningStatistics
    noise: Level
    halves: tuple[RunningStatistics, RunningStatistics]
    persistence: Level
    mean_field: Level
    frame_sjsd: FloatArray
    start_frame: int


def reference_levels(
    reference: DensityTrajectory,
    settings: StatisticsSettings,
    start_frame: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ReferenceLevels:
    """Find the reference levels of a trajectory, in one pass over all its frames.

    Parameters
    ----------
    reference : DensityTrajectory
        At least four frames.
    settings : StatisticsSettings
        Bins and shells.
    start_frame : int
        Frame from which a rollout starts; `persistence` repeats it. Negative counts from the end.
    progress : callable, optional
        Called with (frames done, frames in all); what it raises ends the pass.

    Returns
    -------
    ReferenceLevels
        Noise, persistence and mean field.

    Raises
    ------
    EldynError
        If the reference has fewer than four frames or no such start frame, or as
        `trajectory_statistics`.
    """
    check_length(len(reference), reference)
    if not -len(reference) <= start_frame < len(reference):
        raise EldynError(
            f"start frame {start_frame} does not exist: the reference has {len(reference)} frames",
            path=reference.path,
        )
    start_frame %= len(reference)
    statistics = trajectory_statistics(reference, settings, progress)
    return levels_from_statistics(statistics, statistics[start_frame], start_frame)


def levels_from_statistics(
    statistics: TrajectoryStatistics, start: FrameStatistics, start_frame: int
) -> ReferenceLevels:
    """Find the reference levels from statistics already taken.

    Parameters
    ----------
    statistics : TrajectoryStatistics
        Of at least four reference frames.
    start : FrameStatistics
        Of the start frame, which may lie outside the frames above.
    start_frame : int
        Its index in the reference.

    Returns
    -------
    ReferenceLevels
        Noise, persistence and mean field.

    Raises
    ------
    EldynError
        If there are fewer than four frames.
    """
    check_length(len(statistics))
    settings = statistics.settings
    pooled = statistics.pooled
    middle = len(statistics) // 2
    first = combine(statistics[:middle], settings)
    second = combine(statistics[middle:], settings)
    return ReferenceLevels(
        reference=pooled,
        noise=Level.of(first, second),
        halves=(first, second),
        persistence=Level.of(start, pooled),
        mean_field=Level.of(frame_statistics(statistics.mean_density, settings), pooled),
        frame_sjsd=np.asarray(scaled_jsd(statistics.probabilities, pooled.probabilities)),
        start_frame=start_frame,
    )


def check_length(n_frames: int, reference: DensityTrajectory | None = None) -> None:
    """Refuse fewer than four frames, naming the reference they are of."""
    if n_frames < 4:
        raise EldynError(
            f"the reference is too short: {n_frames} frames, but its own noise needs at least 4",
            path=None if reference is None else reference.path,
            remedy="Give a longer stretch of the reference trajectory.",
        )
