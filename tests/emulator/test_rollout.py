from __future__ import annotations

import json
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.rollout import frame_noise
from napari_eldyn.exceptions import EldynError


def short(
    model: Emulator, liquid: DensityTrajectory, frames: int = 6, **options: object
) -> Rollout:
    settings = {"sampler": "ddim", "evaluations": 5, "seed": 3, **options}
    rollout = Rollout(model, liquid, 4, **settings)  # type: ignore[arg-type]
    rollout.advance(frames)
    return rollout


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_seeds_give_the_same_frames_again(
    sampler: str, model: Emulator, liquid: DensityTrajectory
) -> None:
    once = short(model, liquid, sampler=sampler)
    again = short(model, liquid, frames=1, sampler=sampler)
    for _ in range(2):
        again.advance(2)
    again.advance(1)
    np.testing.assert_array_equal(once.latents, again.latents)
    np.testing.assert_allclose(once[5], again[5], rtol=1e-5)
    other = short(model, liquid, sampler=sampler, seed=4)
    assert np.abs(once.latents - other.latents).min(axis=1).max() > 1e-4


def test_frames_are_the_model_step_by_step(model: Emulator, liquid: DensityTrajectory) -> None:
    rollout = short(model, liquid, frames=2)
    latent = model.encode(liquid, 4)
    np.testing.assert_array_equal(rollout.start_latent, latent)
    np.testing.assert_array_equal(rollout.start_density, model.decode(latent))
    for index in range(2):
        latent = model.step(latent, frame_noise(3, index, 5, (32,)), "ddim")
        np.testing.assert_array_equal(rollout.latents[index], latent)
        np.testing.assert_array_equal(rollout[index], model.decode(latent))


def test_it_is_a_trajectory(model: Emulator, liquid: DensityTrajectory) -> None:
    rollout = short(model, liquid, frames=3)
    assert isinstance(rollout, DensityTrajectory)
    assert len(rollout) == 3
    assert rollout.timestep == 4.0
    np.testing.assert_array_equal(rollout.times, liquid.times[4] + [4.0, 8.0, 12.0])
    assert rollout.grid.matches(liquid.grid)
    assert rollout.kind == "pseudo"
    np.testing.assert_array_equal(rollout.numbers, liquid.numbers)
    part = rollout[1:]
    np.testing.assert_array_equal(part.times, rollout.times[1:])
    np.testing.assert_array_equal(part[1], rollout[-1])
    assert (rollout[0] > 0).all()
    with pytest.raises(IndexError):
        rollout[3]
    rollout.advance(1)
    assert len(rollout) == len(rollout.times) == len(rollout.latents) == 4
    assert len(part) == 2


def test_a_rollout_of_a_rollout_starts_from_generated_frames(
    model: Emulator, liquid: DensityTrajectory
) -> None:
    first = short(model, liquid)
    second = Rollout(model, first, -1, sampler="ddim", evaluations=5)
    second.advance(1)
    assert second.times[0] == first.times[-1] + 4.0
    assert second.provenance["start"]["frame"] == 5


