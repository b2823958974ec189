"""``eldyn-train`` as a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eldyn_training.cli import app, main
from typer.testing import CliRunner

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator

TINY = """
[model.autoencoder]
latent_dim = 8
channels = [8, 16]
decoder_channels = [16, 8]
[model.denoiser]
hidden = 32
layers = 2
[training]
steps = {steps}
batch_size = 2
"""


@pytest.fixture
def data(trajectory: DensityTrajectory, tmp_path: Path) -> Path:
    trajectory.save(tmp_path / "data.eldyn")
    return tmp_path / "data.eldyn"


def write_recipe(folder: Path, steps: int) -> Path:
    path = folder / "tiny.toml"
    path.write_text(TINY.format(steps=steps))
    return path


def test_fit_writes_a_model(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["fit", str(write_recipe(tmp_path, 2)), "--data", str(data), "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--frames", "1:9", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert str(out / "model.safetensors") in result.stdout
    assert "mse_density" in result.stdout
    assert (
        Emulator.load(out / "model.safetensors").provenance["data"]["trajectories"][0]["frames"]
        == "1:9:1"
    )


def test_help_explains_units_and_resuming() -> None:
    result = CliRunner().invoke(app, ["fit", "--help"])
    assert "log.jsonl" in result.stdout
    assert "goes on" in result.stdout
    assert "electrons/Å³" in CliRunner().invoke(app, ["--help"]).stdout


def start(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", "from eldyn_training.cli import main; main()", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_errors_are_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, 2)
    recipe.write_text(recipe.read_text().replace("batch_size", "batchsize"))
    command = ["fit", str(recipe), "--data", str(data), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["eldyn-train", *command])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    errors = capsys.readouterr().err
    assert errors.startswith("eldyn-train: ")
    assert "did you mean 'batch_size'?" in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_sigterm_saves_and_kill_loses_nothing_before_the_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ["fit", str(write_recipe(tmp_path, 100000)), "--data", str(data), "--out", str(out)]

    def train_until(step: int, number: int) -> tuple[int, str]:
        process = start([*command, "--checkpoint-minutes", "0"])
        deadline = time.monotonic() + 120
        log = out / "log.jsonl"
        while not (log.exists() and log.read_text().count("\n") >= step):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors

    code, errors = train_until(3, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert "the same command goes on" in errors
    done = (out / "log.jsonl").read_text().count("\n")
    code, _ = train_until(done + 3, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert (out / "log.jsonl").read_text().count("\n") >= done + 3
    steps = [line.split(",")[0] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == [f'{{"step": {k}' for k in range(1, len(steps) + 1)]
