"""Run a trajectory, or go on with it, one MD step after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ase.md.md import MolecularDynamics

from eldyn_training.aimd.calculator import import_gpaw, make_calculator
from eldyn_training.aimd.densities import atomic_density_matrices, density_of_kind
from eldyn_training.aimd.dynamics import DynamicsState, capture, make_dynamics, set_chain
from eldyn_training.aimd.output import TrajectoryOutput
from eldyn_training.aimd.progress import AimdProgress
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
        If GPAW is missing, the structure or recipe is bad, the store belongs to another recipe,
        the electrons do not converge with the safer mixer either, a frame is not finite, or the
        disk is full. The frames before stay, and the same call goes on.

    Notes
    -----
    Under ``mpiexec -n N gpaw python -m eldyn_training aimd ...`` all processes share one
    trajectory; the first one writes. A trajectory that was interrupted follows the
    uninterrupted one as far as the self-consistent cycle is converged, since wave functions are
    not kept; positions, velocities, thermostat and random numbers go on exactly.
    """
    gpaw = import_gpaw()
    world = gpaw.mpi.world
    output = _on_first(world, lambda: TrajectoryOutput(recipe, Path(out)))
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
        self._retries = 0
        begun = self._first(lambda out: (out.frames, out.restart()))
        if world.size > 1:
            begun = gpaw.mpi.broadcast(begun, root=0, comm=world)
        assert begun is not None
        self._frames, state = begun
        if state is None:
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
        if self._step == self._recipe.melting_steps and self._step > 0:
            self._begin(self._atoms, self._rng, self._step, np.zeros((2, 0)))
        self._converging(self._dynamics_step, progress)
        self._step += 1
        state = capture(self._dynamics, self._rng, self._step)
        self._first(lambda out: out.save_state(state))
        progress.step(
            self._stage(),
            float(self._atoms.get_temperature()),
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
                    "from fresh wave functions with a safer mixer, kept from here on"
                )
                self._retries += 1
                self._calculator = make_calculator(self._recipe, safer=True, log=self._log)
                self._begin(before.atoms(), before.random(), before.step, before.chain)

    def _store_frame(self, progress: AimdProgress) -> None:
        self._converging(lambda: self._atoms.get_potential_energy(), progress)
        recipe, calculator = self._recipe, self._calculator
        densities = {kind: density_of_kind(calculator, kind) for kind in recipe.kinds}
        matrices = atomic_density_matrices(calculator)
        scalars = {
            "energy": float(self._atoms.get_potential_energy(force_consistent=True)),
            "kinetic_energy": float(self._atoms.get_kinetic_energy()),
            "temperature": float(self._atoms.get_temperature()),
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
        return _on_first(self._world, lambda: work(output) if output is not None else None)


def _on_first(world: Any, work: Callable[[], T]) -> T | None:
    """Do work on the first MPI process; if it fails there, all processes end.

    Raises
    ------
    EldynError
        As the work does, on the first process.
    SystemExit
        On the others, which would wait for ever for the first one.
    """
    result, error = None, None
    if world.rank == 0:
        try:
            result = work()
        except EldynError as caught:
            error = caught
    failed = world.max_scalar(0.0 if error is None else 1.0)
    if error is not None:
        raise error
    if failed:
        raise SystemExit(1)
    return result
