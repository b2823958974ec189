"""Work on other threads: jobs that can be stopped, and the mailbox a run reports through."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from napari.qt.threading import FunctionWorker, create_worker

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer._compat import forget_ended_tasks

__all__ = ["Job", "Mailbox", "Stopped", "explain_error", "start_job"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 - not an error: it unwinds work that was asked to stop
    """Raised inside a job when it has been asked to stop."""


class Job(Generic[T]):
    """One piece of work on a worker thread.

    It catches whatever the work raises: napari's own reporting of worker errors raises a
    TypeError of its own on the GUI thread.

    Parameters
    ----------
    title : str
        For napari's "still busy" dialog.
    work : callable
        Called with the job, from which it learns that it should stop.
    """

    def __init__(self, title: str, work: Callable[[Job[T]], T]) -> None:
        self.title = title
        self._work = work
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        """Do the work (worker thread)."""
        self._begun.set()
        try:
            if not self.should_stop():
                self.result = self._work(self)
        except Stopped:
            pass
        except BaseException as error:
            self.error = error
            if not isinstance(error, EldynError):
                logger.exception("%s failed", self.title)
        finally:
            self._done.set()

    def __repr__(self) -> str:
        return self.title

    def stop(self) -> None:
        """Ask the work to stop as soon as it can."""
        self._stop.set()

    def should_stop(self) -> bool:
        """Whether the work has been asked to stop."""
        return self._stop.is_set()

    def check(self, *_progress: Any) -> None:
        """Raise `Stopped` if asked to stop; fits as a progress callback."""
        if self.should_stop():
            raise Stopped

    @property
    def is_done(self) -> bool:
        """Whether the work has ended, in whatever way."""
        return self._done.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of work that has been stopped; returns whether it ended in time.

        What has not begun will not do anything, so there is nothing to wait for.
        """
        return not self._begun.is_set() or self._done.wait(seconds)


class _Call:
    """A job to be run once, and then let go of.

    napari (0.9.2) keeps every worker, with what it runs, in its list of tasks for as long as the
    window lives; results of ours are whole rollouts.
    """

    def __init__(self, job: Job[Any]) -> None:
        self._job: Job[Any] | None = job
        self._title = job.title

    def __call__(self) -> None:
        job = self._job
        if job is not None:
            try:
                job()
            finally:
                self._job = None

    def __repr__(self) -> str:
        return self._title

    def stop(self) -> None:
        job = self._job
        if job is not None:
            job.stop()


class _JobWorker(FunctionWorker[None]):  # type: ignore[misc]
    """napari's worker whose `quit` (from napari's dialogs and shutdown) reaches the job."""

    def __init__(self, call: _Call) -> None:
        super().__init__(call)
        self._call = call

    def quit(self) -> None:
        self._call.stop()
        super().quit()


def start_job(job: Job[Any], on_finished: Callable[[], None], *, brief: bool = False) -> None:
    """Run a job on napari's thread pool.

    Parameters
    ----------
    job : Job
        What to run, once.
    on_finished : callable
        A bound method of a QObject of the GUI thread, called there after the end.
    brief : bool
        Whether it is over in a moment, as work on a single frame is. napari is then not told:
        it need not ask before it closes the window, and keeps a record of every task.
    """
    call = _Call(job)
    if brief:
        worker = _JobWorker(call)
    else:
        forget_ended_tasks(_JobWorker)
        worker = create_worker(call, _worker_class=_JobWorker, _ignore_errors=True)
    worker.finished.connect(on_finished)
    worker.start()


class Mailbox(Generic[T]):
    """Letters from one run to the GUI, which empties it at its own pace.

    Letters are small (no volumes): those are in the frame cache, where the GUI takes the newest
    and never falls behind.
    """

    def __init__(self) -> None:
        self._letters: list[T] = []
        self._lock = threading.Lock()

    def put(self, letter: T) -> None:
        """Add a letter (worker thread)."""
        with self._lock:
            self._letters.append(letter)

    def take(self) -> list[T]:
        """Take all letters, oldest first (GUI thread)."""
        with self._lock:
            letters, self._letters = self._letters, []
        return letters


def explain_error(error: BaseException, device: str = "") -> str:
    """Say what went wrong in words for the window.

    Parameters
    ----------
    error : BaseException
        What a job raised.
    device : str
        Device in use, for running out of memory.
    """
    if isinstance(error, EldynError):
        return str(error)
    text = str(error).strip().split("\n")[0]
    low = text.lower()
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in low
        or "can't allocate memory" in low
    ):
        where = f" on {device}" if device else ""
        return (
            f"Out of memory{where}. Frames made so far are kept. Close other programs that use "
            "this memory, choose another device, or take a smaller model."
        )
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
