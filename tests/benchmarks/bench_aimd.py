"""Time AIMD of 32 Li atoms with GPAW: python tests/benchmarks/bench_aimd.py [--steps N] [--fine].

Starts from the first frame of the sample trajectory, so that the density can be compared with the
one stored there. Prints seconds and SCF iterations per MD step, and the ratio to a plain loop of
ASE's Langevin dynamics with the same calculator, which stores nothing. Ratios are of CPU seconds:
wall time also tells what else the machine does, so the load is printed with it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from eldyn_training.aimd import AimdRecipe, load_aimd_recipe, run_aimd
from eldyn_training.aimd.calculator import make_calculator
from eldyn_training.aimd.dynamics import make_dynamics
from eldyn_training.aimd.structure import starting_atoms

from napari_eldyn.density import DensityTrajectory

SAMPLE = Path(__file__).parents[2] / "sample_data" / "li32_800K.eldyn"


def recipe_from(name: str, sample: DensityTrajectory, folder: Path, frames: int) -> AimdRecipe:
    assert sample.positions is not None
    atoms = Atoms(sample.numbers, sample.positions[0], cell=sample.grid.cell, pbc=True)
    write(folder / "start.extxyz", atoms)
    values = load_aimd_recipe(name).model_dump() | {"frames": frames, "stride": 1}
    values |= {"melting": None, "equilibration_steps": 0}
    values["structure"] = {"file": str(folder / "start.extxyz"), "displacement": 0.0}
    return AimdRecipe.model_validate(values)


def now() -> np.ndarray:
    """Return wall and CPU seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def plain_loop(recipe: AimdRecipe, steps: int) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Return seconds (wall, CPU) of the first SCF and of a step, and the iterations of both."""
    rng = np.random.RandomState(recipe.seed)
    atoms = starting_atoms(recipe, rng)
    atoms.calc = make_calculator(recipe)
    start = now()
    atoms.get_forces()
    first, iterations = now() - start, atoms.calc.get_number_of_iterations()
    dynamics = make_dynamics(recipe, atoms, rng, 0)
    seen = []
    start = now()
    for _ in range(steps):
        dynamics.step()
        seen.append(atoms.calc.get_number_of_iterations())
    return first, (now() - start) / steps, iterations, float(np.mean(seen))


def bench(name: str, steps: int) -> float:
    """Print what a step costs; return its CPU seconds in the plain loop."""
    sample = DensityTrajectory.open(SAMPLE)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        recipe = recipe_from(name, sample, folder, steps + 1)
        print(f"\n{name}: {recipe.scf.cutoff:g} eV, {recipe.scf.grid} points, {steps} steps")
        first, step, first_iterations, iterations = plain_loop(recipe, steps)
        load = os.getloadavg()[0]
        print(f"  {'':14s}  wall s    CPU s")
        print(f"  first SCF     {first[0]:8.2f} {first[1]:8.2f}   {first_iterations} iterations")
        print(f"  plain MD step {step[0]:8.2f} {step[1]:8.2f}   {iterations:.1f} iterations")
        store = folder / "out.eldyn"
        start = now()
        run_aimd(recipe, store, show_progress=False)
        stored = (now() - start - first) / steps
        size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
        trajectory = DensityTrajectory.open(store)
        print(
            f"  stored        {stored[0]:8.2f} {stored[1]:8.2f}   {stored[1] / step[1]:.2f} × the "
            f"plain one's CPU; {size / len(trajectory) / 1e3:.0f} kB a frame"
        )
        print(
            f"  at a stride of 2: {1800 / stored[0]:.0f} frames an hour of wall time, "
            f"{1800 / stored[1]:.0f} of CPU time; load {load:.1f} to {os.getloadavg()[0]:.1f} on "
            f"{os.cpu_count()} cores"
        )
        for what, frame in (("first", trajectory[0]), ("last", trajectory[-1])):
            logs = np.log(frame)
            print(f"  ln density of the {what} frame: {logs.mean():.3f} ± {logs.std():.3f}")
        if trajectory.grid.shape == sample.grid.shape:
            error = np.abs(trajectory[0] - sample[0]).mean() / sample[0].mean()
            print(f"  first frame against the sample's density of it: NMAE {error:.1e}")
    return float(step[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--fine", action="store_true", help="680 eV on 48³ too, minutes")
    options = parser.parse_args()
    coarse = bench("aimd_li32", options.steps)
    if options.fine:
        fine = bench("aimd_li32_680eV", options.steps)
        print(f"\nA step of aimd_li32_680eV costs {fine / coarse:.1f} × one of aimd_li32")


if __name__ == "__main__":
    main()
