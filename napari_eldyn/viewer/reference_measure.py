"""Statistics of the reference of a rollout, counted on a thread."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.levels import ReferenceLevels, levels_from_statistics
from napari_eldyn.observables.reference_series import ReferenceSeries
from napari_eldyn.observables.statistics import StatisticsSettings
from napari_eldyn.observables.trajectory_statistics import (
    TrajectoryStatistics,
    trajectory_statistics,
)
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.worker import Job, explain_error, start_job

if TYPE_CHECKING:
    from napari_eldyn.figures.rollout_plots import Yardstick

__all__ = ["MeasuredReference", "ReferenceMeasuring", "measure_reference"]


@dataclass(frozen=True, eq=False)
class MeasuredReference:
    """Statistics of a reference trajectory, and the levels that give scores a meaning.

    ``levels`` is None, with the reason in ``problem``, for a reference too short to have any.
    """

    trajectory: DensityTrajectory
    settings: StatisticsSettings
    statistics: TrajectoryStatistics
    levels: ReferenceLevels | None
    problem: str = ""

    @cached_property
    def yardstick(self) -> Yardstick:
        """The same as the plots take it."""
        from napari_eldyn.figures.rollout_plots import Yardstick

        try:
            timestep = self.trajectory.timestep
        except EldynError:  # unequal steps, or one frame alone: no F(q,t) then
            timestep = None
        series = ReferenceSeries(self.statistics, self.settings, timestep)
        return Yardstick(self.settings, self.statistics.pooled, self.levels, series)


def measure_reference(
    session: Session, known: TrajectoryStatistics | None, check: Callable[..., None]
) -> MeasuredReference:
    """Measure the reference of a session.

    Parameters
    ----------
    session : Session
        Gives trajectory, settings and start frame.
    known : TrajectoryStatistics, optional
        Counted before; not again if they are of the session's settings.
    check : callable
        Progress callback; raises to end the work.
    """
    trajectory, settings = session.pairing.trajectory, session.statistics_settings
    if known is not None and known.settings is settings:
        statistics = known
    else:
        statistics = trajectory_statistics(trajectory, settings, check)
    start = session.pairing.start_frame
    try:
        levels = levels_from_statistics(statistics, statistics[start], start)
    except EldynError as error:
        return MeasuredReference(trajectory, settings, statistics, None, str(error))
    return MeasuredReference(trajectory, settings, statistics, levels)


class ReferenceMeasuring(QObject):
    """Measures the reference of one session after the other; every trajectory once.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    ready = Signal(object)
    """The `MeasuredReference` of the session begun last."""
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.measured: MeasuredReference | None = None
        self._known: weakref.WeakKeyDictionary[DensityTrajectory, TrajectoryStatistics]
        self._known = weakref.WeakKeyDictionary()
        self._job: Job[MeasuredReference] | None = None

    def begin(self, session: Session) -> None:
        """Measure the reference of a session; what is under way for another one is stopped."""
        if self._job is not None:
            self._job.stop()
        known = self._known.get(session.pairing.trajectory)
        self._job = Job(
            "Measure the reference", lambda job: measure_reference(session, known, job.check)
        )
        start_job(self._job, self._finished)

    def settings_of(self, trajectory: DensityTrajectory) -> StatisticsSettings | None:
        """Return the bins and shells that a trajectory was counted with, if it was."""
        known = self._known.get(trajectory)
        return None if known is None else known.settings

    def statistics_of(self, trajectory: DensityTrajectory) -> TrajectoryStatistics | None:
        """Return the statistics of a trajectory that was measured, or None."""
        return self._known.get(trajectory)

    def know(self, trajectory: DensityTrajectory, statistics: TrajectoryStatistics) -> None:
        """Take over statistics of a trajectory that were counted before."""
        self._known[trajectory] = statistics

    def close(self) -> Job[MeasuredReference] | None:
        """Forget everything; return the job under way, stopped, if any."""
        job, self._job, self.measured = self._job, None, None
        if job is not None:
            job.stop()
        return job

    def _finished(self) -> None:
        job = self._job
        if job is None or not job.is_done:
            return
        self._job = None
        if job.error is not None:
            self.failed.emit(explain_error(job.error))
        if job.result is not None:
            self.measured = job.result
            self._known[job.result.trajectory] = job.result.statistics
            self.ready.emit(job.result)
