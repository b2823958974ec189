"""Densities against GPAW's own calls; thermostats on a potential that costs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from eldyn_training.aimd import AimdRecipe
from eldyn_training.aimd.calculator import make_calculator
from eldyn_training.aimd.densities import atomic_density_matrices, density_of_kind
from eldyn_training.aimd.dynamics import capture, make_dynamics, set_chain, temperature
from eldyn_training.aimd.structure import starting_atoms


@pytest.fixture(scope="module")
def converged() -> Atoms:
    """Two Li atoms in a large box, where the kinds of density differ much."""
    recipe = AimdRecipe.model_validate(
        {
            "temperature": 1000.0,
            "frames": 1,
            "structure": {"element": "Li", "lattice": "bcc", "repeats": (1, 1, 1), "length": 4.0},
            "scf": {"cutoff": 280.0, "grid": (20, 20, 20), "density_tolerance": 1e-6},
        }
    )
    atoms = starting_atoms(recipe, np.random.RandomState(0))
    atoms.calc = make_calculator(recipe)
    atoms.get_potential_energy()
    return atoms


def test_densities_are_those_gpaw_calls_by_other_names(converged: Atoms) -> None:
    calculator = converged.calc
    voxel = converged.get_volume() / 20**3
    pseudo, valence, full = (
        density_of_kind(calculator, kind) for kind in ("pseudo", "pseudo_valence", "all_electron")
    )
    assert pseudo is not None
    assert valence is not None
    assert full is not None
    # GPAW's own array is the mixed one: equal as far as the cycle is converged.
    np.testing.assert_allclose(pseudo, calculator.get_pseudo_density(), rtol=2e-3)
    assert pseudo.min() > 0
    assert valence.min() > -1e-6
    core = pseudo - valence
    assert core.min() > -0.02 * core.max()  # a smooth positive hump at each nucleus, cut in q
    assert 0.1 < core.sum() * voxel < 2.0
    # Three electrons an atom with the core; the coarse grid keeps GPAW's normalisation.
    assert full.sum() * voxel == pytest.approx(6.0, abs=1e-3)
    without_core = calculator.get_all_electron_density(gridrefinement=1, skip_core=True)
    assert without_core.sum() * voxel == pytest.approx(2.0, abs=1e-3)


def test_matrices_are_gpaws(converged: Atoms) -> None:
    matrices = atomic_density_matrices(converged.calc)
    assert matrices is not None
    for atom, packed in converged.calc.density.D_asp.items():
        np.testing.assert_array_equal(matrices[atom], packed.sum(axis=0))


def _cluster(kind: str) -> tuple[AimdRecipe, Atoms, np.random.RandomState]:
    recipe = AimdRecipe.model_validate(
        {
            "temperature": 300.0,
            "frames": 1,
            "timestep": 2.0,
            "structure": {"element": "Ar", "lattice": "fcc", "repeats": (2, 2, 2), "length": 11.0},
            "thermostat": {"kind": kind, "time": 50.0},
            "scf": {"cutoff": 100.0, "grid": (8, 8, 8)},
        }
    )
    rng = np.random.RandomState(3)
    atoms = starting_atoms(recipe, rng)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.4, smooth=True)
    return recipe, atoms, rng


@pytest.mark.parametrize("kind", ["langevin", "nose_hoover"])
def test_thermostats_hold_the_temperature(kind: str) -> None:
    recipe, atoms, rng = _cluster(kind)
    dynamics = make_dynamics(recipe, atoms, rng, 0)
    temperatures = []
    for step in range(1200):
        dynamics.step()
        if step >= 400:
            temperatures.append(temperature(atoms))
    # 93 degrees of freedom: ±44 K at an instant, about ±8 K over these 1.6 ps.
    assert np.mean(temperatures) == pytest.approx(300.0, abs=30.0)
    momentum = atoms.get_momenta().sum(axis=0)
    np.testing.assert_allclose(momentum, 0.0, atol=1e-8)


@pytest.mark.parametrize("kind", ["langevin", "nose_hoover"])
def test_a_captured_state_goes_on_exactly(kind: str) -> None:
    recipe, atoms, rng = _cluster(kind)
    dynamics = make_dynamics(recipe, atoms, rng, 0)
    for _ in range(5):
        dynamics.step()
    state = capture(dynamics, rng, 5)
    again_atoms, again_rng = state.atoms(), state.random()
    again_atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.4, smooth=True)
    again: Any = make_dynamics(recipe, again_atoms, again_rng, 5)
    set_chain(again, state.chain)
    for _ in range(5):
        dynamics.step()
        again.step()
    np.testing.assert_allclose(again_atoms.positions, atoms.positions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(again_atoms.get_momenta(), atoms.get_momenta(), rtol=0, atol=1e-10)
