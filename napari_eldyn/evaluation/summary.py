"""The report's first table: each rollout beside what a perfect model would reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, share, value
from napari_eldyn.evaluation.table import percent

__all__ = ["summary_section"]

Metrics = Mapping[str, Any]

# A rollout whose steps are outside this range of the reference's moves visibly too little or much.
_STEPS = (0.67, 1.5)
# Frames nearer to training than this share of the distance of held-back ones are replayed.
_REPLAY = 0.75


def summary_section(metrics: Metrics) -> Section:
    """Give the few numbers by which rollouts are told apart.

    Parameters
    ----------
    metrics : mapping
        As ``Evaluation.metrics``.

    Returns
    -------
    Section
        A row for each rollout, one for a perfect model, and sentences on what stands out.
    """
    noise = metrics["levels"]["noise"]
    head = ["", "sJSD", "sJSD / noise", "|ΔS|/S, low q", "step size ratio", "electrons off by"]
    rows, remarks = [], []
    target = metrics["reference"]["electrons"]["mean"]
    for name, rollout in metrics["rollouts"].items():
        sjsd = rollout["distribution"]["sjsd"]
        step = rollout["step_size"]["ratio"]
        rows.append(
            [
                name,
                value(sjsd),
                value(sjsd / noise["sjsd"] if noise["sjsd"] else None, 2),
                percent(rollout["structure_factor"]["amplitude"]["difference_low_q"]),
                value(step, 2),
                share(rollout["electrons"]["generated"]["mean"] / target - 1),
            ]
        )
        remarks += _remarks(name, rollout, metrics)
    perfect = ["a perfect model", value(noise["sjsd"]), "about 1"]
    perfect += [percent(noise["amplitude"]["difference_low_q"]), "1", "0 %"]
    rows.append(perfect)
    return Section(
        "summary",
        "In short",
        [
            "A perfect model would score like one half of the reference against the other half. "
            "The sections below explain each number.",
            *remarks,
            *_targets(metrics["targets"]),
        ],
        [Table(head, rows, frozenset({len(rows) - 1}))],
    )


def _targets(found: Metrics) -> list[str]:
    """Say which targets are met, in one sentence for each rollout."""
    words = ((True, "met"), (False, "not met"), (None, "not judged"))
    lines = []
    for name, one in found["rollouts"].items():
        parts = []
        for verdict, word in words:
            numbers = [number for number, met in one["verdicts"].items() if met is verdict]
            if numbers:
                parts.append(f"{', '.join(numbers)} {word}")
        lines.append(f"Targets, “{name}”: {'; '.join(parts)} (the last section).")
    return lines


def _remarks(name: str, rollout: Metrics, metrics: Metrics) -> list[str]:
    """Say in words what a reader could overlook."""
    found = []
    step = rollout["step_size"]["ratio"]
    if step is not None and step < _STEPS[0]:
        found.append(
            f"“{name}” moves too little: its steps are {value(step, 2)} times the reference's."
        )
    elif step is not None and step > _STEPS[1]:
        found.append(
            f"“{name}” moves too much: its steps are {value(step, 2)} times the reference's."
        )
    found += _replay(name, metrics["memorisation"])
    found += _frozen_waves(name, metrics["scattering"])
    sjsd = rollout["distribution"]["sjsd"]
    for level, label in (
        (metrics["levels"]["mean_field"], "the trajectory mean"),
        (rollout["persistence"], "a single start frame, repeated"),
    ):
        if sjsd > level["sjsd"]:
            found.append(
                f"The values of “{name}” are distributed less like the reference's than those of "
                f"{label} (sJSD {value(sjsd)} against {value(level['sjsd'])})."
            )
            break
    return found


def _frozen_waves(name: str, scattering: Metrics) -> list[str]:
    """Say if density waves live on that die in the reference."""
    reference, rollout = scattering["reference"], scattering["rollouts"][name]
    if not (reference["available"] and rollout["available"]):
        return []
    last = rollout["lag"][-1]
    dying = [i for i, time in enumerate(reference["relaxation_time"]) if time is not None]
    living = [
        i
        for i in dying
        if rollout["relaxation_time"][i] is None and last > 2 * reference["relaxation_time"][i]
    ]
    if not living:
        return []
    i = living[0]
    return [
        f"Density waves do not die in “{name}”: in {len(living)} of {len(dying)} shells F(q,t) "
        f"stays above 1/e for {last:g} fs (at q = {value(reference['q'][i])}/Å the reference's "
        f"falls below in {value(reference['relaxation_time'][i], 2)} fs)."
    ]


def _replay(name: str, memorisation: Metrics | None) -> list[str]:
    """Say if frames lie much nearer to training frames than held-back ones do."""
    if memorisation is None or not memorisation["available"]:
        return []
    ratio = memorisation["rollouts"][name]["ratio"]
    if ratio is None or ratio > _REPLAY:
        return []
    return [
        f"The frames of “{name}” are close to training frames: their median distance is "
        f"{value(ratio, 2)} times that of frames that were held back."
    ]
