"""More members of an ensemble: the same rollout with other seeds, made one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.run_progress import Pace, RunProgress
from napari_eldyn.viewer.session import FrameUpdate, Session
from napari_eldyn.viewer.worker import Job, Mailbox

__all__ = ["MemberRun"]

_REPORT_MS = 100


class MemberRun(QObject):
    """Generates members on a thread (`work`) and hands over each one that is whole.

    Parameters
    ----------
    like : Session
        The rollout that they differ from in the seed alone.
    seeds : sequence of int
        One member each, with as many frames as `like` has now.
    """

    made = Signal(object)
    """A `Session` with all its frames."""
    progressed = Signal(object)
    """A `RunProgress`."""

    def __init__(self, like: Session, seeds: Sequence[int]) -> None:
        super().__init__()
        self._like = like
        self._seeds = tuple(seeds)
        self._n_frames = like.n_generated
        self._pace = Pace(0, len(self._seeds) * self._n_frames)
        self._mailbox: Mailbox[float | Session] = Mailbox()
        self.n_made = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_REPORT_MS)
        self._timer.timeout.connect(self._take)
        self._timer.start()

    def work(self, job: Job[Any]) -> None:
        """Generate the members (worker thread)."""
        like = self._like
        for seed in self._seeds:
            member = Session(
                like.model,
                like.pairing.trajectory,
                replace(like.settings, seed=seed),
                like.statistics_settings,
            )
            member.rest()
            member.measures_agreement = False

            def put(update: FrameUpdate, member: Session = member) -> None:
                member.statistics.append(update.statistics)
                self._mailbox.put(time.perf_counter())

            member.advance(self._n_frames, put, job.should_stop, lambda: False)
            if member.n_generated < self._n_frames:
                return
            self._mailbox.put(member)

    def close(self) -> None:
        """Hand over what is whole, and end."""
        self._timer.stop()
        self._take()

    def discard(self) -> None:
        """End; what was not handed over is dropped."""
        self._timer.stop()

    def progress(self) -> RunProgress:
        """How far it is now."""
        number = min(self.n_made + 1, len(self._seeds))
        return self._pace.progress(f"member {number} of {len(self._seeds)}")

    def _take(self) -> None:
        letters = self._mailbox.take()
        self._pace.add(letter for letter in letters if isinstance(letter, float))
        for letter in letters:
            if isinstance(letter, Session):
                self.n_made += 1
                self.made.emit(letter)
        if letters:
            self.progressed.emit(self.progress())
