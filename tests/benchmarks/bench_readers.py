"""Time our readers of text files against others': python tests/benchmarks/bench_readers.py.

Each round reads one file by all readers in turn; the ratio printed is the median over the rounds.
Files are in the page cache. Peak memory is that of a process of its own, over what it needs for a
small file, in multiples of one frame of float32.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.vasp import VaspChargeDensity
from ase.io.cube import read_cube, write_cube

from napari_eldyn.density.formats import open_any

CELL = 8.66  # Å
Reader = Callable[[Path], object]


def read_ours(path: Path) -> np.ndarray:
    return open_any(path)[0]


def read_cube_by_ase(path: Path) -> np.ndarray:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return read_cube(file)["data"]


def read_chgcar_by_ase(path: Path) -> object:
    return VaspChargeDensity(str(path)).chg[0]


def read_chgcar_by_pymatgen(path: Path) -> object:
    from pymatgen.io.vasp import Chgcar

    return Chgcar.from_file(path).data["total"]


READERS: dict[str, Reader] = {
    "ours": read_ours,
    "ase cube": read_cube_by_ase,
    "ase CHGCAR": read_chgcar_by_ase,
    "pymatgen": read_chgcar_by_pymatgen,
}


def density(points: int) -> np.ndarray:
    """A smooth log-normal density like that of liquid lithium, in electrons/Å³."""
    rng = np.random.default_rng(0)
    h = np.fft.fftfreq(points, 1.0 / points)
    distance = np.sqrt(h[:, None, None] ** 2 + h[:, None] ** 2 + h[: points // 2 + 1] ** 2)
    spectrum = np.fft.rfftn(rng.normal(size=(points,) * 3)) * np.exp(-((distance / 4.0) ** 2))
    field = np.fft.irfftn(spectrum, s=(points,) * 3, axes=(0, 1, 2))
    return np.exp(-2.9 + 0.27 * field / field.std())


def write_files(folder: Path, points: int) -> dict[str, Path]:
    """One density as Gaussian, ase and VASP lay it out, and in gzip."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.vasp import Chgcar, Poscar

    values = density(points)
    atoms = Atoms("Li2", [[0, 0, 0], [CELL / 2] * 3], cell=np.eye(3) * CELL, pbc=True)
    paths = {
        "cube": folder / f"gaussian{points}.cube",
        "cube of ase": folder / f"ase{points}.cube",
        "CHGCAR": folder / f"CHGCAR{points}",
    }
    with paths["cube of ase"].open("w") as file:
        write_cube(file, atoms, values)
    header = "".join(paths["cube of ase"].open().readlines()[:8])
    with paths["cube"].open("w") as file:
        file.write(header)
        for row in values.reshape(-1, points):
            words = [f"{value:13.5E}" for value in row]
            file.writelines("".join(words[i : i + 6]) + "\n" for i in range(0, points, 6))
    structure = Structure(Lattice(atoms.cell), ["Li", "Li"], atoms.get_scaled_positions())
    Chgcar(Poscar(structure), {"total": values * CELL**3}).write_file(paths["CHGCAR"])
    for name in ("cube", "CHGCAR"):
        paths[f"{name}, gzip"] = paths[name].with_name(paths[name].name + ".gz")
        paths[f"{name}, gzip"].write_bytes(gzip.compress(paths[name].read_bytes(), 6))
    return paths


def bench(what: str, path: Path, readers: list[str], points: int, rounds: int) -> None:
    times = np.empty((rounds, len(readers)))
    for row in times:
        for column, name in enumerate(readers):
            start = time.perf_counter()
            READERS[name](path)
            row[column] = time.perf_counter() - start
    ratios = np.median(times / times[:, :1], axis=0)
    for name, ratio, median in zip(readers, ratios, np.median(times, axis=0), strict=True):
        speed = points**3 / median / 1e6
        print(
            f"  {f'{what}: {name}':<34} {1e3 * median:9.1f} ms {speed:7.1f} Mvoxel/s"
            f"   {ratio:7.2f} × ours"
        )


def peak_memory() -> int:
    """Return the largest resident size of this process so far [bytes]."""
    # The maximum that getrusage gives begins with that of the parent process.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise OSError("the kernel does not tell the peak memory")


def measure_memory(name: str, small: Path, path: Path, points: int) -> None:
    """Print the peak memory of reading a file, over that of a small one."""
    READERS[name](small)
    idle = peak_memory()
    READERS[name](path)
    print((peak_memory() - idle) / (4 * points**3))


def bench_memory(folder: Path, points: int) -> None:
    print(f"\npeak memory of reading {points}³ points, in frames of float32")
    small, files = write_files(folder, 24), write_files(folder, points)
    readers = {
        "cube": ["ours", "ase cube"],
        "cube, gzip": ["ours"],
        "CHGCAR": ["ours", "ase CHGCAR", "pymatgen"],
        "CHGCAR, gzip": ["ours"],
    }
    for what, names in readers.items():
        for name in names:
            command = [sys.executable, "-W", "ignore", __file__, "--memory", name]
            command += [str(small[what]), str(files[what]), str(points)]
            frames = float(subprocess.run(command, check=True, capture_output=True).stdout)
            print(f"  {f'{what}: {name}':<34} {frames:9.2f} frames")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=96, help="along each axis")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        name, small, path, points = arguments.memory
        measure_memory(name, Path(small), Path(path), int(points))
        return
    warnings.simplefilter("ignore")  # of pymatgen, about its own readers
    points, rounds = arguments.points, arguments.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_files(folder, points)
        print(f"{points}³ points, {rounds} rounds")
        bench("cube", files["cube"], ["ours", "ase cube"], points, rounds)
        bench("cube of ase", files["cube of ase"], ["ours", "ase cube"], points, rounds)
        bench("cube, gzip", files["cube, gzip"], ["ours", "ase cube"], points, rounds)
        bench("CHGCAR", files["CHGCAR"], ["ours", "ase CHGCAR", "pymatgen"], points, rounds)
        bench("CHGCAR, gzip", files["CHGCAR, gzip"], ["ours", "pymatgen"], points, rounds)
        bench_memory(folder, 128)


if __name__ == "__main__":
    main()
