"""Sections of the report on models and on what they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, few, share, value, with_error
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
    statements: list[str] = []
    alone, rates = [], []
    noise = metrics["levels"]["noise"]
    for name, model in models.items():
        one = model["reconstruction"]
        for label, scores in (("", one), *((k, one["moved"][k]) for k in ("shifted", "rotated"))):
            alone.append(
                [
                    f"{name}, {label}" if label else name,
                    value(scores["nmae"]),
                    value(scores["mse"]),
                    value(scores["rate_mse"]),
                    value(scores["sjsd"]),
                    value(scores["sjsd"] / noise["sjsd"] if noise["sjsd"] else None, 2),
                    percent(scores["amplitude"]["difference_low_q"]),
                    percent(scores["amplitude"]["difference_high_q"]),
                    str(len(one["frames"])),
                ]
            )
        statements.append(
            f"{name}: {one['state_numbers']} numbers of the state (ρ̃ and its rate) to "
            f"{one['latent_numbers']} of the latent, a compression of {value(one['compression'])}. "
            f"Moved: {one['moved']['meaning']}."
        )
        rate = model.get("rate_consistency")
        if rate is not None:
            rates.append([name, value(rate["correlation"]), value(rate["relative_error"])])
    levels = len(alone)
    alone.append(
        [
            "data, half against half",
            "–",
            "–",
            "–",
            value(noise["sjsd"]),
            "1",
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
                "MSE of ∂ρ̃/∂τ",
                "sJSD",
                "sJSD / noise",
                "|ΔS|/S, low q",
                "|ΔS|/S, high q",
                "frames",
            ],
            alone,
            frozenset({levels}),
            "Reference frames encoded and decoded, against the same frames. MSE in units of the "
            "variance over the training data.",
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
            *statements,
        ],
        tables,
        ["reconstruction"],
    )


def ensemble_section(metrics: Metrics) -> Section | None:
    """Give CRPS and spread/skill beside those of simple ensembles."""
    ensembles = {n: r["ensemble"] for n, r in metrics["rollouts"].items() if "ensemble" in r}
    if not ensembles:
        return None
    rows, kept, statements = [], [], []
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
                    with_error(one["crps"][i], _entry(one["crps_error"], i)),
                    *(
                        value(one["baselines"][base]["crps"][i])
                        if base in one["baselines"]
                        else "–"
                        for base in baselines
                    ),
                    value(one["ratio"][i]),
                ]
            )
        other = one["against_reconstruction"]
        for i in few(len(one["lead"])):
            kept.append(
                [
                    f"{name}, {one['lead'][i]:g} fs",
                    with_error(other["model"]["crps"][i], _entry(other["model"]["crps_error"], i)),
                    *(
                        value(other[base]["crps"][i]) if base in other else "–"
                        for base in _ALSO_RECONSTRUCTED
                    ),
                    value(other["model"]["ratio"][i]),
                ]
            )
        statements.append(f"{name}: {one['meaning']}.")
    tables = []
    if rows:
        head = ["lead time", "CRPS", *(f"CRPS, {base}" for base in baselines), "spread / skill"]
        tables.append(
            Table(head, rows, caption="Fair CRPS of ρ̃, mean over voxels, starts and members.")
        )
        tables.append(
            Table(
                [
                    "against the reconstruction",
                    "CRPS",
                    *(f"CRPS, {base}" for base in _ALSO_RECONSTRUCTED),
                    "spread / skill",
                ],
                kept,
                caption="The same forecasts against the truth encoded and decoded: the error of "
                "the forecast without that of the autoencoder. Persistence is then the start "
                "frame's own reconstruction.",
            )
        )
    return Section(
        "ensemble",
        "Forecast ensembles",
        [
            "Several rollouts from the same frame should scatter as much as they are wrong. The "
            "CRPS measures both at once, in units of ρ̃: 0 is perfect, and a model is worth its "
            "cost only where it is below the simple forecasts. Spread over skill is 1 for an "
            "honest ensemble, below 1 for one that is too sure of itself.",
            "'autoencoder' is the truth encoded and decoded, what a perfect forecast would reach.",
            *statements,
        ],
        tables,
        ["ensemble", "ensemble_reconstruction"],
    )


_ALSO_RECONSTRUCTED = ("persistence", "latent autoregression")


def _entry(values: Any, index: int) -> float | None:
    return None if values is None else values[index]


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
            value(side["p_nearer"], 2),
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
            f"Searched: {found['training_frames']['searched']} of "
            f"{found['training_frames']['of']} training frames of "
            f"{', '.join(found['trajectories'])}."
            + "".join(
                f" Left out: {one['name']}, which {one['reason']}." for one in found["left_out"]
            ),
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
                    "p, nearer",
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
    fit, moments = training["fit"], training["moments"]
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
                        "all training frames",
                        str(training["n_frames"]),
                        f"{fit['mean']:.4f}".replace("-", "−"),
                        f"{fit['std']:.4f}",
                        f"{moments['skew']:.3f}".replace("-", "−"),
                        f"{moments['excess_kurtosis']:.3f}".replace("-", "−"),
                    ]
                ],
                caption="ρ in electrons/Å³.",
            ),
            Table(
                ["trajectory", "frames", "used for"],
                [
                    [
                        one["name"],
                        f"{one['frames']} ({one['n_frames']})",
                        "everything"
                        if one["left_out"] is None
                        else f"this distribution only: it {one['left_out']}",
                    ]
                    for one in training["trajectories"]
                ],
                text=True,
            ),
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
