"""The shipped model and trajectory are what sample_data/README.md says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from eldyn_training.recipe import PooledRecipe, load_recipe
from liquid import step_size

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout

SAMPLE = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def model() -> Emulator:
    return Emulator.load(SAMPLE / "models" / "pooled_li32.safetensors")


def test_the_model_comes_from_the_committed_recipe(model: Emulator) -> None:
    assert PooledRecipe.model_validate(model.provenance["recipe"]) == load_recipe("li32_small")


def test_the_trajectory_was_held_back(model: Emulator, held_back: DensityTrajectory) -> None:
    assert model.provenance["data"]["times_fs"][1] < held_back.times[0]
    assert held_back.timestep == model.timestep
    assert model.check_compatible(held_back) == 1


def test_together_they_are_small() -> None:
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert size < 40e6


@pytest.mark.parametrize("frame", [0, 30, 59])
def test_rollouts_move_and_stay_realistic(
    model: Emulator, held_back: DensityTrajectory, frame: int
) -> None:
    """Steps as large as the data's and the right spread, from any start, to the end."""
    rollout = Rollout(
        model, start=held_back, frame=frame, sampler="ddim", evaluations=20, seed=frame
    )
    rollout.advance(300)

    for part in (range(10, 30), range(280, 300)):
        assert 0.7 < step_size(rollout, part) / step_size(held_back, range(20)) < 1.4
        spread = np.std([np.log(rollout[i]) for i in part])
        assert spread == pytest.approx(model.normalisation.std, rel=0.2)
        assert rollout.electrons(part[-1]) == pytest.approx(held_back.electrons(0), rel=0.01)
