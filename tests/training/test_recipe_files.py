"""Recipes that extend others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eldyn_training.recipe import load_recipe
from eldyn_training.recipe_files import differences

from napari_eldyn.exceptions import EldynError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def dump(name: str | Path) -> dict[str, Any]:
    return load_recipe(name).model_dump(mode="json")


def test_a_recipe_by_name_is_extended_key_by_key(tmp_path: Path) -> None:
    text = 'extends = "paper"\n[training]\nsteps = 7\n[model.denoiser]\nhidden = 64\n'
    mine = write(tmp_path / "mine.toml", text)
    assert differences(dump("paper"), dump(mine)) == ["model.denoiser.hidden", "training.steps"]
    assert load_recipe(mine).training.steps == 7
    assert load_recipe(mine).model.denoiser.hidden == 64


def test_a_file_beside_comes_before_a_shipped_recipe(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", 'extends = "paper"\n[training]\nsteps = 5\n')
    write(tmp_path / "paper", "[training]\nsteps = 9\n")
    middle = 'extends = "base.toml"\n[training]\nseed = 3\n'
    recipe = load_recipe(write(tmp_path / "middle.toml", middle))
    assert (recipe.training.steps, recipe.training.seed) == (5, 3)
    # "paper" of base.toml is the file beside it.
    assert recipe.data.grid is None


def test_lists_are_replaced_and_not_joined(tmp_path: Path) -> None:
    text = 'extends = "paper"\n[model.autoencoder]\nchannels = [8, 16]\n'
    recipe = load_recipe(write(tmp_path / "mine.toml", text))
    assert recipe.model.autoencoder.channels == (8, 16)


def test_circles_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.toml", 'extends = "b.toml"\n')
    write(tmp_path / "b.toml", 'extends = "a.toml"\n')
    with pytest.raises(EldynError, match="extends itself"):
        load_recipe(tmp_path / "a.toml")
    alone = write(tmp_path / "c.toml", 'extends = "c.toml"\n')
    with pytest.raises(EldynError, match="extends itself"):
        load_recipe(alone)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends = 3\n", r"extends = 3 is not the name of a recipe"),
        ('extends = "papre"\n', r"no such recipe file.*paper"),
        ('extends = "paper"\ntraining = 3\n', r"'training': input should be a table of keys"),
        ('extends = "paper"\n[training]\nstep = 3\n', r"training\.step.*did you mean 'steps'"),
    ],
)
def test_wrong_extensions_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EldynError, match=message):
        load_recipe(write(tmp_path / "mine.toml", text))


def test_the_ablation_differs_in_the_weight_alone() -> None:
    for name in ("paper", "paper_32"):
        full, without = dump(name), dump(f"{name}_without_sjsd")
        assert differences(full, without) == ["objective.sjsd_weight"]
        assert (full["objective"]["sjsd_weight"], without["objective"]["sjsd_weight"]) == (
            10.0,
            0.0,
        )


def test_paper_32_is_paper_within_reach() -> None:
    assert set(differences(dump("paper"), dump("paper_32"))) >= {
        "data.grid",
        "data.frames",
        "data.time_reversal",
        "data.reflect_ends",
        "objective.noise_draws",
        "objective.sjsd_start",
        "refinement.steps",
        "training.steps",
    }
    recipe = load_recipe("paper_32")
    assert recipe.data.grid == (32, 32, 32)
    assert recipe.data.frames == ":140"
    assert (recipe.training.steps, recipe.refinement.steps) == (3200, 6000)
    assert (recipe.objective.sjsd_start, recipe.objective.noise_draws) == (300, 8)
    assert recipe.model.autoencoder.decoder_channels == (128, 32, 16)
    # What the paper states stays.
    assert recipe.objective.denoising_weight == 0.1
    assert recipe.objective.denoising_weighting == "noise"
    assert recipe.objective.context_noise == 0.0
    assert recipe.model.schedule.steps == 1000
    assert recipe.model.denoiser.output == "noise"
