"""The sections of the report that every evaluation has, and the order of all."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from napari_eldyn.evaluation.model_sections import (
    autoencoder_section,
    ensemble_section,
    memorisation_section,
    runs_section,
    training_section,
)
from napari_eldyn.evaluation.motion_section import motion_section
from napari_eldyn.evaluation.page import Section, Table, share, value, with_error
from napari_eldyn.evaluation.summary import summary_section
from napari_eldyn.evaluation.table import percent, score_rows
from napari_eldyn.evaluation.targets_section import targets_section
from napari_eldyn.evaluation.time_sections import forecast_section, stability_section
from napari_eldyn.evaluation.transfer_section import transfer_section

__all__ = ["sections_of"]

Metrics = Mapping[str, Any]


def sections_of(metrics: Metrics, drawn: Container[str]) -> list[Section]:
    """Put the numbers of an evaluation into sections, each with what they mean.

    Parameters
    ----------
    metrics : mapping
        As ``Evaluation.metrics``.
    drawn : container of str
        Names of the figures there are.

    Returns
    -------
    list of Section
        Those whose inputs were given.
    """
    sections = [
        summary_section(metrics),
        _slices(),
        _scores(metrics),
        _structure_factor(metrics),
        stability_section(metrics),
        forecast_section(metrics),
        motion_section(metrics),
        ensemble_section(metrics),
        transfer_section(metrics),
        memorisation_section(metrics),
        autoencoder_section(metrics),
        training_section(metrics),
        runs_section(metrics),
        targets_section(metrics),
    ]
    return [
        Section(
            section.name,
            section.title,
            section.statements,
            section.tables,
            [name for name in section.figures if name in drawn],
            section.details,
            section.details_title,
        )
        for section in sections
        if section is not None
    ]


def _slices() -> Section:
    return Section(
        "slices",
        "Slices",
        ["What the densities look like, with one colour scale for all."],
        figures=["slices"],
    )


def _scores(metrics: Metrics) -> Section:
    noise = metrics["levels"]["noise"]
    rows, levels = [], set()
    for number, (label, score) in enumerate(score_rows(metrics)):
        if label not in metrics["rollouts"]:
            levels.add(number)
        error = score.get("sjsd_standard_error")
        over = score["sjsd"] / noise["sjsd"] if noise["sjsd"] else None
        rows.append(
            [
                label,
                with_error(score["sjsd"], error),
                value(score["jsd"]),
                "1" if score is noise else value(over, 2),
            ]
        )
    single = [
        [name, *(value(r["distribution"]["sjsd_single_frames"]["generated"][q]) for q in _Q)]
        for name, r in metrics["rollouts"].items()
    ]
    first = next(iter(metrics["rollouts"].values()))["distribution"]
    single.append(
        ["reference frames", *(value(first["sjsd_single_frames"]["reference"][q]) for q in _Q)]
    )
    shape = [
        [name, *(value(r["distribution"]["generated"]["moments"][m]) for m in _MOMENTS)]
        for name, r in metrics["rollouts"].items()
    ]
    shape.append(["reference", *(value(first["reference"]["moments"][m]) for m in _MOMENTS)])
    last = len(shape) - 1
    return Section(
        "distribution",
        "Distribution of density values",
        [
            "The scaled Jensen-Shannon divergence (sJSD) says how different two distributions of "
            "values are: 0 if they are the same, 2 if they do not overlap. It ignores where and "
            "when values occur.",
            f"Noise: {noise['meaning']}. A perfect model scores about as much; scores below it "
            "cannot be told apart. Persistence repeats the start frame, the trajectory mean is "
            "the blurred average density: a useful model is well below both.",
        ],
        [
            Table(
                ["", "sJSD (0 to 2)", "JSD (nats)", "sJSD / noise"],
                rows,
                frozenset(levels),
                "All frames pooled; ± is the standard error by block bootstrap, where the data "
                "are long enough.",
            ),
            Table(
                ["sJSD of single frames", "median", "5 %", "95 %", "first", "last"],
                single,
                frozenset({last}),
                "Each frame against all reference frames. A realistic frame scores within the "
                "range of the reference's own frames.",
            ),
        ],
        ["distribution"],
        [
            Table(
                ["normalised density", "mean", "std", "skew", "excess kurtosis", "min", "max"],
                shape,
                frozenset({last}),
            )
        ],
        "Moments",
    )


_Q = ("median", "q05", "q95", "first", "last")
_MOMENTS = ("mean", "std", "skew", "excess_kurtosis", "min", "max")
_BANDS = ("difference_smallest_q", "difference_low_q", "difference_high_q")


def _structure_factor(metrics: Metrics) -> Section:
    first = next(iter(metrics["rollouts"].values()))["structure_factor"]
    low, q = first["low_q_below"], first["q"]
    rows, levels = [], set()
    for number, (label, score) in enumerate(score_rows(metrics)):
        if label not in metrics["rollouts"]:
            levels.add(number)
        rows.append(
            [label, *(percent(score[c][b]) for c in ("amplitude", "intensity") for b in _BANDS)]
        )
    names = list(metrics["rollouts"])
    shells = []
    for i, wave in enumerate(q):
        cells = [value(wave), str(first["shell_counts"][i])]
        cells.append(
            with_error(
                first["amplitude"]["reference"][i],
                _entry(first["amplitude"]["reference_standard_error"], i),
            )
        )
        cells.append(share(first["amplitude"]["noise_floor"][i]))
        for name in names:
            curve = metrics["rollouts"][name]["structure_factor"]["amplitude"]
            cells.append(
                with_error(curve["generated"][i], _entry(curve["generated_standard_error"], i))
            )
            cells.append(share(curve["relative_difference"][i]))
            cells.append(value(curve["noise_ratio"][i], 2))
        shells.append(cells)
    head = ["q (1/Å)", "grid points", "reference", "noise |ΔS|/S"]
    head += [text for name in names for text in (name, "ΔS/S", "|ΔS|/S / noise")]
    return Section(
        "structure-factor",
        "Structure factor",
        [
            "S(q) says how strongly the density varies over distances 2π/q: small q is long-range "
            "order, large q the shape of single atoms. The tables give how far S(q) is from the "
            "reference's, averaged over shells.",
            f"Shells are sparse at small q (the first holds {first['shell_counts'][0]} grid "
            "points), so their noise is largest; the row 'half against half' shows it.",
            f"The noise of single shells is the {first['noise_floor'].partition(';')[0]}. An "
            "error below twice that cannot be told from the noise.",
        ],
        [
            Table(
                [
                    "|ΔS|/S",
                    *(
                        f"{convention}, {band}"
                        for convention in ("|F|", "|F|²")
                        for band in (f"q={q[0]:.2f}", f"q<{low:g}", f"q≥{low:g}")
                    ),
                ],
                rows,
                frozenset(levels),
                "Mean over shells, q in 1/Å; |F|: amplitude as in the paper, |F|²: intensity per "
                "electron, the usual convention.",
            )
        ],
        ["structure_factor", "structure_factor_intensity", "structure_factor_noise"],
        [Table(head, shells, frozenset(), "Amplitude in electrons, shell by shell.")],
        "Every shell",
    )


def _entry(values: Any, index: int) -> float | None:
    return None if values is None else values[index]
