"""Stored rollouts, taken up again beside the trajectory that they started from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_eldyn.config import parse_config
from napari_eldyn.density import open_store
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.statistics import StatisticsSettings
from napari_eldyn.viewer.finding import Located, find_model, find_trajectory
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.session import Session

if TYPE_CHECKING:
    from napari_eldyn.emulator.rollout_origin import RolloutOrigin

__all__ = ["fits_origin", "is_rollout", "open_stored_rollout", "settings_from"]


def is_rollout(trajectory: DensityTrajectory) -> bool:
    """Whether a trajectory is a stored rollout, which can be taken up."""
    return trajectory.path is not None and "latents" in trajectory.extra


def settings_from(origin: RolloutOrigin, n_frames: int) -> RolloutSettings:
    """Return the settings that a rollout was made with.

    Parameters
    ----------
    origin : RolloutOrigin
        What is stored of it.
    n_frames : int
        Frames that Run shall generate.
    """
    return RolloutSettings(
        start_frame=origin.start.frame,
        sampler=origin.sampler,
        evaluations=origin.evaluations,
        n_frames=n_frames,
        seed=origin.seed,
    )


def fits_origin(trajectory: DensityTrajectory, origin: RolloutOrigin) -> bool:
    """Whether a trajectory has the frame that a rollout started from, on the same grid."""
    start, grid = origin.start, origin.grid
    if start.frame >= len(trajectory):
        return False
    same_time = bool(np.isclose(trajectory.times[start.frame], start.time_fs, atol=1e-6))
    return same_time and (
        grid is None
        or (
            tuple(grid.points) == trajectory.grid.shape
            and np.allclose(grid.cell, trajectory.grid.cell, atol=1e-6)
        )
    )


def open_stored_rollout(
    path: Path,
    n_frames: int,
    *,
    device: str = "auto",
    loaded: Iterable[LoadedModel] = (),
    opened: Iterable[DensityTrajectory] = (),
    counted_with: dict[DensityTrajectory, StatisticsSettings] | None = None,
    located: Located | None = None,
) -> Session:
    """Open a stored rollout with its model and the trajectory that it started from.

    Parameters
    ----------
    path : Path
        An ``.eldyn`` store that holds latents.
    n_frames : int
        Frames that Run shall generate.
    device : str
        Where the model shall run if it is not loaded.
    loaded, opened : iterable
        Models and trajectories at hand.
    counted_with : dict, optional
        Bins and shells of trajectories that were counted before.
    located : Located, optional
        Where the user says that missing parts are.

    Raises
    ------
    MissingPartError
        If model or trajectory cannot be found.
    EldynError
        If the file is not a whole rollout.
    """
    from napari_eldyn.emulator.rollout import Rollout, RolloutOrigin

    stored = open_store(path)
    if "latents" not in stored.extra:
        raise EldynError(
            "this is not a rollout: it holds no latents",
            path=path,
            remedy="Open it as a trajectory (File > Open), or give a file saved by the Rollout "
            "dock or written by eldyn rollout.",
        )
    recorded = {k: v for k, v in stored.provenance.items() if k != "conversions"}
    origin = parse_config(RolloutOrigin, recorded, path=path)
    trajectory = find_trajectory(
        origin.start.trajectory,
        lambda candidate: fits_origin(candidate, origin),
        asked_by=path,
        opened=opened,
        located=located,
    )
    model = find_model(
        origin.model_name,
        origin.model_sha256,
        asked_by=path,
        device=device,
        loaded=loaded,
        located=located,
    )
    rollout = Rollout.resume(path, model.emulator)
    settings = settings_from(origin, n_frames)
    known = (counted_with or {}).get(trajectory)
    return Session(model, trajectory, settings, known, rollout)
