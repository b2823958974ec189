"""What the Rollout dock says of a model, and of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_eldyn.viewer.session import LoadedModel

__all__ = ["describe_model", "format_duration"]

_NOTES = {"pooled": "Statistics only: positions are not comparable."}
"""What a user must know of a family before looking at its frames."""


def describe_model(model: LoadedModel) -> str:
    """Describe a model in a few short lines: size, grid, cell, time step, and what it is for."""
    config = model.emulator.config
    size = sum(parameter.numel() for parameter in model.emulator.networks.parameters())
    lines = [
        f"{config.family} · {config.autoencoder.latent_dim} latent numbers · "
        f"{size / 1e6:.2g} M weights",
        f"{_power(config.grid_shape, '{:d}')} points · "
        f"{_power(_lengths(config.cell), '{:.4g}')} Å · Δτ = {config.timestep_fs:g} fs",
        _NOTES.get(config.family, ""),
    ]
    return "\n".join(line for line in lines if line)


def _lengths(cell: Sequence[Sequence[float]]) -> list[float]:
    return [float(length) for length in np.linalg.norm(np.asarray(cell), axis=1)]


def _power(values: Sequence[float], style: str) -> str:
    texts = [style.format(value) for value in values]
    return f"{texts[0]}³" if len(set(texts)) == 1 else " × ".join(texts)


def format_duration(seconds: float) -> str:
    """Write a duration as a person would say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
