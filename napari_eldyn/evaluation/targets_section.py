"""The report's last section: the targets, with the number reached and whether it suffices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_eldyn.evaluation.page import Section, Table, value, verdict

__all__ = ["targets_section"]


def targets_section(metrics: Mapping[str, Any]) -> Section:
    """Give one row for each target, and below it every criterion."""
    found = metrics["targets"]
    names = list(found["rollouts"])
    titles = found["titles"]
    rows = []
    for number, title in titles.items():
        cells = [f"{number}  {title}"]
        for name in names:
            one = found["rollouts"][name]
            asked = [
                row
                for row in one["criteria"]
                if str(row["target"]) == number and row["bound"] is not None
            ]
            good = sum(row["met"] is True for row in asked)
            counted = f" ({good} of {len(asked)})" if asked else ""
            cells.append(verdict(one["verdicts"][number]) + counted)
        rows.append(cells)
    details = [
        Table(
            [name, "reached", "asked for", "", "note"],
            [
                [
                    f"{row['target']}  {row['name']}",
                    _with_unit(row),
                    "–" if row["bound"] is None else _bound(row),
                    "–" if row["bound"] is None else verdict(row["met"]),
                    row["note"],
                ]
                for row in sorted(
                    found["rollouts"][name]["criteria"], key=lambda row: row["target"]
                )
            ],
            text=True,
        )
        for name in names
    ]
    return Section(
        "targets",
        "Targets",
        [
            "What a spatial emulator must show on a stretch of trajectory that training never "
            "saw, and what was reached. A target is met if all that it asks for is; in brackets, "
            "how many of its criteria are. 'Not judged': nothing missed, but something could not "
            "be judged, for the reason in the note.",
        ],
        [
            Table(["target", *names], rows, text=True),
            *details,
        ],
    )


def _with_unit(row: Mapping[str, Any]) -> str:
    return f"{value(row['reached'])} {row['unit']}".strip()


def _bound(row: Mapping[str, Any]) -> str:
    return f"{row['bound']} {row['unit']}".strip() if row["reached"] is not None else row["bound"]
