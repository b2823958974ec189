"""What a spatial emulator must show, target by target, and whether a rollout shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from napari_eldyn.evaluation.criteria import (
    dynamics,
    forecast,
    long_rollout,
    memorisation,
    reconstruction,
    transfer,
)
from napari_eldyn.evaluation.criterion import Criterion, missing

__all__ = ["TITLES", "targets_of"]

Metrics = Mapping[str, Any]

TITLES = {
    1: "encode → decode",
    2: "one step and on",
    3: "long rollouts",
    4: "dynamics",
    5: "transfer",
    6: "not replay",
}
"""The targets by number."""


def targets_of(metrics: Metrics) -> dict[str, Any]:
    """Judge every rollout by the targets.

    Parameters
    ----------
    metrics : mapping
        All numbers of an evaluation, as JSON holds them.

    Returns
    -------
    dict
        ``titles``; for each rollout, under ``rollouts``, its ``criteria`` and the ``verdicts`` by
        target: met where every criterion is, not met where one is not, null where none is
        missed but something could not be judged. Transfers count for the rollouts of the same
        model; one of no such model stands alone.
    """
    rollouts = metrics["rollouts"]
    by_name: dict[str, list[Criterion]] = {}
    placed: set[str] = set()
    for name, rollout in rollouts.items():
        model = rollout["provenance"].get("model_sha256")
        mine = [
            other
            for other, one in metrics["transfers"].items()
            if model is not None and one["provenance"].get("model_sha256") == model
        ]
        placed.update(mine)
        larger = [row for other in mine for row in transfer(other, metrics, named=len(mine) > 1)]
        by_name[name] = [
            *reconstruction(rollout, metrics),
            *forecast(rollout),
            *long_rollout(rollout, [one["start"] for one in _same_model(rollouts, model)]),
            *dynamics(rollout, metrics["scattering"]["rollouts"][name]),
            *(larger or [missing(5, "same statistics", "no --transfer of this model")]),
            *memorisation(name, metrics["memorisation"]),
        ]
    for name in metrics["transfers"]:
        if name not in placed:
            by_name[name] = list(transfer(name, metrics, named=False))
    return {
        "meaning": "numbers that the spatial family must show, for any model; 'met' is null where "
        "something was not judged, for the reason in 'note', and rows without a bound inform only",
        "titles": {str(number): title for number, title in TITLES.items()},
        "rollouts": {
            name: {
                "verdicts": {str(number): _verdict(rows, number) for number in TITLES},
                "criteria": [asdict(row) for row in rows],
            }
            for name, rows in by_name.items()
        },
    }


def _same_model(rollouts: Metrics, model: str | None) -> list[Metrics]:
    if model is None:
        return []
    return [one for one in rollouts.values() if one["provenance"].get("model_sha256") == model]


def _verdict(rows: Sequence[Criterion], target: int) -> bool | None:
    asked = [row.met for row in rows if row.target == target and row.bound is not None]
    if any(met is False for met in asked):
        return False
    return None if not asked or None in asked else True
