"""Sections of the report on rollouts as time passes: stability and forecast errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, few, value
from napari_eldyn.evaluation.table import percent

__all__ = ["forecast_section", "stability_section"]

Metrics = Mapping[str, Any]


def stability_section(metrics: Metrics) -> Section:
    """Give counts, extremes and steps, of the whole and by quarters."""
    reference = metrics["reference"]
    rows, steps, quarters = [], [], []
    for name, rollout in metrics["rollouts"].items():
        rows.append(
            [name, *_counts(rollout["electrons"]["generated"], rollout["extremes"]["generated"])]
        )
        step = rollout["step_size"]
        if step["ratio"] is None:
            steps.append([name, step.get("reason", "the reference does not move"), "", "", ""])
        else:
            steps.append(
                [
                    name,
                    value(step["ratio"]),
                    value(step["generated"]),
                    value(step["reference"]),
                    value(step["ratio_unrelated_frames"]),
                ]
            )
        quarters += [
            [
                f"{name}, {part['first_time']:g}–{part['last_time']:g} fs",
                value(part["sjsd"]),
                percent(part["amplitude"]["difference_low_q"]),
                value(part["electrons"], 5),
                value(part["step_size"]),
                value(part["minimum"]),
                value(part["maximum"]),
            ]
            for part in rollout["stability"]
        ]
    rows.append(["reference", *_counts(reference["electrons"], reference["extremes"])])
    return Section(
        "stability",
        "Stability",
        [
            "A rollout can drift (its electron count or its distribution wanders off), collapse "
            "(its values narrow) or freeze (its steps vanish). The electron count is not enforced "
            "by the model, so its drift is a test.",
            "Step size is the RMS change of the normalised density from frame to frame, over the "
            "reference's: 0 is frozen, 1 the reference's own motion; frames in random order would "
            "have the last column's value.",
        ],
        [
            Table(
                [
                    "",
                    "electrons, mean ± std",
                    "first",
                    "last",
                    "drift (electrons/ps)",
                    "min ρ (electrons/\u2060Å³)",
                    "max ρ (electrons/\u2060Å³)",
                ],
                rows,
                frozenset({len(rows) - 1}),
            ),
            Table(
                ["step size", "ratio", "generated", "reference", "ratio, unrelated frames"], steps
            ),
        ],
        ["time_series"],
        [
            Table(
                [
                    "quarter",
                    "sJSD",
                    "|ΔS|/S, low q",
                    "electrons",
                    "step size",
                    "min ρ (electrons/\u2060Å³)",
                    "max ρ (electrons/\u2060Å³)",
                ],
                quarters,
            )
        ],
        "Quarter by quarter",
    )


def _counts(electrons: Metrics, extremes: Metrics) -> list[str]:
    return [
        f"{value(electrons['mean'], 5)} ± {value(electrons['std'], 2)}",
        value(electrons["first"], 5),
        value(electrons["last"], 5),
        value(electrons["drift_per_ps"], 2),
        value(extremes["minimum"]),
        value(extremes["maximum"]),
    ]


def forecast_section(metrics: Metrics) -> Section | None:
    """Give errors against lead time beside those of naive forecasts."""
    rows: list[list[str]] = []
    for name, rollout in metrics["rollouts"].items():
        forecast = rollout["forecast"]
        if not forecast["available"]:
            continue
        for i in few(len(forecast["lead"])):
            rows.append(
                [
                    f"{name}, {forecast['lead'][i]:g} fs",
                    *(
                        value(forecast[key][i])
                        for key in (
                            "nmae",
                            "aligned_nmae",
                            "persistence_nmae",
                            "mean_field_nmae",
                            "mse",
                            "persistence_mse",
                            "mean_field_mse",
                        )
                    ),
                ]
            )
    if not rows:
        return None
    return Section(
        "forecast",
        "Forecast errors",
        [
            "Generated frames against the reference frames of the same time, voxel by voxel. In a "
            "liquid every forecast loses its way within about 100 fs; after that a realistic but "
            "unrelated frame has an MSE of about 2, the trajectory mean about 1.",
            "A model with a pooled latent does not know where atoms are: its voxel-wise errors are "
            "those of an unrelated frame from the start. 'Best shift' allows for a displacement of "
            "the whole frame.",
        ],
        [
            Table(
                [
                    "lead time",
                    "NMAE (%)",
                    "best shift (%)",
                    "persistence (%)",
                    "mean (%)",
                    "MSE of ρ̃",
                    "persistence",
                    "mean",
                ],
                rows,
            )
        ],
        ["forecast"],
    )
