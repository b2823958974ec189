"""What is judged and against what: opened and matched before any work begins."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_eldyn.config import parse_config
from napari_eldyn.density import DensityTrajectory, LogNormalisation
from napari_eldyn.evaluation.logs import TrainingLog, read_training_log
from napari_eldyn.evaluation.trained_on import TrainingSource, open_training
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.transfer import check_multiple

if TYPE_CHECKING:
    from napari_eldyn.emulator import Emulator

__all__ = ["Candidate", "Inputs", "Start", "open_inputs", "open_runs"]

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Start:
    """Where a rollout started, as seen from the reference.

    Parameters
    ----------
    frame : int
        Frame of the reference that the level *persistence* repeats.
    in_reference : bool
        Whether the rollout is a forecast from that frame.
    source : str
        How this is known.
    """

    frame: int
    in_reference: bool
    source: str


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trajectory to be judged.

    Parameters
    ----------
    name : str
        In tables and legends.
    trajectory : DensityTrajectory
        Its frames.
    start : Start
        Where it started.
    model : Emulator or None
        What made it, if given.
    """

    name: str
    trajectory: DensityTrajectory
    start: Start
    model: Emulator | None

    @property
    def start_time(self) -> float:
        """Time of the start on the candidate's own axis, fs."""
        recorded = _recorded_start(self.trajectory.provenance)
        if recorded is not None and recorded[2] < self.trajectory.times[0]:
            return recorded[2]
        return float(self.trajectory.times[0])

    @property
    def normalisation(self) -> LogNormalisation | None:
        """The model's normalisation, as the rollout records it."""
        recorded = self.trajectory.provenance.get("normalisation")
        if recorded is None:
            return None
        if not isinstance(recorded, Mapping):
            raise EldynError("the recorded normalisation is damaged", path=self.trajectory.path)
        return parse_config(LogNormalisation, recorded, path=self.trajectory.path)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything an evaluation is made from.

    Parameters
    ----------
    candidates : tuple of Candidate
        At least one, of different names.
    reference : DensityTrajectory
        What they are compared with.
    transfers : tuple of Candidate
        Trajectories in a cell that is several of the reference's.
    training : tuple of TrainingSource
        The frames that the models were trained on.
    runs : mapping of str to TrainingLog
        Logs of training runs by name.
    """

    candidates: tuple[Candidate, ...]
    reference: DensityTrajectory
    transfers: tuple[Candidate, ...] = ()
    training: tuple[TrainingSource, ...] = ()
    runs: Mapping[str, TrainingLog] = field(default_factory=dict)

    @property
    def comparable_training(self) -> tuple[DensityTrajectory, ...]:
        """Training frames on the grid and in the cell of the reference."""
        return tuple(one.trajectory for one in self.training if one.left_out is None)


def open_inputs(
    rollouts: Sequence[str],
    reference: Path,
    *,
    models: Sequence[Path] = (),
    transfers: Sequence[str] = (),
    training: Sequence[Path] = (),
    training_frames: Sequence[str] = (),
    runs: Sequence[str] = (),
    start_frame: int | None = None,
    device: str = "cpu",
) -> Inputs:
    """Open and match the inputs of an evaluation.

    Parameters
    ----------
    rollouts : sequence of str
        ``PATH`` or ``NAME=PATH`` of each trajectory to be judged.
    reference : Path
        The trajectory to compare with.
    models : sequence of Path
        Models of the rollouts, matched by the hash that rollouts record.
    transfers : sequence of str
        ``PATH`` or ``NAME=PATH`` of each trajectory in a larger cell: whole multiples of the
        reference's cell vectors with as many times the points.
    training : sequence of Path
        The trajectories that the models were trained on.
    training_frames : sequence of str
        ``A:B`` for each of them: the frames that were used; empty for all.
    runs : sequence of str
        ``DIR`` or ``NAME=DIR`` of each training run.
    start_frame : int, optional
        Frame of the reference from which all rollouts started, where they do not record it.
    device : str
        Where models run: ``auto``, ``cpu``, ``cuda``, …

    Returns
    -------
    Inputs
        Ready for `evaluate`.

    Raises
    ------
    EldynError
        If something cannot be opened, names clash, a model made none of the rollouts, the cell
        of a transfer is no multiple of the reference's, or the start frame does not exist.
    """
    named = _named(rollouts, "rollout")
    larger = _named(transfers, "rollout", named)
    truth = DensityTrajectory.open(reference)
    opened = {name: DensityTrajectory.open(path) for name, path in (named | larger).items()}
    for name in larger:
        check_multiple(opened[name], truth)
    matched = _matched_models(models, opened, truth, device)

    def candidate(name: str) -> Candidate:
        start = _start(opened[name], truth, None if name in larger else start_frame)
        return Candidate(name, opened[name], start, matched.get(name))

    return Inputs(
        candidates=tuple(candidate(name) for name in named),
        reference=truth,
        transfers=tuple(candidate(name) for name in larger),
        training=open_training(training, training_frames, truth),
        runs=open_runs(runs),
    )


def open_runs(runs: Sequence[str]) -> dict[str, TrainingLog]:
    """Read the logs of training runs, ``DIR`` or ``NAME=DIR`` each.

    Raises
    ------
    EldynError
        If names clash or a log cannot be read.
    """
    return {name: read_training_log(path) for name, path in _named(runs, "run").items()}


def _named(given: Sequence[str], what: str, taken: Container[str] = ()) -> dict[str, Path]:
    """Split NAME=PATH; the default name is the path's last part without ending."""
    result: dict[str, Path] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if equals and not Path(text).exists():
            path = Path(rest)
            if not name.strip() or not rest:
                raise EldynError(f"'{text}' is not of the form NAME=PATH")
        else:
            path = Path(text)
            name = path.resolve().name.removesuffix(".eldyn")
            if len(name) > _LONGEST_NAME:
                name = name[: _LONGEST_NAME - 1] + "…"
        name = name.strip()
        if len(name) > _LONGEST_NAME:
            raise EldynError(
                f"the name '{name}' has {len(name)} characters; legends hold {_LONGEST_NAME}",
                path=path,
                remedy="Choose a shorter NAME.",
            )
        if name in result or name in taken:
            raise EldynError(
                f"two {what}s are called '{name}'",
                path=path,
                remedy="Tell them apart with NAME=PATH.",
            )
        if name == "reference":
            raise EldynError(
                f"a {what} cannot be called 'reference'", path=path, remedy="Use NAME=PATH."
            )
        result[name] = path
    return result


