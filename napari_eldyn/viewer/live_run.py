"""One run of a rollout as the window sees it: news in order, pace, progress and time left."""

from __future__ import annotations

import threading
import time
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.run_progress import Pace, RunProgress
from napari_eldyn.viewer.session import FrameUpdate, Session
from napari_eldyn.viewer.standing_objects import leave_standing_objects_alone
from napari_eldyn.viewer.worker import Job, Mailbox

__all__ = ["LiveRun"]

_REFRESH_MS = 66  # at most 15 pictures per second
_LONGEST_REST_S = 0.5


class LiveRun(QObject):
    """Generates frames on a thread (`work`) and reports on the GUI thread.

    Frames of a stored rollout whose statistics are not counted yet are reported first.

    Progress goes to the dock and not to napari's activity dialog, whose bars run the event loop
    inside every update.

    Parameters
    ----------
    session : Session
        Its rollout grows.
    n_frames : int
        How many frames to generate.
    """

    arrived = Signal(list)
    """`FrameUpdate` of new frames, in order, none left out."""
    refresh = Signal()
    """Time to show the newest frame: at most 15 times a second, less if drawing takes long."""
    progressed = Signal(object)
    """A `RunProgress`."""

    def __init__(self, session: Session, n_frames: int) -> None:
        super().__init__()
        self.session = session
        self.n_frames = n_frames
        self._pace = Pace(len(session.statistics), session.n_unmeasured + n_frames)
        self._pause = threading.Event()
        self._mailbox: Mailbox[FrameUpdate] = Mailbox()
        self._tick_end = time.perf_counter()
        self._rest_until = 0.0
        self._has_news = self._has_shown = False
        self._search_all_again = leave_standing_objects_alone()
        self._timer = QTimer(self)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def work(self, job: Job[Any]) -> None:
        """Generate the frames (worker thread)."""
        self.session.advance(self.n_frames, self._mailbox.put, job.should_stop, self._pause.is_set)

    def pause(self) -> None:
        """End after the frame in the making."""
        self._pause.set()

    @property
    def is_paused(self) -> bool:
        """Whether the run was paused with frames left to do."""
        return self._pause.is_set() and self._pace.n_done < self._pace.n_frames

    def close(self) -> None:
        """Deliver the last news and end."""
        self._timer.stop()
        self._take()
        self.refresh.emit()
        self._search_all_again()

    def discard(self) -> None:
        """End; news that was not taken in is dropped."""
        self._timer.stop()
        self._search_all_again()

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._has_shown:
            # What this tick is late by went into drawing: rest as long, so that drawing takes
            # half of the window's time at most.
            late = now - self._tick_end - _REFRESH_MS / 1000.0
            self._rest_until = now + min(max(late, 0.0), _LONGEST_REST_S)
        self._has_shown = False
        self._has_news |= self._take()
        if self._has_news and now >= self._rest_until:
            self._has_news, self._has_shown = False, True
            self.refresh.emit()
        self._tick_end = time.perf_counter()

    def _take(self) -> bool:
        updates = self._mailbox.take()
        if updates:
            self._pace.add(update.finished_at for update in updates)
            self.arrived.emit(updates)
            self.progressed.emit(self.progress())
        return bool(updates)

    def progress(self) -> RunProgress:
        """How far the run is now."""
        return self._pace.progress()
