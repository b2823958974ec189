"""The trajectories that models were trained on, as far as they can be compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["TrainingSource", "open_training"]


@dataclass(frozen=True, eq=False)
class TrainingSource:
    """Training frames of one trajectory.

    Parameters
    ----------
    name : str
        Of its file; two of one name are numbered.
    trajectory : DensityTrajectory
        The frames that were used.
    frames : str
        Which of the file's frames these are, as given, or ``all``.
    left_out : str or None
        Why they are not compared with generated frames; None where they are.
    """

    name: str
    trajectory: DensityTrajectory
    frames: str
    left_out: str | None


def open_training(
    paths: Sequence[Path], frames: Sequence[str], reference: DensityTrajectory
) -> tuple[TrainingSource, ...]:
    """Open training trajectories.

    Parameters
    ----------
    paths : sequence of Path
        The trajectories.
    frames : sequence of str
        ``A:B`` for each of them in the same order, or nothing for all frames of all.
    reference : DensityTrajectory
        Frames on another grid or in another cell than its are not compared.

    Returns
    -------
    tuple of TrainingSource
        In the order given.

    Raises
    ------
    EldynError
        If a trajectory cannot be opened, ranges and trajectories do not match in number, or a
        range is not of the form A:B or selects no frame.
    """
    if frames and not paths:
        raise EldynError("--training-frames needs --training", remedy="Give the trajectory, too.")
    if frames and len(frames) != len(paths):
        raise EldynError(
            f"there are {len(frames)} --training-frames for {len(paths)} --training",
            remedy="Give one for each, in the same order; ':' stands for all frames.",
        )
    sources: list[TrainingSource] = []
    for number, path in enumerate(paths):
        trajectory = DensityTrajectory.open(path)
        asked = frames[number] if frames else "all"
        if frames:
            trajectory = trajectory[_range(asked)]
        if len(trajectory) == 0:
            raise EldynError(f"--training-frames {asked} selects no frame", path=path)
        reason = None
        if trajectory.grid.shape != reference.grid.shape:
            reason = "lies on another grid than the reference"
        elif not trajectory.grid.matches(reference.grid):
            reason = "lies in another cell than the reference"
        taken = {source.name for source in sources}
        name = trajectory.name
        if name in taken:
            name = f"{name} ({number + 1})"
        sources.append(TrainingSource(name, trajectory, asked, reason))
    return tuple(sources)


def _range(text: str) -> slice:
    found = re.fullmatch(r"(-?\d+)?:(-?\d+)?", text.strip())
    if found is None:
        raise EldynError(
            f"--training-frames '{text}' is not of the form A:B",
            remedy="For instance :140 for the first 140 frames.",
        )
    return slice(*(None if part is None else int(part) for part in found.groups()))
