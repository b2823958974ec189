"""The spatial family through the emulator: equivariance, larger cells, states of several frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from liquid import CELL, gaussian_liquid, untrained_spatial_model

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator import Emulator
from napari_eldyn.emulator.config import (
    DiffusionConfig,
    SpatialAutoencoderConfig,
    SpatialConfig,
    SpatialDenoiserConfig,
)
from napari_eldyn.emulator.networks import build_networks
from napari_eldyn.exceptions import EldynError

SHIFT = (1, 2, 3)  # latent cells
AXES = (-3, -2, -1)


@pytest.fixture
def spatial(spatial_model_path: Path) -> Emulator:
    return Emulator.load(spatial_model_path)


@pytest.fixture(scope="module")
def two_frame_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state of two frames, a model step of two frames of the liquid."""
    path = tmp_path_factory.mktemp("model") / "two.safetensors"
    return untrained_spatial_model(path, gaussian_liquid(6), stride=2, context_frames=2)


def moved(trajectory: DensityTrajectory, cells: tuple[int, int, int]) -> DensityTrajectory:
    by = tuple(4 * n for n in cells)
    frames = np.roll(np.stack(list(trajectory)), by, axis=AXES)
    return like(trajectory, frames, trajectory.grid)


def tiled(trajectory: DensityTrajectory, counts: tuple[int, int, int]) -> DensityTrajectory:
    grid = trajectory.grid
    larger = PeriodicGrid(
        grid.cell * np.array(counts)[:, None],
        [points * n for points, n in zip(grid.shape, counts, strict=True)],
    )
    return like(trajectory, np.tile(np.stack(list(trajectory)), (1, *counts)), larger)


def like(
    trajectory: DensityTrajectory, frames: np.ndarray, grid: PeriodicGrid
) -> DensityTrajectory:
    return DensityTrajectory.from_array(frames, grid, trajectory.times, kind=trajectory.kind)


