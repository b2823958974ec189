"""How far a run is, how fast, and how long it still takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Pace", "RunProgress"]

_LATEST = 20


@dataclass(frozen=True)
class RunProgress:
    """How far a rollout is.

    Parameters
    ----------
    done, total : int
        Frames there, and frames asked for.
    rate : float or None
        Frames per second.
    remaining : float or None
        Seconds left.
    what : str
        What the frames are of, if not of the rollout in the panels.
    """

    done: int
    total: int
    rate: float | None
    remaining: float | None
    what: str = ""


class Pace:
    """Speed over the latest frames.

    Parameters
    ----------
    before : int
        Frames that were there at the start.
    n_frames : int
        Frames to do.
    """

    def __init__(self, before: int, n_frames: int) -> None:
        self.before = before
        self.n_frames = n_frames
        self.n_done = 0
        self._times: deque[float] = deque(maxlen=_LATEST)

    def add(self, finished_at: Iterable[float]) -> None:
        """Count frames done.

        Parameters
        ----------
        finished_at : iterable of float
            ``time.perf_counter`` at the end of each.
        """
        times = list(finished_at)
        self.n_done += len(times)
        self._times.extend(times)

    def progress(self, what: str = "") -> RunProgress:
        """How far it is now."""
        rate = remaining = None
        if len(self._times) > 1 and self._times[-1] > self._times[0]:
            rate = (len(self._times) - 1) / (self._times[-1] - self._times[0])
            remaining = (self.n_frames - self.n_done) / rate
        return RunProgress(
            self.before + self.n_done, self.before + self.n_frames, rate, remaining, what
        )
