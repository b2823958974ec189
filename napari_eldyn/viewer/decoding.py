"""Frames of a rollout that are looked at again are decoded on a thread, the latest wish first."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.worker import Job, explain_error, start_job

__all__ = ["Decoder"]


class Decoder(QObject):
    """Decodes one frame at a time; while it does, only the latest request waits."""

    decoded = Signal(int)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._wanted: int | None = None
        self._current: int | None = None
        self.job: Job[object] | None = None

    def attach(self, session: Session | None) -> None:
        """Decode frames of this session from now on."""
        self._session = session
        self._wanted = None

    def request(self, index: int) -> None:
        """Ask for a frame; a request that has not begun yet gives way."""
        if index == self._current and self.job is not None:
            return
        self._wanted = index
        if self.job is None:
            self._begin()

    def close(self) -> Job[object] | None:
        """Forget everything; return the job under way, if any."""
        job, self.job = self.job, None
        self._session = self._wanted = None
        return job

    def _begin(self) -> None:
        session, index = self._session, self._wanted
        self._wanted = None
        if session is None or index is None:
            return
        self._current = index
        self.job = Job(f"Decode frame {index}", lambda job: (session, session.decode(index)))
        start_job(self.job, self._finished)

    def _finished(self) -> None:
        job, index = self.job, self._current
        if job is None or not job.is_done or index is None:
            return
        self.job = self._current = None
        if job.error is not None:
            self.failed.emit(explain_error(job.error))
        elif isinstance(job.result, tuple) and job.result[0] is self._session:
            self.decoded.emit(index)
        self._begin()
