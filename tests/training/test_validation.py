"""Validation, early stop, two stages, and an autoencoder trained before."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from eldyn_training.engine import FitResult, fit
from eldyn_training.recipe import PooledRecipe
from eldyn_training.runs import RunDirectory
from liquid import gaussian_liquid
from safetensors.torch import load_file

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator import Emulator
from napari_eldyn.emulator.model_card import model_card
from napari_eldyn.exceptions import EldynError


@pytest.fixture(scope="module")
def longer() -> DensityTrajectory:
    return gaussian_liquid(24)


@pytest.fixture
def validated(values: dict[str, Any]) -> dict[str, Any]:
    """The tiny recipe with eight validation frames, looked at every second step."""
    values["data"] = {"time_reversal": True, "validation_frames": 8}
    values["validation"] = {"every": 2, "rollout_frames": 4, "rollout_evaluations": 5}
    values["model"]["denoiser"]["output"] = "velocity"
    return values


def changed(values: dict[str, Any], **sections: dict[str, Any]) -> PooledRecipe:
    merged = {**values, **{k: {**values.get(k, {}), **v} for k, v in sections.items()}}
    return PooledRecipe.model_validate(merged)


def run(recipe: PooledRecipe, data: DensityTrajectory, out: Path, **options: Any) -> FitResult:
    return fit(recipe, [data], out, device="cpu", show_progress=False, **options)


def read_log(out: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    for entry in entries:
        entry.pop("frames_per_s", None)
    return entries


def test_validations_come_at_their_steps_and_change_nothing(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    often = run(changed(validated), longer, tmp_path / "often")
    rare = run(changed(validated, validation={"every": 100}), longer, tmp_path / "rare")
    logs = {name: read_log(tmp_path / name) for name in ("often", "rare")}
    found = {
        name: [entry for entry in entries if entry["stage"] == "validation"]
        for name, entries in logs.items()
    }
    # Stages of 6 and 5 steps, counted from their beginnings; the last is always looked at.
    assert [entry["step"] for entry in found["often"]] == [2, 4, 6, 8, 10, 11]
    assert [entry["step"] for entry in found["rare"]] == [6, 11]
    assert [entry["during"] for entry in found["rare"]] == ["training", "refining"]
    training = [
        [entry for entry in entries if entry["stage"] != "validation"] for entries in logs.values()
    ]
    assert training[0] == training[1]
    expected, same = load_file(often.model), load_file(rare.model)
    assert all(torch.equal(tensor, same[name]) for name, tensor in expected.items())
    joint = found["rare"][0]
    weighted = joint["mse"] + 0.1 * joint["denoising"] + 10 * joint["sjsd"]
    assert joint["loss"] == pytest.approx(weighted, rel=1e-5)
    assert found["rare"][1]["loss"] == found["rare"][1]["denoising"]
    assert joint["rollout_sjsd"] > 0
    assert joint["rollout_step_ratio"] > 0


def test_scores_are_those_of_the_model_file(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    """Against the emulator and numpy, on the validation frames."""
    result = run(changed(validated), longer, tmp_path / "run")
    model = Emulator.load(result.model)
    fields = [model.normalisation.normalise(longer[i])[0] for i in range(16, 24)]
    rate_std = model.normalisation.rate_std
    assert rate_std is not None
    states = np.stack(
        [
            np.stack([fields[i], (fields[i + 1] - fields[i - 1]) / (2 * 4.0 * rate_std)])
            for i in range(1, 7)
        ]
    ).astype(np.float32)
    decoded = model.decode_states(model.encode_states(states))
    error = ((decoded - states) ** 2).mean(axis=(0, 2, 3, 4))
    assert result.validation_scores["mse_density"] == pytest.approx(error[0], rel=1e-4)
    assert result.validation_scores["mse_rate"] == pytest.approx(error[1], rel=1e-4)
    assert result.validation_scores["reference_sjsd"] is not None


@pytest.mark.parametrize("stop_at", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_resuming_keeps_the_best_and_the_patience(
    validated: dict[str, Any],
    longer: DensityTrajectory,
    tmp_path: Path,
    stop_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = changed(
        validated,
        validation={"keep": "best", "quantity": "denoising", "patience": 2},
        training={"learning_rate": 0.05, "steps": 30},
        refinement={"learning_rate": 0.3, "steps": 30},
    )
    whole = run(recipe, longer, tmp_path / "whole")
    write = RunDirectory.log

    def log_and_stop(self: RunDirectory, entry: dict[str, Any]) -> None:
        write(self, entry)
        if entry["step"] == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "log", log_and_stop)
        assert not run(recipe, longer, tmp_path / "parts").finished
    resumed = run(recipe, longer, tmp_path / "parts")
    expected, found = load_file(whole.model), load_file(resumed.model)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    assert read_log(tmp_path / "whole") == read_log(tmp_path / "parts")


def test_an_early_stop_ends_a_stage_and_says_so(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(
        validated,
        # A rate that spoils the denoiser: no validation is better than one of the first.
        validation={"keep": "best", "patience": 2, "every": 1},
        refinement={"learning_rate": 0.5, "steps": 200},
    )
    result = run(recipe, longer, tmp_path / "run")
    assert result.finished
    assert result.step < 150
    log = [entry for entry in read_log(tmp_path / "run") if entry.get("during") == "refining"]
    best = min(log, key=lambda entry: entry["loss"])
    assert log.index(best) == len(log) - 3
    stage = Emulator.load(result.model).provenance["training"]["stages"][-1]
    assert stage["ended_early"] == "no better loss in 2 validations"
    assert stage["best_step"] == best["step"]
    assert stage["weights"] == f"best, of step {best['step']}"
    assert result.validation_scores["denoising"] == pytest.approx(best["denoising"], rel=1e-6)
    assert not (tmp_path / "run" / "best.safetensors").exists()
    again = run(recipe, longer, tmp_path / "run")
    assert (again.step, again.validation_scores) == (result.step, result.validation_scores)


def test_the_last_weights_leave_the_best_beside_them(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(
        validated, validation={"every": 1}, refinement={"learning_rate": 0.5, "steps": 12}
    )
    result = run(recipe, longer, tmp_path / "run")
    log = [entry for entry in read_log(tmp_path / "run") if entry.get("during") == "refining"]
    best = min(log, key=lambda entry: entry["loss"])
    assert best["step"] < result.step
    beside = Emulator.load(tmp_path / "run" / "best.safetensors")
    assert beside.provenance["training"]["weights"] == f"best so far, of step {best['step']}"
    assert Emulator.load(result.model).provenance["training"]["weights"] == "last"


def test_best_needs_validation_states(
    values: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(values, validation={"keep": "best"})
    with pytest.raises(EldynError, match=r"holds none back.*data\.validation_frames"):
        run(recipe, longer, tmp_path / "run")


def test_two_stages_train_the_autoencoder_first(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    result = run(changed(validated, training={"stages": "two_stage"}), longer, tmp_path / "run")
    log = read_log(tmp_path / "run")
    first = [entry for entry in log if entry["stage"] == "training"]
    assert all("denoising" not in entry for entry in first)
    assert all(
        entry["loss"] == pytest.approx(entry["mse"] + 10 * entry["sjsd"], rel=1e-5)
        for entry in first
    )
    # As a joint run whose denoiser has no weight, and whose gradient does not reach the encoder.
    joint = changed(validated, objective={"denoising_weight": 0.0}, training={"gradient_clip": 1e9})
    two = changed(validated, training={"stages": "two_stage", "gradient_clip": 1e9})
    models = [
        load_file(run(recipe, longer, tmp_path / name).model)
        for recipe, name in ((joint, "joint"), (two, "two"))
    ]
    for name in models[0]:
        if not name.startswith(("denoiser", "latent")):
            torch.testing.assert_close(models[0][name], models[1][name], rtol=1e-5, atol=1e-6)
    assert result.finished


def test_a_denoiser_on_an_autoencoder_trained_before(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    first = run(changed(validated), longer, tmp_path / "first")
    wider = changed(validated, model={**validated["model"], "denoiser": {"hidden": 48}})
    second = run(wider, longer, tmp_path / "second", autoencoder=first.model)
    mine, theirs = load_file(first.model), load_file(second.model)
    for name, tensor in mine.items():
        if name.startswith(("encoder", "decoder")):
            assert torch.equal(tensor, theirs[name]), name
    assert theirs["denoiser.input.weight"].shape[0] == 48
    assert second.step == 5
    sha256 = Emulator.load(first.model).sha256
    recorded = Emulator.load(second.model).provenance["training"]["autoencoder"]
    assert recorded == {"model": "model.safetensors", "sha256": sha256}
    identity = json.loads((tmp_path / "second" / "run.json").read_text())
    assert identity["autoencoder_sha256"] == sha256
    with pytest.raises(EldynError, match="another autoencoder"):
        run(wider, longer, tmp_path / "second")
    other = {**validated["model"], "autoencoder": {"latent_dim": 6, "channels": [8, 16]}}
    with pytest.raises(EldynError, match=r"differs in model\.autoencoder\.decoder_channels"):
        run(changed(validated, model=other), longer, tmp_path / "third", autoencoder=first.model)
    none = changed(validated, refinement={"steps": 0})
    with pytest.raises(EldynError, match=r"Set refinement\.steps"):
        run(none, longer, tmp_path / "third", autoencoder=first.model)


def test_a_denoiser_on_other_data_takes_the_autoencoder_s_normalisation(
    validated: dict[str, Any],
    longer: DensityTrajectory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """More trajectories, one of them denser and in a smaller cell, than its autoencoder saw."""
    first = run(changed(validated), longer, tmp_path / "first")
    more = [gaussian_liquid(24, seed=1), smaller(gaussian_liquid(20, seed=2))]
    recipe = changed(validated, data={"other_cells": True})
    second = fit(recipe, more, tmp_path / "second", device="cpu", autoencoder=first.model)
    told = capsys.readouterr().out
    assert "normalised as model.safetensors, whose autoencoder is used" in told
    assert "in other cells, and for training only: trajectory (2); cell" in told
    mine, theirs = Emulator.load(first.model), Emulator.load(second.model)
    assert theirs.normalisation == mine.normalisation
    # The validation frames are judged in that normalisation: those of the autoencoder's model.
    density = mine.normalisation.normalise(np.stack(list(more[0])[16:]))[0]
    rate = (density[2:] - density[:-2]) / (2 * 4.0 * (mine.normalisation.rate_std or 0.0))
    states = np.stack([density[1:-1], rate], axis=1).astype(np.float32)
    decoded = mine.decode_states(mine.encode_states(states))
    reference = ((decoded - states)[:, 0] ** 2).mean()
    assert second.validation_scores["mse_density"] == pytest.approx(reference, rel=1e-3)
    data = theirs.provenance["data"]
    assert "whose autoencoder is used" in data["normalisation_adopted"]
    assert data["trajectories"][1]["other_cell"] == (np.eye(3) * 4.5).tolist()
    assert "other_cell" not in data["trajectories"][0]
    card = {name: text for section in model_card(theirs) for name, text in section.lines}
    assert any("4.5" in text for name, text in card.items() if "other_cell" in name)
    with pytest.raises(EldynError, match="differs in the cell"):
        run(changed(validated), smaller(longer), tmp_path / "third", autoencoder=first.model)


def smaller(trajectory: DensityTrajectory) -> DensityTrajectory:
    """The same atoms and electrons in a cube of 4.5 Å."""
    factor = (trajectory.grid.cell[0, 0] / 4.5) ** 3
    return DensityTrajectory.from_array(
        np.stack([factor * frame for frame in trajectory]).astype(np.float32),
        PeriodicGrid(np.eye(3) * 4.5, trajectory.grid.shape),
        trajectory.times, numbers=trajectory.numbers, kind=trajectory.kind,
    )  # fmt: skip


def test_a_refinement_with_symmetric_copies(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    recipe = changed(validated, data={"random_shifts": True, "random_point_group": True})
    result = run(recipe, longer, tmp_path / "run")
    assert result.finished
    assert np.isfinite([entry["loss"] for entry in read_log(tmp_path / "run")]).all()


def test_the_card_of_a_new_model(
    validated: dict[str, Any], longer: DensityTrajectory, tmp_path: Path
) -> None:
    result = run(changed(validated), longer, tmp_path / "run", recipe_name="tiny")
    sections = {
        section.title: dict(section.lines) for section in model_card(Emulator.load(result.model))
    }
    assert sections["Recipe"]["name"] == "tiny"
    assert "every 2" in sections["Recipe"]["validation"]
    assert sections["Training"]["stage refining"] == "5 steps, last, which are the best" or (
        sections["Training"]["stage refining"] == "5 steps, last"
    )
    assert f"numpy {np.__version__}" in sections["Training"]["versions"]
    assert "(validation states)" in sections["Scores"]["rollout sJSD"]
    assert sections["Scores"]["last validation, refining"].startswith("loss ")
    assert "(step 1) →" in sections["Scores"]["loss, training, training"]
    assert len(sections["Data"]["fingerprint"]) == 64


def test_tensorboard_gets_what_the_log_gets(
    validated: dict[str, Any],
    longer: DensityTrajectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(changed(validated), longer, tmp_path / "run", tensorboard=True)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    losses = events.Scalars("training/loss")
    log = [entry for entry in read_log(tmp_path / "run") if entry["stage"] == "training"]
    assert [event.step for event in losses] == [entry["step"] for entry in log]
    assert losses[-1].value == pytest.approx(log[-1]["loss"], rel=1e-6)
    assert events.Scalars("validation/rollout_sjsd")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(EldynError, match="pip install tensorboard"):
        run(changed(validated), longer, tmp_path / "other", tensorboard=True)
