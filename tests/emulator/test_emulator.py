from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from liquid import CELL, gaussian_liquid

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator import Emulator
from napari_eldyn.emulator.start import start_state
from napari_eldyn.exceptions import EldynError


def like(liquid: DensityTrajectory, **changes: object) -> DensityTrajectory:
    frames = np.stack(list(liquid))
    fields = {"grid": liquid.grid, "times": liquid.times, "kind": liquid.kind, **changes}
    return DensityTrajectory.from_array(frames, **fields)  # type: ignore[arg-type]


def test_encoding_takes_the_normalised_state(model: Emulator, liquid: DensityTrajectory) -> None:
    state = start_state(liquid, 5, model.normalisation).state
    density = np.log(liquid[5])
    np.testing.assert_allclose(
        state[0], (density - model.normalisation.mean) / model.normalisation.std, atol=1e-4
    )
    latent = model.encode(liquid, 5)
    assert latent.shape == (32,)
    assert latent.dtype == np.float32
    np.testing.assert_array_equal(latent, model.encode_states(state[None])[0])


def test_decoding_gives_densities(model: Emulator, liquid: DensityTrajectory) -> None:
    latents = np.stack([model.encode(liquid, k) for k in (2, 7)])
    densities = model.decode(latents)
    assert densities.shape == (2, *liquid.grid.shape)
    assert densities.dtype == np.float32
    normalised = model.decode_states(latents)[:, 0].astype(float)
    expected = np.exp(model.normalisation.std * normalised + model.normalisation.mean)
    np.testing.assert_allclose(densities, expected, rtol=1e-5)
    np.testing.assert_allclose(model.decode(latents[1]), densities[1], rtol=1e-4)


def test_a_step_of_a_batch_is_that_of_each(model: Emulator) -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(3, 32)).astype(np.float32)
    noise = rng.normal(size=(11, 3, 32)).astype(np.float32)
    for sampler in ("ddpm", "ddim"):
        together = model.step(latents, noise, sampler)
        assert together.shape == (3, 32)
        for index in range(3):
            alone = model.step(latents[index], noise[:, index], sampler)
            np.testing.assert_allclose(alone, together[index], rtol=1e-3, atol=1e-4)


def test_a_step_depends_on_the_frame_before_and_tells_its_progress(model: Emulator) -> None:
    noise = np.random.default_rng(0).normal(size=(6, 32))
    seen: list[tuple[int, int]] = []
    zero = model.step(
        np.zeros(32), noise, callback=lambda index, step, _: seen.append((index, step))
    )
    assert seen == list(enumerate([999, 799, 599, 399, 199]))
    assert np.abs(model.step(np.ones(32), noise) - zero).max() > 1e-3


def test_saved_and_loaded_it_is_the_same(
    model: Emulator, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    path = tmp_path / "again.safetensors"
    sha256 = model.sha256
    model.save(path)
    assert model.name == "again"
    again = Emulator.load(path)
    assert again.sha256 == sha256
    np.testing.assert_array_equal(again.encode(liquid, 3), model.encode(liquid, 3))


def test_the_stride_is_told(model: Emulator, strided_model_path: Path) -> None:
    strided = Emulator.load(strided_model_path)
    assert model.check_compatible(gaussian_liquid(4)) == 1
    assert strided.check_compatible(gaussian_liquid(4)) == 2
    assert strided.check_compatible(gaussian_liquid(4, time_step=1.0)) == 8


def test_what_does_not_fit_is_refused(model: Emulator, liquid: DensityTrajectory) -> None:
    with pytest.raises(EldynError, match=r"grid has 12×12×12.*16×16×16.*--grid 16 16 16"):
        model.check_compatible(gaussian_liquid(3, points=12))
    larger = PeriodicGrid(np.eye(3) * (CELL + 0.01), liquid.grid.shape)
    with pytest.raises(EldynError, match=r"cell \(5\.01 .* is not the one .*\(5\.00 "):
        model.encode(like(liquid, grid=larger), 3)
    with pytest.raises(EldynError, match=r"is all_electron, the model .* pseudo"):
        model.encode(like(liquid, kind="all_electron"), 3)
    assert model.check_compatible(like(liquid, kind="unknown")) == 1
    for time_step in (3.0, 8.0):
        with pytest.raises(EldynError, match=rf"{time_step:g} fs apart.*divide the 4 fs"):
            model.check_compatible(gaussian_liquid(4, time_step=time_step))
    with pytest.raises(EldynError, match="two frames"):
        model.check_compatible(liquid[3:4])


def test_wrong_shapes_are_refused(model: Emulator) -> None:
    with pytest.raises(EldynError, match=r"states have the shape \(2, 16, 16, 16\)"):
        model.encode_states(np.zeros((2, 16, 16, 16), np.float32))
    with pytest.raises(EldynError, match=r"latents have the shape \(1, 31\)"):
        model.decode(np.zeros(31))
    with pytest.raises(EldynError, match=r"latents have the shape \(31,\)"):
        model.step(np.zeros(31), np.zeros((3, 31)))
    with pytest.raises(EldynError, match=r"noise have the shape \(3, 2, 32\)"):
        model.step(np.zeros(32), np.zeros((3, 2, 32)))


@pytest.mark.parametrize("value", [np.nan, 1e30])
def test_latents_without_a_density_are_refused(value: float, model: Emulator) -> None:
    with pytest.raises(EldynError, match="not finite"):
        model.decode(np.full(32, value))


def test_a_missing_device_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(EldynError, match="'cuda:99' is not available"):
        Emulator.load(tmp_path / "absent.safetensors", device="cuda:99")
