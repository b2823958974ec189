"""Find the models and trajectories that stored rollouts and sessions name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from napari_eldyn.density.formats import open_any
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.models import LoadedModel, load_model
from napari_eldyn.viewer.opening_answers import known_answers
from napari_eldyn.viewer.samples import sample_models, sample_trajectory

__all__ = ["Located", "MissingPartError", "find_model", "find_trajectory"]

Located = Mapping[str, Path]
"""Where the user says that parts are, by the part's key."""


class MissingPartError(EldynError):
    """A file that something stored refers to is not where it was.

    Parameters
    ----------
    part : "model" or "trajectory"
        What is missing.
    key : str
        Names the part; to be given back with its place in a `Located`.
    problem : str
        What is missing, and what was looked for.
    path : path-like
        What refers to it.
    """

    def __init__(
        self, part: Literal["model", "trajectory"], key: str, problem: str, path: Path
    ) -> None:
        super().__init__(
            problem, path=path, remedy=f"Say where the {part} is, or open it first and try again."
        )
        self.part = part
        self.key = key


def find_model(
    name: str,
    sha256: str | None,
    *,
    asked_by: Path,
    device: str = "auto",
    loaded: Iterable[LoadedModel] = (),
    places: Iterable[Path] = (),
    located: Located | None = None,
) -> LoadedModel:
    """Find and load the model with a hash.

    Parameters
    ----------
    name : str
        Its name, for messages.
    sha256 : str or None
        Hash of its file.
    asked_by : Path
        What refers to it; models beside it are looked at.
    device : str
        Where it shall run if it is not loaded yet.
    loaded : iterable of LoadedModel
        Models in memory, the first choice.
    places : iterable of Path
        Files to look at before the sample models.
    located : Located, optional
        The user's own answer.

    Raises
    ------
    MissingPartError
        If it is nowhere.
    EldynError
        If its file is damaged, or the file that the user named is another model.
    """
    for model in loaded:
        if sha256 is not None and model.emulator.sha256 == sha256:
            return model
    key = f"model {sha256}"
    answer = (located or {}).get(key)
    if answer is not None:
        if _hash_of(answer) != sha256:
            raise EldynError(
                f"this is not the model {name}, whose sha256 begins with {_short(sha256)}",
                path=answer,
                remedy="Choose the file that the rollout was made with.",
            )
        return load_model(answer, device)
    beside = sorted(asked_by.parent.glob("*.safetensors"))
    for place in dict.fromkeys([*places, *sample_models(), *beside]):
        if sha256 is not None and place.is_file() and _hash_of(place) == sha256:
            return load_model(place, device)
    raise MissingPartError(
        "model",
        key,
        f"it was made with the model {name} (sha256 {_short(sha256)} …), which is neither loaded "
        "nor a sample model nor beside this file",
        asked_by,
    )


def find_trajectory(
    name: str,
    fits: Callable[[DensityTrajectory], bool],
    *,
    asked_by: Path,
    opened: Iterable[DensityTrajectory] = (),
    places: Iterable[Path] = (),
    located: Located | None = None,
) -> DensityTrajectory:
    """Find and open a trajectory.

    Parameters
    ----------
    name : str
        Name of its file, without the folder.
    fits : callable
        Whether a trajectory is the one.
    asked_by : Path
        What refers to it; a file of that name beside it is looked at.
    opened : iterable of DensityTrajectory
        Those that are open, the first choice.
    places : iterable of Path
        Files to look at before the sample trajectory.
    located : Located, optional
        The user's own answer.

    Raises
    ------
    MissingPartError
        If it is nowhere.
    EldynError
        If a file cannot be read, or the one that the user named is another trajectory.
    """
    key = f"trajectory {name}"
    answer = (located or {}).get(key)
    if answer is not None:
        trajectory = open_any(answer, known_answers(answer))
        if not fits(trajectory):
            raise EldynError(
                f"this is not the trajectory {name}: its grid or its times are others",
                path=answer,
                remedy="Choose the trajectory that the rollout started from.",
            )
        return trajectory
    for trajectory in opened:
        if file_name(trajectory) == name and fits(trajectory):
            return trajectory
    for place in dict.fromkeys([*places, asked_by.parent / name, *_sample(name)]):
        if place.exists() and place.resolve() != asked_by.resolve():
            trajectory = open_any(place, known_answers(place))
            if fits(trajectory):
                return trajectory
    raise MissingPartError(
        "trajectory", key, f"it belongs to the trajectory {name}, which cannot be found", asked_by
    )


def file_name(trajectory: DensityTrajectory) -> str:
    """Name of a trajectory's file, as rollouts record it."""
    return trajectory.name if trajectory.path is None else trajectory.path.name


def _sample(name: str) -> list[Path]:
    try:
        sample = sample_trajectory()
    except EldynError:
        return []
    return [sample] if sample.name == name else []


def _hash_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EldynError(f"it cannot be read ({error.strerror})", path=path) from error


def _short(sha256: str | None) -> str:
    return "not recorded" if sha256 is None else sha256[:12]
