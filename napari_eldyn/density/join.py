"""Join trajectories that follow each other in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_eldyn.density.frames import JoinedFrames, JoinedRows, SourceOf
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["join"]


def join(parts: Sequence[DensityTrajectory]) -> DensityTrajectory:
    """Return one lazy trajectory of several that follow each other without a gap.

    Parameters
    ----------
    parts : sequence of DensityTrajectory
        In any order; they are put in the order of their first times. If the times of one are not
        known, they stay in the order given, and the frames are counted.

    Raises
    ------
    EldynError
        If they differ in grid, atoms, kind or recorded quantities, or if there is a gap or an
        overlap in time between them.
    """
    if not parts:
        raise EldynError("there are no trajectories to join")
    if any(len(part) == 0 for part in parts):
        empty = next(part for part in parts if len(part) == 0)
        raise EldynError("the trajectory has no frames to join", path=empty.path)
    times_known = all(part.times_known for part in parts)
    ordered = sorted(parts, key=lambda part: float(part.times[0])) if times_known else list(parts)
    first = ordered[0]
    if len(ordered) == 1:
        return first
    for part in ordered[1:]:
        _check_alike(first, part)
    if times_known:
        times = np.concatenate([part.times for part in ordered])
        _check_continuous(ordered, times)
    else:
        times = np.arange(sum(len(part) for part in ordered), dtype=np.float64)
    return DensityTrajectory(
        JoinedFrames([SourceOf(part) for part in ordered]),
        first.grid,
        times,
        numbers=first.numbers,
        positions=_joined([part.positions for part in ordered]),
        velocities=_joined([part.velocities for part in ordered]),
        scalars={
            name: np.concatenate([part.scalars[name] for part in ordered]) for name in first.scalars
        },
        extra={name: JoinedRows([part.extra[name] for part in ordered]) for name in first.extra},
        kind=first.kind,
        quantity=first.quantity,
        times_known=times_known,
        provenance={
            **_expected(ordered),
            "joined_from": [
                {"path": part.name, "frames": len(part), "provenance": dict(part.provenance)}
                for part in ordered
            ],
        },
        path=first.path,
    )


def _expected(parts: list[DensityTrajectory]) -> dict[str, Any]:
    """Return the entry about the expected electrons, where all parts agree on it."""
    name = "expected_electrons"
    values = {part.provenance.get(name) for part in parts}
    return {name: values.pop()} if len(values) == 1 and None not in values else {}


def _joined(values: list[Any]) -> Any:
    return None if values[0] is None else np.concatenate(values)


def _check_alike(first: DensityTrajectory, other: DensityTrajectory) -> None:
    differences = []
    if not first.grid.matches(other.grid):
        differences.append(f"grid and cell ({other.grid!r} against {first.grid!r})")
    if not _same_atoms(first, other):
        differences.append("atoms")
    if first.kind != other.kind:
        differences.append(f"kind of density ({other.kind} against {first.kind})")
    if first.quantity != other.quantity:
        differences.append(f"quantity ({other.quantity} against {first.quantity})")
    for name in ("positions", "velocities"):
        if (getattr(first, name) is None) != (getattr(other, name) is None):
            differences.append(f"{name}, which only one has")
    for what, mine, theirs in (
        ("scalars", set(first.scalars), set(other.scalars)),
        ("extra arrays", set(first.extra), set(other.extra)),
    ):
        if mine != theirs:
            differences.append(f"{what} ({', '.join(sorted(mine ^ theirs))} in one only)")
    if differences:
        raise EldynError(
            f"cannot be joined to {first.name}: they differ in {'; '.join(differences)}",
            path=other.path,
        )


def _same_atoms(first: DensityTrajectory, other: DensityTrajectory) -> bool:
    if first.numbers is None or other.numbers is None:
        return first.numbers is other.numbers
    return np.array_equal(first.numbers, other.numbers)


def _check_continuous(ordered: list[DensityTrajectory], times: Any) -> None:
    """Require steps across the joints as long as those inside the parts."""
    inside = [np.diff(part.times) for part in ordered if len(part) > 1]
    step = float(np.median(np.concatenate(inside))) if inside else float(np.diff(times).min())
    ends = np.cumsum([len(part) for part in ordered])[:-1]
    for before, part, end in zip(ordered, ordered[1:], ends, strict=False):
        jump = float(times[end] - times[end - 1])
        if jump <= 0.0:
            raise EldynError(
                f"starts at {part.times[0]:g} fs, before {before.name} ends at "
                f"{before.times[-1]:g} fs",
                path=part.path,
                remedy="Leave out one of them, or cut frames with --frames.",
            )
        if abs(jump - step) > 1e-3 * step:
            raise EldynError(
                f"starts {jump:g} fs after {before.name} ends; frames are {step:g} fs apart",
                path=part.path,
                remedy="Add what is missing between them.",
            )