def test_what_is_handed_out_cannot_be_changed(model: Emulator, liquid: DensityTrajectory) -> None:
    rollout = short(model, liquid)
    for array in (rollout.latents, rollout[0], rollout[1]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_provenance_tells_how_to_make_it_again(
    model: Emulator, liquid_path: Path, tmp_path: Path
) -> None:
    liquid = DensityTrajectory.open(liquid_path)
    rollout = short(model, liquid)
    kept = json.loads(json.dumps(dict(rollout.provenance)))
    assert kept["model_name"] == "random"
    assert kept["model_sha256"] == model.sha256
    assert (kept["sampler"], kept["evaluations"], kept["seed"]) == ("ddim", 5, 3)
    assert kept["device"] == "cpu"
    assert kept["timestep_fs"] == 4.0
    assert kept["start"]["trajectory"] == liquid_path.name
    assert (kept["start"]["frame"], kept["start"]["time_fs"]) == (4, 116.0)
    assert kept["start"]["rate"] == "backward difference of second order"
    assert kept["normalisation"] == model.normalisation.model_dump()
    assert kept["versions"]["torch"] == torch.__version__
    assert str(liquid_path.parent) not in json.dumps(kept)
    rollout.save(tmp_path / "r.eldyn")
    assert DensityTrajectory.open(tmp_path / "r.eldyn").provenance == kept


def test_saved_resumed_it_goes_on_as_if_never_stopped(
    model: Emulator, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    path = tmp_path / "r.eldyn"
    whole = short(model, liquid, frames=9)
    half = short(model, liquid, frames=4)
    half.save(path)
    stored = DensityTrajectory.open(path)
    np.testing.assert_allclose(stored[3], whole[3], rtol=1e-4)
    np.testing.assert_array_equal(stored.extra["latents"][:], whole.latents[:4])
    resumed = Rollout.resume(path, model)
    assert resumed.path == path
    resumed.advance(5)
    np.testing.assert_array_equal(resumed.latents, whole.latents)
    np.testing.assert_array_equal(resumed.times, whole.times)
    np.testing.assert_allclose(resumed[1], whole[1], rtol=1e-5)
    resumed.save(path, overwrite=True)
    assert len(DensityTrajectory.open(path)) == 9


def test_only_whole_rollouts_of_the_same_model_are_resumed(
    model: Emulator, strided_model_path: Path, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    rollout = short(model, liquid)
    rollout.save(tmp_path / "whole.eldyn")
    with pytest.raises(EldynError, match=r"another model \(random, sha256 .*strided"):
        Rollout.resume(tmp_path / "whole.eldyn", Emulator.load(strided_model_path))
    rollout[2:].save(tmp_path / "part.eldyn")
    with pytest.raises(EldynError, match="a part of a rollout"):
        Rollout.resume(tmp_path / "part.eldyn", model)
    rollout[:2].save(tmp_path / "beginning.eldyn")
    assert len(Rollout.resume(tmp_path / "beginning.eldyn", model)) == 2
    liquid.save(tmp_path / "aimd.eldyn")
    with pytest.raises(EldynError, match="not a rollout"):
        Rollout.resume(tmp_path / "aimd.eldyn", model)


def test_a_stop_gives_up_the_frame_in_the_making(
    model: Emulator, liquid: DensityTrajectory
) -> None:
    whole = short(model, liquid, frames=3)
    rollout = short(model, liquid, frames=0)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 7  # in the second frame, of 5 evaluations each

    made: list[int] = []
    assert rollout.advance(3, callback=made.append, stop=stop) == 1
    assert made == [0]
    assert asked == 8
    assert rollout.advance(2) == 2
    np.testing.assert_array_equal(rollout.latents, whole.latents)


def test_frames_before_a_latent_that_is_not_finite_are_kept(
    model: Emulator, liquid: DensityTrajectory
) -> None:
    rollout = short(model, liquid, frames=2)
    before = rollout.latents.copy()
    model.networks.denoiser.output.bias.fill_(torch.nan)
    with pytest.raises(EldynError, match=r"latent of frame 2 is not finite; the 2 frames before"):
        rollout.advance(3)
    np.testing.assert_array_equal(rollout.latents, before)
    assert np.isfinite(rollout[1]).all()


def test_a_density_that_is_not_finite_is_named(model: Emulator, liquid: DensityTrajectory) -> None:
    rollout = short(model, liquid, frames=3)
    rollout._latents.append(np.full(32, 1e30, np.float32))
    assert np.isfinite(rollout[2]).all()
    with pytest.raises(EldynError, match=r"frame 3 of the rollout: .*not finite"):
        rollout[3]


def test_impossible_settings_are_refused(
    model: Emulator, liquid: DensityTrajectory, strided_model_path: Path
) -> None:
    with pytest.raises(EldynError, match="no sampler 'euler'"):
        Rollout(model, liquid, sampler="euler")
    with pytest.raises(EldynError, match="1001 evaluations"):
        Rollout(model, liquid, evaluations=1001)
    with pytest.raises(EldynError, match="seed -1"):
        Rollout(model, liquid, seed=-1)
    with pytest.raises(EldynError, match="no frame 12"):
        Rollout(model, liquid, frame=12)
    usual = Rollout(model, liquid).origin
    assert (usual.sampler, usual.evaluations) == ("ddim", 20)
    assert Rollout(model, liquid, sampler="ddpm").origin.evaluations == 1000
    assert Rollout(Emulator.load(strided_model_path), liquid, sampler="ddim").timestep == 8.0


def test_a_nan_start_is_named(model: Emulator, liquid: DensityTrajectory) -> None:
    frames = np.stack(list(liquid))
    frames[3, 1, 2, 3] = np.nan
    broken = DensityTrajectory.from_array(frames, liquid.grid, liquid.times, kind="pseudo")
    with pytest.raises(EldynError, match="frame 3 has 1 values"):
        Rollout(model, broken, frame=4)


def count_decoded(model: Emulator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    batches: list[int] = []
    decode_states = model.decode_states

    def counting(latents: np.ndarray) -> np.ndarray:
        batches.append(len(latents))
        return decode_states(latents)

    monkeypatch.setattr(model, "decode_states", counting)
    return batches


def test_advancing_decodes_nothing_and_looking_decodes_once(
    model: Emulator, liquid: DensityTrajectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = count_decoded(model, monkeypatch)
    rollout = short(model, liquid, frames=20)
    assert batches == []
    for index in (11, 3, 11, 3, -17):
        rollout[index]
    assert batches == [1, 1]


def test_frames_read_in_order_are_decoded_in_batches(
    model: Emulator, liquid: DensityTrajectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = short(model, liquid, frames=20)
    expected = [model.decode(latent) for latent in rollout.latents]
    batches = count_decoded(model, monkeypatch)
    for index, density in enumerate(rollout):
        np.testing.assert_allclose(density, expected[index], rtol=1e-4)
    assert sum(batches) == 20
    assert max(batches) == 8
    assert len(batches) <= 4


def test_the_cache_is_bounded_in_bytes(
    model: Emulator, liquid: DensityTrajectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = short(model, liquid, frames=5, cache_bytes=2 * 4 * 16**3)
    batches = count_decoded(model, monkeypatch)
    for index in (4, 2, 4, 0, 4, 2):  # 2 is the least recently used when 0 comes
        rollout[index]
    assert batches == [1, 1, 1, 1]


def test_one_thread_advances_while_others_read(model: Emulator, liquid: DensityTrajectory) -> None:
    whole = short(model, liquid, frames=150)
    rollout = short(model, liquid, frames=1)
    failures: list[BaseException] = []
    done = threading.Event()

    def advance() -> None:
        try:
            rollout.advance(149)
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            while not done.is_set():
                n = len(rollout)
                index = int(rng.integers(n))
                assert len(rollout.latents) >= n
                np.testing.assert_allclose(rollout[index], whole[index], rtol=1e-4)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=advance)]
    threads += [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    np.testing.assert_array_equal(rollout.latents, whole.latents)


def test_two_threads_do_not_advance_at_once(model: Emulator, liquid: DensityTrajectory) -> None:
    rollout = short(model, liquid, frames=0)

    def intrude(_index: int) -> None:
        with pytest.raises(EldynError, match="another thread"):
            rollout.advance(1)

    assert rollout.advance(1, callback=intrude) == 1
    assert len(rollout) == 1


def test_a_full_disk_loses_nothing(
    model: Emulator, liquid: DensityTrajectory, tmp_path: Path
) -> None:
    path = tmp_path / "r.eldyn"
    rollout = short(model, liquid, frames=2)
    rollout.save(path)
    rollout.advance(2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(EldynError, match="no space left"):
            rollout.save(path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(DensityTrajectory.open(path)) == 2
    assert len(rollout) == 4


def test_noise_depends_on_seed_and_frame_alone() -> None:
    first = frame_noise(0, 5, 20, (32,))
    np.testing.assert_array_equal(first, frame_noise(0, 5, 20, (32,)))
    np.testing.assert_array_equal(first[0], frame_noise(0, 5, 1000, (32,))[0])
    draws = {frame_noise(seed, k, 1, (4,)).tobytes() for seed in range(20) for k in range(20)}
    assert len(draws) == 400
    many = np.concatenate([frame_noise(1, k, 99, (32,)).ravel() for k in range(50)])
    assert abs(many.mean()) < 5 / many.size**0.5
    assert abs(many.std() - 1) < 5 / (2 * many.size) ** 0.5
    assert (
        abs(
            np.corrcoef(
                frame_noise(1, 0, 999, (32,)).ravel(), frame_noise(0, 1, 999, (32,)).ravel()
            )[0, 1]
        )
        < 5 / 32_000**0.5
    )
