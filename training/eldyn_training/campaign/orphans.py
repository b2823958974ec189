"""End with the process that started this one, however that ends.

Parsl's interchange, and programs started by a task, would run on without anyone to report to.
``python -m eldyn_training.campaign.orphans interchange`` is Parsl's interchange that ends with
the campaign; ``... orphans run COMMAND...`` runs a command that does.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["GRACE", "watch_parent"]

GRACE = 30.0
"""Seconds that a trajectory has for ending its MD step before it is killed."""

_PERIOD = 0.5


def watch_parent(lost: Callable[[], None]) -> Callable[[], None]:
    """Call a function, in a thread, when the parent process is gone.

    Returns
    -------
    callable
        Ends the watch.
    """
    parent = os.getppid()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_PERIOD):
            if os.getppid() != parent:
                lost()
                return

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return done.set


def stop_this_process() -> None:
    """Ask this process to end as SIGTERM does, and end it after some time."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


def _interchange() -> None:
    # It has no files of its own to finish; its managers end when they miss it.
    watch_parent(lambda: os._exit(1))
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")


def _run(command: list[str]) -> int:
    """Run a command to its end and pass signals on to its process group."""
    process = subprocess.Popen(command, start_new_session=True)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        _signal_group(process.pid, number)

    def lost() -> None:
        _signal_group(process.pid, signal.SIGTERM)
        time.sleep(GRACE)
        _signal_group(process.pid, signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    watch_parent(lost)
    return process.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    if sys.argv[1:] == ["interchange"]:
        _interchange()
    elif sys.argv[1:2] == ["run"] and len(sys.argv) > 2:
        code = _run(sys.argv[2:])
        sys.exit(code if code >= 0 else 128 - code)
    else:
        sys.exit("usage: orphans interchange | run COMMAND...")
