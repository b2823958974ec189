"""Training: it learns, it resumes exactly, it refuses what is not its own."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eldyn_training.engine import FitResult, fit
from eldyn_training.recipe import PooledRecipe
from liquid import gaussian_liquid
from safetensors.torch import load_file

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.exceptions import EldynError


def run(
    recipe: PooledRecipe, trajectory: DensityTrajectory, out: Path, minutes: float = 60.0
) -> FitResult:
    return fit(
        recipe, [trajectory], out, device="cpu", checkpoint_minutes=minutes, show_progress=False
    )


def read_log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def changed(values: dict[str, Any], **sections: dict[str, Any]) -> PooledRecipe:
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return PooledRecipe.model_validate(values)


def test_losses_fall(values: dict[str, Any], trajectory: DensityTrajectory, tmp_path: Path) -> None:
    recipe = changed(
        values,
        training={"steps": 80, "batch_size": 8, "learning_rate": 5e-3, "warmup_steps": 10},
        objective={"noise_draws": 16},
        refinement={"steps": 60, "learning_rate": 3e-3},
    )
    result = run(recipe, trajectory, tmp_path / "run")
    log = read_log(tmp_path / "run")
    assert [entry["step"] for entry in log] == list(range(1, 141))
    first, last = log[:5], log[70:80]
    for key, factor in (("mse_density", 0.2), ("sjsd", 0.5), ("denoising", 0.8)):
        mean = [np.mean([entry[key] for entry in part]) for part in (first, last)]
        assert mean[1] < factor * mean[0], key
    refining = [entry["denoising"] for entry in log[80:]]
    assert np.mean(refining[-20:]) < np.mean(refining[:20])
    assert result.finished
    # Averaged weights, scored on all training states: near the last losses.
    assert result.scores["mse_density"] < 0.2


def test_the_model_file_is_ready_for_rollouts(
    recipe: PooledRecipe, trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    result = run(recipe, trajectory, tmp_path / "run")
    model = Emulator.load(result.model)
    assert model.timestep == trajectory.timestep
    assert model.grid.matches(trajectory.grid)
    provenance = model.provenance
    assert provenance["data"]["trajectories"][0]["frames"] == "0:12:1"
    assert len(provenance["data"]["sha256"]) == 64
    assert PooledRecipe.model_validate(provenance["recipe"]) == recipe
    assert provenance["training"]["steps"] == 11
    assert provenance["scores_on_training_states"] == result.scores
    assert model.networks.latent_mean.abs().max() > 0
    rollout = Rollout(model, start=trajectory, frame=3, sampler="ddim", evaluations=5, seed=0)
    rollout.advance(2)
    assert np.isfinite(rollout[1]).all()
    # The latents the denoiser was refined on have zero mean and unit variance.
    from eldyn_training.data import load_dataset

    dataset = load_dataset(recipe.data, [trajectory])
    latents = model.encode_states(dataset.batch(dataset.training.states).numpy())
    np.testing.assert_allclose(latents.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(latents.std(axis=0, ddof=1), 1.0, atol=1e-3)


@pytest.mark.parametrize("stop_at", [1, 3, 6, 8])
def test_resuming_repeats_the_uninterrupted_run_bit_for_bit(
    recipe: PooledRecipe,
    trajectory: DensityTrajectory,
    tmp_path: Path,
    stop_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupted by SIGTERM in training (1, 3), between the stages (6), in refinement (8)."""
    whole = run(recipe, trajectory, tmp_path / "whole")

    from eldyn_training.runs import RunDirectory

    write = RunDirectory.log

    def log_and_stop(self: RunDirectory, entry: dict[str, Any]) -> None:
        write(self, entry)
        if entry["step"] == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "log", log_and_stop)
        before = signal.getsignal(signal.SIGTERM)
        stopped = run(recipe, trajectory, tmp_path / "parts")
        assert signal.getsignal(signal.SIGTERM) is before
    assert (stopped.step, stopped.finished, stopped.signal) == (stop_at, False, signal.SIGTERM)
    assert not stopped.model.exists()

    resumed = run(recipe, trajectory, tmp_path / "parts")
    assert resumed.finished
    expected, found = load_file(whole.model), load_file(resumed.model)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    assert resumed.scores == whole.scores
    logs = [read_log(tmp_path / part) for part in ("whole", "parts")]
    for entries in logs:
        for entry in entries:
            del entry["frames_per_s"]
    assert logs[0] == logs[1]


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    recipe: PooledRecipe,
    trajectory: DensityTrajectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that dies leaves a half-written log line and no later checkpoint."""
    from eldyn_training.runs import RunDirectory

    whole = run(recipe, trajectory, tmp_path / "whole")
    write = RunDirectory.log

    class Killed(BaseException):
        pass

    def die(self: RunDirectory, entry: dict[str, Any]) -> None:
        write(self, entry)
        if entry["step"] == 4:
            with (self.path / "log.jsonl").open("a") as file:
                file.write('{"step": 5, "los')
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "log", die)
        with pytest.raises(Killed):
            run(recipe, trajectory, tmp_path / "parts", minutes=0.0)
    resumed = run(recipe, trajectory, tmp_path / "parts")
    expected, found = load_file(whole.model), load_file(resumed.model)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    assert [entry["step"] for entry in read_log(tmp_path / "parts")] == list(range(1, 12))


def test_a_finished_run_is_not_trained_again(
    recipe: PooledRecipe, trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    first = run(recipe, trajectory, tmp_path / "run")
    before = load_file(first.model)
    again = run(recipe, trajectory, tmp_path / "run")
    assert again.scores == first.scores
    after = load_file(again.model)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert len(read_log(tmp_path / "run")) == recipe.total_steps


def test_the_denoising_loss_reaches_the_encoder_only_if_asked(
    values: dict[str, Any], trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    def encoder(weight: float, reaches: bool) -> torch.Tensor:
        recipe = changed(
            values,
            objective={"denoising_weight": weight, "denoising_reaches_encoder": reaches},
            # Two steps, as the first leaves the denoiser's zero output layer. No clipping: it
            # couples all gradients.
            training={"steps": 2, "gradient_clip": 1e9, "learning_rate": 1e-2},
            refinement={"steps": 0},
        )
        result = run(recipe, trajectory, tmp_path / f"{weight}-{reaches}")
        return load_file(result.model)["encoder.project.weight"]

    assert torch.equal(encoder(0.1, False), encoder(50.0, False))
    assert not torch.equal(encoder(0.1, True), encoder(50.0, True))


def test_sjsd_enters_when_the_recipe_says(
    values: dict[str, Any], trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(values, objective={"sjsd_start": 2, "sjsd_weight": 8.0})
    run(recipe, trajectory, tmp_path / "run")
    for entry, weight in zip(read_log(tmp_path / "run"), [0, 0, 0, 4.0, 8.0, 8.0], strict=False):
        expected = entry["mse"] + 0.1 * entry["denoising"] + weight * entry["sjsd"]
        assert entry["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_directory_of_another_run_is_refused(
    values: dict[str, Any], trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    run(PooledRecipe.model_validate(values), trajectory, tmp_path / "run")
    other = changed(values, training={"learning_rate": 0.5}, data={"stride": 2})
    with pytest.raises(
        EldynError, match=r"differs in data\.stride, training\.learning_rate"
    ) as error:
        run(other, trajectory, tmp_path / "run")
    assert error.value.path == tmp_path / "run"
    same = changed(values, training={"learning_rate": 1e-3}, data={"stride": 1})
    with pytest.raises(EldynError, match="this recipe on other data"):
        run(same, gaussian_liquid(14, seed=5), tmp_path / "run")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").touch()
    with pytest.raises(EldynError, match="holds other files"):
        run(same, trajectory, tmp_path / "home")


def test_a_damaged_checkpoint_is_named(
    recipe: PooledRecipe, trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    run(recipe, trajectory, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(EldynError, match="checkpoint is damaged") as error:
        run(recipe, trajectory, tmp_path / "run")
    assert error.value.path == checkpoint


def test_two_processes_do_not_share_a_directory(
    recipe: PooledRecipe, trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    from eldyn_training.data import load_dataset
    from eldyn_training.runs import RunDirectory

    dataset = load_dataset(recipe.data, [trajectory])
    holder = RunDirectory.claim(tmp_path / "run", recipe, dataset.fingerprint)
    try:
        with pytest.raises(EldynError, match="another program"):
            run(recipe, trajectory, tmp_path / "run")
    finally:
        holder.close()
    assert run(recipe, trajectory, tmp_path / "run").finished


def test_divergence_is_an_error_and_keeps_the_checkpoint(
    values: dict[str, Any], trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(values, training={"learning_rate": 1e18, "warmup_steps": 0})
    with pytest.raises(EldynError, match="diverged"):
        run(recipe, trajectory, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_missing_device_is_an_error(
    recipe: PooledRecipe, trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    with pytest.raises(EldynError, match="not available"):
        fit(recipe, [trajectory], tmp_path / "run", device="cuda:77", show_progress=False)


def test_a_full_disk_keeps_the_last_checkpoint(
    recipe: PooledRecipe,
    trajectory: DensityTrajectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import errno

    run(recipe, trajectory, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    before = checkpoint.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(EldynError, match="no space left"):
            run(recipe, trajectory, tmp_path / "run")
    assert checkpoint.read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))


def test_training_works_outside_of_the_main_thread(
    recipe: PooledRecipe, trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    results: list[FitResult] = []
    thread = threading.Thread(
        target=lambda: results.append(run(recipe, trajectory, tmp_path / "run"))
    )
    thread.start()
    thread.join()
    assert results[0].finished


def test_bfloat16_convolutions_train(
    values: dict[str, Any], trajectory: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(values, training={"precision": "bfloat16"})
    result = run(recipe, trajectory, tmp_path / "run")
    assert np.isfinite(list(result.scores.values())).all()
    assert all(tensor.dtype == torch.float32 for tensor in load_file(result.model).values())
