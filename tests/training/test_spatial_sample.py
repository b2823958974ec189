"""The shipped spatial model is what sample_data/README.md says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from eldyn_training.recipe import SpatialRecipe, load_recipe
from liquid import step_size

from napari_eldyn.density import DensityTrajectory, repeat_cell
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.observables.errors import nmae

SAMPLE = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def model() -> Emulator:
    return Emulator.load(SAMPLE / "models" / "spatial_li32.safetensors")


def test_the_model_comes_from_the_committed_recipe(model: Emulator) -> None:
    assert SpatialRecipe.model_validate(model.provenance["recipe"]) == load_recipe("spatial_li32")


def test_no_training_frame_is_one_of_the_held_back(
    model: Emulator, held_back: DensityTrajectory
) -> None:
    first, *others = model.provenance["data"]["trajectories"]
    assert first["times_fs"][1] < held_back.times[0]
    assert len(others) == 2


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, 2, 3)])
def test_reconstructions_put_the_density_in_place(
    model: Emulator, held_back: DensityTrajectory, shift: tuple[int, int, int]
) -> None:
    frames = [np.roll(held_back[i], shift, axis=(0, 1, 2)) for i in range(20, 24)]
    moved = DensityTrajectory.from_array(
        np.stack(frames), held_back.grid, held_back.times[20:24], kind=held_back.kind
    )
    decoded = model.decode(model.encode(moved, 3))
    assert nmae(decoded, frames[3]) < 2.0


def test_the_near_future_is_forecast(model: Emulator, held_back: DensityTrajectory) -> None:
    """After 12 fs a rollout is nearer to the truth than the frame it started from."""
    for frame in (10, 40):
        rollout = Rollout(model, held_back, frame, seed=1)
        rollout.advance(3)
        truth = held_back[frame + 3]
        assert nmae(rollout[2], truth) < 0.6 * nmae(held_back[frame], truth)


@pytest.mark.parametrize(
    "frame",
    [30, pytest.param(2, marks=pytest.mark.slow), pytest.param(59, marks=pytest.mark.slow)],
)
def test_rollouts_move_and_stay_realistic(
    model: Emulator, held_back: DensityTrajectory, frame: int
) -> None:
    rollout = Rollout(model, start=held_back, frame=frame, seed=frame)
    assert rollout.origin.evaluations <= 8
    rollout.advance(60)

    assert 0.8 < step_size(rollout, range(45, 60)) / step_size(held_back, range(20)) < 1.25
    spread = np.std([np.log(rollout[i]) for i in range(45, 60)])
    assert spread == pytest.approx(model.normalisation.std, rel=0.15)
    assert rollout.electrons(59) == pytest.approx(held_back.electrons(0), rel=0.01)


def test_a_doubled_cell_runs_with_the_same_weights(
    model: Emulator, held_back: DensityTrajectory
) -> None:
    double = repeat_cell(held_back, (1, 1, 2))
    rollout = Rollout(model, double, 6, seed=0)
    rollout.advance(25)
    halves = np.split(rollout[24], 2, axis=2)
    assert rollout.electrons(24) == pytest.approx(2 * held_back.electrons(0), rel=0.01)
    # The halves start alike and go their own ways.
    assert nmae(*halves) > 3.0
