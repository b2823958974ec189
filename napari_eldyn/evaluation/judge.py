"""Judge every rollout: all numbers of an evaluation, and what its figures need."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_eldyn.density import LogNormalisation, fit_normalisation
from napari_eldyn.density.trajectory import NonFiniteFrameError
from napari_eldyn.evaluation.ensembles import EnsembleCache, judge_ensemble
from napari_eldyn.evaluation.inputs import Candidate, Inputs
from napari_eldyn.evaluation.models import assess_model
from napari_eldyn.evaluation.motion import Motion, judge_motion
from napari_eldyn.evaluation.nearness import Nearness, judge_nearness
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.evaluation.targets import targets_of
from napari_eldyn.evaluation.trained import TrainingData, measure_training
from napari_eldyn.evaluation.warnings import warnings_of
from napari_eldyn.observables.comparison import Comparison, compare
from napari_eldyn.observables.metrics import UNITS, describe, plain
from napari_eldyn.observables.statistics import StatisticsSettings, default_settings
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics
from napari_eldyn.observables.transfer import cell_multiples
from napari_eldyn.versions import installed_versions

if TYPE_CHECKING:
    from napari_eldyn.emulator.ensemble_forecast import EnsembleForecast

__all__ = ["FORMAT_VERSION", "Evaluation", "Judged", "choose_normalisation", "evaluate"]

#: Version of the layout of metrics.json. 1 held a single rollout at the top level, 2 a single
#: training trajectory and quarters instead of windows.
FORMAT_VERSION = 3


@dataclass(frozen=True, eq=False)
class Judged:
    """One rollout, judged.

    Parameters
    ----------
    candidate : Candidate
        What was judged.
    comparison : Comparison
        Distribution, S(q), counts, steps, forecast errors.
    ensemble : EnsembleForecast or None
        Of its model.
    """

    candidate: Candidate
    comparison: Comparison
    ensemble: EnsembleForecast | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All numbers, and what figures are drawn from.

    Parameters
    ----------
    inputs : Inputs
        What was judged.
    settings : StatisticsSettings
        Bins and shells.
    judged : mapping of str to Judged
        By name of the rollout.
    transfers : mapping of str to Judged
        Of those in a larger cell, by name.
    motion : Motion
        F(q,t) of the reference and of each rollout, as far as the data allow.
    nearness : Nearness or None
        Distances to training frames.
    training : TrainingData or None
        Distribution of the training frames.
    metrics : dict
        Ready for JSON.
    """

    inputs: Inputs
    settings: StatisticsSettings
    judged: Mapping[str, Judged]
    transfers: Mapping[str, Judged]
    motion: Motion
    nearness: Nearness | None
    training: TrainingData | None
    metrics: dict[str, Any] = field(repr=False)


def evaluate(inputs: Inputs, stages: Stages | None = None) -> Evaluation:
    """Judge rollouts against one reference with the same bins, shells and levels.

    Parameters
    ----------
    inputs : Inputs
        From `open_inputs`.
    stages : Stages, optional
        Shows progress and keeps the time of each stage; an exception raised inside (Ctrl-C)
        ends the evaluation, and nothing has been written.

    Returns
    -------
    Evaluation
        Numbers and curves.

    Raises
    ------
    EldynError
        If grids, cells or kinds differ, the reference is too short, or a frame is not finite.
    """
    stages = stages or Stages(show=False)
    reference = inputs.reference
    normalisation, source = choose_normalisation(inputs, stages)
    settings = default_settings(reference, normalisation)
    judged: dict[str, Judged] = {}
    rollouts: dict[str, dict[str, Any]] = {}
    measured = None
    ensembles: EnsembleCache = {}
    kept: dict[str, Candidate] = {}
    for candidate in inputs.candidates:
        usable, comparison = _compare(candidate, inputs, settings, measured, stages)
        kept[usable.name] = usable
        measured = comparison.reference
        section = _rollout_section(usable, comparison)
        ensemble = None
        if usable.model is not None:
            section["model"] = assess_model(usable.model, usable, reference, settings, stages)
            ensemble, section["ensemble"] = judge_ensemble(
                usable.model, usable, inputs, stages, ensembles
            )
        judged[usable.name] = Judged(usable, comparison, ensemble)
        rollouts[usable.name] = section
    transfers: dict[str, Judged] = {}
    larger: dict[str, dict[str, Any]] = {}
    for candidate in inputs.transfers:
        usable, comparison = _compare(candidate, inputs, settings, measured, stages, transfer=True)
        kept[usable.name] = usable
        transfers[usable.name] = Judged(usable, comparison)
        larger[usable.name] = _transfer_section(usable, comparison, inputs)
    inputs = replace(
        inputs,
        candidates=tuple(kept[one.name] for one in inputs.candidates),
        transfers=tuple(kept[one.name] for one in inputs.transfers),
    )
    motion = judge_motion(inputs, stages)
    nearness = None
    training = None
    if inputs.training:
        training = measure_training(inputs.training, stages)
        nearness = judge_nearness(inputs, settings, stages)
    first = next(iter(judged.values())).comparison.metrics
    metrics: dict[str, Any] = {
        "format": "napari-eldyn metrics",
        "format_version": FORMAT_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **installed_versions("napari-eldyn", "numpy", "scipy", "matplotlib", "torch"),
        },
        "units": dict(UNITS),
        "reference": {
            **describe(reference),
            "electrons": first["electrons"]["reference"],
            "extremes": first["extremes"]["reference"],
        },
        "normalisation": {**normalisation.model_dump(), "source": source},
        "levels": {name: first["levels"][name] for name in ("noise", "mean_field")},
        "rollouts": rollouts,
        "transfers": larger,
        "scattering": motion.metrics,
        "memorisation": None if nearness is None else nearness.metrics,
        "training": None if training is None else training.metrics,
        "runs": {
            name: {
                "directory": str(log.path),
                "n_steps": len(log.steps),
                "last_step": log.steps[-1],
                "final_mse": float(log.mse[-50:].mean()),
                "final_mse_density": float(log.mse_density[-50:].mean()),
                "final_sjsd": float(log.sjsd[-50:].mean()),
                "meaning": "means over the last 50 steps (or fewer)",
            }
            for name, log in inputs.runs.items()
        },
    }
    metrics["warnings"] = warnings_of(inputs, metrics)
    metrics = plain(metrics)
    metrics["targets"] = targets_of(metrics)
    return Evaluation(inputs, settings, judged, transfers, motion, nearness, training, metrics)


