"""``eldyn evaluate`` on real rollouts of a small model, and on bad input."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_eldyn.cli import app, main
from napari_eldyn.density import DensityTrajectory, PeriodicGrid, fit_normalisation
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.config import (
    AutoencoderConfig,
    DenoiserConfig,
    EmulatorConfig,
    ScheduleConfig,
)
from napari_eldyn.emulator.networks import build_networks
from napari_eldyn.exceptions import EldynError

SHAPE = (8, 8, 8)
CELL = 5.0 * np.eye(3)


def moving_density(n_frames, seed):
    """Plane waves with phases that drift, in the logarithm of the density."""
    rng = np.random.default_rng(seed)
    axis = np.arange(8) / 8
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    waves = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (2, 0, 1)]
    phases = rng.uniform(0, 2 * np.pi, len(waves))
    frames = []
    for _ in range(n_frames):
        phases = phases + 0.2 * rng.normal(size=len(waves))
        field = sum(
            np.cos(2 * np.pi * (h * x + k * y + m * z) + phase)
            for (h, k, m), phase in zip(waves, phases, strict=True)
        )
        frames.append(np.exp(-2.9 + 0.15 * field))
    return np.array(frames, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reference, a model and one of its rollouts, as files."""
    root = tmp_path_factory.mktemp("evaluate")
    grid = PeriodicGrid(CELL, SHAPE)
    DensityTrajectory.from_array(
        moving_density(30, 1), grid, 100.0 + 4.0 * np.arange(30), kind="pseudo"
    ).save(root / "reference.eldyn")
    reference = DensityTrajectory.open(root / "reference.eldyn")
    config = EmulatorConfig(
        grid_shape=SHAPE,
        cell=tuple(tuple(row) for row in CELL.tolist()),
        timestep_fs=4.0,
        density_kind="pseudo",
        autoencoder=AutoencoderConfig(latent_dim=4, channels=(4, 4), decoder_channels=(4,)),
        denoiser=DenoiserConfig(hidden=16, layers=1, time_embedding=8),
        schedule=ScheduleConfig(steps=20, beta_start=0.01, beta_end=0.5),
    )
    torch.manual_seed(0)
    normalisation, _ = fit_normalisation(reference)
    Emulator(build_networks(config), config, normalisation).save(root / "model.safetensors")
    model = Emulator.load(root / "model.safetensors")
    rollout = Rollout(model, reference, frame=4, sampler="ddim", evaluations=3, seed=11)
    rollout.advance(40)
    rollout.save(root / "rollout.eldyn")
    return root


