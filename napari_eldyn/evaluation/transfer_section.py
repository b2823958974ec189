"""The report's section on rollouts in a larger cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, share, value, with_error

__all__ = ["transfer_section"]

Metrics = Mapping[str, Any]


def transfer_section(metrics: Metrics) -> Section | None:
    """Give statistics beside those of the reference's cell; nothing voxel by voxel."""
    found = metrics["transfers"]
    if not found:
        return None
    noise = metrics["levels"]["noise"]
    rows, shells, cells = [], [], []
    for name, one in found.items():
        factor = one["structure_factor"]["intensity"]
        generated, reference = (
            one["electrons"][side]["mean"] for side in ("generated", "reference")
        )
        grid = "×".join(map(str, one["generated"]["grid"]))
        times = "×".join(map(str, one["multiples"]))
        atoms = one["atoms"]["generated"]
        cells.append(
            f"{name}: {one['generated']['n_frames']} frames on {grid} points, {times} reference "
            "cells" + (f", {atoms} atoms" if atoms else "") + "."
        )
        rows.append(
            [
                name,
                value(one["distribution"]["sjsd"]),
                value(one["distribution"]["sjsd"] / noise["sjsd"] if noise["sjsd"] else None, 2),
                value(max((r for r in factor["noise_ratio"] if r is not None), default=None), 2),
                f"{value(100 * (generated / reference - 1), 2)} %",
                value(one["step_size"]["ratio"]),
                value(one["stability"]["trends"]["sjsd"]["first"]),
                value(one["stability"]["trends"]["sjsd"]["last"]),
            ]
        )
    first = next(iter(found.values()))["structure_factor"]
    for i, wave in enumerate(first["q"]):
        row = [value(wave), str(first["shell_counts"][i])]
        real = first["intensity"]
        row.append(with_error(real["reference"][i], _entry(real["reference_standard_error"], i)))
        row.append(share(real["noise_floor"][i]))
        for one in found.values():
            part = one["structure_factor"]["intensity"]
            row.append(
                with_error(part["generated"][i], _entry(part["generated_standard_error"], i))
            )
            row.append(value(part["noise_ratio"][i], 2))
        shells.append(row)
    head = ["q (1/Å)", "wave vectors", "reference", "noise |ΔS|/S"]
    head += [text for name in found for text in (name, "|ΔS|/S / noise")]
    return Section(
        "transfer",
        "A larger cell",
        [
            "The same weights in a cell of several reference cells should give the same liquid. "
            "Compared is what does not depend on the size of the cell: values, steps, electrons "
            "per reference cell, and S(q) per electron and F(q,t) at the wave vectors that both "
            "cells have; wave vectors that only the larger cell has are left out.",
            "Whatever compares densities voxel by voxel is left out: forecast errors, ensembles, "
            "persistence, distances to training frames. So are finite-size effects: both cells "
            "are periodic, and the smaller one, too, may hold back slow density waves.",
            *cells,
        ],
        [
            Table(
                [
                    "",
                    "sJSD",
                    "sJSD / noise",
                    "|ΔS|/S / noise, largest",
                    "electrons per atom off by",
                    "step size ratio",
                    "sJSD, first window",
                    "last window",
                ],
                rows,
            )
        ],
        ["transfer_distribution", "transfer_structure_factor", "transfer_relaxation"],
        [
            Table(
                head,
                shells,
                frozenset(),
                "Intensity per electron at the wave vectors that both cells have.",
            )
        ],
        "Every shell",
    )


def _entry(values: Any, index: int) -> float | None:
    return None if values is None else values[index]
