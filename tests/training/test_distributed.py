"""Two processes over gloo against one: the same gradients, losses and weights; signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from eldyn_training.distributed import Processes
from eldyn_training.engine import fit
from eldyn_training.recipe import load_recipe
from liquid import gaussian_liquid
from safetensors.torch import load_file

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

RECIPE = """
[data]
time_reversal = true
validation_frames = 6
[model.autoencoder]
latent_dim = 8
channels = [8, 16]
decoder_channels = [16, 8]
norm_groups = 4
[model.denoiser]
hidden = 32
layers = 2
output = "velocity"
[objective]
noise_draws = 2
context_noise = 0.1
histogram_over = "{over}"
denoising_reaches_encoder = true
[training]
steps = {steps}
batch_size = 4
warmup_steps = 2
[refinement]
steps = 4
batch_size = 6
[validation]
every = 3
rollout_frames = 3
"""

SPATIAL = """
[data]
time_reversal = true
random_shifts = true
random_point_group = true
validation_frames = 6
[model]
family = "spatial"
[model.autoencoder]
width = 8
fine_width = 4
decoder_blocks = 1
[model.denoiser]
width = 8
blocks = 1
context_frames = 2
[objective]
noise_draws = 2
context_noise = 0.1
[training]
stages = "two_stage"
steps = {steps}
batch_size = 4
warmup_steps = 2
[refinement]
steps = 4
batch_size = 6
copies = 4
[validation]
every = 3
rollout_frames = 3
rollout_evaluations = 3
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.eldyn"
    gaussian_liquid(20).save(path)
    return path


def write_recipe(folder: Path, steps: int = 4, over: str = "frame") -> Path:
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(steps=steps, over=over))
    return path


def torchrun(*arguments: object) -> subprocess.Popen[str]:
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("text", [RECIPE, pytest.param(SPATIAL, marks=pytest.mark.slow)])
def test_two_processes_are_one_up_to_rounding(data: Path, tmp_path: Path, text: str) -> None:
    """Losses, norms of gradients and weights of both stages, step by step."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(text.format(steps=4, over="frame"))
    options = ("--data", data, "--out", tmp_path / "two", "--device", "cpu")
    process = torchrun("-m", "eldyn_training", "fit", recipe, *options)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    one = fit(
        load_recipe(recipe),
        [DensityTrajectory.open(data)],
        tmp_path / "one",
        device="cpu",
        show_progress=False,
    )
    expected, found = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert [entry["step"] for entry in found] == [entry["step"] for entry in expected]
    for ours, theirs in zip(expected, found, strict=True):
        for name, value in ours.items():
            if isinstance(value, float) and name != "frames_per_s":
                assert theirs[name] == pytest.approx(value, rel=1e-3, abs=1e-7), name
    models = load_file(one.model), load_file(tmp_path / "two" / "model.safetensors")
    for name, tensor in models[0].items():
        assert (tensor - models[1][name]).abs().max() < 1e-4, name


GRADIENTS = """
import sys
import torch
from eldyn_training.data import load_dataset
from eldyn_training.distributed import join_processes
from eldyn_training.recipe import load_recipe
from eldyn_training.stages import plan
from eldyn_training.state import start
from napari_eldyn.density import DensityTrajectory
from safetensors.torch import save_file

def write_gradients(device, processes, recipe, data, out):
    recipe = load_recipe(recipe)
    training = start(
        recipe, load_dataset(recipe.data, [DensityTrajectory.open(data)]), device, processes
    )
    # Weights that start at zero keep gradients from what lies behind them.
    torch.manual_seed(1)
    for parameter in training.networks.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    stage = plan(recipe)[0]
    stage.prepare(training)
    stage.step(training)
    stage.close()
    if processes.is_first:
        gradients = {name: p.grad for name, p in training.networks.named_parameters()}
        save_file(gradients, f"{out}-{recipe.objective.histogram_over}-{processes.count}")

if __name__ == "__main__":
    with join_processes("cpu") as (processes, device):
        for recipe in sys.argv[3:]:
            write_gradients(device, processes, recipe, *sys.argv[1:3])
"""


def test_two_processes_give_the_gradients_of_one(data: Path, tmp_path: Path) -> None:
    """With a histogram for each frame, and with one of the whole batch."""
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    recipes = []
    for over in ("frame", "batch"):
        (tmp_path / over).mkdir()
        recipes.append(write_recipe(tmp_path / over, over=over))
    process = torchrun(script, data, tmp_path / "g", *recipes)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    here: dict[str, Any] = {"__name__": "here"}
    exec(GRADIENTS, here)
    for over, recipe in zip(("frame", "batch"), recipes, strict=True):
        here["write_gradients"](torch.device("cpu"), Processes(), recipe, data, tmp_path / "g")
        one, two = (load_file(tmp_path / f"g-{over}-{count}") for count in (1, 2))
        assert one.keys() == two.keys()
        for name, gradient in one.items():
            assert gradient.abs().max() > 0, name
            assert (gradient - two[name]).abs().max() <= 1e-4 * gradient.abs().max(), name


def test_sigterm_saves_once_and_nothing_hangs(data: Path, tmp_path: Path) -> None:
    """Stopped by torchrun's signal, finished by one process."""
    recipe, out = write_recipe(tmp_path, steps=1000), tmp_path / "run"
    process = torchrun("-m", "eldyn_training", "fit", recipe, "--data", data, "--out", out)
    deadline = time.monotonic() + 150
    log = out / "log.jsonl"
    while not (log.exists() and log.read_text().count("\n") >= 3):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("the same command goes on") == 1
    assert not list(out.glob("*.partial"))
    last = read_log(out)[-1]["step"]
    assert f"stopped after step {last} of 1004" in errors
    assert last < 1000


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    Processes(0, 2).check_divides(6, "training.batch_size")
    with pytest.raises(
        EldynError, match=r"training\.batch_size = 5 cannot be divided.*2 processes"
    ):
        Processes(0, 2).check_divides(5, "training.batch_size")


def test_shares_cover_a_batch() -> None:
    parts = [Processes(rank, 3).share(12) for rank in range(3)]
    assert [k for part in parts for k in range(12)[part]] == list(range(12))
