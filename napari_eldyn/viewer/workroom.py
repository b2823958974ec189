"""One thing at a time: the state of a viewer's session, and the work behind it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.exclusive import ExclusiveWork
from napari_eldyn.viewer.finding import Located, MissingPartError
from napari_eldyn.viewer.questions import ask_for_part
from napari_eldyn.viewer.worker import Job, explain_error

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Workroom"]

T = TypeVar("T")


class Workroom(QObject):
    """A state, and exclusive work on threads that ends in another one.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.

    Attributes
    ----------
    locate : callable, optional
        Says where a missing file is, instead of a dialog: called with a `MissingPartError`,
        returns a path, or None to give up.
    """

    state_changed = Signal(str)
    message = Signal(str)
    failed = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self.state = "idle"
        self.is_closed = False
        self._is_set_apart = False
        self.locate: Callable[[MissingPartError], Path | None] | None = None
        self._work = ExclusiveWork(self, lambda: self._set_state("stopping"))

    @property
    def is_busy(self) -> bool:
        """Whether work is under way, or the window is being set up."""
        return self._work.is_busy or self._is_set_apart

    @contextmanager
    def set_apart(self) -> Iterator[None]:
        """Be busy while the window is set up, so that no dock makes choices of its own."""
        self._is_set_apart = True
        try:
            yield
        finally:
            self._is_set_apart = False

    def load(
        self,
        title: str,
        work: Callable[[Job[T]], T],
        take: Callable[[T], None],
        again: Callable[[Located], None] | None = None,
    ) -> None:
        """Load something on a thread, as the state ``loading``; a run is stopped first.

        Parameters
        ----------
        title : str
            For napari's "still busy" dialog.
        work : callable
            Runs on a thread.
        take : callable
            Takes the result.
        again : callable, optional
            Tries again with the place of a missing part, if the user knows it.
        """

        def end(job: Job[T], superseded: bool) -> None:
            wanted = not superseded and not job.should_stop()
            if wanted and job.result is not None:
                take(job.result)
            elif wanted and isinstance(job.error, MissingPartError) and again is not None:
                place = (self.locate or self._ask_for_part)(job.error)
                if place is not None:
                    again({job.error.key: place})
                else:
                    self._report_error(job)
            else:
                self._report_error(job)
            if not self._work.is_busy:
                self._rest()

        def begin() -> None:
            self._set_state("loading")
            self._work.begin(title, work, end)

        self._when_free(begin)

    def _ask_for_part(self, error: MissingPartError) -> Path | None:
        viewer = self._viewer()
        return None if viewer is None else ask_for_part(viewer, error)

    def _when_free(self, action: Any) -> None:
        if not self.is_closed:
            self._work.when_free(action)

    def _report_error(self, job: Job[Any]) -> None:
        if job.error is not None:
            self.failed.emit(explain_error(job.error, self._device()))

    def _device(self) -> str:
        """Device in use, in words."""
        return ""

    def _rest(self) -> None:
        """Take the state in which nothing is under way."""
        self._set_state("idle")

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)

    def _single_shot(self, milliseconds: int, action: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(action)
        return timer
