"""Figures that show scores beside what is asked for, and rollouts in a larger cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.evaluation.drawing_paper import distribution_figure, structure_factor_figure
from napari_eldyn.evaluation.drawn import Drawn
from napari_eldyn.evaluation.judge import Evaluation
from napari_eldyn.figures.bounds_plot import (
    RatioPoints,
    noise_ratio_figure,
    reconstruction_figure,
    relaxation_ratio_figure,
)
from napari_eldyn.figures.scattering_plot import Relaxation, relaxation_figure
from napari_eldyn.figures.windows_plot import WindowCurves, windows_figure

__all__ = [
    "draw_noise_ratio",
    "draw_reconstruction",
    "draw_relaxation_ratio",
    "draw_transfer_distribution",
    "draw_transfer_relaxation",
    "draw_transfer_structure_factor",
    "draw_windows",
]

Metrics = Mapping[str, Any]
FloatArray = NDArray[np.float64]


def draw_windows(evaluation: Evaluation) -> Drawn:
    """Draw what must not drift over a rollout."""
    metrics = evaluation.metrics
    target = metrics["reference"]["electrons"]["mean"]

    def curves(stability: Metrics) -> WindowCurves:
        windows = stability["windows"]
        first = windows[0]["first_time"]
        middle = [0.5 * (one["first_time"] + one["last_time"]) - first for one in windows]
        return WindowCurves(
            np.array(middle) / 1000,
            100 * (_array(one["electrons"] for one in windows) / target - 1),
            _array(one["sjsd"] for one in windows),
            100 * _array(one["structure_factor_error"] for one in windows),
            _array(one["step_ratio"] for one in windows),
        )

    trends = next(iter(metrics["rollouts"].values()))["stability"]["trends"]
    noise = {
        "sjsd": (0.0, trends["sjsd"]["noise"]),
        "structure_factor": (0.0, 100 * trends["structure_factor_error"]["noise"]),
    }
    if trends["step_ratio"]["noise"] is not None:
        apart = 0.5 * trends["step_ratio"]["noise"]
        noise["steps"] = (1 - apart, 1 + apart)
    return Drawn(
        windows_figure(
            {name: curves(one["stability"]) for name, one in _all(metrics).items()}, noise
        ),
        "Consecutive windows of each rollout, each judged against the whole reference. Band: "
        "what separates the two halves of the reference; dashed: the bounds of the electron "
        "count. A rollout that drifts has a slope; windows shorter than the reference scatter.",
    )


def draw_noise_ratio(evaluation: Evaluation) -> Drawn:
    """Draw the error of S(q) over the reference's own noise."""
    rollouts = evaluation.metrics["rollouts"]
    first = next(iter(rollouts.values()))["structure_factor"]
    return Drawn(
        noise_ratio_figure(
            np.array(first["q"]),
            {
                kind: {
                    name: _array(one["structure_factor"][kind]["noise_ratio"])
                    for name, one in rollouts.items()
                }
                for kind in ("amplitude", "intensity")
            },
        ),
        "Error of S(q) over the noise of the reference: the expected difference of its two halves "
        "in this shell. Below 2 (dashed) it cannot be told from the noise.",
    )


def draw_relaxation_ratio(evaluation: Evaluation) -> Drawn | None:
    """Draw relaxation times over the reference's."""
    scattering = evaluation.metrics["scattering"]
    usable = {
        name: one
        for part in ("rollouts", "transfers")
        for name, one in scattering[part].items()
        if one["available"] and any(ratio is not None for ratio in one["ratio"])
    }
    if not usable:
        return None
    return Drawn(
        relaxation_ratio_figure(
            {
                name: RatioPoints(
                    _array(one["q"]),
                    _array(one["ratio"]),
                    _array(one["ratio_error"]),
                    np.array(one["known"], dtype=bool),
                )
                for name, one in usable.items()
            }
        ),
        "Relaxation times over the reference's; bars: standard errors of both, by block "
        "bootstrap, where there are enough blocks. Shaded: within 20 %.",
    )


def draw_reconstruction(evaluation: Evaluation) -> Drawn | None:
    """Draw errors of encode → decode."""
    metrics = evaluation.metrics
    noise = metrics["levels"]["noise"]["sjsd"]
    models = {
        name: [one, one["moved"]["shifted"], one["moved"]["rotated"]]
        for name, rollout in metrics["rollouts"].items()
        if "model" in rollout
        for one in [rollout["model"]["reconstruction"]]
    }
    if not models or not noise:
        return None
    return Drawn(
        reconstruction_figure(
            ["plain", "shifted", "rotated"],
            {name: [one["nmae"] for one in scores] for name, scores in models.items()},
            {name: [one["sjsd"] / noise for one in scores] for name, scores in models.items()},
        ),
        "Reference frames encoded and decoded: as they are, shifted by a random part of a latent "
        "cell, and under a random operation of the cell's point group.",
    )


def draw_transfer_distribution(evaluation: Evaluation) -> Drawn | None:
    """Draw the values of rollouts in a larger cell."""
    if not evaluation.transfers:
        return None
    pooled = {n: one.comparison.generated.pooled for n, one in evaluation.transfers.items()}
    levels = next(iter(evaluation.transfers.values())).comparison.levels
    return Drawn(
        distribution_figure(levels, pooled),
        "Distribution of the normalised density in the larger cell, against the reference's.",
    )


def draw_transfer_structure_factor(evaluation: Evaluation) -> Drawn | None:
    """Draw S(q) of rollouts in a larger cell."""
    if not evaluation.transfers:
        return None
    pooled = {n: one.comparison.generated.pooled for n, one in evaluation.transfers.items()}
    levels = next(iter(evaluation.transfers.values())).comparison.levels
    return Drawn(
        structure_factor_figure(levels, pooled, "intensity"),
        "Structure factor in the larger cell, per electron, at the wave vectors that both cells "
        "have.",
    )


def draw_transfer_relaxation(evaluation: Evaluation) -> Drawn | None:
    """Draw relaxation times of rollouts in a larger cell."""
    motion = evaluation.motion
    if motion.reference is None or not motion.transfers:
        return None
    reference, *others = (
        Relaxation(
            one.scattering.q, one.scattering.relaxation_time, one.scattering.relaxation_error
        )
        for one in (motion.reference, *motion.transfers.values())
    )
    return Drawn(
        relaxation_figure(reference, dict(zip(motion.transfers, others, strict=True))),
        "Relaxation times in the larger cell, at the wave vectors that both cells have.",
    )


def _all(metrics: Metrics) -> dict[str, Metrics]:
    return {**metrics["rollouts"], **metrics["transfers"]}


def _array(values: Any) -> FloatArray:
    """Numbers of JSON, NaN for null."""
    return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
