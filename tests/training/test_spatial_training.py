"""Training of the spatial family: the autoencoder, then the denoiser on a bank of latents."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eldyn_training.data import load_dataset
from eldyn_training.engine import FitResult, fit
from eldyn_training.recipe import SpatialRecipe, parse_recipe
from liquid import gaussian_liquid
from safetensors.torch import load_file

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.exceptions import EldynError


@pytest.fixture(scope="module")
def data() -> DensityTrajectory:
    return gaussian_liquid(22)


def recipe(**sections: dict[str, Any]) -> SpatialRecipe:
    """A tiny recipe of 2 + 6 steps with everything in it."""
    values: dict[str, Any] = {
        "data": {
            "time_reversal": True,
            "random_shifts": True,
            "random_point_group": True,
            "validation_frames": 8,
        },
        "model": {
            "family": "spatial",
            "autoencoder": {
                "width": 8,
                "fine_width": 4,
                "encoder_blocks": 0,
                "decoder_blocks": 1,
                "fine_blocks": 0,
            },
            "denoiser": {"width": 16, "blocks": 1, "context_frames": 2, "noise_embedding": 8},
        },
        "objective": {"context_noise": 0.1, "histogram_bins": 32, "noise_draws": 2},
        "training": {
            "stages": "two_stage",
            "steps": 2,
            "batch_size": 4,
            "warmup_steps": 1,
            "ema_decay": 0.5,
        },
        "refinement": {"steps": 6, "batch_size": 8, "copies": 2},
        "validation": {"every": 3, "rollout_frames": 3, "rollout_evaluations": 3},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    parsed = parse_recipe(values)
    assert isinstance(parsed, SpatialRecipe)
    return parsed


def run(chosen: SpatialRecipe, data: DensityTrajectory, out: Path, **options: Any) -> FitResult:
    return fit(chosen, [data], out, device="cpu", show_progress=False, **options)


def read_log(out: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    for entry in entries:
        entry.pop("frames_per_s", None)
    return entries


def test_the_model_has_normalised_latents_and_rolls_out(
    data: DensityTrajectory, tmp_path: Path
) -> None:
    chosen = recipe(data={"random_shifts": False, "random_point_group": False})
    result = run(chosen, data, tmp_path / "run")
    assert result.finished
    assert result.step == 8
    model = Emulator.load(result.model)
    networks = model.networks
    dataset = load_dataset(chosen.data, [data])
    states = dataset.training.states
    latents = networks.encode(dataset.batch(states)).double()
    np.testing.assert_allclose(latents.mean((0, 2, 3, 4)), 0.0, atol=2e-3)
    np.testing.assert_allclose(latents.square().mean((0, 2, 3, 4)).sqrt(), 1.0, atol=2e-3)
    # Transitions whose context is known, forward and backward: frames 1 … 9, less the first.
    forward = states[:, 1] == 1
    change = []
    for sign, kept in ((1, forward), (-1, ~forward)):
        run_of = latents[kept] if sign == 1 else latents[kept].flip(0)
        change.append((run_of[2:] - run_of[1:-1]).square().mean((0, 2, 3, 4)))
    expected = (torch.stack(change).mean(dim=0) + 0.1**2 / 3).sqrt()
    np.testing.assert_allclose(networks.residual_std.flatten(), expected, rtol=1e-2)
    # Block means of the density follow from the latents.
    density = model.normalisation.denormalise(dataset.batch(states)[:, 0].numpy())
    blocks = density.reshape(-1, 4, 4, 4, 4, 4, 4).mean((2, 4, 6))
    predicted = (networks.density_response * latents).sum(dim=1).numpy()
    assert np.corrcoef(np.log(blocks).ravel(), predicted.ravel())[0, 1] > 0.9
    rollout = Rollout(model, data, 5, "heun", 3, 0)
    rollout.advance(2)
    assert np.isfinite(rollout[1]).all()
    scores = result.validation_scores
    assert {"denoising", "step_mse", "rollout_sjsd", "reference_sjsd"} <= scores.keys()


def test_the_denoiser_learns(data: DensityTrajectory, tmp_path: Path) -> None:
    """Atoms that drift steadily: the change in a step follows from the change before."""
    chosen = recipe(
        objective={"context_noise": 0.0},
        training={"ema_decay": 0.9},
        refinement={"steps": 150, "batch_size": 16, "learning_rate": 1e-2, "copies": 8},
        validation={"every": 1000, "rollout_frames": 0},
    )
    result = run(chosen, data, tmp_path / "run")
    losses = [entry["loss"] for entry in read_log(tmp_path / "run") if entry["stage"] == "refining"]
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:5])
    assert result.validation_scores["step_mse"] is not None
    assert result.validation_scores["step_mse"] < 0.6


@pytest.mark.parametrize("stop_at", [2, 5])
def test_resuming_repeats_the_uninterrupted_run_bit_for_bit(
    data: DensityTrajectory, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while the latents are encoded (2), and in the refinement (5)."""
    from eldyn_training.runs import RunDirectory

    chosen = recipe(validation={"rollout_frames": 0})
    whole = run(chosen, data, tmp_path / "whole")
    write = RunDirectory.log

    def log_and_stop(self: RunDirectory, entry: dict[str, Any]) -> None:
        write(self, entry)
        validates = entry["stage"] == "validation"
        if entry["step"] == stop_at and validates == (stop_at == 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "log", log_and_stop)
        stopped = run(chosen, data, tmp_path / "parts")
    assert (stopped.step, stopped.finished, stopped.signal) == (stop_at, False, signal.SIGTERM)
    resumed = run(chosen, data, tmp_path / "parts")
    assert resumed.finished
    expected, found = load_file(whole.model), load_file(resumed.model)
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    assert read_log(tmp_path / "whole") == read_log(tmp_path / "parts")


def test_bfloat16_and_an_autoencoder_trained_before(
    data: DensityTrajectory, tmp_path: Path
) -> None:
    first = run(recipe(validation={"rollout_frames": 0}), data, tmp_path / "first")
    half = recipe(
        training={"precision": "bfloat16"},
        model={"denoiser": {"width": 24, "blocks": 2}},
        validation={"rollout_frames": 0},
    )
    second = run(half, data, tmp_path / "second", autoencoder=first.model)
    assert second.step == 6
    mine, theirs = load_file(first.model), load_file(second.model)
    assert all(
        torch.equal(tensor, theirs[name])
        for name, tensor in mine.items()
        if name.startswith(("encoder", "decoder"))
    )
    assert all(tensor.dtype == torch.float32 for tensor in theirs.values())
    losses = [entry["loss"] for entry in read_log(tmp_path / "second")]
    assert np.isfinite(losses).all()


def test_the_autoencoder_of_another_family_is_refused(
    data: DensityTrajectory, values: dict[str, Any], tmp_path: Path
) -> None:
    first = run(recipe(validation={"rollout_frames": 0}), data, tmp_path / "first")
    pooled = parse_recipe(values)
    with pytest.raises(EldynError, match="differs in the family"):
        fit(pooled, [data], tmp_path / "second", device="cpu", autoencoder=first.model)


def test_recipes_of_a_family_have_its_keys(values: dict[str, Any]) -> None:
    values["refinement"]["copies"] = 4
    with pytest.raises(EldynError, match=r"refinement\.copies"):
        parse_recipe(values)
    with pytest.raises(EldynError, match=r"needs training\.stages"):
        recipe(training={"stages": "joint"})
