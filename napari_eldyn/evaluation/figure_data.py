"""Collect what the paper's figures are drawn from; the drawing is in ``figures``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density import DensityTrajectory, LogNormalisation
from napari_eldyn.density.fingerprint import trajectory_fingerprint
from napari_eldyn.density.trajectory import check_frame
from napari_eldyn.evaluation.inputs import Candidate
from napari_eldyn.evaluation.logs import TrainingLog
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.evaluation.trained import measure_training
from napari_eldyn.evaluation.trained_on import TrainingSource
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.fig2 import Fig2Data
from napari_eldyn.figures.fig3 import Fig3Data, fig3_data
from napari_eldyn.figures.training_figures import (
    FigS1Data,
    FigS2Data,
    TrainingCurve,
    figs1_data,
)
from napari_eldyn.observables.levels import levels_from_statistics
from napari_eldyn.observables.statistics import default_settings
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

__all__ = [
    "collect_fig2",
    "collect_fig3",
    "collect_figs1",
    "collect_figs2",
    "describe_sources",
    "frame_at",
    "shared_times",
    "start_times",
]

Report = Callable[[int, int], None]

TIMES = 5
"""Columns of Fig. 2, if no times are asked for."""


def start_times(
    candidates: Sequence[Candidate], reference: DensityTrajectory
) -> dict[str, tuple[DensityTrajectory, float]]:
    """Return each trajectory with the time of its start [fs], by name, the reference first."""
    frame = candidates[0].start.frame if candidates else 0
    clocks = {"reference": (reference, float(reference.times[frame]))}
    return clocks | {one.name: (one.trajectory, one.start_time) for one in candidates}


def shared_times(
    candidates: Sequence[Candidate], reference: DensityTrajectory, count: int = TIMES
) -> tuple[float, ...]:
    """Choose times since the start [fs], evenly spread over what all trajectories reach.

    Parameters
    ----------
    candidates : sequence of Candidate
        The rollouts; their frames are the times to choose from.
    reference : DensityTrajectory
        Its frames are, if there is no rollout.
    count : int
        How many at most.
    """
    clocks = start_times(candidates, reference)
    last = min(float(t.times[-1]) - start for t, start in clocks.values())
    trajectory, start = clocks[candidates[0].name] if candidates else clocks["reference"]
    elapsed = np.asarray(trajectory.times) - start
    within = elapsed[(elapsed <= last + 1e-6) & (elapsed >= -1e-6)]
    shown = within if len(within) else elapsed[:1]
    chosen = np.unique(np.linspace(0, len(shown) - 1, count).round().astype(int))
    return tuple(float(shown[i]) for i in chosen)


def frame_at(trajectory: DensityTrajectory, time: float) -> int | None:
    """Return the index of the frame at a time [fs], None where there is none."""
    times = np.asarray(trajectory.times)
    if not len(times):
        return None
    index = int(np.argmin(np.abs(times - time)))
    steps = np.diff(times)
    tolerance = 0.51 * float(steps.min()) if len(steps) else 1e-3
    return index if abs(times[index] - time) <= tolerance else None


def collect_fig2(
    candidates: Sequence[Candidate],
    reference: DensityTrajectory,
    normalisation: LogNormalisation,
    times: Sequence[float] | None = None,
    report: Report | None = None,
) -> Fig2Data:
    """Take the mid-plane across the first cell vector of each trajectory at the same times.

    Parameters
    ----------
    candidates : sequence of Candidate
        The rollouts.
    reference : DensityTrajectory
        The first row.
    normalisation : LogNormalisation
        Gives ρ̃.
    times : sequence of float, optional
        Since the start, fs. Default: five that all trajectories have.
    report : callable, optional
        Called with (frames read, in all); what it raises ends the work.

    Raises
    ------
    EldynError
        If grids differ, no trajectory has a frame at a time, or a frame is not finite.
    """
    clocks = start_times(candidates, reference)
    leads = tuple(times) if times else shared_times(candidates, reference)
    shape = reference.grid.shape
    planes = np.full((len(clocks), len(leads), *shape[1:]), np.nan, dtype=np.float32)
    for i, (name, (trajectory, start)) in enumerate(clocks.items()):
        if not trajectory.grid.matches(reference.grid):
            raise EldynError(
                f"“{name}” lies on another grid or in another cell than the reference",
                path=trajectory.path,
                remedy="Choose rollouts in the cell of the reference.",
            )
        for j, lead in enumerate(leads):
            index = frame_at(trajectory, start + lead)
            if index is not None:
                density = trajectory[index]
                check_frame(density, trajectory.path, index)
                planes[i, j] = normalisation.normalise(density)[0][shape[0] // 2]
            if report is not None:
                report(i * len(leads) + j + 1, len(clocks) * len(leads))
    there = np.asarray(np.isfinite(planes).any(axis=(0, 2, 3)), dtype=np.bool_)
    _refuse_empty_times(there, leads, clocks)
    b, c = reference.grid.cell[1], reference.grid.cell[2]
    horizontal = b / np.linalg.norm(b)
    along = float(c @ horizontal)
    return Fig2Data(
        names=tuple(clocks),
        times=leads,
        planes=planes,
        vectors=(
            (float(np.linalg.norm(b)), 0.0),
            (along, float(np.linalg.norm(c - along * horizontal))),
        ),
    )


def _refuse_empty_times(
    there: NDArray[np.bool_],
    leads: Sequence[float],
    clocks: Mapping[str, tuple[DensityTrajectory, float]],
) -> None:
    missing = [f"{lead:g}" for lead, known in zip(leads, there, strict=True) if not known]
    if missing:
        spans = ", ".join(
            f"{name} {float(t.times[0]) - start:g} to {float(t.times[-1]) - start:g} fs"
            for name, (t, start) in clocks.items()
        )
        raise EldynError(
            f"no trajectory has a frame {', '.join(missing)} fs after the start ({spans})",
            remedy="Choose times at which there are frames.",
        )


def collect_fig3(
    candidates: Sequence[Candidate],
    reference: DensityTrajectory,
    normalisation: LogNormalisation,
    stages: Stages,
) -> Fig3Data:
    """Count values and S(q) of all frames of the reference and of each rollout.

    Parameters
    ----------
    candidates : sequence of Candidate
        The rollouts.
    reference : DensityTrajectory
        At least four frames.
    normalisation : LogNormalisation
        Gives ρ̃.
    stages : Stages
        Shows progress.

    Raises
    ------
    EldynError
        If grids differ, the reference is too short, or a frame is not finite.
    """
    settings = default_settings(reference, normalisation)
    with stages.stage("reference frames") as report:
        measured = trajectory_statistics(reference, settings, report)
    levels = levels_from_statistics(measured, measured[0], 0)
    pooled = {}
    for one in candidates:
        with stages.stage(f"frames of {one.name}") as report:
            pooled[one.name] = trajectory_statistics(one.trajectory, settings, report).pooled
    return fig3_data(levels.reference, pooled, levels)


def collect_figs1(
    training: Sequence[TrainingSource], reference: DensityTrajectory | None, stages: Stages
) -> FigS1Data:
    """Count the values of the training frames, or of the reference if none are given.

    Parameters
    ----------
    training : sequence of TrainingSource
        What models were trained on.
    reference : DensityTrajectory or None
        Used if there are no training frames; the legend says so.
    stages : Stages
        Shows progress.

    Raises
    ------
    EldynError
        If there is neither, a frame is not finite, or all values are the same.
    """
    sources, what = list(training), "training frames"
    if not sources and reference is not None:
        sources, what = [TrainingSource(reference.name, reference, "all", None)], "reference frames"
    if not sources:
        raise EldynError(
            "there are no frames for Fig. S1", remedy="Give training frames or a reference."
        )
    counted = measure_training(sources, stages)
    return figs1_data(counted.pooled, f"{counted.n_frames} {what}")


def collect_figs2(
    runs: Mapping[str, TrainingLog], cards: Mapping[str, Mapping[str, Any]]
) -> FigS2Data:
    """Take the autoencoder's training curve from logs of runs, else from model cards.

    Parameters
    ----------
    runs : mapping of str to TrainingLog
        By name.
    cards : mapping of str to mapping
        What model files record of themselves, by name; looked at if there is no run.

    Raises
    ------
    EldynError
        If neither has a curve; says what the cards have instead.
    """
    if runs:
        return FigS2Data(
            curves=tuple(
                TrainingCurve(name=name, steps=log.steps, values=log.mse, source="log")
                for name, log in runs.items()
            ),
            quantity="mse",
        )
    curves, others = [], []
    for name, card in cards.items():
        history = card.get("losses", {}).get("history", {})
        curve = history.get("training, training", {})  # the stage that trains the autoencoder
        steps, values = curve.get("step"), curve.get("loss")
        if steps and values and len(steps) == len(values):
            curves.append(
                TrainingCurve(
                    name=name,
                    steps=np.array(steps, dtype=np.int64),
                    values=np.array(values, dtype=np.float64),
                    source="model card",
                )
            )
        else:
            stages = ", ".join(sorted({key.split(",")[0] for key in history}))
            others.append(
                f"the card of “{name}” has "
                + (f"only the curve of the denoiser ({stages})" if stages else "no curve")
            )
    if not curves:
        raise EldynError(
            "there is no training curve of an autoencoder for Fig. S2: "
            + ("; ".join(others) if others else "neither a training run nor a model is given"),
            remedy="Give the folder that eldyn-train fit wrote (--training RUN).",
        )
    return FigS2Data(curves=tuple(curves), quantity="objective")


def describe_sources(
    candidates: Sequence[Candidate],
    reference: DensityTrajectory | None,
    *,
    normalisation: LogNormalisation | None = None,
    cards: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """Say what a figure was made from, as JSON values without folders of this machine.

    Parameters
    ----------
    candidates : sequence of Candidate
        The rollouts: model hash, seed, sampler, evaluations, start.
    reference : DensityTrajectory or None
        Name, length, fingerprint.
    normalisation : LogNormalisation, optional
        That of ρ̃.
    cards : mapping of str to str, optional
        Hashes of further model files, by name.
    """
    story: dict[str, Any] = {
        "rollouts": {
            one.name: {
                "file": None if one.trajectory.path is None else one.trajectory.path.name,
                "n_frames": len(one.trajectory),
                "recorded": {
                    key: value
                    for key, value in one.trajectory.provenance.items()
                    if key not in ("start_latent", "normalisation", "conversions")
                },
            }
            for one in candidates
        }
    }
    if reference is not None:
        story["reference"] = {
            "file": reference.name if reference.path is None else reference.path.name,
            "n_frames": len(reference),
            "kind": reference.kind,
            "sha256": trajectory_fingerprint(reference),
        }
    if normalisation is not None:
        story["normalisation"] = {"mean": normalisation.mean, "std": normalisation.std}
    if cards:
        story["models"] = dict(cards)
    return story
