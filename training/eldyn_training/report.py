"""What is said of a trained model: scores on its training states, and provenance."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch

import napari_eldyn
from eldyn_training.data import Source
from eldyn_training.objective import reconstruction_loss
from eldyn_training.state import ENCODE_BATCH, TrainingState
from napari_eldyn.emulator.device import describe_device
from napari_eldyn.emulator.networks import EmulatorNetworks

__all__ = ["provenance", "reconstruction_scores"]


@torch.no_grad()
def reconstruction_scores(training: TrainingState, networks: EmulatorNetworks) -> dict[str, float]:
    """Score the reconstruction of the training states, at most 512 of them, in float32."""
    states = training.dataset.training.states
    states = states[torch.linspace(0, len(states) - 1, min(len(states), 512)).round().long()]
    totals: dict[str, float] = {"mse_density": 0.0, "mse_rate": 0.0, "sjsd": 0.0, "jsd": 0.0}
    for part in torch.split(states, ENCODE_BATCH):
        batch = training.dataset.batch(part).to(training.device)
        generated = networks.decode(networks.encode(batch))
        density, rate = reconstruction_loss(generated, batch).tolist()
        sjsd, jsd = training.distribution(
            generated[:, 0], training.distribution.counts(batch[:, 0])
        )
        values = (density, rate, sjsd.item(), jsd.item())
        for key, value in zip(totals, values, strict=True):
            totals[key] += value * len(part) / len(states)
    return totals


def provenance(training: TrainingState, scores: Mapping[str, float]) -> dict[str, Any]:
    """Describe data, recipe, versions and scores as JSON values for the model file."""
    sources = [_describe(source) for source in training.dataset.sources]
    return {
        "made_by": "eldyn-train fit",
        "versions": {
            "napari-eldyn": napari_eldyn.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "recipe": training.recipe.model_dump(mode="json"),
        "data": {
            **(sources[0] if len(sources) == 1 else {"trajectories": sources}),
            "sha256": training.dataset.fingerprint,
            "kind": training.dataset.kind,
            "normalisation": training.dataset.report.model_dump(),
        },
        "training": {
            "steps": training.step,
            "hours": training.seconds / 3600.0,
            "device": describe_device(training.device),
        },
        "scores_on_training_states": dict(scores),
    }


def _describe(source: Source) -> dict[str, Any]:
    first, end, step = source.frames
    return {
        "name": source.name,
        "sha256": source.sha256,
        "frames": f"{first}:{end}:{step}",
        "times_fs": list(source.times),
        "training_frames": len(source.training),
        "validation_frames": len(source.validation),
        "provenance": dict(source.provenance),
    }
