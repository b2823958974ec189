"""How long a Qt event loop leaves its user waiting, and what it does meanwhile."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt, QTimer

__all__ = ["Heartbeat", "stalls_explained"]

_PERIOD_MS = 5


class Heartbeat:
    """Beats every 5 ms as a timer of the event loop; what comes between beats is a stall.

    Nothing but the timer itself is needed: a mouse click would have waited as long as a beat did.
    """

    def __init__(self) -> None:
        self.gaps: list[float] = []  # s
        self.worked: list[float] = []  # s of each in which the GUI thread ran
        self.queued: list[float] = []  # s of each in which other processes had its processor
        self.labels: dict[str, float] = {}  # longest gap by what was going on
        self.label = ""
        self.last = time.perf_counter()
        self._clocks = _thread_clocks()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_PERIOD_MS)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to beat, with nothing measured yet."""
        self.gaps, self.worked, self.queued, self.labels = [], [], [], {}
        self.last, self._clocks = time.perf_counter(), _thread_clocks()
        self._timer.start()

    def stop(self) -> None:
        """Beat no more."""
        self._beat()
        self._timer.stop()

    @property
    def longest(self) -> float:
        """Longest stall so far [s]."""
        return max(self.gaps, default=0.0)

    def quantile(self, fraction: float) -> float:
        """Gap [s] that this fraction of the time between beats is not above.

        Weighted by duration: the chance that a click at a random moment falls into a longer gap
        is one minus the fraction.
        """
        gaps = np.sort(self.gaps)
        shares = np.cumsum(gaps) / gaps.sum()
        return float(gaps[min(int(np.searchsorted(shares, fraction)), len(gaps) - 1)])

    def explain(self) -> str:
        """Say what the longest stall went into."""
        worst = int(np.argmax(self.gaps))
        gap, worked, queued = self.gaps[worst], self.worked[worst], self.queued[worst]
        rest = max(gap - worked - queued, 0.0)
        return (
            f"{1e3 * worked:.0f} ms at work, {1e3 * queued:.0f} ms without a processor, "
            f"{1e3 * rest:.0f} ms asleep or waiting for other threads"
        )

    def over(self, limit: float, *, own: bool = False) -> int:
        """Count stalls over a limit [s]; `own` leaves out the wait for a processor."""
        gaps = np.array(self.gaps)
        return int(np.sum((gaps - np.array(self.queued) if own else gaps) > limit))

    def _beat(self) -> None:
        now, clocks = time.perf_counter(), _thread_clocks()
        gap = now - self.last
        self.gaps.append(gap)
        self.worked.append(clocks[0] - self._clocks[0])
        self.queued.append(clocks[1] - self._clocks[1])
        if gap > self.labels.get(self.label, 0.0):
            self.labels[self.label] = gap
        self.last, self._clocks = now, clocks


def _thread_clocks() -> tuple[float, float]:
    """Seconds this thread has run, and has been ready to run without a processor (Linux)."""
    try:
        text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    except OSError:
        return time.thread_time(), 0.0
    run, queued, _ = (int(number) for number in text.split())
    return run / 1e9, queued / 1e9


@contextmanager
def stalls_explained(heartbeat: Heartbeat, threshold: float) -> Iterator[Counter[str]]:
    """Sample the stack of the GUI thread during stalls, on a thread of its own.

    It disturbs what it measures a little, so figures are taken without it.

    Parameters
    ----------
    heartbeat : Heartbeat
        It beats on the thread that calls this.
    threshold : float
        Stalls shorter than this [s] are not looked into.

    Yields
    ------
    Counter
        Of stacks, innermost call last, by the number of samples (20 ms each).
    """
    found: Counter[str] = Counter()
    gui, done = threading.get_ident(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            if time.perf_counter() - heartbeat.last > threshold:
                stack = traceback.extract_stack(sys._current_frames()[gui])
                found["\n".join(f"  {f.filename}:{f.lineno} {f.name}" for f in stack[-14:])] += 1

    thread = threading.Thread(target=watch, name="stalls", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
