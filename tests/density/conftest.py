"""Small trajectories that the tests write, read and damage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid

MakeTrajectory = Callable[..., DensityTrajectory]


def build_trajectory(
    n: int = 5, shape: tuple[int, int, int] = (6, 5, 4), seed: int = 0, **fields: Any
) -> DensityTrajectory:
    rng = np.random.default_rng(seed)
    grid = PeriodicGrid(np.diag([3.0, 4.0, 5.0]), shape)
    density = np.exp(rng.normal(-3.0, 0.3, (n, *shape))).astype(np.float32)
    complete: dict[str, Any] = {
        "numbers": [3, 11],
        "positions": rng.normal(size=(n, 2, 3)),
        "velocities": rng.normal(size=(n, 2, 3)) * 1e-3,
        "scalars": {"energy": rng.normal(size=n), "temperature": rng.uniform(700, 900, n)},
        "extra": {"latents": rng.normal(size=(n, 7)).astype(np.float32)},
        "kind": "pseudo",
        "provenance": {"code": "made up", "settings": {"cutoff_ev": 280}},
    }
    return DensityTrajectory.from_array(
        density, grid, 10.0 + 4.0 * np.arange(n), **complete | fields
    )


@pytest.fixture
def make_trajectory() -> MakeTrajectory:
    return build_trajectory
