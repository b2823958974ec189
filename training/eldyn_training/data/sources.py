"""Open what the command line names: trajectories, and campaigns of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eldyn_training.campaign.manifest import MANIFEST, read_manifest
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["open_data"]


def open_data(paths: Sequence[str | Path], say: Callable[[str], None]) -> list[DensityTrajectory]:
    """Open trajectories, and the finished ones of campaigns.

    Parameters
    ----------
    paths : sequence of path-like
        Trajectories of any format, and directories of campaigns.
    say : callable
        Told, a line each, which trajectories of campaigns are left out.

    Returns
    -------
    list of DensityTrajectory
        In the order given.

    Raises
    ------
    EldynError
        If one cannot be opened, or a campaign has no finished trajectory.
    """
    trajectories: list[DensityTrajectory] = []
    for path in map(Path, paths):
        if not (path / MANIFEST).is_file():
            trajectories.append(DensityTrajectory.open(path))
            continue
        manifest = read_manifest(path)
        left_out = [
            f"{record.name} ({record.status}, {record.frames} of {record.frames_wanted} frames)"
            for record in manifest.trajectories
            if record.status != "finished"
        ]
        if not manifest.finished:
            raise EldynError(
                "no trajectory of this campaign is finished: " + ", ".join(left_out),
                path=path,
                remedy="Go on with eldyn-train campaign, or give the stores one by one.",
            )
        trajectories += [
            DensityTrajectory.open(path / record.store) for record in manifest.finished
        ]
        if left_out:
            say(
                f"{path}: {len(manifest.finished)} of {len(manifest.trajectories)} trajectories "
                f"are finished and used; left out: {', '.join(left_out)}"
            )
    return trajectories
