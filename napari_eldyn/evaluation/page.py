"""What the report is built of: tables and sections, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Section",
    "Table",
    "few",
    "header_table",
    "missing_inputs",
    "share",
    "value",
    "verdict",
    "with_error",
]


@dataclass(frozen=True)
class Table:
    """A table of text that is ready to be shown.

    Parameters
    ----------
    head : sequence of str
        Column titles with units.
    rows : sequence of sequence of str
        The first cell names the row.
    levels : frozenset of int
        Rows that hold a reference level rather than a score.
    caption : str
        What the columns mean.
    text : bool
        Whether cells are words rather than numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    levels: frozenset[int] = frozenset()
    caption: str = ""
    text: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the report.

    Parameters
    ----------
    name : str
        The anchor.
    title : str
        The heading.
    statements : sequence of str
        What the numbers mean, in plain English.
    tables : sequence of Table
        Scores beside their levels.
    figures : sequence of str
        Names of figures.
    details : sequence of Table
        Longer tables, folded away.
    details_title : str
        What unfolds them.
    """

    name: str
    title: str
    statements: Sequence[str]
    tables: Sequence[Table] = ()
    figures: Sequence[str] = ()
    details: Sequence[Table] = field(default=())
    details_title: str = "All numbers"


def value(number: float | None, digits: int = 3) -> str:
    """Write a number with so many digits, or a dash."""
    if number is None:
        return "–"
    if number != 0 and not 1e-3 <= abs(number) < 1e5:
        mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
        return f"{mantissa.replace('-', '−')} × 10{_superscript(int(exponent))}"
    size = 0 if number == 0 else math.floor(math.log10(abs(float(f"{number:.{digits - 1}e}"))))
    places = max(0, digits - 1 - size)
    text = f"{round(number, digits - 1 - size):.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def with_error(number: float | None, error: float | None, digits: int = 3) -> str:
    """Write a number and its standard error, if there is one."""
    if number is None or error is None:
        return value(number, digits)
    return f"{value(number, digits)} ± {value(error, 1)}"


def share(number: float | None) -> str:
    """Write a fraction in percent."""
    if number is None:
        return "–"
    percent = 100 * number
    text = f"{percent:.2g}" if abs(percent) < 9.95 else f"{percent:.0f}"
    return f"{text} %".replace("-", "−")


def verdict(met: bool | None) -> str:
    """Write whether a target is met."""
    return {True: "✓ met", False: "✗ not met", None: "not judged"}[met]


def few(count: int) -> list[int]:
    """Pick the first, the last and some entries between."""
    return sorted({0, count // 4, count // 2, 3 * count // 4, count - 1})


def header_table(metrics: Mapping[str, Any]) -> Table:
    """List which rollouts were compared, and what made them."""
    rows = []
    for name, rollout in metrics["rollouts"].items():
        used, origin, start = rollout["generated"], rollout["provenance"], rollout["start"]
        step = used["timestep"]
        sha256 = origin.get("model_sha256")
        sampler = origin.get("sampler")
        rows.append(
            [
                name,
                f"{used['name']}: {used['n_frames']} frames"
                + (f", {step:g} fs apart" if step else ""),
                f"{origin.get('model_name', '–')} {str(sha256)[:12] if sha256 else ''}".strip(),
                f"{sampler}, {origin.get('evaluations')} evaluations, on {origin.get('device')}"
                if sampler
                else "–",
                str(origin.get("seed", "–")),
                f"reference frame {start['reference_frame']} ({start['source']})"
                if start["in_reference"]
                else start["source"],
            ]
        )
    return Table(
        ["rollout", "frames", "model (sha256)", "sampler", "seed", "start"], rows, text=True
    )


def missing_inputs(metrics: Mapping[str, Any]) -> list[str]:
    """Say which options would add what is not there."""
    rollouts = metrics["rollouts"]
    without_model = [name for name, rollout in rollouts.items() if "model" not in rollout]
    missing = []
    if without_model:
        missing.append(
            f"--model M for {', '.join(without_model)}: the autoencoder alone (encode, decode), "
            "the consistency of the rate ∂ρ̃/∂τ, and forecast ensembles (CRPS, spread and skill)."
        )
    if metrics["training"] is None:
        missing.append(
            "--training TRAJ with --training-frames A:B, once for each trajectory: the "
            "distribution of the training data (Fig. S1), the linear autoregression of latents, "
            "and whether rollouts repeat training frames."
        )
    if not metrics["transfers"]:
        missing.append(
            "--transfer ROLLOUT: a rollout of the same model in a cell of several reference cells."
        )
    if not metrics["runs"]:
        missing.append(
            "--run RUN_DIR for each training run: the training error at each step (Fig. S2)."
        )
    unpaired = [n for n, r in rollouts.items() if not r["forecast"]["available"]]
    if unpaired:
        missing.append(
            f"A start in the reference for {', '.join(unpaired)} (--start-frame, or a rollout "
            "started from a frame of it): errors against lead time."
        )
    return missing
