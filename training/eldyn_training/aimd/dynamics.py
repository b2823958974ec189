"""Thermostats, and the state from which a trajectory goes on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import NoseHooverChainNVT

from eldyn_training.aimd.recipe import AimdRecipe
from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError

__all__ = [
    "DynamicsState",
    "capture",
    "make_dynamics",
    "read_state",
    "set_chain",
    "temperature",
    "write_state",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DynamicsState:
    """All that the next MD step depends on, but the electrons.

    Attributes
    ----------
    step : int
        MD steps done, counted from the start of melting.
    positions : ndarray, shape (atoms, 3)
        Å, unwrapped.
    momenta : ndarray, shape (atoms, 3)
        ASE's units.
    cell, numbers
        Of the atoms.
    random_keys, random_place
        Of the Mersenne twister, and of its spare normal number.
    chain : ndarray, shape (2, links)
        Positions and momenta of a Nosé-Hoover chain; (2, 0) without one.
    """

    step: int
    positions: FloatArray
    momenta: FloatArray
    cell: FloatArray
    numbers: npt.NDArray[np.int64]
    random_keys: npt.NDArray[np.uint32]
    random_place: FloatArray
    chain: FloatArray

    def atoms(self) -> Atoms:
        """Return the atoms at this step."""
        return Atoms(
            self.numbers, positions=self.positions, momenta=self.momenta, cell=self.cell, pbc=True
        )

    def random(self) -> np.random.RandomState:
        """Return the source of random numbers as it was."""
        rng = np.random.RandomState()
        place, has_spare, spare = self.random_place
        rng.set_state(("MT19937", self.random_keys, int(place), int(has_spare), float(spare)))
        return rng


def make_dynamics(
    recipe: AimdRecipe, atoms: Atoms, rng: np.random.RandomState, step: int
) -> MolecularDynamics:
    """Return the integrator of the stage that a step belongs to.

    Parameters
    ----------
    recipe : AimdRecipe
        Temperatures, time step and thermostat.
    atoms : ase.Atoms
        With a calculator; their centre of mass is held fixed from now on.
    rng : numpy.random.RandomState
        Of the Langevin noise, in the same state on all MPI processes.
    step : int
        MD steps done.
    """
    melting = step < recipe.melting_steps
    temperature = recipe.starting_temperature if melting else recipe.temperature
    timestep = recipe.timestep * units.fs
    if recipe.thermostat.kind == "langevin":
        # ASE's fixcm samples a slightly wrong ensemble; this constraint does not.
        atoms.set_constraint(FixCom())
        return Langevin(
            atoms,
            timestep,
            temperature_K=temperature,
            friction=1.0 / (recipe.thermostat.time * units.fs),
            fixcm=False,
            rng=rng,
        )
    # The chain counts 3N degrees of freedom, of which the resting centre of mass takes three.
    share = (len(atoms) - 1.0) / len(atoms)
    return NoseHooverChainNVT(
        atoms,
        timestep,
        temperature_K=temperature * share,
        tdamp=recipe.thermostat.time * units.fs,
    )


def capture(dynamics: MolecularDynamics, rng: np.random.RandomState, step: int) -> DynamicsState:
    """Return the state after a step."""
    atoms = dynamics.atoms
    _, keys, place, has_spare, spare = rng.get_state()
    return DynamicsState(
        step=step,
        positions=atoms.get_positions(),
        momenta=atoms.get_momenta(),
        cell=np.array(atoms.cell[:]),
        numbers=atoms.numbers.astype(np.int64),
        random_keys=np.array(keys),
        random_place=np.array([place, has_spare, spare], dtype=np.float64),
        chain=_chain(dynamics),
    )


def temperature(atoms: Atoms) -> float:
    """Return the temperature [K] of atoms whose centre of mass rests, by either thermostat.

    ASE's own counts 3N degrees of freedom without the constraint that only Langevin takes.
    """
    return float(2.0 * atoms.get_kinetic_energy() / (3.0 * (len(atoms) - 1) * units.kB))


def set_chain(dynamics: MolecularDynamics, chain: FloatArray) -> None:
    """Give a Nosé-Hoover chain the state it had; nothing for other thermostats."""
    if isinstance(dynamics, NoseHooverChainNVT) and chain.shape[1]:
        thermostat = dynamics._thermostat
        thermostat._eta[:], thermostat._p_eta[:] = chain


def _chain(dynamics: MolecularDynamics) -> FloatArray:
    if not isinstance(dynamics, NoseHooverChainNVT):
        return np.zeros((2, 0))
    # ASE has no public way to save and restore a chain.
    thermostat: Any = dynamics._thermostat
    return np.stack([thermostat._eta, thermostat._p_eta])


def write_state(state: DynamicsState, path: Path) -> None:
    """Write a state, whole or not at all."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in vars(state).items()}
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def read_state(path: Path) -> DynamicsState:
    """Read a state.

    Raises
    ------
    EldynError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        step = int(values.pop("step"))
        return DynamicsState(step=step, **values)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise EldynError(
            f"the state to go on from cannot be read ({error})",
            path=path,
            remedy="Start the trajectory anew in another store; its frames so far stay readable.",
        ) from error
