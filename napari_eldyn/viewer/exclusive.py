"""One piece of work at a time: what comes next waits until the present one has stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from napari_eldyn.viewer.worker import Job, start_job

__all__ = ["ExclusiveWork"]


class ExclusiveWork(QObject):
    """Runs jobs on threads, never two at once.

    Parameters
    ----------
    parent : QObject
        Owner.
    on_stopping : callable
        Called when the present job has been asked to stop.
    """

    def __init__(self, parent: QObject, on_stopping: Callable[[], None]) -> None:
        super().__init__(parent)
        self._on_stopping = on_stopping
        self._job: Job[Any] | None = None
        self._on_end: Callable[[Job[Any], bool], None] | None = None
        self._next: Callable[[], None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None

    def begin(
        self,
        title: str,
        work: Callable[[Job[Any]], Any],
        on_end: Callable[[Job[Any], bool], None],
    ) -> None:
        """Start a job; only when none is under way.

        Parameters
        ----------
        title : str
            For napari's "still busy" dialog.
        work : callable
            Runs on a thread, called with the job.
        on_end : callable
            Called on the GUI thread with the job and whether something else comes next, so that
            its result is not wanted any more.
        """
        if self._job is not None:
            raise RuntimeError(f"{self._job.title} is still under way")
        self._job = Job(title, work)
        self._on_end = on_end
        start_job(self._job, self._finished)

    def when_free(self, action: Callable[[], None]) -> None:
        """Do something now, or as soon as the present job has been stopped; the latest wins."""
        if self._job is None:
            action()
            return
        self._next = action
        self._job.stop()
        self._on_stopping()

    def stop(self) -> None:
        """Ask the present job to stop; nothing comes next."""
        self._next = None
        if self._job is not None:
            self._job.stop()
            self._on_stopping()

    def abandon(self) -> Job[Any] | None:
        """Stop the present job and return it; nobody hears of its end."""
        job, self._job, self._next = self._job, None, None
        if job is not None:
            job.stop()
        return job

    def _finished(self) -> None:
        job, on_end, action = self._job, self._on_end, self._next
        if job is None or not job.is_done or on_end is None:
            return
        self._job = self._on_end = self._next = None
        on_end(job, action is not None)
        if action is not None:
            self.when_free(action)
