"""Time converting and writing trajectories: python tests/benchmarks/bench_convert.py.

Prints medians, and medians of the ratios to the named baseline of the same round, since a machine
that others use too is not equally fast all the time. Files are in the page cache.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np
from ase import Atoms
from ase.io.cube import write_cube
from ase.io.xsf import write_xsf

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.writers import (
    ConversionRecipe,
    FileFormat,
    cube,
    vasp,
    write_trajectory,
    xsf,
)
from napari_eldyn.density.writers.processes import usable_cores


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(actions: dict[str, Callable[[], object]], rounds: int) -> None:
    """Time actions in turns; the first one is the baseline."""
    times = {name: np.empty(rounds) for name in actions}
    for turn in range(rounds):
        for name, action in actions.items():
            times[name][turn] = seconds(action)
    baseline = next(iter(times.values()))
    for name, values in times.items():
        ratio = float(np.median(baseline / values))
        print(f"  {name:<44} {np.median(values):9.3f} s   {ratio:8.2f} × as fast")


def made_up(n: int, points: int) -> DensityTrajectory:
    rng = np.random.default_rng(0)
    grid = PeriodicGrid(np.eye(3) * 8.66, (points,) * 3)
    values = np.exp(rng.normal(-2.9, 0.27, (n, *grid.shape))).astype(np.float32)
    positions = rng.uniform(0.0, 8.66, (1, 32, 3)) + rng.uniform(-0.1, 0.1, (n, 32, 3))
    return DensityTrajectory.from_array(
        values, grid, 4.0 * np.arange(n), numbers=[3] * 32, positions=positions, kind="valence"
    )


def bench_converting(n: int, points: int, rounds: int, folder: Path) -> None:
    inputs = folder / "run"
    inputs.mkdir()
    write_trajectory(made_up(n, points), inputs / "CHGCAR.vasp")
    cores = usable_cores()
    print(f"\n{n} CHGCAR files of {points}³ points to another format, {cores} cores to use")
    recipe = ConversionRecipe((inputs,))

    def convert(target: str, workers: int) -> Callable[[], object]:
        return lambda: write_trajectory(
            recipe.open(), folder / target, overwrite=True, recipe=recipe, workers=workers
        )

    for target in ("out.eldyn", "out.cube"):
        compare(
            {
                f"to {target[4:]}, {workers} {'process' if workers == 1 else 'processes'}": convert(
                    target, workers
                )
                for workers in sorted({1, 2, cores})
            },
            rounds,
        )


def bench_text(points: int, rounds: int, folder: Path) -> None:
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.vasp import Chgcar, Poscar

    print(f"\none frame of {points}³ points as text")
    trajectory = made_up(1, points)
    values, cell = trajectory[0], np.array(trajectory.grid.cell)
    atoms = Atoms([3] * 32, trajectory.positions_at(0), cell=cell, pbc=True)
    structure = Structure(Lattice(cell), ["Li"] * 32, atoms.get_scaled_positions())
    chgcar = Chgcar(Poscar(structure), {"total": values.astype(np.float64)})
    path = folder / "one"

    def theirs(write: Callable[[TextIO], object]) -> Callable[[], object]:
        def action() -> None:
            with path.open("w") as file:
                write(file)

        return action

    def ours(form: FileFormat) -> Callable[[], object]:
        def action() -> None:
            with path.open("wb") as file:
                file.writelines(form.frame(trajectory, 0))

        return action

    for actions in (
        {
            "cube: ase": theirs(lambda file: write_cube(file, atoms, values)),
            "cube: ours": ours(cube.FORMAT),
        },
        {
            "CHGCAR: pymatgen": lambda: chgcar.write_file(path),
            "CHGCAR: ours": ours(vasp.CHGCAR),
        },
        {
            "XSF: ase (six decimals)": theirs(lambda file: write_xsf(file, [atoms], values)),
            "XSF: ours (nine digits)": ours(xsf.FORMAT),
        },
    ):
        compare(actions, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--points", type=int, default=80, help="along each side")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of pymatgen about itself
    with tempfile.TemporaryDirectory() as name:
        bench_text(arguments.points, arguments.rounds, Path(name))
        bench_converting(arguments.frames, arguments.points, arguments.rounds, Path(name))


if __name__ == "__main__":
    main()
