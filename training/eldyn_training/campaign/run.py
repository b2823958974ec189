"""Run a campaign to its end, or until told to stop."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tqdm import tqdm

from eldyn_training.campaign.engine import Engine, LocalEngine
from eldyn_training.campaign.ledger import FILES, Ledger
from eldyn_training.campaign.manifest import TrajectoryRecord
from eldyn_training.campaign.parsl_config import check_available
from eldyn_training.campaign.pilot import Pilot, reason
from eldyn_training.campaign.recipe import Campaign
from eldyn_training.campaign.task import Attempt, Outcome
from eldyn_training.signals import catch_signals
from napari_eldyn.density.files import acquire, writing

__all__ = ["CampaignResult", "run_campaign"]

_PERIOD: Final = 1.0
"""Seconds between looks at trajectories under way."""

_MANIFEST_PERIOD: Final = 30.0
"""Seconds after which the manifest is written even if no trajectory ended."""


@dataclass(frozen=True)
class CampaignResult:
    """Where a campaign stands when `run_campaign` returns."""

    records: tuple[TrajectoryRecord, ...]
    """Of all its trajectories."""
    leftover: tuple[str, ...]
    """Trajectories of the directory that the campaign no longer has."""
    signal: int | None
    """What stopped it, if it was stopped."""

    @property
    def failed(self) -> tuple[TrajectoryRecord, ...]:
        """The trajectories that were given up."""
        return tuple(record for record in self.records if record.status == "failed")


def run_campaign(
    campaign: Campaign,
    out: Path,
    *,
    engine: Engine | None = None,
    show_progress: bool = True,
) -> CampaignResult:
    """Run or resume all trajectories of a campaign.

    Parameters
    ----------
    campaign : Campaign
        What to run.
    out : Path
        Directory of the stores and the manifest. Trajectories finished there are kept, others
        resumed; those that were given up are tried again.
    engine : Engine, optional
        Where to run; processes on this machine by default.
    show_progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    CampaignResult
        Also when trajectories failed: the others are finished nevertheless.

    Raises
    ------
    EldynError
        If the directory holds another campaign or one that is running, or the engine is not
        available.

    Notes
    -----
    SIGINT and SIGTERM, if this is the main thread, let every trajectory end its MD step and stop;
    a second one does not wait for that. Calling it again goes on.
    """
    engine = LocalEngine() if engine is None else engine
    check_available(engine)
    with writing(out):
        (out / FILES).mkdir(parents=True, exist_ok=True)
    lock = acquire(out)
    try:
        with catch_signals() as received:
            ledger = Ledger(out, campaign)
            attempts = [
                Attempt(
                    name=record.name,
                    recipe=record.recipe,
                    store=str(ledger.store(record.name).absolute()),
                    files=str((out / FILES).absolute()),
                    ranks=engine.ranks,
                    mpi_command=engine.mpi_command,
                )
                for record in ledger.records
                if record.status != "finished"
            ]
            if attempts:
                with _Progress(ledger, show_progress) as progress:
                    _run(attempts, ledger, engine, campaign.retries, received, progress.show)
            return CampaignResult(
                ledger.records, ledger.leftover, received[0] if received else None
            )
    finally:
        os.close(lock)


def _run(
    attempts: list[Attempt],
    ledger: Ledger,
    engine: Engine,
    retries: int,
    received: list[int],
    show: Callable[[], None],
) -> None:
    pilot = Pilot(
        engine,
        trajectories=len(attempts),
        files=Path(attempts[0].files),
        retries=retries,
        hurry=lambda: len(received) > 1,
    )
    try:
        with pilot:
            pending = {pilot.submit(attempt): attempt.name for attempt in attempts}
            written = time.monotonic()
            while pending and not received:
                ended, _ = concurrent.futures.wait(
                    pending, timeout=_PERIOD, return_when=concurrent.futures.FIRST_COMPLETED
                )
                _note_failures(pilot, ledger)
                for future in ended:
                    _record(future, pending.pop(future), ledger)
                ledger.follow()
                if time.monotonic() > written + _MANIFEST_PERIOD:
                    ledger.write()
                    written = time.monotonic()
                show()
                if pending:
                    pilot.check()
    finally:
        # After a stop the trajectories have ended their last MD step by now.
        ledger.follow()
        ledger.write()


def _note_failures(pilot: Pilot, ledger: Ledger) -> None:
    while True:
        try:
            ledger.note(*pilot.failures.get_nowait())
        except queue.Empty:
            return


def _record(future: concurrent.futures.Future[Outcome], name: str, ledger: Ledger) -> None:
    error = future.exception()
    if error is None:
        ledger.finish(name)
    else:
        ledger.fail(name, reason(error))


class _Progress:
    """One line: trajectories by status, frames in all, and when they will be there."""

    def __init__(self, ledger: Ledger, shown: bool) -> None:
        self._ledger = ledger
        self._bar = tqdm(
            total=sum(record.frames_wanted for record in ledger.records),
            initial=sum(record.frames for record in ledger.records),
            unit="frame",
            smoothing=0.0,
            disable=not shown,
        )

    def show(self) -> None:
        """Bring the line up to date."""
        records = self._ledger.records
        done, failed = (
            sum(record.status == status for record in records) for status in ("finished", "failed")
        )
        self._bar.total = sum(
            record.frames if record.status == "failed" else record.frames_wanted
            for record in records
        )
        self._bar.n = sum(record.frames for record in records)
        self._bar.set_description_str(
            f"{done}/{len(records)} done, {self._ledger.active} running, {failed} failed"
        )

    def __enter__(self) -> _Progress:
        self.show()
        return self

    def __exit__(self, *_: object) -> None:
        self.show()
        self._bar.close()
