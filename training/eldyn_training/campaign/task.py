"""One attempt at one trajectory, as it runs on a worker.

``python -m eldyn_training.campaign.task ATTEMPT.json OUTCOME.json`` is the same on each rank of a
trajectory of several.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eldyn_training.campaign.journal import Journal
from eldyn_training.campaign.orphans import GRACE, stop_this_process, watch_parent
from napari_eldyn.config import parse_config
from napari_eldyn.exceptions import EldynError

__all__ = ["Attempt", "Interrupted", "Outcome", "run_attempt"]

_PATIENCE = 150.0 + GRACE
"""Seconds to wait for a process of an earlier attempt to end; it does when it has missed the
campaign's for up to two minutes."""

_LINES_OF_ERROR = 12


@dataclass(frozen=True)
class Attempt:
    """What a worker needs to know."""

    name: str
    recipe: dict[str, Any]
    """Values of an AIMD recipe."""
    store: str
    """Absolute path."""
    files: str
    """Directory for journal, lock and what the ranks print."""
    ranks: int = 1
    mpi_command: str = ""

    @property
    def journal(self) -> Journal:
        """The trajectory's journal."""
        return Journal(Path(self.files) / f"{self.name}.jsonl")


@dataclass(frozen=True)
class Outcome:
    """How far an attempt got."""

    finished: bool
    frames: int
    signal: int | None


class Interrupted(Exception):  # noqa: N818 - nothing is wrong
    """The attempt was stopped by a signal; another one goes on."""


def run_attempt(attempt: Attempt) -> Outcome:
    """Run or resume a trajectory in this process, or, with several ranks, below it.

    Raises
    ------
    Interrupted
        If a signal stopped it.
    EldynError
        If the trajectory cannot be run.
    """
    with _claimed(Path(attempt.files) / f"{attempt.name}.lock") as lock:
        attempt.journal.start()
        try:
            outcome = _run_watched(attempt) if attempt.ranks == 1 else _run_ranks(attempt, lock)
            if not outcome.finished:
                raise Interrupted(f"stopped by signal {outcome.signal}")
        except BaseException as error:
            attempt.journal.end(f"{type(error).__name__}: {error}")
            raise
        attempt.journal.end("finished")
    return outcome


def _run_watched(attempt: Attempt) -> Outcome:
    end_watch = watch_parent(stop_this_process)
    try:
        return _run(attempt)
    finally:
        end_watch()


def _run(attempt: Attempt) -> Outcome:
    from eldyn_training.aimd import AimdRecipe, run_aimd

    recipe = parse_config(AimdRecipe, attempt.recipe)
    result = run_aimd(recipe, Path(attempt.store), show_progress=False)
    return Outcome(result.finished, result.frames, result.signal)


def _run_ranks(attempt: Attempt, lock: int) -> Outcome:
    base = Path(attempt.files) / attempt.name
    task, outcome, log = (base.with_name(base.name + end) for end in (".json", ".out.json", ".log"))
    task.write_text(json.dumps(asdict(attempt)), encoding="utf-8")
    outcome.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "eldyn_training.campaign.orphans", "run"),
        *shlex.split(attempt.mpi_command.format(ranks=attempt.ranks)),
        *("-m", "eldyn_training.campaign.task", str(task), str(outcome)),
    ]
    # Without an activated environment, gpaw is beside the interpreter and not on PATH.
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with log.open("wb") as output:
        # It keeps the lock should this worker be killed before it.
        code = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": beside},
            pass_fds=(lock,),
            check=False,
        ).returncode
    if outcome.is_file():
        return Outcome(**json.loads(outcome.read_text(encoding="utf-8")))
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise EldynError(
        f"its {attempt.ranks} ranks ended with code {code}: "
        + " | ".join(line.strip() for line in lines[-_LINES_OF_ERROR:]),
        path=log,
    )


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[int]:
    """Hold the trajectory against processes of earlier attempts; wait for theirs to end."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(handle):
            if time.monotonic() > deadline:
                raise EldynError(
                    "another process is still working on this trajectory",
                    path=path,
                    remedy="End it, or wait.",
                )
            time.sleep(0.5)
        yield handle
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Some parallel file systems are mounted without locks.
        print(f"no locks here ({error})", file=sys.stderr)
    return True


def _main(task: str, outcome: str) -> None:
    from gpaw.mpi import world

    attempt = Attempt(**json.loads(Path(task).read_text(encoding="utf-8")))
    result = _run(attempt)
    if world.rank == 0:
        Path(outcome).write_text(json.dumps(asdict(result)), encoding="utf-8")


if __name__ == "__main__":
    _main(*sys.argv[1:])
