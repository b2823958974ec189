"""How density fluctuations relax: F(q,t), relaxation times and S(q,ω) of every trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.evaluation.inputs import Inputs
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.observables.metrics import timestep_or_none
from napari_eldyn.observables.scattering import (
    DensityModes,
    DynamicStructureFactor,
    IntermediateScattering,
    density_modes,
    dynamic_structure_factor,
    intermediate_scattering,
)
from napari_eldyn.observables.transfer import common_modes

__all__ = ["Dynamics", "Motion", "judge_motion"]

_Q_MAX = 2.6
_PANELS = 4
# Fewer frames give no correlation worth a number, neither of the whole nor of its halves.
_FEWEST_FRAMES = 12
# A relaxation time is known if its standard error is at most this share of it.
_KNOWN = 0.1


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Correlations of one trajectory.

    Parameters
    ----------
    scattering : IntermediateScattering
        F(q,t) and relaxation times.
    spectrum : DynamicStructureFactor
        S(q,ω) from lags as long as the reference's, so that all have one resolution.
    """

    scattering: IntermediateScattering
    spectrum: DynamicStructureFactor


@dataclass(frozen=True, eq=False)
class Motion:
    """Correlations of the reference and of each rollout, as far as the data allow.

    Parameters
    ----------
    reference : Dynamics or None
        None where its frames are too few or not equally spaced.
    halves : tuple of two IntermediateScattering
        Of the two halves of the reference, between which its sampling noise lies; empty
        without a reference.
    rollouts, transfers : mapping of str to Dynamics
        By name; of transfers the modes that the reference's cell has, too.
    shells : tuple of int
        Shells that are drawn.
    metrics : dict
        Numbers for JSON, with the reason for what is missing.
    """

    reference: Dynamics | None
    halves: tuple[IntermediateScattering, ...]
    rollouts: Mapping[str, Dynamics]
    transfers: Mapping[str, Dynamics]
    shells: tuple[int, ...]
    metrics: dict[str, Any] = field(repr=False)


def judge_motion(inputs: Inputs, stages: Stages) -> Motion:
    """Correlate the longest density waves of each trajectory in time.

    Parameters
    ----------
    inputs : Inputs
        Reference and rollouts.
    stages : Stages
        Shows progress.

    Returns
    -------
    Motion
        Curves and numbers.

    Raises
    ------
    EldynError
        If a frame is not finite.
    """
    metrics: dict[str, Any] = {
        "meaning": "intermediate scattering function of the density, "
        "⟨Re ρ_q(t0+t) ρ_q*(t0)⟩/N_e in electrons; relaxation_time: first fall of F(q,t)/F(q,0) "
        "to 1/e in fs, null where it is not reached within the lags; relaxation_error: its "
        "standard error by block bootstrap; elastic: share of F(q,0) that is the time "
        "average of ρ_q, near 1 if density waves stand still; spectrum: S(q,ω) in "
        "electrons·fs against angular frequency in rad/fs, all at the reference's resolution; "
        "ratio: relaxation time over the reference's, with its standard error; known: whether the "
        f"reference knows its own to {_KNOWN:.0%}",
        "rollouts": {},
        "transfers": {},
    }
    reason = _unusable(inputs.reference)
    if reason is not None:
        metrics["reference"] = {"available": False, "reason": reason}
        without = "the reference's motion is not known"
        for part, judged in (("rollouts", inputs.candidates), ("transfers", inputs.transfers)):
            metrics[part] = {one.name: {"available": False, "reason": without} for one in judged}
        return Motion(None, (), {}, {}, (), metrics)
    modes = _modes(inputs.reference, stages)
    scattering = intermediate_scattering(modes)
    longest = float(scattering.lag[-1])
    reference = Dynamics(scattering, dynamic_structure_factor(scattering))
    middle = len(modes.values) // 2
    noise = tuple(
        intermediate_scattering(
            replace(modes, values=part), min(longest, (len(part) - 2) * modes.timestep)
        )
        for part in (modes.values[:middle], modes.values[middle:])
    )
    metrics["reference"] = {
        **_numbers(reference),
        "halves": {
            "meaning": "F(q,t)/F(q,0) of the first and second half: its sampling noise",
            "lag": noise[0].lag,
            "normalised": [part.normalised for part in noise],
            "relaxation_time": [part.relaxation_time for part in noise],
        },
    }
    found: dict[str, dict[str, Dynamics]] = {"rollouts": {}, "transfers": {}}
    for part, judged in (("rollouts", inputs.candidates), ("transfers", inputs.transfers)):
        for candidate in judged:
            trajectory = candidate.trajectory
            reason = _unusable(trajectory, longest)
            if reason is not None:
                metrics[part][candidate.name] = {"available": False, "reason": reason}
                continue
            own = _modes(trajectory, stages)
            if part == "transfers":
                own = common_modes(own, trajectory.grid, inputs.reference.grid)
            one = Dynamics(
                intermediate_scattering(own),
                dynamic_structure_factor(intermediate_scattering(own, longest)),
            )
            found[part][candidate.name] = one
            metrics[part][candidate.name] = {
                **_numbers(one),
                **_against(one.scattering, scattering),
            }
    n_shells = len(scattering.q)
    shown = np.unique(np.linspace(0, n_shells - 1, min(n_shells, _PANELS)).round().astype(int))
    return Motion(
        reference, noise, found["rollouts"], found["transfers"], tuple(shown.tolist()), metrics
    )


def _unusable(trajectory: DensityTrajectory, longest: float = 0.0) -> str | None:
    """Say why a trajectory's motion cannot be judged, or None."""
    timestep = timestep_or_none(trajectory)
    if timestep is None:
        return "its frames are not equally spaced in time"
    if len(trajectory) < _FEWEST_FRAMES or (len(trajectory) - 1) * timestep < longest:
        return f"its {len(trajectory)} frames are too few to correlate in time"
    return None


def _modes(trajectory: DensityTrajectory, stages: Stages) -> DensityModes:
    q_max = min(_Q_MAX, 0.999 * trajectory.grid.q_max)
    with stages.stage("F(q,t)") as report:
        return density_modes(trajectory, q_max, report)


def _numbers(one: Dynamics) -> dict[str, Any]:
    scattering = one.scattering
    return {
        "available": True,
        "q": scattering.q,
        "mode_counts": scattering.counts,
        "lag": scattering.lag,
        "values": scattering.values,
        "normalised": scattering.normalised,
        "relaxation_time": scattering.relaxation_time,
        "relaxation_error": scattering.relaxation_error,
        "elastic": scattering.elastic,
        "spectrum": {"frequency": one.spectrum.frequency, "values": one.spectrum.values},
    }


def _against(ours: IntermediateScattering, theirs: IntermediateScattering) -> dict[str, Any]:
    """Relaxation times over the reference's, shell by shell."""
    ratio = ours.relaxation_time / theirs.relaxation_time
    none = np.full_like(ratio, np.nan)
    mine = none if ours.relaxation_error is None else ours.relaxation_error
    real = none if theirs.relaxation_error is None else theirs.relaxation_error
    relative = np.hypot(mine / ours.relaxation_time, real / theirs.relaxation_time)
    return {
        "ratio": ratio,
        "ratio_error": ratio * relative,
        "known": real <= _KNOWN * theirs.relaxation_time,
    }
