"""A session file with everything it refers to, read without a window (on a thread)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.config import parse_config
from napari_eldyn.density.channels import channel_trajectory
from napari_eldyn.density.fingerprint import trajectory_fingerprint
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.statistics import StatisticsSettings
from napari_eldyn.observables.structure_factor import shells
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics
from napari_eldyn.viewer.finding import Located, find_model, find_trajectory
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.statistics_arrays import unpack_statistics
from napari_eldyn.viewer.workspace_file import read_workspace
from napari_eldyn.viewer.workspace_record import (
    ModelRecord,
    RolloutRecord,
    SettingsRecord,
    TrajectoryRecord,
    WorkspaceRecord,
)

__all__ = ["LoadedRollout", "LoadedWorkspace", "load_workspace", "settings_of"]

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class LoadedRollout:
    """A rollout of a session, ready to be shown."""

    session: Session
    colour: int
    visible: bool
    is_kept: bool


@dataclass(frozen=True, eq=False)
class LoadedWorkspace:
    """A session with its trajectories, models and rollouts.

    ``statistics`` holds what was counted of each trajectory; ``remarks`` what the user must know.
    """

    record: WorkspaceRecord
    trajectories: tuple[DensityTrajectory, ...]
    models: tuple[LoadedModel, ...]
    rollouts: tuple[LoadedRollout, ...]
    counted_with: Mapping[DensityTrajectory, StatisticsSettings]
    statistics: Mapping[DensityTrajectory, TrajectoryStatistics]
    remarks: tuple[str, ...] = field(default=())


def load_workspace(
    path: Path,
    *,
    loaded: Iterable[LoadedModel] = (),
    located: Located | None = None,
) -> LoadedWorkspace:
    """Read a session and everything it refers to.

    Parameters
    ----------
    path : Path
        A session's file.
    loaded : iterable of LoadedModel
        Models in memory, which need not be read again.
    located : Located, optional
        Where the user says that missing parts are.

    Raises
    ------
    MissingPartError
        If a model or a trajectory is nowhere.
    EldynError
        If the file is damaged or of a newer version, or a part of it does not fit.
    """
    record, arrays = read_workspace(path)
    _check_places(record, path)
    remarks: list[str] = []
    models: list[LoadedModel] = []
    for wanted in record.models:
        models.append(_model(wanted, path, [*loaded, *models], located, remarks))
    trajectories: list[DensityTrajectory] = []
    counted_with: dict[DensityTrajectory, StatisticsSettings] = {}
    statistics: dict[DensityTrajectory, TrajectoryStatistics] = {}
    for number, described in enumerate(record.trajectories):
        trajectory = _trajectory(described, path, trajectories, located)
        trajectories.append(trajectory)
        is_same = trajectory_fingerprint(trajectory) == described.fingerprint
        if not is_same:
            remarks.append(
                f"{trajectory.name} has changed since the session was saved; what is compared "
                "with it is not what it was."
            )
        if described.statistics is None:
            continue
        settings = _statistics_settings(number, described, trajectory, arrays, path)
        counted_with[trajectory] = settings
        known = _trajectory_statistics(number, described, trajectory, settings, arrays)
        if known is not None and is_same:
            statistics[trajectory] = known
    rollouts = tuple(
        _rollout(number, item, models, trajectories, counted_with, arrays, path, remarks)
        for number, item in enumerate(record.rollouts)
    )
    if record.others:
        remarks.append(
            f"Layers that a session does not hold: {', '.join(record.others)}. Open them again."
        )
    return LoadedWorkspace(
        record,
        tuple(trajectories),
        tuple(models),
        rollouts,
        counted_with,
        statistics,
        tuple(dict.fromkeys(remarks)),
    )


def settings_of(record: SettingsRecord) -> RolloutSettings:
    """Return recorded settings."""
    return RolloutSettings(**record.model_dump())


def _model(
    wanted: ModelRecord,
    path: Path,
    loaded: list[LoadedModel],
    located: Located | None,
    remarks: list[str],
) -> LoadedModel:
    from napari_eldyn.emulator import available_devices

    device = wanted.device
    if device not in available_devices() and device != "cpu":
        remarks.append(f"The session ran on {device}, which this machine does not have.")
        device = "auto"
    return find_model(
        wanted.name,
        wanted.sha256,
        asked_by=path,
        device=device,
        loaded=loaded,
        places=wanted.file.places(path.parent),
        located=located,
    )


def _trajectory(
    described: TrajectoryRecord,
    path: Path,
    opened: list[DensityTrajectory],
    located: Located | None,
) -> DensityTrajectory:
    def fits(trajectory: DensityTrajectory) -> bool:
        return trajectory.grid.shape == described.points and len(trajectory) >= described.n_frames

    found = find_trajectory(
        Path(described.file.absolute).name,
        fits,
        asked_by=path,
        places=described.file.places(path.parent),
        located=located,
    )
    return found if described.channel is None else channel_trajectory(found, described.channel)


def _statistics_settings(
    number: int,
    described: TrajectoryRecord,
    trajectory: DensityTrajectory,
    arrays: Arrays,
    path: Path,
) -> StatisticsSettings:
    assert described.statistics is not None
    edges = _array(arrays, f"trajectories/{number}/edges", path)
    if edges.ndim != 1 or edges.dtype.kind != "f":
        raise EldynError("the bins of its histograms are damaged", path=path)
    return StatisticsSettings(described.statistics.normalisation, edges, shells(trajectory.grid))


def _trajectory_statistics(
    number: int,
    described: TrajectoryRecord,
    trajectory: DensityTrajectory,
    settings: StatisticsSettings,
    arrays: Arrays,
) -> TrajectoryStatistics | None:
    stored = described.statistics
    prefix = f"trajectories/{number}/"
    mean, steps = arrays.get(f"{prefix}mean_density"), arrays.get(f"{prefix}steps")
    frames = unpack_statistics(_below(arrays, f"{prefix}statistics/"), settings)
    if stored is None or not stored.measured or not frames or mean is None or steps is None:
        return None
    if mean.shape != trajectory.grid.shape or len(frames) + stored.first > len(trajectory):
        return None
    return TrajectoryStatistics(settings, tuple(frames), stored.first, mean, stored.lag, steps)


def _rollout(
    number: int,
    record: RolloutRecord,
    models: list[LoadedModel],
    trajectories: list[DensityTrajectory],
    counted_with: Mapping[DensityTrajectory, StatisticsSettings],
    arrays: Arrays,
    path: Path,
    remarks: list[str],
) -> LoadedRollout:
    from napari_eldyn.emulator.rollout import Rollout, RolloutOrigin

    model, trajectory = models[record.model], trajectories[record.trajectory]
    origin = parse_config(RolloutOrigin, record.origin, path=path)
    latents = _array(arrays, f"rollouts/{number}/latents", path)
    if len(latents) != record.n_frames or latents.dtype != np.float32:
        raise EldynError(f"the latents of rollout {number + 1} are damaged", path=path)
    rollout = Rollout.from_latents(origin, latents, model.emulator, trajectory)
    settings = settings_of(record.settings)
    session = Session(model, trajectory, settings, counted_with.get(trajectory), rollout)
    frames = unpack_statistics(
        _below(arrays, f"rollouts/{number}/statistics/"), session.statistics_settings
    )
    if frames is None or len(frames) > len(latents):
        remarks.append("Statistics stored by another version are counted again.")
        frames = []
    session.know(frames)
    return LoadedRollout(session, record.colour, record.visible, record.is_kept)


def _check_places(record: WorkspaceRecord, path: Path) -> None:
    """Check what one part of the record says of another."""
    lengths = {
        "layer": len(record.layers),
        "model": len(record.models),
        "trajectory": len(record.trajectories),
    }
    places = [("layer", record.reference), ("model", record.model)]
    places += [("trajectory", layer.trajectory) for layer in record.layers]
    places += [("trajectory", rollout.trajectory) for rollout in record.rollouts]
    places += [("model", rollout.model) for rollout in record.rollouts]
    for part, place in places:
        if place is not None and place >= lengths[part]:
            raise EldynError(f"the session is damaged: there is no {part} {place}", path=path)
    if record.has_current and not record.rollouts:
        raise EldynError("the session is damaged: its current rollout is missing", path=path)


def _array(arrays: Arrays, name: str, path: Path) -> npt.NDArray[Any]:
    if name not in arrays:
        raise EldynError(f"the session is damaged: the array {name} is missing", path=path)
    return arrays[name]


def _below(arrays: Arrays, prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
