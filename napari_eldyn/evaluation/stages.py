"""Progress of the stages of an evaluation, and where the time went."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

__all__ = ["Stages"]


class Stages:
    """One progress bar with the time left for each stage, and the seconds each took.

    Parameters
    ----------
    show : bool
        Whether bars are shown.
    """

    def __init__(self, *, show: bool = True) -> None:
        self._show = show
        self._bar: tqdm[Any] | None = None
        self._prefix = ""
        #: Seconds by stage, in the order in which they began.
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Time a stage and show its progress.

        Parameters
        ----------
        name : str
            In words; the time of stages of one name adds up.

        Yields
        ------
        callable
            To be called with (done, in all).
        """
        began = time.monotonic()
        try:
            yield lambda done, total: self._report(name, done, total)
        finally:
            self._close()
            elapsed = time.monotonic() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed

    def slowest(self, count: int = 4) -> list[tuple[str, float]]:
        """Return the stages that took longest, with their seconds."""
        return sorted(self.seconds.items(), key=lambda entry: -entry[1])[:count]

    def _report(self, name: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = tqdm(
                desc=name[:1].upper() + name[1:],
                total=total,
                delay=0.3,
                leave=False,
                disable=not self._show,
            )
        elif self._bar.total != total or done < self._bar.n:
            # A stage of several passes: each has its own count.
            self._bar.reset(total)
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
