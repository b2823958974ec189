"""A recipe that trains in seconds, and data for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eldyn_training.recipe import PooledRecipe
from liquid import gaussian_liquid

from napari_eldyn.density import DensityTrajectory


@pytest.fixture(scope="session")
def held_back() -> DensityTrajectory:
    """The sample trajectory."""
    return DensityTrajectory.open(Path(__file__).parents[2] / "sample_data" / "li32_800K.eldyn")


@pytest.fixture(scope="session")
def trajectory() -> DensityTrajectory:
    return gaussian_liquid(14)


@pytest.fixture
def values() -> dict[str, Any]:
    """The tiny recipe as a mapping, to be changed at will."""
    return {
        "data": {"frames": ":12", "time_reversal": True, "reflect_ends": True},
        "model": {
            "autoencoder": {
                "latent_dim": 8,
                "channels": [8, 16],
                "decoder_channels": [16, 8],
                "norm_groups": 4,
            },
            "denoiser": {"hidden": 32, "layers": 2, "time_embedding": 16},
            "schedule": {"steps": 50},
        },
        "objective": {"noise_draws": 2, "context_noise": 0.1, "histogram_bins": 32},
        "training": {"steps": 6, "batch_size": 4, "warmup_steps": 2, "ema_decay": 0.5},
        "refinement": {"steps": 5, "batch_size": 8},
    }


@pytest.fixture
def recipe(values: dict[str, Any]) -> PooledRecipe:
    return PooledRecipe.model_validate(values)
