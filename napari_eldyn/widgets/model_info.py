"""What the Rollout dock says of a model, and of time."""

from __future__ import annotations

import numpy as np

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer.session import LoadedModel

__all__ = ["describe_model", "format_duration"]

_NOTES = {"pooled": "Statistics only: positions are not comparable."}
"""What a user must know of a family before looking at its frames."""


def describe_model(model: LoadedModel) -> str:
    """Describe a model in a few short lines: size, grid, cell, time step, and what it is for."""
    config, grid = model.emulator.config, model.emulator.grid
    size = sum(parameter.numel() for parameter in model.emulator.networks.parameters())
    lines = [
        f"{config.family} · {config.autoencoder.latent_dim} latent numbers · "
        f"{size / 1e6:.2g} M weights",
        f"{describe_grid(grid)} · Δτ = {config.timestep_fs:g} fs",
        _NOTES.get(config.family, ""),
    ]
    return "\n".join(line for line in lines if line)


def describe_grid(grid: PeriodicGrid) -> str:
    """Describe points and cell in a few characters."""
    lengths = [float(length) for length in np.linalg.norm(grid.cell, axis=1)]
    points = " × ".join(map(str, grid.shape))
    if len(set(grid.shape)) == 1:
        points = f"{grid.shape[0]}³"
    if grid.is_cubic:
        return f"{points} points · {lengths[0]:.4g} Å cube"
    cell = " × ".join(f"{length:.4g}" for length in lengths)
    return f"{points} points · {cell} Å" + ("" if grid.is_orthogonal else ", oblique")


def format_duration(seconds: float) -> str:
    """Write a duration as a person would say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
