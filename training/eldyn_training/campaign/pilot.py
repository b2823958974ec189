"""Workers for a campaign: started, fed, watched and ended through Parsl."""

from __future__ import annotations

import logging
import queue
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from eldyn_training.campaign.engine import Engine, LocalEngine
from eldyn_training.campaign.orphans import GRACE
from eldyn_training.campaign.parsl_config import TOKEN, parsl_config
from eldyn_training.campaign.store import frames_in
from eldyn_training.campaign.task import Attempt, Outcome, run_attempt
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from parsl.dataflow.dflow import DataFlowKernel

__all__ = ["Pilot"]


class Pilot:
    """Runs attempts on an engine, and starts another one when one fails or is killed.

    An attempt that added frames costs nothing when it fails; each one that added none costs one
    of the retries. Use it in a ``with`` statement.

    Parameters
    ----------
    engine : Engine
        Where to run.
    trajectories : int
        How many there are to run.
    files : Path
        Directory for logs and scripts.
    retries : int
        Failed attempts of a trajectory without new frames before it is given up, less one.
    hurry : callable
        Whether not to wait for MD steps to end when the pilot is closed.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        trajectories: int,
        files: Path,
        retries: int,
        hurry: Callable[[], bool],
    ) -> None:
        self.failures: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        """Trajectory and reason of each failed attempt that another one follows."""
        self._engine = engine
        self._files = files
        self._retries = retries
        self._hurry = hurry
        self._token = uuid.uuid4().hex
        self._frames: dict[str, int] = {}
        self._closing = False
        self._config = parsl_config(
            engine,
            trajectories=trajectories,
            run_dir=files / "parsl",
            token=self._token,
            retries=retries,
            retry_handler=self._cost,
        )
        self._kernel: DataFlowKernel | None = None
        self._log: logging.Handler | None = None

    def __enter__(self) -> Self:
        from parsl.dataflow.dflow import DataFlowKernel

        self._log = _log_to(self._files / "parsl.log")
        self._kernel = DataFlowKernel(self._config)
        return self

    def submit(self, attempt: Attempt) -> Future[Outcome]:
        """Run a trajectory when there is a worker for it."""
        from parsl import python_app

        self._frames[attempt.name] = frames_in(Path(attempt.store))
        app = python_app(run_attempt, data_flow_kernel=self._kernel)
        future: Future[Outcome] = app(attempt)
        return future

    def check(self) -> None:
        """Raise an error if the workers can no longer be reached.

        Raises
        ------
        EldynError
            If Parsl's interchange has ended.
        """
        for executor in self._config.executors:
            process = getattr(executor, "interchange_proc", None)
            if process is not None and process.poll() is not None:
                raise EldynError(
                    f"Parsl's interchange ended unexpectedly (code {process.returncode})",
                    path=self._files,
                    remedy="The same command goes on from where it was.",
                )

    def _cost(self, error: Exception, task: Mapping[str, Any]) -> float:
        from parsl.executors.errors import BadStateException
        from parsl.jobs.errors import TooManyJobFailuresError

        if self._closing or isinstance(error, (BadStateException, TooManyJobFailuresError)):
            return self._retries + 1
        attempt: Attempt = task["args"][0]
        frames = frames_in(Path(attempt.store))
        grew = frames > self._frames[attempt.name]
        self._frames[attempt.name] = frames
        self.failures.put((attempt.name, reason(error)))
        return 0.0 if grew else 1.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        try:
            if self._kernel is not None:
                self._kernel.cleanup()
            if isinstance(self._engine, LocalEngine):
                _end_processes(self._token, self._hurry)
        finally:
            logger = logging.getLogger("parsl")
            if self._log is not None:
                logger.removeHandler(self._log)
                self._log.close()


def reason(error: BaseException) -> str:
    """Tell why an attempt failed."""
    from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

    if isinstance(error, EldynError):
        return str(error)
    if isinstance(error, (ManagerLost, WorkerLost)):
        return f"its process was killed or lost on {error.hostname}"
    return f"{type(error).__name__}: {error}"


def _log_to(path: Path) -> logging.Handler:
    """Keep Parsl's own messages in a file; it would write every step of its poll."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    logger = logging.getLogger("parsl")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return handler


def _end_processes(token: str, hurry: Callable[[], bool]) -> None:
    """End what carries the token, gently first.

    Parsl ends the pools it knows to be alive; what a killed pool left is unknown to it.
    """
    import psutil  # type: ignore[import-untyped]

    def carrying() -> list[Any]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(TOKEN) == token:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def signal_all(name: str) -> None:
        for process in carrying():
            try:
                getattr(process, name)()
            except psutil.Error:
                continue

    signal_all("terminate")
    deadline = time.monotonic() + GRACE
    while carrying():
        if hurry() or time.monotonic() > deadline:
            signal_all("kill")
        time.sleep(0.2)
