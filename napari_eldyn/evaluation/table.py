"""The main numbers of an evaluation as a short table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_eldyn.evaluation.page import verdict

__all__ = ["metrics_table", "percent", "score_rows"]


def score_rows(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """List what has a score, rollouts first, then the levels that give scores a meaning.

    Parameters
    ----------
    metrics : mapping
        As ``Evaluation.metrics``.

    Returns
    -------
    list of (str, mapping)
        Label; ``jsd``, ``sjsd`` and S(q) differences (``amplitude``, ``intensity``).
    """
    rollouts = metrics["rollouts"]
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for name, rollout in rollouts.items():
        rows.append((name, {**rollout["distribution"], **rollout["structure_factor"]}))
    for name, rollout in rollouts.items():
        if "model" in rollout:
            of = f" ({name})" if len(rollouts) > 1 else ""
            rows.append((f"autoencoder alone{of}", rollout["model"]["reconstruction"]))
    rows.append(("data, half against half", metrics["levels"]["noise"]))
    persistence = {r["persistence"]["start_frame"]: r["persistence"] for r in rollouts.values()}
    for frame, level in persistence.items():
        of = f" (frame {frame})" if len(persistence) > 1 else ""
        rows.append((f"persistence{of}", level))
    rows.append(("trajectory mean", metrics["levels"]["mean_field"]))
    return rows


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Put the main numbers into a short table with the reference levels beside them.

    Parameters
    ----------
    metrics : mapping
        As ``Evaluation.metrics``.

    Returns
    -------
    str
        Lines for a terminal.
    """
    first = next(iter(metrics["rollouts"].values()))
    low = first["structure_factor"]["low_q_below"]
    smallest = first["structure_factor"]["q"][0]
    rows = [("", "sJSD", "JSD (nats)", f"q={smallest:.2f}", f"q<{low:g}", f"q≥{low:g}")]
    for label, score in score_rows(metrics):
        bands = score["amplitude"]
        rows.append(
            (
                label,
                f"{score['sjsd']:.3g}",
                f"{score['jsd']:.3g}",
                percent(bands["difference_smallest_q"]),
                percent(bands["difference_low_q"]),
                percent(bands["difference_high_q"]),
            )
        )
    used = metrics["normalisation"]
    lines = [
        _item("reference", _frames(metrics["reference"])),
        _item(
            "normalisation",
            f"mean {used['mean']:.4f}, std {used['std']:.4f} of ln ρ, {used['source']}",
        ),
    ]
    width = max(24, *(len(row[0]) + 1 for row in rows))
    lines += ["", f"{'':<{width + 23}}|ΔS|/S, q in 1/Å", *_columns(rows, width)]
    for name, rollout in metrics["rollouts"].items():
        lines += ["", f"{name}:", *_heading(rollout), *_remarks(rollout)]
        lines += [_item(*line) for line in _against_time(name, rollout, metrics)]
    for name, one in metrics["transfers"].items():
        lines += ["", f"{name} (larger cell):", _item("frames", _frames(one["generated"]))]
        lines.append(_item("sJSD", f"{one['distribution']['sjsd']:.3g}"))
        lines.append(_item("step size", _step(one["step_size"])))
    lines += ["", "targets", *_targets(metrics["targets"])]
    if metrics["warnings"]:
        lines += ["", *(f"Warning: {text}" for text in metrics["warnings"])]
    return "\n".join(line.rstrip() for line in lines)


def _item(name: str, text: str) -> str:
    return f"{name:<24}{text}"


def _frames(used: Mapping[str, Any]) -> str:
    return (
        f"{used['name']}, frames {used['first_frame']}-{used['last_frame']}, "
        f"{used['first_time']:g} … {used['last_time']:g} fs, {used['kind']}"
    )