def run(*arguments):
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if isinstance(result.exception, EldynError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def evaluated(folder):
    out = folder / "results"
    text = run(
        folder / "rollout.eldyn",
        *("--reference", folder / "reference.eldyn", "--out", out),
        *("--model", folder / "model.safetensors"),
    )
    return text, json.loads((out / "metrics.json").read_text()), out


def test_it_writes_metrics_and_figures_and_nothing_else(evaluated):
    _, _, out = evaluated
    assert sorted(path.name for path in out.iterdir()) == [
        "distribution.pdf",
        "distribution.png",
        "metrics.json",
        "structure_factor.pdf",
        "structure_factor.png",
    ]
    assert (out / "distribution.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "structure_factor.png").read_bytes().startswith(b"\x89PNG")


def test_metrics_name_the_model_and_what_was_compared(evaluated, folder):
    _, metrics, _ = evaluated
    model = Emulator.load(folder / "model.safetensors")
    origin = metrics["provenance"]
    assert origin["model_sha256"] == model.sha256
    assert (origin["sampler"], origin["evaluations"], origin["seed"]) == ("ddim", 3, 11)
    assert origin["start"]["trajectory"] == "reference.eldyn"
    assert metrics["start"] == {"reference_frame": 4, "source": "recorded in the rollout"}
    assert metrics["normalisation"]["mean"] == model.normalisation.mean
    assert metrics["normalisation"]["source"] == "the model's"
    assert metrics["compared"]["reference"]["n_frames"] == 30
    assert metrics["compared"]["generated"]["n_frames"] == 40
    assert metrics["units"]["nmae"] == "percent"
    # The rollout starts at frame 4 (116 fs); 25 reference frames lie after it.
    assert metrics["forecast"]["available"]
    assert metrics["forecast"]["lead"][0] == pytest.approx(4.0)
    assert metrics["forecast"]["reference_frames"][0] == 5
    assert metrics["forecast"]["generated_frames"][0] == 0
    assert metrics["levels"]["persistence"]["start_frame"] == 4


def test_scores_are_those_of_the_stored_frames(evaluated, folder):
    _, metrics, _ = evaluated
    generated = DensityTrajectory.open(folder / "rollout.eldyn")
    counts = metrics["electrons"]["generated"]
    electrons = [generated.electrons(i) for i in range(40)]
    assert counts["mean"] == pytest.approx(np.mean(electrons), rel=1e-5)
    assert counts["last"] == pytest.approx(electrons[-1], rel=1e-5)
    stack = np.stack(list(generated))
    assert metrics["extremes"]["generated"]["maximum"] == pytest.approx(stack.max())
    # An untrained model is far off; the table of a good one would not look like this.
    assert metrics["distribution"]["sjsd"] > 10 * metrics["levels"]["noise"]["sjsd"]


def test_the_model_is_assessed_on_its_own(evaluated, folder):
    _, metrics, _ = evaluated
    model = Emulator.load(folder / "model.safetensors")
    reference = DensityTrajectory.open(folder / "reference.eldyn")
    alone = metrics["model"]["reconstruction"]
    assert alone["frames"] == list(range(30))
    errors = [
        100
        * np.abs(model.decode(model.encode(reference, i)) - reference[i]).sum()
        / reference[i].sum()
        for i in range(30)
    ]
    assert alone["nmae"] == pytest.approx(np.mean(errors), rel=1e-3)

    latents = np.asarray(DensityTrajectory.open(folder / "rollout.eldyn").extra["latents"][:])
    states = model.decode_states(latents).astype(np.float64)
    chosen = np.unique(np.linspace(1, 38, 16).round().astype(int))
    differences = np.array([(states[i + 1, 0] - states[i - 1, 0]) / 8.0 for i in chosen])
    rates = states[chosen, 1] * model.normalisation.rate_std
    result = metrics["model"]["rate_consistency"]
    assert result["n_frames"] == 16
    assert result["correlation"] == pytest.approx(
        np.corrcoef(rates.ravel(), differences.ravel())[0, 1], abs=1e-4
    )
    expected = np.sqrt(((rates - differences) ** 2).mean() / (differences**2).mean())
    assert result["relative_error"] == pytest.approx(expected, rel=1e-3)


def test_the_table_shows_scores_beside_their_levels(evaluated):
    text, metrics, _ = evaluated
    sha256 = metrics["provenance"]["model_sha256"]
    for word in (
        "generated",
        "autoencoder alone",
        "half against half",
        "persistence",
        "trajectory mean",
        f"{metrics['distribution']['sjsd']:.3g}",
        f"{metrics['levels']['noise']['jsd']:.3g}",
        f"sha256 {sha256[:12]}",
        "seed 11",
        "frames 0-29",
    ):
        assert word in text


def test_real_data_against_themselves_need_no_model(folder, tmp_path):
    text = run(
        folder / "reference.eldyn",
        *("--reference", folder / "reference.eldyn", "--out", tmp_path / "a" / "b"),
    )
    metrics = json.loads((tmp_path / "a" / "b" / "metrics.json").read_text())
    assert metrics["distribution"]["jsd"] == 0.0
    assert metrics["normalisation"]["source"] == "fitted on the reference"
    assert metrics["forecast"]["available"] is False
    assert "fitted on the reference" in text
    assert "no start is recorded" in text


def test_start_frame_pairs_frames_in_time(folder, tmp_path):
    arguments = (folder / "reference.eldyn", "--reference", folder / "reference.eldyn")
    run(*arguments, "--out", tmp_path, "--start-frame", 10)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["forecast"]["nmae"][0] == 0.0
    assert metrics["forecast"]["reference_frames"][0] == 11
    assert metrics["levels"]["persistence"]["start_frame"] == 10
    with pytest.raises(EldynError, match="30 does not exist"):
        run(*arguments, "--out", tmp_path / "other", "--start-frame", 30)


def test_a_rollout_that_started_elsewhere_is_not_paired(folder, tmp_path):
    copy = DensityTrajectory.open(folder / "reference.eldyn")
    copy.save(tmp_path / "renamed.eldyn")
    run(folder / "rollout.eldyn", "--reference", tmp_path / "renamed.eldyn", "--out", tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["forecast"]["available"] is False
    assert metrics["start"]["reference_frame"] == 0
    assert "started elsewhere (frame 4 of reference.eldyn)" in metrics["start"]["source"]


def test_an_earlier_evaluation_is_kept_unless_told(folder, evaluated, tmp_path):
    out = shutil.copytree(evaluated[2], tmp_path / "results")
    arguments = (folder / "reference.eldyn", "--reference", folder / "reference.eldyn")
    before = (out / "metrics.json").read_bytes()
    with pytest.raises(EldynError, match="already holds an evaluation"):
        run(*arguments, "--out", out)
    assert (out / "metrics.json").read_bytes() == before
    run(*arguments, "--out", out, "--overwrite")
    assert json.loads((out / "metrics.json").read_text())["distribution"]["jsd"] == 0.0


def test_a_full_disk_loses_nothing(folder, evaluated, tmp_path):
    """A real write error: the file system refuses files above a limit."""
    out = shutil.copytree(evaluated[2], tmp_path / "results")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    arguments = (folder / "reference.eldyn", "--reference", folder / "reference.eldyn")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(EldynError, match=r"metrics\.json: no space left"):
            run(*arguments, "--out", out, "--overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_bad_input_is_refused_before_anything_is_written(folder, tmp_path):
    reference = DensityTrajectory.open(folder / "reference.eldyn")
    values = np.stack(list(reference))
    grid = reference.grid

    def stored(name, array=values, grid=grid, **fields):
        path = tmp_path / name
        times = 4.0 * np.arange(len(array))
        DensityTrajectory.from_array(array, grid, times, **fields).save(path, encoding="float32")
        return path

    other_cell = stored("cell.eldyn", grid=PeriodicGrid(1.1 * CELL, SHAPE))
    other_kind = stored("kind.eldyn", kind="all_electron")
    short = stored("short.eldyn", values[:3])
    finer = tmp_path / "finer.eldyn"
    reference.resampled((10, 10, 10)).save(finer)
    out = tmp_path / "out"
    for generated, truth, message in (
        (folder / "rollout.eldyn", other_cell, "different cells"),
        (folder / "rollout.eldyn", finer, r"8×8×8 points.*10×10×10 points"),
        (folder / "rollout.eldyn", other_kind, "kind 'pseudo'"),
        (folder / "rollout.eldyn", short, "too short: 3 frames"),
        (folder / "missing.eldyn", folder / "reference.eldyn", "there is no such"),
        (folder / "model.safetensors", folder / "reference.eldyn", r"model\.safetensors"),
    ):
        with pytest.raises(EldynError, match=message):
            run(generated, "--reference", truth, "--out", out)
    assert not out.exists()
    with pytest.raises(EldynError, match="not the model of the rollout"):
        run(
            folder / "reference.eldyn",
            *("--reference", folder / "reference.eldyn", "--out", out),
            *("--model", folder / "model.safetensors"),
        )
    with pytest.raises(EldynError, match="a file, not a directory"):
        run(
            folder / "rollout.eldyn",
            *("--reference", folder / "reference.eldyn"),
            *("--out", folder / "model.safetensors"),
        )


def test_errors_end_in_one_message(folder, tmp_path, monkeypatch, capsys):
    arguments = ["eldyn", "evaluate", str(folder / "rollout.eldyn")]
    arguments += ["--reference", str(tmp_path / "none.eldyn"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert "none.eldyn: there is no such" in message
    assert "Traceback" not in message


def test_help_explains_units():
    text = CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "200"}).output
    for word in ("nats", "electrons", "1/Å", "fs", "persistence"):
        assert word in text
