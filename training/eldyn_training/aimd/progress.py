"""What a running trajectory tells: temperature, SCF iterations, seconds per step, ETA."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

__all__ = ["AimdProgress"]

_LINE_SECONDS = 30.0
"""Between lines where no bar can be drawn, such as in a job's log."""
_WINDOW = 20
"""Steps over which the time per step is averaged."""


class AimdProgress:
    """A bar on a terminal, plain lines in a log, on the first MPI process only."""

    def __init__(self, total: int, done: int, *, show: bool) -> None:
        self._total, self._done, self._show = total, done, show
        self._ends: deque[float] = deque([time.monotonic()], maxlen=_WINDOW + 1)
        self._last_line = -_LINE_SECONDS
        self._bar: tqdm[Any] | None = None
        if show and sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=done, unit="step", desc="melting")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, stage: str, temperature: float, iterations: int, frames: int) -> None:
        """Report one MD step."""
        self._done += 1
        self._ends.append(time.monotonic())
        if not self._show:
            return
        state = f"{temperature:.0f} K, {iterations} SCF iterations, {frames} frames"
        if self._bar is not None:
            self._bar.set_description(stage, refresh=False)
            self._bar.set_postfix_str(state, refresh=False)
            self._bar.update()
            return
        if self._ends[-1] - self._last_line < _LINE_SECONDS and self._done < self._total:
            return
        self._last_line = self._ends[-1]
        seconds = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        left = tqdm.format_interval(seconds * (self._total - self._done))
        print(
            f"{stage}: step {self._done} of {self._total}, {state}, {seconds:.2f} s per step, "
            f"{left} left",
            file=sys.stderr,
            flush=True,
        )

    def say(self, text: str) -> None:
        """Print a line beside the bar."""
        if self._show:
            tqdm.write(text, file=sys.stderr)