def _heading(rollout: Mapping[str, Any]) -> list[str]:
    lines = [_item("frames", _frames(rollout["generated"]))]
    origin = rollout["provenance"]
    if "model_sha256" in origin:
        lines.append(
            _item(
                "model",
                f"{origin.get('model_name')} (sha256 {str(origin['model_sha256'])[:12]}), "
                f"{origin.get('sampler')} with {origin.get('evaluations')} evaluations, "
                f"seed {origin.get('seed')}, on {origin.get('device')}",
            )
        )
    start = rollout["start"]
    lines.append(_item("start", f"reference frame {start['reference_frame']}: {start['source']}"))
    return lines


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    widths = (width, 10, 11, 10, 9, 9)
    return [
        "".join(
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def percent(value: float | None) -> str:
    """Write a relative difference in percent, two digits."""
    if value is None:
        return "–"
    if value >= 10:
        return "> 1000 %"
    return f"{100 * value:.2g} %" if value < 0.0995 else f"{100 * value:.0f} %"


def _remarks(rollout: Mapping[str, Any]) -> list[str]:
    frames = rollout["distribution"]["sjsd_single_frames"]
    step = rollout["step_size"]
    generated, reference = rollout["electrons"]["generated"], rollout["electrons"]["reference"]
    extremes = rollout["extremes"]
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
    forecast = rollout["forecast"]
    if forecast["available"]:
        lines.append(("NMAE at equal times", _forecast(forecast)))
    model = rollout.get("model", {})
    if model:
        alone = model["reconstruction"]
        lines.append(
            (
                "reconstruction",
                f"NMAE {alone['nmae']:.3g} %, MSE of ρ̃ {alone['mse']:.3g}, "
                f"compression {alone['compression']:.3g}",
            )
        )
    if "rate_consistency" in model:
        rate = model["rate_consistency"]
        lines.append(
            (
                "rate ∂ρ̃/∂τ",
                f"correlation {rate['correlation']:.3g} with finite differences, "
                f"relative error {rate['relative_error']:.2g}",
            )
        )
    counted = rollout["distribution"]["generated"]
    outside = counted["n_below_range"] + counted["n_above_range"]
    lines.append(
        (
            "values",
            f"{counted['n_values']} counted, {counted['n_clipped_to_floor']} clipped before "
            f"the logarithm, {outside} outside the bins",
        )
    )
    return [_item(name, text) for name, text in lines]


def _against_time(
    name: str, rollout: Mapping[str, Any], metrics: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Give the numbers that tell dynamics from replay."""
    lines = []
    real, ours = metrics["scattering"]["reference"], metrics["scattering"]["rollouts"][name]
    if real["available"] and ours["available"]:
        lines.append(
            (
                "relaxation time τ(q)",
                f"{_time(ours)} at q={ours['q'][0]:.2f}/Å (reference {_time(real)})",
            )
        )
    ensemble = rollout.get("ensemble")
    if ensemble is not None and ensemble["available"]:
        naive = ensemble["baselines"]["persistence"]["crps"][0]
        lines.append(
            (
                "ensembles",
                f"CRPS {ensemble['crps'][0]:.3g} after {ensemble['lead'][0]:g} fs (persistence "
                f"{naive:.3g}), spread/skill {ensemble['ratio'][0]:.2g}",
            )
        )
    near = metrics["memorisation"]
    if near is not None and near["available"]:
        ratio = near["rollouts"][name]["ratio"]
        if ratio is not None:
            lines.append(
                ("nearest training frame", f"{ratio:.2g} times the distance of held-back frames")
            )
    return lines


def _targets(found: Mapping[str, Any]) -> list[str]:
    """One line for each target, with the verdict on each rollout."""
    rollouts = found["rollouts"]
    lines = []
    for number, title in found["titles"].items():
        verdicts = [verdict(one["verdicts"][number]) for one in rollouts.values()]
        if len(rollouts) > 1:
            verdicts = [f"{name}: {text}" for name, text in zip(rollouts, verdicts, strict=True)]
        lines.append(_item(f"{number} {title}", ", ".join(verdicts)))
    return lines


def _time(side: Mapping[str, Any]) -> str:
    time = side["relaxation_time"][0]
    return f"over {side['lag'][-1]:g} fs" if time is None else f"{time:.0f} fs"


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