def _compare(
    candidate: Candidate,
    inputs: Inputs,
    settings: StatisticsSettings,
    measured: TrajectoryStatistics | None,
    stages: Stages,
    *,
    transfer: bool = False,
) -> tuple[Candidate, Comparison]:
    """Compare a rollout with the reference, up to its first frame that is not finite."""
    not_finite = 0
    while True:
        try:
            with stages.stage("value distribution, S(q), forecast errors") as report:
                comparison = compare(
                    candidate.trajectory,
                    inputs.reference,
                    settings,
                    start_frame=candidate.start.frame,
                    started_in_reference=candidate.start.in_reference and not transfer,
                    transfer=transfer,
                    not_finite=not_finite,
                    measured=measured,
                    progress=_without_stage(report),
                )
        except NonFiniteFrameError as error:
            whole = candidate.trajectory
            if error.path != whole.path or not error.frame:
                raise
            not_finite = len(whole) - error.frame
            candidate = replace(candidate, trajectory=whole[: error.frame])
        else:
            return candidate, comparison


def _without_stage(report: Callable[[int, int], None]) -> Callable[[str, int, int], None]:
    return lambda stage, done, total: report(done, total)


def _rollout_section(candidate: Candidate, comparison: Comparison) -> dict[str, Any]:
    """Give what concerns one rollout; what all share stands at the top level."""
    numbers = comparison.metrics
    shared = ("units", "levels", "compared")
    return {
        "provenance": {
            key: value
            for key, value in candidate.trajectory.provenance.items()
            if key not in ("normalisation", "start_latent")
        },
        "start": {
            "reference_frame": candidate.start.frame,
            "in_reference": candidate.start.in_reference,
            "source": candidate.start.source,
        },
        "generated": numbers["compared"]["generated"],
        "compared": numbers["compared"]["statement"],
        **{key: value for key, value in numbers.items() if key not in shared},
        "persistence": numbers["levels"]["persistence"],
    }


def _transfer_section(
    candidate: Candidate, comparison: Comparison, inputs: Inputs
) -> dict[str, Any]:
    """Give what can be compared between cells of different size."""
    trajectory, reference = candidate.trajectory, inputs.reference
    multiples = cell_multiples(trajectory.grid, reference.grid)
    section = _rollout_section(candidate, comparison)
    for voxelwise in ("forecast", "persistence", "start"):
        del section[voxelwise]
    atoms = [None if one.numbers is None else len(one.numbers) for one in (trajectory, reference)]
    return {
        "meaning": "S(q) at the wave vectors that both cells have, others of the larger cell left "
        "out; amplitude over √cells, electrons and electron counts of one reference cell; "
        "whatever compares voxel by voxel is left out",
        "multiples": multiples,
        "atoms": {"generated": atoms[0], "reference": atoms[1]},
        **section,
    }


def choose_normalisation(inputs: Inputs, stages: Stages) -> tuple[LogNormalisation, str]:
    """Find one normalisation for all: that of the first model, else fitted on the reference."""
    for candidate in inputs.candidates:
        recorded = candidate.normalisation
        if recorded is not None:
            whose = "the model's" if len(inputs.candidates) == 1 else f"that of “{candidate.name}”"
            return recorded, whose
    with stages.stage("fitting the normalisation") as report:
        return fit_normalisation(inputs.reference, report)[0], "fitted on the reference"
