"""Keep a campaign's manifest in step with what its trajectories do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from eldyn_training.campaign.journal import Journal, now
from eldyn_training.campaign.manifest import (
    MANIFEST,
    Manifest,
    TrajectoryRecord,
    read_manifest,
    write_manifest,
)
from eldyn_training.campaign.recipe import Campaign, PlannedTrajectory
from eldyn_training.campaign.store import frames_in
from napari_eldyn.exceptions import EldynError

__all__ = ["FILES", "Ledger"]

FILES: Final = ".campaign"
"""Directory, in the campaign's, of all that is neither store nor manifest."""


class Ledger:
    """The records of a campaign, in memory and in its manifest.

    Parameters
    ----------
    directory : Path
        The campaign's.
    campaign : Campaign
        What to run. What an earlier run recorded of its trajectories is taken over; earlier
        trajectories that it no longer has stay in the manifest.

    Raises
    ------
    EldynError
        If the directory holds a trajectory of the same name but another recipe.
    """

    def __init__(self, directory: Path, campaign: Campaign) -> None:
        self._directory = directory
        self._recipe = campaign.recipe
        earlier = {}
        if (directory / MANIFEST).exists():
            earlier = {r.name: r for r in read_manifest(directory).trajectories}
        self._planned = [trajectory.name for trajectory in campaign.trajectories]
        self._records = dict(earlier)
        self._active: set[str] = set()
        for trajectory in campaign.trajectories:
            record = earlier.get(trajectory.name)
            self._records[trajectory.name] = self._taken_up(trajectory, record)
        self.write()

    def _taken_up(
        self, trajectory: PlannedTrajectory, earlier: TrajectoryRecord | None
    ) -> TrajectoryRecord:
        if earlier is None:
            return TrajectoryRecord(
                name=trajectory.name,
                store=f"{trajectory.name}.eldyn",
                status="waiting",
                parameters=dict(trajectory.parameters),
                seed=trajectory.recipe.seed,
                recipe=trajectory.values,
                recipe_sha256=trajectory.sha256,
                frames_wanted=trajectory.frames,
            )
        if earlier.recipe_sha256 != trajectory.sha256:
            raise EldynError(
                f"the directory holds a trajectory {trajectory.name} of another recipe",
                path=self._directory,
                remedy="Choose another directory, or use the campaign file it was made with.",
            )
        if earlier.status == "finished" and (self._directory / earlier.store).is_dir():
            return earlier
        status = "running" if earlier.attempts else "waiting"
        return earlier.model_copy(update={"status": status, "ended": None})

    @property
    def leftover(self) -> tuple[str, ...]:
        """Names of earlier trajectories that the campaign no longer has."""
        return tuple(name for name in self._records if name not in self._planned)

    @property
    def records(self) -> tuple[TrajectoryRecord, ...]:
        """The records of the campaign's trajectories, in its order."""
        return tuple(self._records[name] for name in self._planned)

    @property
    def active(self) -> int:
        """How many trajectories a worker has begun and not put down."""
        return len(self._active)

    def store(self, name: str) -> Path:
        """Return where a trajectory's store is or will be."""
        return self._directory / self._records[name].store

    def journal(self, name: str) -> Journal:
        """Return a trajectory's journal."""
        return Journal(self._directory / FILES / f"{name}.jsonl")

    def finish(self, name: str) -> None:
        """Record that a trajectory is whole."""
        self._follow(name)
        self._change(name, status="finished", ended=now(), error=None)
        self.write()

    def fail(self, name: str, error: str) -> None:
        """Record that a trajectory is given up."""
        self._follow(name)
        self._change(name, status="failed", ended=now(), error=error)
        self.write()

    def note(self, name: str, error: str) -> None:
        """Record why an attempt ended that another follows."""
        self._change(name, error=error)

    def follow(self) -> None:
        """Look how far the trajectories under way have got."""
        for name in self._under_way():
            self._follow(name)

    def write(self) -> None:
        """Write the manifest."""
        records = tuple(self._records.values())
        write_manifest(self._directory, Manifest(recipe=self._recipe, trajectories=records))

    def _under_way(self) -> Iterator[str]:
        for record in self.records:
            if record.status in ("waiting", "running"):
                yield record.name

    def _follow(self, name: str) -> None:
        summary = self.journal(name).summary()
        self._active.discard(name)
        if summary.active:
            self._active.add(name)
        if summary.attempts == 0:
            return
        self._change(
            name,
            status="running",
            attempts=summary.attempts,
            started=summary.started,
            versions=summary.versions,
            frames=frames_in(self.store(name)),
        )

    def _change(self, name: str, **values: Any) -> None:
        self._records[name] = self._records[name].model_copy(update=values)
