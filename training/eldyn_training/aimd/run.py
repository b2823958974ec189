"""Run a trajectory, or go on with it, one MD step after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from ase import units
from ase.md.md import MolecularDynamics

from eldyn_training.aimd.calculator import SAFER_STEPS, import_gpaw, make_calculator
from eldyn_training.aimd.densities import atomic_density_matrices, density_of_kind
from eldyn_training.aimd.dynamics import (
    DynamicsState,
    capture,
    make_dynamics,
    set_chain,
    temperature,
)
from eldyn_training.aimd.output import TrajectoryOutput
from eldyn_training.aimd.progress import AimdProgress
from eldyn_training.aimd.ranks import on_first, shared
from eldyn_training.aimd.recipe import AimdRecipe
from eldyn_training.aimd.structure import starting_atoms
from eldyn_training.signals import catch_signals
from napari_eldyn.exceptions import EldynError

__all__ = ["AimdResult", "run_aimd"]

T = TypeVar("T")


@dataclass(frozen=True)
class AimdResult:
    """How a call of :func:`run_aimd` ended.

    Attributes
    ----------
    finished : bool
        False if a signal stopped it; the same call goes on.
    frames : int
        In the store.
    signal : int
        That stopped it, or 0.
    """

    finished: bool
    frames: int
    signal: int


def run_aimd(recipe: AimdRecipe, out: str | Path, *, show_progress: bool = True) -> AimdResult:
    """Run the trajectory of a recipe into a store, or go on with one that was stopped.

    Parameters
    ----------
    recipe : AimdRecipe
        What to run. Of a trajectory begun, only `frames` may have changed.
    out : path-like
        The store, ``NAME.eldyn``; the state to go on from lies beside it in
        ``NAME.eldyn.restart``.
    show_progress : bool
        Temperature, SCF iterations, seconds per step and ETA on stderr.

    Returns
    -------
    AimdResult
        SIGINT and SIGTERM stop after the MD step under way.

    Raises
    ------
    EldynError
        If GPAW is missing or refuses the recipe, the structure is bad, the store belongs to
        another recipe, the electrons do not converge with the safer mixer either, a step is not
        finite, or the disk is full. The frames before stay, and the same call goes on.

    Notes
    -----
    Under ``mpiexec -n N gpaw python -m eldyn_training aimd ...`` all processes share one
    trajectory; the first one writes. A trajectory that was interrupted follows the
    uninterrupted one as far as the self-consistent cycle is converged, since wave functions are
    not kept; positions, velocities, thermostat and random numbers go on exactly.
    """
    gpaw = import_gpaw()
    world = gpaw.mpi.world
    output = on_first(world, lambda: TrajectoryOutput(recipe, Path(out)))
    try:
        with catch_signals() as received:
            return _Run(recipe, output, world, gpaw, show_progress).go(received)
    finally:
        if output is not None:
            output.close()


class _Run:
    """One process's part of a running trajectory."""

    def __init__(
        self,
        recipe: AimdRecipe,
        output: TrajectoryOutput | None,
        world: Any,
        gpaw: Any,
        show_progress: bool,
    ) -> None:
        self._recipe, self._output, self._world = recipe, output, world
        self._failure = gpaw.KohnShamConvergenceError
        self._show = show_progress and world.rank == 0
        self._retries, self._safer_until = 0, 0
        self._accepted = False
        self._frames, state = shared(world, lambda: _begun(output))
        if state is None:
            # On all processes: ASE reads files and draws velocities on one of them and shares.
            rng = np.random.RandomState(recipe.seed)
            atoms = starting_atoms(recipe, rng)
            step, chain = 0, np.zeros((2, 0))
        else:
            rng, atoms, step, chain = state.random(), state.atoms(), state.step, state.chain
        self._log = None if output is None else output.log
        self._calculator = make_calculator(recipe, log=self._log)
        self._begin(atoms, rng, step, chain)

    def go(self, received: list[int]) -> AimdResult:
        """Run until done or stopped."""
        recipe = self._recipe
        with AimdProgress(recipe.steps, self._step, show=self._show) as progress:
            while self._frames < recipe.frames:
                due = recipe.first_production_step + self._frames * recipe.stride
                while self._step < due:
                    if self._stopped(received):
                        return self._result(received)
                    self._advance(progress)
                if self._stopped(received):
                    return self._result(received)
                self._store_frame(progress)
        return self._result([])

    def _result(self, received: list[int]) -> AimdResult:
        finished = self._frames >= self._recipe.frames
        return AimdResult(finished, self._frames, received[0] if received else 0)

    def _stopped(self, received: list[int]) -> bool:
        """Whether any process was asked to stop: they must stop together."""
        asked = self._world.max_scalar(float(received[0]) if received else 0.0)
        if asked and not received:
            received.append(int(asked))
        return bool(asked)

    def _begin(self, atoms: Any, rng: np.random.RandomState, step: int, chain: Any) -> None:
        atoms.calc = self._calculator
        self._atoms, self._rng, self._step = atoms, rng, step
        self._dynamics: MolecularDynamics = make_dynamics(self._recipe, atoms, rng, step)
        set_chain(self._dynamics, chain)

    def _advance(self, progress: AimdProgress) -> None:
        """Do one MD step and keep the state after it."""
        if self._step == self._safer_until > 0:
            self._calculator = make_calculator(self._recipe, log=self._log)
            self._atoms.calc = self._calculator
        if self._step == self._recipe.melting_steps and self._step > 0:
            self._begin(self._atoms, self._rng, self._step, np.zeros((2, 0)))
        self._converging(self._dynamics_step, progress)
        atoms = self._atoms
        energy = np.array(atoms.get_potential_energy())
        _check_finite(self._step + 1, atoms.positions, atoms.get_momenta(), energy)
        self._step += 1
        state = capture(self._dynamics, self._rng, self._step)
        self._first(lambda out: out.save_state(state))
        progress.step(
            self._stage(),
            temperature(self._atoms),
            int(self._calculator.get_number_of_iterations()),
            self._frames,
        )

    def _dynamics_step(self) -> None:
        self._dynamics.step()  # type: ignore[attr-defined]  # of all its subclasses

    def _stage(self) -> str:
        if self._step <= self._recipe.melting_steps:
            return "melting"
        before = self._step <= self._recipe.first_production_step
        return "equilibration" if before else "production"

    def _converging(self, work: Callable[[], Any], progress: AimdProgress) -> None:
        """Do work that needs the electrons, a second time with a safer mixer if they fail."""
        before = capture(self._dynamics, self._rng, self._step)
        for safer in (False, True):
            try:
                work()
                self._accepted = True
                return
            except self._failure as error:
                if safer:
                    raise EldynError(
                        f"the electrons do not converge at MD step {self._step + 1}, with the "
                        f"safer mixer neither ({error})",
                        remedy="Raise scf.max_iterations, lower scf.mixer.beta, or shorten "
                        "timestep; the same command then has to begin a new trajectory.",
                    ) from error
                progress.say(
                    f"MD step {self._step + 1}: the electrons did not converge; trying again "
                    "from fresh wave functions with a safer mixer, kept for "
                    f"{SAFER_STEPS} steps"
                )
                self._retries += 1
                self._safer_until = self._step + SAFER_STEPS
                self._calculator = make_calculator(self._recipe, safer=True, log=self._log)
                self._begin(before.atoms(), before.random(), before.step, before.chain)
            except Exception as error:  # GPAW raises nearly everything, AssertionError too
                if self._accepted:
                    _check_finite(self._step + 1, self._atoms.positions)
                    raise
                spacing = np.pi / np.sqrt(2.0 * self._recipe.scf.cutoff / units.Ha) * units.Bohr
                raise EldynError(
                    f"GPAW refuses the recipe ({type(error).__name__}: {str(error).strip()})",
                    remedy="Check scf.xc, setups, bands, kpoints and grid; this cutoff needs "
                    f"points at most {spacing:.3f} Å apart.",
                ) from error

    def _store_frame(self, progress: AimdProgress) -> None:
        self._converging(lambda: self._atoms.get_potential_energy(), progress)
        recipe, calculator = self._recipe, self._calculator
        densities = {kind: density_of_kind(calculator, kind) for kind in recipe.kinds}
        matrices = atomic_density_matrices(calculator)
        scalars = {
            "energy": float(self._atoms.get_potential_energy(force_consistent=True)),
            "kinetic_energy": float(self._atoms.get_kinetic_energy()),
            "temperature": temperature(self._atoms),
            "scf_iterations": float(calculator.get_number_of_iterations()),
            "scf_retries": float(self._retries),
        }
        self._retries = 0
        state: DynamicsState = capture(self._dynamics, self._rng, self._step)
        self._first(
            lambda out: out.add_frame(
                self._atoms,
                state,
                {kind: value for kind, value in densities.items() if value is not None},
                np.asarray(matrices),
                scalars,
            )
        )
        self._frames += 1

    def _first(self, work: Callable[[TrajectoryOutput], T]) -> T | None:
        output = self._output
        return on_first(self._world, lambda: work(output) if output is not None else None)


def _begun(output: TrajectoryOutput | None) -> tuple[int, DynamicsState | None]:
    """Return how many frames there are, and the state after them."""
    assert output is not None
    return output.frames, output.restart()


def _check_finite(step: int, *values: npt.NDArray[np.float64]) -> None:
    """Stop before a state is kept from which nothing can go on."""
    if not all(np.all(np.isfinite(value)) for value in values):
        raise EldynError(
            f"positions, velocities or energy are not finite after MD step {step}",
            remedy="Shorten timestep or tighten the tolerances of scf, in a new store; the frames "
            "before are kept.",
        )
