"""AIMD recipes: those that are shipped, and those that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from eldyn_training.aimd import load_aimd_recipe
from eldyn_training.aimd.structure import starting_atoms
from eldyn_training.recipe import load_recipe

from napari_eldyn.exceptions import EldynError


def _recipe(path: Path, text: str) -> Path:
    path.write_text('extends = "aimd_tiny"\n' + text)
    return path


def test_the_papers_system() -> None:
    recipe = load_aimd_recipe("aimd_li32")
    atoms = starting_atoms(recipe, np.random.RandomState(0))
    assert len(atoms) == 32
    np.testing.assert_allclose(atoms.cell.lengths(), 8.66)
    assert recipe.temperature == 800.0
    assert recipe.scf.xc == "PBE"
    assert (recipe.frames - 1) * recipe.stride * recipe.timestep == pytest.approx(1e4, rel=1e-3)
    fine = load_aimd_recipe("aimd_li32_680eV")
    assert (fine.scf.cutoff, fine.scf.grid) == (680.0, (48, 48, 48))
    assert fine.scf.bands == recipe.scf.bands


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("temprature = 3.0", "did you mean 'temperature'"),
        ("[scf]\ncutof = 3.0", "did you mean 'cutoff'"),
        ("[thermostat]\nkind = 'nose_hover'", "did you mean 'nose_hoover'"),
        ("kinds = ['all_electrons']", "did you mean 'all_electron'"),
        ("kinds = []", "at least one density"),
        ("frames = 'many'", "key 'frames'"),
        ("[structure]\nfile = 'nowhere.xyz'", "nowhere.xyz does not exist"),
    ],
)
def test_wrong_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = _recipe(tmp_path / "wrong.toml", text)
    with pytest.raises(EldynError, match=message) as caught:
        load_aimd_recipe(path)
    assert caught.value.path == path


def test_kinds_of_recipes_are_told_apart() -> None:
    with pytest.raises(EldynError, match="eldyn-train aimd"):
        load_recipe("aimd_tiny")
    with pytest.raises(EldynError, match="eldyn-train fit"):
        load_aimd_recipe("paper")


def test_a_structure_from_a_file_beside_the_recipe(tmp_path: Path) -> None:
    cell = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.0, 0.5, 6.0]])
    write(tmp_path / "two.xyz", Atoms("LiNa", [[0, 0, 0], [2, 2, 2]], cell=cell, pbc=True))
    text = "[structure]\nfile = 'two.xyz'\nlength = 8.0\ndisplacement = 0.0"
    recipe = load_aimd_recipe(_recipe(tmp_path / "r.toml", text))
    atoms = starting_atoms(recipe, np.random.RandomState(0))
    assert atoms.get_chemical_formula() == "LiNa"
    np.testing.assert_allclose(atoms.cell[:], 2.0 * cell)
    np.testing.assert_allclose(atoms.positions[1], 4.0)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("Li2", [[0, 0, 0], [2, 2, 2]]), "has no cell"),
        (Atoms("Li", [[0, 0, 0]], cell=[3, 3, 3], pbc=True), "need two"),
    ],
)
def test_bad_structures(tmp_path: Path, atoms: Atoms, message: str) -> None:
    write(tmp_path / "bad.xyz", atoms)
    text = "[structure]\nfile = 'bad.xyz'"
    recipe = load_aimd_recipe(_recipe(tmp_path / "r.toml", text))
    with pytest.raises(EldynError, match=message):
        starting_atoms(recipe, np.random.RandomState(0))