def _matched_models(
    paths: Sequence[Path],
    trajectories: Mapping[str, DensityTrajectory],
    reference: DensityTrajectory,
    device: str,
) -> dict[str, Emulator]:
    from napari_eldyn.emulator import Emulator

    made_by = {
        name: trajectory.provenance.get("model_sha256") for name, trajectory in trajectories.items()
    }
    result: dict[str, Emulator] = {}
    for path in paths:
        model = Emulator.load(path, device)
        mine = [name for name, sha256 in made_by.items() if sha256 == model.sha256]
        if not mine:
            known = "; ".join(
                f"{name} was made by "
                + (f"the model of sha256 {str(sha256)[:12]}" if sha256 else "no known model")
                for name, sha256 in made_by.items()
            )
            raise EldynError(
                f"this model made none of the rollouts: {known}",
                path=path,
                remedy="Give the model that made a rollout, or leave --model out.",
            )
        # Encoded, decoded and forecast are frames of the reference, also for other cells.
        result |= dict.fromkeys(mine, model.for_trajectory(reference))
    return result


def _start(
    generated: DensityTrajectory, reference: DensityTrajectory, start_frame: int | None
) -> Start:
    if start_frame is not None:
        if not -len(reference) <= start_frame < len(reference):
            raise EldynError(
                f"--start-frame {start_frame} does not exist: the trajectory has "
                f"{len(reference)} frames",
                path=reference.path,
            )
        return Start(start_frame % len(reference), True, "given by --start-frame")
    recorded = _recorded_start(generated.provenance)
    if recorded is None:
        return Start(0, False, "no start is recorded in the generated trajectory")
    name, frame, time = recorded
    if (
        reference.path is not None
        and name == reference.path.name
        and 0 <= frame < len(reference)
        and abs(reference.times[frame] - time) < 1e-3
    ):
        return Start(frame, True, "recorded in the rollout")
    return Start(0, False, f"the rollout started elsewhere (frame {frame} of {name})")


def _recorded_start(provenance: Mapping[str, Any]) -> tuple[str, int, float] | None:
    """File name, frame and time [fs] of a rollout's start, if they are recorded."""
    start = provenance.get("start")
    if not isinstance(start, Mapping):
        return None
    try:
        return str(start["trajectory"]), int(start["frame"]), float(start["time_fs"])
    except (KeyError, TypeError, ValueError):
        return None
