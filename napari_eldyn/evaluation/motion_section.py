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
    sides = {"reference": found["reference"], **found["rollouts"]}
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
        rows.append(
            [
                value(wave),
                str(first["mode_counts"][i]),
                *(
                    with_error(side["relaxation_time"][i], _entry(side["relaxation_error"], i))
                    for side in usable.values()
                ),
            ]
        )
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
                ["q (1/Å)", "modes", *(f"τ, {name} (fs)" for name in usable)],
                rows,
                caption="± is the standard error by bootstrap over blocks of at least 200 fs, "
                "where there are enough.",
            )
        ],
        ["scattering", "relaxation", "spectrum"],
    )


def _entry(values: Any, index: int) -> float | None:
    return None if values is None else values[index]
