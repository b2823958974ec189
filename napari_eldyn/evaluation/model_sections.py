"""Sections of the report on models and on what they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, few, share, value
from napari_eldyn.evaluation.table import percent

__all__ = [
    "autoencoder_section",
    "ensemble_section",
    "memorisation_section",
    "runs_section",
    "training_section",
]

Metrics = Mapping[str, Any]


def autoencoder_section(metrics: Metrics) -> Section | None:
    """Give what encode → decode alone does, and whether rates agree with frames."""
    models = {name: r["model"] for name, r in metrics["rollouts"].items() if "model" in r}
    if not models:
        return None
    alone, rates = [], []
    for name, model in models.items():
        one = model["reconstruction"]
        alone.append(
            [
                name,
                value(one["nmae"]),
                value(one["mse"]),
                value(one["sjsd"]),
                percent(one["amplitude"]["difference_low_q"]),
                percent(one["amplitude"]["difference_high_q"]),
                str(len(one["frames"])),
            ]
        )
        rate = model.get("rate_consistency")
        if rate is not None:
            rates.append([name, value(rate["correlation"]), value(rate["relative_error"])])
    noise = metrics["levels"]["noise"]
    alone.append(
        [
            "data, half against half",
            "–",
            "–",
            value(noise["sjsd"]),
            percent(noise["amplitude"]["difference_low_q"]),
            percent(noise["amplitude"]["difference_high_q"]),
            "–",
        ]
    )
    tables = [
        Table(
            [
                "autoencoder alone",
                "NMAE (%)",
                "MSE of ρ̃",
                "sJSD",
                "|ΔS|/S, low q",
                "|ΔS|/S, high q",
                "frames",
            ],
            alone,
            frozenset({len(alone) - 1}),
            "Reference frames encoded and decoded, against the same frames.",
        )
    ]
    if rates:
        tables.append(Table(["rate ∂ρ̃/∂τ", "correlation", "relative error"], rates))
    return Section(
        "autoencoder",
        "Autoencoder and rate",
        [
            "The decoder can be no better than this: whatever encoding and decoding loses, every "
            "rollout lacks. An MSE near or above 1 on frames that were held back means that the "
            "latent does not carry where things are, only what they are like.",
            "The rate that the model decodes should agree with the difference of its own frames "
            "(correlation 1, relative error 0).",
        ],
        tables,
    )


def ensemble_section(metrics: Metrics) -> Section | None:
    """Give CRPS and spread/skill beside those of simple ensembles."""
    ensembles = {n: r["ensemble"] for n, r in metrics["rollouts"].items() if "ensemble" in r}
    if not ensembles:
        return None
    rows, statements = [], []
    baselines: dict[str, None] = {}
    for one in ensembles.values():
        if one["available"]:
            baselines |= dict.fromkeys(one["baselines"])
    for name, one in ensembles.items():
        if not one["available"]:
            statements.append(f"{name}: no ensembles, {one['reason']}.")
            continue
        for i in few(len(one["lead"])):
            rows.append(
                [
                    f"{name}, {one['lead'][i]:g} fs",
                    value(one["crps"][i]),
                    *(
                        value(one["baselines"][base]["crps"][i])
                        if base in one["baselines"]
                        else "–"
                        for base in baselines
                    ),
                    value(one["ratio"][i]),
                ]
            )
        statements.append(f"{name}: {one['meaning']}.")
    tables = []
    if rows:
        head = ["lead time", "CRPS", *(f"CRPS, {base}" for base in baselines), "spread / skill"]
        tables.append(
            Table(head, rows, caption="Fair CRPS of ρ̃, mean over voxels, starts and members.")
        )
    return Section(
        "ensemble",
        "Forecast ensembles",
        [
            "Several rollouts from the same frame should scatter as much as they are wrong. The "
            "CRPS measures both at once, in units of ρ̃: 0 is perfect, and a model is worth its "
            "cost only where it is below the simple forecasts. Spread over skill is 1 for an "
            "honest ensemble, below 1 for one that is too sure of itself.",
            *statements,
        ],
        tables,
        ["ensemble"],
    )


def memorisation_section(metrics: Metrics) -> Section | None:
    """Give distances to the nearest training frame beside those of held-back frames."""
    found = metrics["memorisation"]
    if found is None:
        return None
    if not found["available"]:
        return Section("memorisation", "Memorisation", [f"Not judged: {found['reason']}."])
    sides = {**found["rollouts"], "reference, held back": found["held_back"]}
    rows = [
        [
            name,
            *(value(side["quantiles"][q]) for q in ("minimum", "q05", "median", "q95")),
            value(side["ratio"]),
            "–" if side["followed"] is None else share(side["followed"]),
            str(side["n_frames"]),
        ]
        for name, side in sides.items()
    ]
    return Section(
        "memorisation",
        "Memorisation",
        [
            "Does a rollout make new frames, or does it repeat those it was trained on? For each "
            "frame, the distance to the nearest training frame, over all shifts and all symmetry "
            "operations of the cell.",
            "Frames that were held back show how near a new configuration comes by chance. Much "
            "smaller distances mean replay: the model's statistics are then those of its training "
            "data, not its own.",
            "'In training order': how often the training frames nearest to two frames a short time "
            "apart are as far apart themselves, forwards or backwards: all of them in a replay.",
        ],
        [
            Table(
                [
                    "distance (RMS units)",
                    "minimum",
                    "5 %",
                    "median",
                    "95 %",
                    "median / held back",
                    "in training order",
                    "frames",
                ],
                rows,
                frozenset({len(rows) - 1}),
                found["meaning"] + ".",
            )
        ],
        ["memorisation"],
    )


def training_section(metrics: Metrics) -> Section | None:
    """Give the normal fit of the training data."""
    training = metrics["training"]
    if training is None:
        return None
    fit, moments, used = training["fit"], training["moments"], training["trajectory"]
    return Section(
        "training-data",
        "Training data",
        [
            "Densities are made normal by a logarithm; this shows how normal they are. A "
            "log-normal density has skew 0 and excess kurtosis 0.",
        ],
        [
            Table(
                ["", "frames", "mean of ln ρ", "std of ln ρ", "skew", "excess kurtosis"],
                [
                    [
                        used["name"],
                        f"{training['frames']} ({used['n_frames']})",
                        f"{fit['mean']:.4f}".replace("-", "−"),
                        f"{fit['std']:.4f}",
                        f"{moments['skew']:.3f}".replace("-", "−"),
                        f"{moments['excess_kurtosis']:.3f}".replace("-", "−"),
                    ]
                ],
                caption="ρ in electrons/Å³.",
            )
        ],
        ["training_distribution"],
    )


def runs_section(metrics: Metrics) -> Section | None:
    """Give where training ended."""
    runs = metrics["runs"]
    if not runs:
        return None
    return Section(
        "training-runs",
        "Training",
        [
            "How the autoencoder's error fell. A run that also keeps the value distribution pays "
            "for it with a somewhat larger mean squared error; judge the two by their rollouts.",
        ],
        [
            Table(
                ["run", "last step", "MSE of the state", "MSE of ρ̃", "sJSD"],
                [
                    [
                        name,
                        str(run["last_step"]),
                        value(run["final_mse"]),
                        value(run["final_mse_density"]),
                        value(run["final_sjsd"]),
                    ]
                    for name, run in runs.items()
                ],
                caption="Means over the last 50 steps that trained the autoencoder. The MSE of "
                "the state is over both channels, ρ̃ and its rate.",
            )
        ],
        ["training_curves"],
    )
