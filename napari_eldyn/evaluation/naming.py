"""Names of rollouts in legends: what differs between them, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from napari_eldyn.density import DensityTrajectory

__all__ = ["rollout_names"]

_SEPARATOR = " · "
_LONGEST = 40


def rollout_names(trajectories: Sequence[DensityTrajectory]) -> list[str]:
    """Name trajectories by what differs between them: model, sampler, evaluations, seed, start.

    Parameters
    ----------
    trajectories : sequence of DensityTrajectory
        Generated ones; those that do not record how they were made keep the names of their files.

    Returns
    -------
    list of str
        Each another; the model's name for a single rollout.
    """
    records = [_record(trajectory.provenance) for trajectory in trajectories]
    made = [record for record in records if record is not None]
    columns = [key for key in _KEYS if len({record[key] for record in made}) > 1]
    different = len({tuple(record.values()) for record in made})
    for key in reversed(_KEYS):  # what follows from the rest need not be said
        rest = [other for other in columns if other != key]
        if len({tuple(record[other] for other in rest) for record in made}) == different:
            columns = rest
    names = []
    for trajectory, record in zip(trajectories, records, strict=True):
        if record is None:
            names.append(trajectory.name)
        else:
            parts = [record[key] for key in columns] or [record["model"]]
            names.append(_SEPARATOR.join(parts))
    names = [_shortened(name.replace("=", " ")) for name in names]
    alike, seen = Counter(names), Counter[str]()
    for place, name in enumerate(names):
        seen[name] += 1
        if alike[name] > 1:
            names[place] = f"{_shortened(name, _LONGEST - 5)} ({seen[name]})"
    return ["generated" if name == "reference" else name for name in names]


_KEYS = ("model", "seed", "start", "sampling")
"""What is told, the most telling first."""


def _record(provenance: Mapping[str, Any]) -> dict[str, str] | None:
    """Say how a rollout was made, in words; None if it does not tell."""
    start = provenance.get("start")
    if not {"model_name", "sampler", "evaluations", "seed"} <= provenance.keys():
        return None
    frame = start.get("frame") if isinstance(start, Mapping) else None
    return {
        "model": str(provenance["model_name"]),
        "seed": f"seed {provenance['seed']}",
        "start": "start unknown" if frame is None else f"from frame {frame}",
        "sampling": f"{provenance['sampler']} {provenance['evaluations']}",
    }


def _shortened(name: str, longest: int = _LONGEST) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
