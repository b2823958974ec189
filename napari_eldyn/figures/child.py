"""Run a module of ours in a process of its own, which can be stopped at any time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from napari_eldyn.exceptions import EldynError

__all__ = ["answer_from", "run_child"]

_POLL = 0.02  # seconds
_PROGRESS = "progress "


def run_child(
    module: str,
    arguments: Sequence[str],
    check: Callable[[], Any],
    report: Callable[[int, int], Any] = lambda done, total: None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run ``python -m module arguments``, whose main function `answer_from` has called.

    Parameters
    ----------
    module : str
        Name of the module.
    arguments : sequence of str
        For it.
    check : callable
        Called all the time; what it raises ends the process.
    report : callable
        Called with what the process tells of its progress.
    environment : mapping of str to str, optional
        Set on top of ours.

    Returns
    -------
    dict
        The answer.

    Raises
    ------
    EldynError
        What the process raised, or that it ended otherwise.
    """
    command = [sys.executable, "-m", module, *arguments]
    # Output goes to a file: a pipe nobody reads could fill up.
    with tempfile.TemporaryFile("w+b") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        try:
            told = 0
            while process.poll() is None:
                check()
                lines = _read(output.fileno())
                news = [line for line in lines[told:] if line.startswith(_PROGRESS)]
                told = len(lines)
                if news:
                    report(*json.loads(news[-1].removeprefix(_PROGRESS)))
                time.sleep(_POLL)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        lines = _read(output.fileno(), whole=True)
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        answer = None
    if process.returncode == 0 and isinstance(answer, dict):
        return answer
    if isinstance(answer, dict) and "problem" in answer:
        raise EldynError(answer["problem"], path=answer["path"], remedy=answer["remedy"])
    reason = lines[-1] if lines else f"it ended with code {process.returncode}"
    raise EldynError(f"the process that draws figures failed: {reason}")


def _read(file: int, *, whole: bool = False) -> list[str]:
    """Lines written so far; the one being written only at the end."""
    text = os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
    lines = text.split("\n")
    return [line for line in (lines if whole else lines[:-1]) if line.strip()]


def answer_from(work: Callable[[Callable[[int, int], None]], dict[str, Any]]) -> None:
    """Do the work of a process, tell its progress, and answer with its result or its error.

    Parameters
    ----------
    work : callable
        Takes a callable for (steps done, in all); returns JSON values.
    """

    def report(done: int, total: int) -> None:
        print(f"{_PROGRESS}{json.dumps([done, total])}", flush=True)

    try:
        answer = work(report)
    except EldynError as error:
        path = None if error.path is None else str(error.path)
        print(json.dumps({"problem": error.problem, "path": path, "remedy": error.remedy}))
        sys.exit(1)
    print(json.dumps(answer), flush=True)
