"""Sections of the report on rollouts as time passes: stability and forecast errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, few, value, with_error
from napari_eldyn.evaluation.table import percent

__all__ = ["forecast_section", "stability_section"]

Metrics = Mapping[str, Any]


def stability_section(metrics: Metrics) -> Section:
    """Give counts, extremes and steps, of the whole and by quarters."""
    reference = metrics["reference"]
    rows, steps, windows, trends = [], [], [], []
    health: list[str] = []
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
        stability = rollout["stability"]
        windows += [
            [
                f"{name}, {part['first_time']:g}–{part['last_time']:g} fs",
                value(part["sjsd"]),
                percent(part["structure_factor_error"]),
                value(part["electrons"], 5),
                value(part["step_ratio"]),
                value(part["minimum"]),
                value(part["maximum"]),
            ]
            for part in stability["windows"]
        ]
        trends += [
            [
                f"{name}, {label}",
                value(trend["first"]),
                value(trend["last"]),
                with_error(trend["change"], trend["error"]),
                value(trend["noise"], 2),
                {None: "–", True: "drifts", False: "no"}[trend["drifts"]],
            ]
            for label, trend in zip(
                _TRENDS.values(), map(stability["trends"].get, _TRENDS), strict=True
            )
        ]
        trends.append(_electron_trend(name, stability))
        health.append(
            f"{name}: {_count(stability['frozen_frames'], 'frozen frame')}, "
            f"{_count(stability['not_finite_frames'], 'frame')} not finite."
        )
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
            "Every rollout is cut into consecutive windows of equal length, each judged against "
            "the whole reference. A drift is a change, by a straight line through the windows, "
            "larger than two of its standard errors and than what separates the two halves of "
            "the reference. A frame is frozen if it moves less than a tenth of the reference's "
            "median step.",
            "Every frame counts for values, S(q), electrons, steps and F(q,t). Evenly spread ones "
            "stand for the rest where it is costly: distances to training frames, the rate "
            "∂ρ̃/∂τ, encode → decode and errors at equal times; their numbers are in the tables "
            "and in metrics.json.",
            *health,
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
            Table(
                ["windows", "first", "last", "fitted change", "noise", "drift"],
                trends,
                caption="Error of S(q): Σ|ΔS|/ΣS over shells of the amplitude. Noise: between the "
                "two halves of the reference.",
            ),
        ],
        ["time_series", "windows"],
        [
            Table(
                [
                    "window",
                    "sJSD",
                    "Σ|ΔS|/ΣS",
                    "electrons",
                    "step size ratio",
                    "min ρ (electrons/\u2060Å³)",
                    "max ρ (electrons/\u2060Å³)",
                ],
                windows,
            )
        ],
        "Window by window",
    )


_TRENDS = {
    "sjsd": "sJSD",
    "structure_factor_error": "error of S(q)",
    "step_ratio": "step size ratio",
}


def _electron_trend(name: str, stability: Metrics) -> list[str]:
    electrons = stability["electrons"]
    first, last = stability["windows"][0], stability["windows"][-1]
    change, error = (electrons[f"fitted_change{part}_percent"] for part in ("", "_error"))
    return [
        f"{name}, electrons",
        value(first["electrons"], 5),
        value(last["electrons"], 5),
        "–" if change is None else f"{with_error(change, error)} %",
        "–",
        f"{value(electrons['largest_offset_percent'], 2)} % at most from the reference",
    ]


def _count(number: int | None, what: str) -> str:
    if number is None:
        return f"{what}s not counted"
    return f"{number} {what}{'' if number == 1 else 's'}"


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
