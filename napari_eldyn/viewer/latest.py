"""Work on single frames on a thread: the one looked at first, others ahead while there is time."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.worker import Job, explain_error, start_job

__all__ = ["LatestWork"]

Work = Callable[[int], object]
Choose = Callable[[int], int | None]


class LatestWork(QObject):
    """Does one frame at a time; what comes next depends on the frame looked at last.

    Parameters
    ----------
    parent : QObject
        Owner.
    title : str
        What is done, for napari's "still busy" dialog.
    """

    done = Signal(int)
    """Index of a frame, unless other work was attached meanwhile."""
    failed = Signal(str)

    def __init__(self, parent: QObject, title: str) -> None:
        super().__init__(parent)
        self._title = title
        self._work: Work | None = None
        self._choose: Choose | None = None
        self._current: tuple[int, Work] | None = None
        self._latest = 0
        self._job: Job[object] | None = None

    def attach(self, work: Work | None, choose: Choose | None = None) -> None:
        """Do this from now on; what is under way for other work is dropped at its end.

        Parameters
        ----------
        work : callable or None
            Called on the thread with the index of a frame; keeps its result where the window
            looks for it.
        choose : callable, optional
            Given the frame looked at, returns the one to do now (that one, or one ahead of it),
            or None if there is nothing left to do.
        """
        self._work, self._choose = work, choose

    def look(self, index: int) -> None:
        """Say which frame is looked at."""
        self._latest = index
        if self._job is None:
            self._begin()

    def close(self) -> Job[object] | None:
        """Forget everything; return the job under way, if any."""
        job, self._job = self._job, None
        self.attach(None)
        return job

    def _begin(self) -> None:
        work, choose = self._work, self._choose
        index = None if choose is None else choose(self._latest)
        if work is None or index is None:
            return
        self._current = (index, work)
        self._job = Job(f"{self._title} {index}", lambda job: work(index))
        start_job(self._job, self._finished, brief=True)

    def _finished(self) -> None:
        job, current = self._job, self._current
        if job is None or not job.is_done or current is None:
            return
        self._job = self._current = None
        index, work = current
        if job.error is not None:
            self.failed.emit(explain_error(job.error))
        if job.error is not None or job.should_stop():
            return  # not again before someone looks at another frame
        if work == self._work:
            self.done.emit(index)
        if self._job is None:  # none was begun by who heard of this one
            self._begin()
