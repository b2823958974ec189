"""Small synthetic trajectories shared by the tests of observables."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.transforms import LogNormalisation

MEAN, STD = -2.9, 0.27


def moving_field(grid, n_frames, seed, step=0.35):
    """Log-normal densities of a few plane waves whose phases and sizes wander."""
    rng = np.random.default_rng(seed)
    fractional = np.stack(
        np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1
    )
    waves = rng.integers(-2, 3, size=(40, 3))
    waves = waves[np.any(waves != 0, axis=1)]
    arguments = 2 * np.pi * np.einsum("xyzi,wi->wxyz", fractional, waves)
    phases = rng.uniform(0, 2 * np.pi, len(waves))
    frames = []
    for _ in range(n_frames):
        phases = phases + step * rng.normal(size=len(waves))
        field = np.cos(arguments + phases[:, None, None, None]).sum(axis=0)
        field *= np.sqrt(2 / len(waves))
        frames.append(np.exp(MEAN + STD * field))
    return np.array(frames, dtype=np.float32)


@pytest.fixture(scope="session")
def grid():
    return PeriodicGrid(np.array([[6.0, 0, 0], [0.5, 6.5, 0], [0, 0.3, 7.0]]), (12, 13, 14))


@pytest.fixture(scope="session")
def normalisation():
    return LogNormalisation(mean=MEAN, std=STD)


@pytest.fixture(scope="session")
def reference(grid):
    return DensityTrajectory.from_array(
        moving_field(grid, 40, seed=1), grid, 4.0 * np.arange(40), kind="pseudo"
    )


@pytest.fixture(scope="session")
def generated(grid):
    """Another realisation of the same process, at every second time of the reference."""
    frames = moving_field(grid, 120, seed=1, step=0.35 * np.sqrt(2))
    return DensityTrajectory.from_array(frames, grid, 8.0 * (1 + np.arange(120)), kind="pseudo")
