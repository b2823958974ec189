"""Recipes: what ships loads, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from eldyn_training.recipe import load_recipe
from eldyn_training.recipe_files import shipped_recipes

from napari_eldyn.exceptions import EldynError


def test_all_shipped_recipes_load() -> None:
    assert {"paper", "li32_small"} <= shipped_recipes().keys()
    for name in shipped_recipes():
        load_recipe(name)


def test_paper_is_what_the_paper_states() -> None:
    paper = load_recipe("paper")
    assert paper.data.grid == (48, 48, 48)
    assert paper.objective.denoising_weight == 0.1
    assert paper.objective.sjsd_weight == 10.0
    assert paper.objective.sjsd_scale == "constant"
    assert paper.objective.sjsd_start == 0
    assert paper.objective.context_noise == 0.0
    assert not paper.objective.denoising_reaches_encoder
    assert paper.model.autoencoder.latent_dim == 32
    assert paper.model.denoiser.time_embedding == 128
    assert paper.model.schedule.steps == 1000
    assert not paper.data.time_reversal
    assert paper.refinement.steps == 0


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nsteps = 1\nlerning_rate = 1", r"lerning_rate.*did you mean 'learning_rate'"),
        ("[trainig]\nsteps = 1", r"trainig.*did you mean 'training'"),
        ("[training]\nsteps = 0", r"training\.steps"),
        ("[training]\nsteps = 'many'", r"training\.steps"),
        ("[data]\nstride = 1", r"training.*required"),
        ("[training]\nsteps = 1\n[data]\nframes = 'all'", r"frames 'all' is not A:B"),
        ("[training]\nsteps = 1\n[data]\nframes = '0:9:-1'", r"is not A:B"),
        ("[training]\nsteps = 1\n[data]\nreflect_ends = true", r"needs time_reversal"),
        ("[training]\nsteps = 1\n[objective]\nhistogram_range = [1.0, -1.0]", r"must increase"),
        ("[training]\nsteps = 1\n[model.autoencoder]\nnorm_groups = 7", r"norm_groups=7"),
        (
            "[training]\nsteps = 1\n[objective]\ndenoising_weighting = 'velocity'",
            r"needs model\.denoiser\.output",
        ),
        ("steps = ", r"not a TOML file"),
    ],
)
def test_wrong_recipes_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "wrong.toml", text)
    with pytest.raises(EldynError, match=message) as error:
        load_recipe(path)
    assert error.value.path == path


def test_a_missing_recipe_lists_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(EldynError, match=r"no such recipe file.*li32_small, paper"):
        load_recipe(tmp_path / "nowhere.toml")
