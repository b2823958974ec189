"""A small synthetic reference for the tests of figures."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.observables.levels import reference_levels
from napari_eldyn.observables.statistics import combine, default_settings, frame_statistics

MEAN, STD = -2.9, 0.27


def densities(n_frames, seed, spread=STD):
    rng = np.random.default_rng(seed)
    return np.exp(MEAN + spread * rng.standard_normal((n_frames, 12, 12, 12))).astype(np.float32)


@pytest.fixture(scope="session")
def levels():
    grid = PeriodicGrid(8.0 * np.eye(3), (12, 12, 12))
    trajectory = DensityTrajectory.from_array(densities(20, 1), grid, 4.0 * np.arange(20))
    settings = default_settings(trajectory, LogNormalisation(mean=MEAN, std=STD), bins=64)
    return reference_levels(trajectory, settings)


@pytest.fixture(scope="session")
def generated(levels):
    """Two generated trajectories: a good one, and one whose values spread too little."""
    settings = levels.reference.settings
    return {
        name: combine((frame_statistics(rho, settings) for rho in frames), settings)
        for name, frames in (("good", densities(10, 2)), ("narrow", densities(10, 3, 0.8 * STD)))
    }
