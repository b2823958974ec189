"""Rollouts of the spatial family: stored, resumed, in the model's cell and in a larger one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from liquid import gaussian_liquid, untrained_spatial_model

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.rollout import frame_noise
from napari_eldyn.exceptions import EldynError


@pytest.fixture(scope="module")
def two_frames(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    path = tmp_path_factory.mktemp("model") / "two.safetensors"
    return Emulator.load(untrained_spatial_model(path, gaussian_liquid(6), context_frames=2))


@pytest.fixture
def doubled(liquid: DensityTrajectory) -> DensityTrajectory:
    grid = PeriodicGrid(liquid.grid.cell * np.array([[1], [1], [2]]), (16, 16, 32))
    frames = np.tile(np.stack(list(liquid)), (1, 1, 1, 2))
    return DensityTrajectory.from_array(frames, grid, liquid.times, kind="pseudo")


def test_frames_are_the_model_step_by_step(two_frames: Emulator, liquid: DensityTrajectory) -> None:
    rollout = Rollout(two_frames, liquid, 4, seed=3)
    assert (rollout.origin.sampler, rollout.origin.evaluations) == ("dpmpp_2m", 8)
    rollout.advance(3)
    latent = two_frames.encode(liquid, 4)
    np.testing.assert_array_equal(rollout.start_latent, latent)
    for index in range(3):
        latent = two_frames.step(latent, frame_noise(3, index, 8, (2, 4, 4, 4)), "dpmpp_2m")
        np.testing.assert_array_equal(rollout.latents[index], latent)
        np.testing.assert_allclose(rollout[index], two_frames.decode(latent), rtol=1e-5)
    assert rollout.latents.shape == (3, 4, 4, 4, 4)
    assert Rollout(two_frames, liquid).origin.start.frame == 1


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m"])
def test_saved_resumed_it_goes_on_as_if_never_stopped(
    sampler: str, two_frames: Emulator, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    whole, half = (Rollout(two_frames, liquid, 4, sampler, 5, 3) for _ in range(2))
    whole.advance(9)
    half.advance(4)
    half.save(tmp_path / "r.eldyn")
    resumed = Rollout.resume(tmp_path / "r.eldyn", two_frames)
    np.testing.assert_array_equal(resumed.start_latent, whole.start_latent)
    resumed.advance(5)
    np.testing.assert_array_equal(resumed.latents, whole.latents)
    assert resumed.provenance == whole.provenance


def test_a_doubled_cell_needs_no_other_model(
    spatial_model_path: Path, doubled: DensityTrajectory, tmp_path: Path
) -> None:
    model = Emulator.load(spatial_model_path)
    rollout = Rollout(model, doubled, 4, evaluations=3, seed=1)
    rollout.advance(4)
    assert rollout.grid.matches(doubled.grid)
    assert rollout[3].shape == (16, 16, 32)
    assert rollout.latents.shape == (4, 2, 4, 4, 8)
    # The start is periodic in half the cell; noise makes the halves go their own ways.
    halves = np.split(rollout.latents, 2, axis=-1)
    start = np.split(rollout.start_latent, 2, axis=-1)
    np.testing.assert_allclose(start[0], start[1], atol=1e-5)
    apart = np.sqrt(np.mean((halves[0] - halves[1]) ** 2, axis=(1, 2, 3, 4)))
    assert apart[0] > 1e-3
    assert apart[3] > apart[0]
    kept = json.loads(json.dumps(dict(rollout.provenance)))
    assert kept["grid"] == {"cell": doubled.grid.cell.tolist(), "points": [16, 16, 32]}
    assert kept["model_grid"]["points"] == [16, 16, 16]
    rollout.save(tmp_path / "double.eldyn")
    resumed = Rollout.resume(tmp_path / "double.eldyn", model)
    resumed.advance(1)
    rollout.advance(1)
    np.testing.assert_array_equal(resumed.latents, rollout.latents)


def test_a_rollout_of_before_the_spatial_family_goes_on(
    model: Emulator, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    whole, half = (Rollout(model, liquid, 4, "ddim", 5, 3) for _ in range(2))
    whole.advance(6)
    half.advance(4)
    half.save(tmp_path / "r.eldyn")
    header = tmp_path / "r.eldyn" / "zarr.json"
    content = json.loads(header.read_text())
    provenance = content["attributes"]["provenance"]
    del provenance["grid"], provenance["model_grid"]
    provenance["start_latent"] = half.start_latent.tolist()
    header.write_text(json.dumps(content))
    resumed = Rollout.resume(tmp_path / "r.eldyn", model)
    np.testing.assert_array_equal(resumed.start_latent, half.start_latent)
    resumed.advance(2)
    np.testing.assert_array_equal(resumed.latents, whole.latents)


def test_damaged_starts_are_named(
    spatial_model_path: Path, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    model = Emulator.load(spatial_model_path)
    rollout = Rollout(model, liquid, 4, evaluations=1)
    rollout.advance(1)
    rollout.save(tmp_path / "r.eldyn")
    header = tmp_path / "r.eldyn" / "zarr.json"
    content = json.loads(header.read_text())
    latent = content["attributes"]["provenance"]["start_latent"]
    for shape, message in (
        ([2, 4, 4], "do not fill"),
        ([4, 2, 4, 4], r"start frame has the shape"),
    ):
        latent["shape"] = shape
        header.write_text(json.dumps(content))
        with pytest.raises(EldynError, match=message):
            Rollout.resume(tmp_path / "r.eldyn", model)
