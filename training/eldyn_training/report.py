"""What a model file says of itself: the model card's entries, as JSON values."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from eldyn_training.origin import AutoencoderOrigin
from eldyn_training.state import TrainingState
from napari_eldyn.emulator.device import describe_device
from napari_eldyn.versions import installed_versions

__all__ = ["losses", "provenance"]

HISTORY = 30
"""Points of a loss history in the card."""
LAST = 50
"""Steps over which the last training losses are averaged."""

_NO_LOSSES = ("step", "stage", "during", "best", "frames_per_s", "learning_rate", "gradient_norm")


def provenance(
    training: TrainingState,
    *,
    recipe_name: str | None,
    weights: str,
    log: Sequence[Mapping[str, Any]],
    origin: AutoencoderOrigin | None,
) -> dict[str, Any]:
    """Describe data, recipe, training, losses and versions as JSON values for the model file."""
    return {
        "made_by": "eldyn-train fit",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            **installed_versions("napari-eldyn", "torch", "numpy"),
            "python": platform.python_version(),
        },
        "recipe_name": recipe_name,
        "recipe": training.recipe.model_dump(mode="json"),
        "data": _data(training, origin),
        "training": {
            "steps": training.step,
            "stages": training.done,
            "weights": weights,
            "hours": training.seconds / 3600.0,
            "device": describe_device(training.device),
            "processes": training.processes.count,
            "autoencoder": "trained here" if origin is None else origin.describe(),
        },
        "losses": losses(log),
    }


def losses(log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum up a log: the last losses of each stage, the last validation, and a short history."""
    result: dict[str, Any] = {"training": {}, "validation": {}, "history": {}}
    stages: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in log:
        validates = entry["stage"] == "validation"
        key = ("validation", entry["during"]) if validates else ("training", entry["stage"])
        stages.setdefault(key, []).append(entry)
    for (part, stage), entries in stages.items():
        # A validation stands for itself; the losses of single steps vary with their noises.
        last = entries[-1:] if part == "validation" else entries[-LAST:]
        result[part][stage] = {
            name: _mean([entry[name] for entry in last]) for name in _losses_of(last[-1])
        }
        chosen = np.unique(np.linspace(0, len(entries) - 1, HISTORY).round().astype(int))
        picked = [entries[index] for index in chosen]
        result["history"][f"{stage}, {part}"] = {
            "step": [entry["step"] for entry in picked],
            "loss": [entry["loss"] for entry in picked],
        }
    return result


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _losses_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _NO_LOSSES}


def _data(training: TrainingState, origin: AutoencoderOrigin | None) -> dict[str, Any]:
    dataset = training.dataset
    adopted = None if origin is None else origin.tell_normalisation(dataset)
    return {
        "sha256": dataset.fingerprint,
        "kind": dataset.kind,
        "training_states": len(dataset.training.states),
        "validation_states": len(dataset.validation.states),
        "trajectories": [
            {
                "name": source.name,
                "sha256": source.sha256,
                "frames": ":".join(map(str, source.frames)),
                "times_fs": list(source.times),
                "training_frames": len(source.training),
                "validation_frames": len(source.validation),
                **({} if source.cell is None else {"other_cell": source.cell.tolist()}),
                "provenance": dict(source.provenance),
            }
            for source in dataset.sources
        ],
        "normalisation": dataset.report.model_dump(),
        **({} if adopted is None else {"normalisation_adopted": adopted}),
    }
