"""Runs of a controller: frames of the current rollout, or more members of its ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.exclusive import ExclusiveWork
from napari_eldyn.viewer.live_run import LiveRun
from napari_eldyn.viewer.member_run import MemberRun
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.worker import Job

__all__ = ["Running"]

OnEnd = Callable[[Job[Any], bool], None]
"""Called with the job and whether it was paused."""


class Running(QObject):
    """The run under way, if any.

    Parameters
    ----------
    parent : QObject
        Owner.
    work : ExclusiveWork
        Does the work.
    """

    arrived = Signal(list)
    """`FrameUpdate` of new frames, in order."""
    refresh = Signal()
    """Time to show the newest frame."""
    member_made = Signal(object)
    """A `Session` with all its frames."""
    progressed = Signal(object)
    """A `RunProgress`."""

    def __init__(self, parent: QObject, work: ExclusiveWork) -> None:
        super().__init__(parent)
        self._work = work
        self._run: LiveRun | MemberRun | None = None

    def generate(self, session: Session, n_frames: int, on_end: OnEnd) -> None:
        """Generate frames of a rollout; those stored and not measured yet are measured first."""
        run = LiveRun(session, n_frames)
        run.arrived.connect(self.arrived)
        run.refresh.connect(self.refresh)
        title = f"Rollout of {n_frames} frames" if n_frames else "Measure the stored frames"
        self._begin(run, title, on_end)

    def make_members(self, like: Session, seeds: Sequence[int], on_end: OnEnd) -> None:
        """Generate a rollout with other seeds."""
        run = MemberRun(like, seeds)
        run.made.connect(self.member_made)
        self._begin(run, f"{len(seeds)} more members", on_end)

    def pause(self) -> None:
        """End after the frame in the making, if the run can be taken up again."""
        if isinstance(self._run, LiveRun):
            self._run.pause()

    def discard(self) -> None:
        """Deliver nothing more."""
        if self._run is not None:
            self._run.discard()
            self._run = None

    def _begin(self, run: LiveRun | MemberRun, title: str, on_end: OnEnd) -> None:
        self._run = run
        run.progressed.connect(self.progressed)

        def end(job: Job[Any], superseded: bool) -> None:
            run.close()
            self._run = None
            paused = isinstance(run, LiveRun) and run.is_paused and not job.should_stop()
            on_end(job, paused)

        self.progressed.emit(run.progress())
        self._work.begin(title, run.work, end)
