"""What a session file is made of, taken from a window."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.channels import ChannelTrajectory
from napari_eldyn.density.fingerprint import trajectory_fingerprint
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.versions import installed_versions
from napari_eldyn.viewer.layers import layer_trajectory, shows_density
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.panel_kinds import DENSITIES, PANELS
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.shelf import ShelvedRollout
from napari_eldyn.viewer.statistics_arrays import pack_statistics
from napari_eldyn.viewer.structure_layers import structure_part
from napari_eldyn.viewer.workspace_docks import docks_of
from napari_eldyn.viewer.workspace_looks import look_of, view_of
from napari_eldyn.viewer.workspace_record import (
    FileRecord,
    LayerRecord,
    ModelRecord,
    RolloutRecord,
    SettingsRecord,
    StatisticsRecord,
    TrajectoryRecord,
    WorkspaceRecord,
)

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.viewer.controller import RolloutController

__all__ = ["capture_workspace"]

Arrays = dict[str, npt.NDArray[Any]]


def capture_workspace(
    viewer: Viewer, control: RolloutController, folder: Path
) -> tuple[WorkspaceRecord, Arrays]:
    """Take the session of a window.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    control : RolloutController
        Its controller.
    folder : Path
        Where the session will lie: files below it are recorded relative to it.

    Raises
    ------
    EldynError
        If a trajectory that rollouts belong to is in memory only.
    """
    arrays: Arrays = {}
    rollouts = _rollouts(control)
    density_layers = [layer for layer in viewer.layers if layer_trajectory(layer) is not None]
    trajectories = _trajectories(density_layers, rollouts)
    others = [x.name for x in viewer.layers if not shows_density(x) and not structure_part(x)]
    saved_layers, layers = [], []
    for layer in density_layers:
        trajectory = layer_trajectory(layer)
        if trajectory in trajectories:
            saved_layers.append(layer)
            layers.append(_layer_record(layer, trajectories.index(trajectory), control))
        else:
            others.append(layer.name)
    models = list(control.models)
    panels = control.panels
    current = control.shelf.current
    record = WorkspaceRecord(
        versions=installed_versions("napari-eldyn", "napari", "numpy", "torch"),
        theme=str(viewer.theme),
        trajectories=[
            _trajectory_record(number, trajectory, folder, control, arrays)
            for number, trajectory in enumerate(trajectories)
        ],
        layers=layers,
        reference=_place(control.reference_layer, saved_layers),
        models=[_model_record(model, folder) for model in models],
        model=_place(control.model, models),
        settings=_settings_record(control.settings),
        rollouts=[
            _rollout_record(number, rollout, models, trajectories, arrays)
            for number, rollout in enumerate(rollouts)
        ],
        has_current=current is not None and current in rollouts,
        panels=[name for name in PANELS if panels.is_shown(name)],
        looks={
            name: look_of(layer) for name, layer in panels.layers.items() if name not in DENSITIES
        },
        offset=panels.offset,
        member=panels.member,
        view=view_of(viewer),
        docks=docks_of(viewer),
        others=others,
    )
    return record, arrays


def _rollouts(control: RolloutController) -> list[ShelvedRollout]:
    current, kept = control.shelf.current, control.shelf.kept
    first = [] if current is None or current.session.n_generated == 0 else [current]
    return [*first, *(rollout for rollout in kept if rollout not in first)]


def _trajectories(layers: list[Any], rollouts: list[ShelvedRollout]) -> list[DensityTrajectory]:
    """List the trajectories with a file, each once."""
    needed = [rollout.session.pairing.trajectory for rollout in rollouts]
    for trajectory in needed:
        if trajectory.path is None:
            raise EldynError(
                f"the trajectory {trajectory.name} is in memory only, and a session refers to "
                "trajectories by their files",
                remedy="Save it as an .eldyn trajectory first, and open that.",
            )
    shown = [layer_trajectory(layer) for layer in layers]
    every = [x for x in (*shown, *needed) if x is not None and x.path is not None]
    return list(dict.fromkeys(every))


def _trajectory_record(
    number: int,
    trajectory: DensityTrajectory,
    folder: Path,
    control: RolloutController,
    arrays: Arrays,
) -> TrajectoryRecord:
    path = trajectory.path
    assert path is not None
    return TrajectoryRecord(
        file=FileRecord.of(path, folder),
        fingerprint=trajectory_fingerprint(trajectory),
        points=trajectory.grid.shape,
        n_frames=len(trajectory),
        statistics=_statistics_record(number, trajectory, control, arrays),
        channel=trajectory.channel if isinstance(trajectory, ChannelTrajectory) else None,
    )


def _statistics_record(
    number: int, trajectory: DensityTrajectory, control: RolloutController, arrays: Arrays
) -> StatisticsRecord | None:
    settings = control.counted_with.get(trajectory)
    if settings is None:
        return None
    known = control.reference_statistics(trajectory)
    if known is not None and known.settings is not settings:
        known = None
    arrays[f"trajectories/{number}/edges"] = settings.edges
    if known is not None:
        arrays[f"trajectories/{number}/mean_density"] = known.mean_density
        arrays[f"trajectories/{number}/steps"] = known.steps
        for name, array in pack_statistics(known.frames).items():
            arrays[f"trajectories/{number}/statistics/{name}"] = array
    return StatisticsRecord(
        normalisation=settings.normalisation,
        measured=known is not None,
        first=0 if known is None else known.first,
        lag=1 if known is None else known.lag,
    )


def _layer_record(layer: Any, trajectory: int, control: RolloutController) -> LayerRecord:
    look = look_of(layer)
    name = layer.name
    if control.comparison is not None and layer is control.reference_layer:
        # It is lent to the panels, which say whether it is shown, and name it.
        found = layer_trajectory(layer)
        name = name if found is None else found.name
        look = look.model_copy(update={"visible": True})
    return LayerRecord(name=name, trajectory=trajectory, look=look)


def _model_record(model: LoadedModel, folder: Path) -> ModelRecord:
    emulator = model.emulator
    if emulator.sha256 is None:
        raise EldynError(
            f"the model {emulator.name} is in memory only", remedy="Save it to a file first."
        )
    return ModelRecord(
        name=emulator.name,
        file=FileRecord.of(model.path, folder),
        sha256=emulator.sha256,
        device=str(emulator.device),
    )


def _settings_record(settings: RolloutSettings) -> SettingsRecord:
    return SettingsRecord.model_validate(asdict(settings))


def _rollout_record(
    number: int,
    rollout: ShelvedRollout,
    models: list[LoadedModel],
    trajectories: list[DensityTrajectory],
    arrays: Arrays,
) -> RolloutRecord:
    session = rollout.session
    # While it runs, frames may come between the two: statistics are never ahead of latents.
    statistics = list(session.statistics)
    latents = np.array(session.rollout.latents)
    arrays[f"rollouts/{number}/latents"] = latents
    for name, array in pack_statistics(statistics).items():
        arrays[f"rollouts/{number}/statistics/{name}"] = array
    return RolloutRecord(
        model=models.index(session.model),
        trajectory=trajectories.index(session.pairing.trajectory),
        settings=_settings_record(session.settings),
        origin=session.rollout.origin.model_dump(mode="json"),
        n_frames=len(latents),
        colour=rollout.colour,
        visible=rollout.visible,
        is_kept=rollout.is_kept,
    )


def _place(item: object, items: list[Any]) -> int | None:
    return next((place for place, other in enumerate(items) if other is item), None)
