"""Training on a set of trajectories, augmented: the same weights wherever the frames lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from eldyn_training.cli import app
from eldyn_training.data import Storage
from eldyn_training.engine import fit
from eldyn_training.recipe import PooledRecipe
from liquid import gaussian_liquid
from safetensors.torch import load_file
from typer.testing import CliRunner

from napari_eldyn.emulator import Emulator


def trained(values: dict[str, Any], out: Path, storage: Storage = "memory") -> dict[str, Any]:
    result = fit(
        PooledRecipe.model_validate(values),
        [gaussian_liquid(10), gaussian_liquid(9, seed=1)],
        out, device="cpu", storage=storage, show_progress=False,
    )  # fmt: skip
    assert result.finished
    return load_file(result.model)


def test_weights_depend_on_augmentation_but_not_on_storage(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["data"] = {"frames": ":", "random_shifts": True, "random_point_group": True}
    values["training"] = {**values["training"], "steps": 3}
    values["refinement"] = {"steps": 2, "batch_size": 4}
    memory = trained(values, tmp_path / "a" / "memory")
    mapped = trained(values, tmp_path / "b" / "mapped", "mapped")
    assert all(torch.equal(tensor, mapped[name]) for name, tensor in memory.items())
    assert [path.name for path in sorted((tmp_path / "a").iterdir())] == ["memory"]
    assert len(list((tmp_path / "b").glob("frames-*.npy"))) == 1
    values["data"]["random_shifts"] = False
    other = trained(values, tmp_path / "c")
    assert not all(torch.equal(tensor, other[name]) for name, tensor in memory.items())


def test_the_command_takes_several_trajectories(tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two", "three")):
        gaussian_liquid(10, seed=seed).save(tmp_path / f"{name}.eldyn")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        """
[data]
validation_trajectories = 1
[model.autoencoder]
channels = [8, 16]
decoder_channels = [16, 8]
norm_groups = 4
[model.denoiser]
hidden = 16
layers = 1
[training]
steps = 2
batch_size = 2
"""
    )
    data = [f"--data={tmp_path / name}.eldyn" for name in ("one", "two", "three")]
    arguments = ["fit", str(recipe), *data, "--out", str(tmp_path / "run"), "--device", "cpu"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    card = Emulator.load(tmp_path / "run" / "model.safetensors").provenance["data"]
    counts = [
        (entry["name"], entry["training_frames"], entry["validation_frames"])
        for entry in card["trajectories"]
    ]
    assert counts == [("one", 10, 0), ("two", 10, 0), ("three", 0, 10)]
