"""The report's section on dynamics: F(q,t) and relaxation times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, value, with_error

__all__ = ["motion_section"]


def motion_section(metrics: Mapping[str, Any]) -> Section:
    """Give relaxation times beside the reference's."""
    found = metrics["scattering"]
    statements = [
        "Value distributions and S(q) ignore the order of frames: shuffled training frames would "
        "score perfectly. The intermediate scattering function F(q,t) does not: it says how long "
        "density waves of wave number q live. τ(q) is the time after which they have fallen to "
        "1/e.",
    ]
    sides = {"reference": found["reference"], **found["rollouts"], **found["transfers"]}
    statements += [
        f"{name}: not judged, {side['reason']}."
        for name, side in sides.items()
        if not side["available"]
    ]
    usable = {name: side for name, side in sides.items() if side["available"]}
    if not usable:
        return Section("motion", "Dynamics", statements)
    first = next(iter(usable.values()))
    rows = []
    for i, wave in enumerate(first["q"]):
        row = [value(wave), str(first["mode_counts"][i])]
        for side in usable.values():
            error = _entry(side["relaxation_error"], i)
            row.append(with_error(side["relaxation_time"][i], error))
            if "ratio" in side:
                row.append(with_error(side["ratio"][i], side["ratio_error"][i]))
            elif side is found["reference"]:
                time = side["relaxation_time"][i]
                known = error is not None and time is not None and error <= 0.1 * time
                row.append("yes" if known else "no")
        rows.append(row)
    head = ["q (1/Å)", "modes"]
    for name, side in usable.items():
        head.append(f"τ, {name} (fs)")
        head.append("known to 10 %" if side is found["reference"] else f"ratio, {name}")
    return Section(
        "motion",
        "Dynamics",
        [
            *statements,
            "Times much longer than the reference's mean a frozen rollout, much shorter ones "
            "frames that hardly depend on those before. A dash: the correlation does not fall to "
            "1/e within the lags that the data allow.",
        ],
        [
            Table(
                head,
                rows,
                caption="± is the standard error by bootstrap over blocks of at least 200 fs, "
                "where there are enough.",
            )
        ],
        ["scattering", "relaxation", "relaxation_ratio", "spectrum"],
    )


def _entry(values: Any, index: int) -> float | None:
    return None if values is None else values[index]
