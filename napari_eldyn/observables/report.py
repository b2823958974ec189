"""Metrics as a file and as a short table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_eldyn.density.files import partial_path, writing

__all__ = ["metrics_table", "write_metrics"]


def write_metrics(metrics: Mapping[str, Any], path: str | Path) -> None:
    """Write metrics as JSON, whole or not at all.

    Parameters
    ----------
    metrics : mapping
        As ``Comparison.metrics``.
    path : path-like
        The file; an earlier one is replaced when the new one is whole.

    Raises
    ------
    EldynError
        If the file cannot be written.
    """
    target = Path(path)
    partial = partial_path(target)
    text = json.dumps(metrics, indent=1, allow_nan=False, ensure_ascii=False)
    with writing(target):
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Put the main numbers into a short table with the reference levels beside them.

    Parameters
    ----------
    metrics : mapping
        As ``Comparison.metrics``; with ``start``, ``normalisation``, ``provenance`` and
        ``model`` as ``eldyn evaluate`` adds them, these are named too.

    Returns
    -------
    str
        Lines for a terminal.
    """
    distribution, levels = metrics["distribution"], metrics["levels"]
    low = metrics["structure_factor"]["low_q_below"]
    smallest = metrics["structure_factor"]["q"][0]
    header = ("", "sJSD", "JSD (nats)", f"q={smallest:.2f}", f"q<{low:g}", f"q≥{low:g}")
    scored = [
        ("generated", distribution, metrics["structure_factor"]["amplitude"]),
        ("data, half against half", levels["noise"], levels["noise"]["amplitude"]),
        ("persistence", levels["persistence"], levels["persistence"]["amplitude"]),
        ("trajectory mean", levels["mean_field"], levels["mean_field"]["amplitude"]),
    ]
    if "model" in metrics:
        alone = metrics["model"]["reconstruction"]
        scored.insert(1, ("autoencoder alone", alone, alone["amplitude"]))
    rows = [header]
    for label, score, bands in scored:
        rows.append(
            (
                label,
                f"{score['sjsd']:.3g}",
                f"{score['jsd']:.3g}",
                _percent(bands["difference_smallest_q"]),
                _percent(bands["difference_low_q"]),
                _percent(bands["difference_high_q"]),
            )
        )
    lines = [f"{'':<47}|ΔS|/S, q in 1/Å", *_columns(rows), "", *_remarks(metrics)]
    return "\n".join(line.rstrip() for line in [*_heading(metrics), "", *lines])


def _heading(metrics: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in ("generated", "reference"):
        used = metrics["compared"][name]
        lines.append(
            (
                name,
                f"{used['name']}, frames {used['first_frame']}-{used['last_frame']}, "
                f"{used['first_time']:g} … {used['last_time']:g} fs, {used['kind']}",
            )
        )
    origin = metrics.get("provenance", {})
    if "model_sha256" in origin:
        lines.append(
            (
                "model",
                f"{origin.get('model_name')} (sha256 {str(origin['model_sha256'])[:12]}), "
                f"{origin.get('sampler')} with {origin.get('evaluations')} evaluations, "
                f"seed {origin.get('seed')}, on {origin.get('device')}",
            )
        )
    if "start" in metrics:
        start = metrics["start"]
        lines.append(("start", f"reference frame {start['reference_frame']}: {start['source']}"))
    if "normalisation" in metrics:
        used = metrics["normalisation"]
        lines.append(
            (
                "normalisation",
                f"mean {used['mean']:.4f}, std {used['std']:.4f} of ln ρ, {used['source']}",
            )
        )
    return [f"{name:<24}{text}" for name, text in lines]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = (24, 10, 11, 10, 9, 9)
    return [
        "".join(
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 10:
        return "> 1000 %"
    return f"{100 * value:.2g} %" if value < 0.0995 else f"{100 * value:.0f} %"


def _remarks(metrics: Mapping[str, Any]) -> list[str]:
    frames = metrics["distribution"]["sjsd_single_frames"]
    step = metrics["step_size"]
    generated, reference = metrics["electrons"]["generated"], metrics["electrons"]["reference"]
    extremes = metrics["extremes"]
    lines = [
        (
            "single frames, sJSD",
            _spread(frames["generated"]) + ", reference's own " + _spread(frames["reference"]),
        ),
        ("step size", _step(step)),
        (
            "electrons",
            f"{generated['mean']:.4g} ± {generated['std']:.2g} "
            f"(reference {reference['mean']:.4g} ± {reference['std']:.2g})" + _drift(generated),
        ),
        (
            "density, electrons/Å³",
            f"{_range(extremes['generated'])} (reference {_range(extremes['reference'])})",
        ),
    ]
    forecast = metrics["forecast"]
    if forecast["available"]:
        lines.append(("NMAE at equal times", _forecast(forecast)))
    model = metrics.get("model", {})
    if model:
        alone = model["reconstruction"]
        lines.append(("reconstruction", f"NMAE {alone['nmae']:.3g} %, MSE of ρ̃ {alone['mse']:.3g}"))
    if "rate_consistency" in model:
        rate = model["rate_consistency"]
        lines.append(
            (
                "rate ∂ρ̃/∂τ",
                f"correlation {rate['correlation']:.3g} with finite differences, "
                f"relative error {rate['relative_error']:.2g}",
            )
        )
    counted = metrics["distribution"]["generated"]
    outside = counted["n_below_range"] + counted["n_above_range"]
    lines.append(
        (
            "values",
            f"{counted['n_values']} counted, {counted['n_clipped_to_floor']} clipped before "
            f"the logarithm, {outside} outside the bins",
        )
    )
    return [f"{name:<24}{text}" for name, text in lines]


def _spread(quantiles: Mapping[str, float]) -> str:
    median, low, high = (quantiles[name] for name in ("median", "q05", "q95"))
    return f"{median:.2g} ({low:.2g} … {high:.2g})"


def _step(step: Mapping[str, Any]) -> str:
    if step["ratio"] is None:
        return f"not compared: {step.get('reason', 'the reference does not move')}"
    return (
        f"{step['ratio']:.3g} of the reference's over {step['interval']:g} fs "
        f"(unrelated frames {step['ratio_unrelated_frames']:.3g})"
    )


def _drift(electrons: Mapping[str, Any]) -> str:
    drift = electrons["drift_per_ps"]
    return "" if drift is None else f", drift {drift:+.2g} per ps"


def _range(extremes: Mapping[str, float]) -> str:
    return f"{extremes['minimum']:.3g} … {extremes['maximum']:.3g}"


def _forecast(forecast: Mapping[str, Any]) -> str:
    return (
        f"{forecast['nmae'][0]:.3g} % after {forecast['lead'][0]:g} fs "
        f"(persistence {forecast['persistence_nmae'][0]:.3g} %), "
        f"{forecast['nmae'][-1]:.3g} % after {forecast['lead'][-1]:g} fs"
    )
