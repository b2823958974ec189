"""End long commands in order when they are interrupted."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["interruptible"]


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Set the event on the first Ctrl-C or SIGTERM; the next one ends the process as usual."""
    interrupted = threading.Event()
    previous: dict[int, Any] = {}

    def request_stop(number: int, _frame: object) -> None:
        interrupted.set()
        signal.signal(number, previous[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, request_stop)
    try:
        yield interrupted
    finally:
        for key, handler in previous.items():
            signal.signal(key, handler)
