"""A small liquid, and untrained models that fit it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_eldyn.density import DensityTrajectory, PeriodicGrid

CELL = 5.0  # Å
POINTS = 16
TIME_STEP = 4.0  # fs


def gaussian_liquid(
    n_frames: int, *, points: int = POINTS, time_step: float = TIME_STEP, seed: int = 0
) -> DensityTrajectory:
    """Eight atoms that drift in a periodic cube: Gaussians on a sea, electrons/Å³."""
    rng = np.random.default_rng(seed)
    grid = PeriodicGrid(np.eye(3) * CELL, (points, points, points))
    corners = np.stack(np.meshgrid(*[[0.25, 0.75]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    start = corners + rng.uniform(-0.08, 0.08, (8, 3))
    velocity = rng.normal(0, 5e-4, (8, 3))
    nodes = np.stack(np.meshgrid(*[np.arange(points) / points] * 3, indexing="ij"), axis=-1)
    times = 100.0 + time_step * np.arange(n_frames)
    frames = []
    for time in times:
        density = np.full(grid.shape, 0.05)
        for place in start + velocity * time:
            offset = nodes - place
            offset -= np.rint(offset)
            density += 0.08 * np.exp(-np.sum((offset * CELL) ** 2, axis=-1) / (2 * 0.5**2))
        frames.append(density)
    return DensityTrajectory.from_array(
        np.array(frames, np.float32), grid, times, numbers=[3] * 8, kind="pseudo"
    )


def untrained_model(path: Path, trajectory: DensityTrajectory, *, stride: int = 1) -> Path:
    """Write a model with random weights: a real one in every respect but its predictions."""
    import torch

    from napari_eldyn.density.transforms import fit_normalisation
    from napari_eldyn.emulator.config import AutoencoderConfig, DenoiserConfig, PooledConfig
    from napari_eldyn.emulator.emulator import Emulator
    from napari_eldyn.emulator.networks import build_networks

    torch.manual_seed(0)
    config = PooledConfig(
        grid_shape=trajectory.grid.shape,
        cell=tuple(tuple(float(x) for x in row) for row in trajectory.grid.cell),
        timestep_fs=stride * trajectory.timestep,
        density_kind="pseudo",
        autoencoder=AutoencoderConfig(channels=(8, 16), decoder_channels=(16, 8, 4)),
        denoiser=DenoiserConfig(hidden=32, layers=2, output="velocity"),
    )
    normalisation, _ = fit_normalisation(trajectory)
    networks = build_networks(config)
    # A fresh output layer is zero, and frames would not depend on the ones before.
    torch.nn.init.normal_(networks.denoiser.output.weight, std=0.1)
    Emulator(networks, config, normalisation).save(path)
    return path


def untrained_spatial_model(
    path: Path, trajectory: DensityTrajectory, *, stride: int = 1, context_frames: int = 1
) -> Path:
    """Write a small model of the spatial family with random weights, none of them without effect.

    Its decoder is shallow, and latents are scaled as after training.
    """
    import torch

    from napari_eldyn.density.transforms import fit_normalisation
    from napari_eldyn.emulator.config import (
        SpatialAutoencoderConfig,
        SpatialConfig,
        SpatialDenoiserConfig,
    )
    from napari_eldyn.emulator.emulator import Emulator
    from napari_eldyn.emulator.networks import build_networks

    torch.manual_seed(0)
    config = SpatialConfig(
        grid_shape=trajectory.grid.shape,
        cell=tuple(tuple(float(x) for x in row) for row in trajectory.grid.cell),
        timestep_fs=stride * trajectory.timestep,
        density_kind="pseudo",
        autoencoder=SpatialAutoencoderConfig(
            width=8, encoder_blocks=1, decoder_blocks=1, fine_width=4
        ),
        denoiser=SpatialDenoiserConfig(
            width=8, blocks=2, noise_embedding=8, context_frames=context_frames
        ),
    )
    normalisation, _ = fit_normalisation(trajectory)
    networks = build_networks(config)
    with torch.no_grad():
        for parameter in networks.parameters():
            # Fresh residual blocks are identities.
            parameter.add_(0.05 * torch.randn_like(parameter))
        networks.latent_mean.fill_(0.1)
        networks.latent_std.fill_(0.9)
        networks.residual_std.fill_(0.2)
        networks.density_response[:, 0, 0, 0] = torch.tensor([0.3, 0.1])
    Emulator(networks, config, normalisation).save(path)
    return path


def step_size(trajectory: DensityTrajectory, frames: range) -> float:
    """RMS change of ln ρ from frame to frame."""
    logs = [np.log(trajectory[i]) for i in frames]
    return float(np.sqrt(np.mean(np.diff(logs, axis=0) ** 2)))
