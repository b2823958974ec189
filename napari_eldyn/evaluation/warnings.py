"""Where the data are too short, or do not belong together, for a number to be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.inputs import Inputs
from napari_eldyn.observables.metrics import timestep_or_none
from napari_eldyn.observables.uncertainty import BLOCK_FS

__all__ = ["warnings_of"]

# Rollouts must be this many times as long as the training data to show that they are stable.
_STABLE_LENGTH = 10


def warnings_of(inputs: Inputs, metrics: Mapping[str, Any]) -> list[str]:
    """List what a reader must know before believing the numbers.

    Parameters
    ----------
    inputs : Inputs
        What was judged.
    metrics : mapping
        Its numbers.

    Returns
    -------
    list of str
        Whole sentences; empty if there is nothing to say.
    """
    found: list[str] = []
    reference = inputs.reference
    length = float(reference.times[-1] - reference.times[0])
    blocks = int(length // BLOCK_FS)
    if blocks < 4:
        found.append(
            f"The reference is {length:g} fs long, {blocks} block{'' if blocks == 1 else 's'} of "
            f"{BLOCK_FS:g} fs: its sampling noise is known only roughly and has no error bar "
            f"(that takes four blocks, {4 * BLOCK_FS:g} fs)."
        )
    normalisation = metrics["normalisation"]
    for candidate in inputs.candidates:
        trajectory = candidate.trajectory
        if timestep_or_none(trajectory) is None and len(trajectory) > 1:
            found.append(
                f"The frames of “{candidate.name}” are not equally spaced in time: its motion "
                "(steps, F(q,t)) is not judged."
            )
        own = candidate.normalisation
        if own is not None and (
            abs(own.mean - normalisation["mean"]) > 1e-3 * own.std
            or abs(own.std - normalisation["std"]) > 1e-3 * own.std
        ):
            found.append(
                f"The model of “{candidate.name}” normalises with mean {own.mean:.4f} and std "
                f"{own.std:.4f}; all scores here use {normalisation['mean']:.4f} and "
                f"{normalisation['std']:.4f}, {normalisation['source']}."
            )
        if inputs.training:
            trained = sum(
                float(one.trajectory.times[-1] - one.trajectory.times[0]) for one in inputs.training
            )
            span = float(trajectory.times[-1] - trajectory.times[0])
            if trained > 0 and span < _STABLE_LENGTH * trained:
                found.append(
                    f"“{candidate.name}” is {span:g} fs long, {span / trained:.2g} times the "
                    f"training data ({trained:g} fs): that a model is stable shows only over "
                    f"{_STABLE_LENGTH} times."
                )
        counted = metrics["rollouts"][candidate.name]["distribution"]["generated"]
        outside = counted["n_below_range"] + counted["n_above_range"]
        if outside > 1e-3 * counted["n_values"]:
            found.append(
                f"{100 * outside / counted['n_values']:.2g} % of the values of “{candidate.name}” "
                "lie outside the bins, which span the reference's values; they count in the "
                "outermost ones."
            )
    found += [
        f"{one.name} was trained on but {one.left_out}: its frames are not searched for "
        "repetitions, and not used by forecasts without diffusion."
        for one in inputs.training
        if one.left_out is not None
    ]
    if inputs.training:
        fit = metrics["training"]["fit"]
        for candidate in inputs.candidates:
            own = candidate.normalisation
            if own is not None and (
                abs(own.mean - fit["mean"]) > 0.01 * own.std
                or abs(own.std - fit["std"]) > 0.01 * own.std
            ):
                found.append(
                    f"The model of “{candidate.name}” was normalised with mean {own.mean:.4f} and "
                    f"std {own.std:.4f}, the training frames given have {fit['mean']:.4f} and "
                    f"{fit['std']:.4f}: they may not be those it was trained on."
                )
    for part in ("rollouts", "transfers"):
        for name, rollout in metrics[part].items():
            bad = rollout["stability"]["not_finite_frames"]
            if bad:
                found.append(
                    f"“{name}” is not finite from frame {rollout['generated']['n_frames']} on: "
                    f"{bad} frames are left out."
                )
    return found