def draws(model: Emulator, evaluations: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((evaluations + 1, *model.noise_shape)).astype(np.float32)


def test_shapes(spatial: Emulator, liquid: DensityTrajectory, two_frame_path: Path) -> None:
    assert spatial.latent_shape == spatial.noise_shape == (2, 4, 4, 4)
    assert spatial.latent_size == 128
    assert spatial.context_frames == 1
    assert spatial.samplers == ("heun", "dpmpp_2m")
    assert spatial.default_sampler == "dpmpp_2m"
    assert spatial.default_evaluations("heun") == 8
    latent = spatial.encode(liquid, 5)
    assert latent.shape == (2, 4, 4, 4)
    assert latent.dtype == np.float32
    density = spatial.decode(latent)
    assert density.shape == liquid.grid.shape
    np.testing.assert_allclose(spatial.decode(np.stack([latent] * 2))[1], density, rtol=1e-5)
    two = Emulator.load(two_frame_path)
    assert (two.latent_shape, two.noise_shape) == ((4, 4, 4, 4), (2, 4, 4, 4))
    assert two.context_frames == 2


def test_shifts_by_latent_cells_go_through(spatial: Emulator, liquid: DensityTrajectory) -> None:
    def roll(field: np.ndarray, points: int) -> np.ndarray:
        return np.roll(field, tuple(points * n for n in SHIFT), axis=AXES)

    latent, noise = spatial.encode(liquid, 5), draws(spatial)
    other = spatial.encode(moved(liquid, SHIFT), 5)
    np.testing.assert_allclose(other, roll(latent, 1), atol=1e-5)
    np.testing.assert_allclose(spatial.decode(other), roll(spatial.decode(latent), 4), rtol=1e-4)
    for sampler in spatial.samplers:
        following = spatial.step(latent, noise, sampler)
        assert np.abs(following - latent).max() > 0.05
        np.testing.assert_allclose(
            spatial.step(other, roll(noise, 1), sampler), roll(following, 1), atol=1e-5
        )


def test_a_tiled_state_stays_tiled_in_a_larger_cell(
    spatial: Emulator, liquid: DensityTrajectory
) -> None:
    counts = (1, 2, 3)
    double = tiled(liquid, counts)
    assert spatial.check_compatible(double) == 1
    larger = spatial.for_trajectory(double)
    assert larger.grid.matches(double.grid)
    assert larger.latent_shape == (2, 4, 8, 12)
    assert larger.sha256 == spatial.sha256
    assert spatial.for_trajectory(liquid) is spatial
    latent, noise = spatial.encode(liquid, 5), draws(spatial)
    np.testing.assert_allclose(larger.encode(double, 5), np.tile(latent, (1, *counts)), atol=1e-5)
    np.testing.assert_allclose(
        larger.decode(np.tile(latent, (1, *counts))),
        np.tile(spatial.decode(latent), counts),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        larger.step(np.tile(latent, (1, *counts)), np.tile(noise, (1, 1, *counts))),
        np.tile(spatial.step(latent, noise), (1, *counts)),
        atol=1e-5,
    )


def test_noise_far_away_changes_nothing_here(spatial: Emulator, liquid: DensityTrajectory) -> None:
    # Two blocks see two latent cells, three evaluations six; eight cells lie between.
    long = tiled(liquid, (1, 1, 4))
    model = spatial.for_trajectory(long)
    # What a step changes everywhere is the electron count.
    model.networks.density_response.zero_()  # type: ignore[operator]
    latent, noise = model.encode(long, 5), draws(model)
    changed = noise.copy()
    changed[..., 8] += 1.0
    before, after = model.step(latent, noise), model.step(latent, changed)
    np.testing.assert_array_equal(before[..., :2], after[..., :2])
    assert np.abs(before[..., 8] - after[..., 8]).max() > 1e-2


def test_a_state_of_two_frames_is_theirs_in_order(
    two_frame_path: Path, liquid: DensityTrajectory
) -> None:
    model = Emulator.load(two_frame_path)
    latent = model.encode(liquid, 7)
    older, newer = (model.start_state(liquid, frame).state for frame in (5, 7))
    parts = model.encode_states(np.stack([older, newer]))
    np.testing.assert_allclose(latent, np.concatenate(list(parts)), atol=1e-6)
    # The newest frame is decoded, also when it is given alone.
    np.testing.assert_allclose(model.decode(latent), model.decode(parts[1]), rtol=1e-5)
    noise = draws(model)
    following = model.step(latent, noise)
    np.testing.assert_array_equal(following[:2], latent[2:])
    without = np.concatenate([0 * latent[:2], latent[2:]])
    assert np.abs(model.step(without, noise)[2:] - following[2:]).max() > 1e-3
    assert model.first_frame(liquid) == 2
    np.testing.assert_array_equal(model.encode(liquid), model.encode(liquid, 2))
    with pytest.raises(EldynError, match=r"2 frames, 2 apart, and frame 1 .*frame from 2 on"):
        model.encode(liquid, 1)
    with pytest.raises(EldynError, match=r"no frame 12.* from 2 to 11"):
        model.encode(liquid, 12)


def test_cells_that_do_not_fit_are_refused(
    spatial: Emulator, model: Emulator, liquid: DensityTrajectory
) -> None:
    double = tiled(liquid, (1, 1, 2))
    with pytest.raises(EldynError, match=r"16×16×32 points, the model random works on 16×16×16"):
        model.for_trajectory(double)
    coarse = PeriodicGrid(double.grid.cell, (12, 12, 24))
    with pytest.raises(EldynError, match=r"0\.4167 Å apart, .*0\.3125 Å.*--grid 16 16 32"):
        spatial.for_grid(coarse)
    odd = PeriodicGrid(np.diag([CELL, CELL, CELL * 18 / 16]), (16, 16, 18))
    with pytest.raises(EldynError, match="16×16×18 points, which are not multiples of 4"):
        spatial.for_grid(odd)
    wide = PeriodicGrid(np.eye(3) * CELL * 1.05, (16, 16, 16))
    with pytest.raises(EldynError, match="Choose a model trained at this spacing"):
        spatial.for_grid(wide)
    near = PeriodicGrid(np.eye(3) * CELL * 1.0005, (16, 16, 16))
    assert spatial.for_grid(near).grid is near
    oblique = np.eye(3) * CELL
    oblique[0, 1] = 1.0
    with pytest.raises(EldynError, match="along other directions"):
        spatial.for_grid(PeriodicGrid(oblique, (16, 16, 16)))
    with pytest.raises(EldynError, match=r"runs on 16×16×16 .*for_trajectory"):
        spatial.encode(double, 5)


def test_wrong_use_is_refused(spatial: Emulator) -> None:
    latent, noise = np.zeros((2, 4, 4, 4)), np.zeros((9, 2, 4, 4, 4))
    with pytest.raises(EldynError, match=r"samples with heun, dpmpp_2m, not with ddim"):
        spatial.step(latent, noise, "ddim")
    with pytest.raises(EldynError, match=r"noise have the shape \(9, 1, 4, 4, 4\)"):
        spatial.step(latent, noise[:, :1])
    with pytest.raises(EldynError, match=r"latents have the shape \(3, 2, 4, 4, 8\)"):
        spatial.decode(np.zeros((3, 2, 4, 4, 8)))
    with pytest.raises(EldynError, match="0 evaluations"):
        spatial.step(latent, noise[:1])


def test_noise_on_the_context_needs_a_draw_for_each_frame() -> None:
    config = SpatialConfig(
        grid_shape=(16, 16, 16),
        cell=((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0)),
        timestep_fs=4.0,
        autoencoder=SpatialAutoencoderConfig(width=8, fine_width=4),
        denoiser=SpatialDenoiserConfig(width=8, blocks=1, context_frames=2),
        diffusion=DiffusionConfig(context_noise=0.1),
    )
    networks = build_networks(config)
    latents = torch.zeros((1, 4, 4, 4, 4))
    noise = torch.randn((3, 1, 2, 4, 4, 4), generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        following = networks.sample("dpmpp_2m", latents, noise)
        quiet = networks.sample("dpmpp_2m", latents, torch.cat([noise[:1], 0 * noise[1:]]))

    # An untrained denoiser adds what it is given: the newest frame's noise remains.
    newest = (following - quiet)[:, 2:]
    assert torch.allclose(newest, 0.1 * noise[2], atol=1e-5)
    with pytest.raises(EldynError, match="2 noisy context frames"):
        networks.sample("dpmpp_2m", latents, noise[:2])
