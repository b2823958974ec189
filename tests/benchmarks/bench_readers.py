"""Time our readers of text files against others': python tests/benchmarks/bench_readers.py.

Each round opens and reads one file by all readers in turn (slow ones in the first rounds only);
the ratio printed is the median over the rounds. Files are in the page cache. Peak memory is that of
a process of its own, over what it needs for a small file, in multiples of one frame of float32.
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
from ase.io.xsf import read_xsf, write_xsf

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.formats import open_any
from napari_eldyn.density.writers import write_trajectory

CELL = 8.66  # Å
SLOW_ROUNDS = 3
Reader = Callable[[Path], object]


def read_ours(path: Path) -> np.ndarray:
    return open_any(path)[0]


def read_cube_by_ase(path: Path) -> np.ndarray:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return read_cube(file)["data"]


def read_cube_by_pymatgen(path: Path) -> np.ndarray:
    from pymatgen.io.common import VolumetricData

    return VolumetricData.from_cube(path).data["total"]


def read_xsf_by_ase(path: Path) -> np.ndarray:
    with path.open() as file:
        return read_xsf(file, read_data=True)[0]


def read_chgcar_by_ase(path: Path) -> object:
    return VaspChargeDensity(str(path)).chg[0]


def read_chgcar_by_pymatgen(path: Path) -> object:
    from pymatgen.io.vasp import Chgcar

    return Chgcar.from_file(path).data["total"]


READERS: dict[str, Reader] = {
    "ours": read_ours,
    "ase cube": read_cube_by_ase,
    "pymatgen cube": read_cube_by_pymatgen,
    "ase XSF": read_xsf_by_ase,
    "ase CHGCAR": read_chgcar_by_ase,
    "pymatgen": read_chgcar_by_pymatgen,
}
QUICK = ("ours", "pymatgen")


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
    paths["XSF"] = folder / f"ase{points}.xsf"
    with paths["XSF"].open("w") as file:
        write_xsf(file, [atoms], values)
    for name in ("cube of ase", "CHGCAR"):
        paths[f"{name}, gzip"] = paths[name].with_name(paths[name].name + ".gz")
        paths[f"{name}, gzip"].write_bytes(gzip.compress(paths[name].read_bytes(), 6))
    return paths


def bench(
    what: str, path: Path, targets: dict[str, float | None], points: int, rounds: int
) -> None:
    """Time our reader and others; `targets` are the ratios to ours that are aimed at."""
    names = ["ours", *targets]
    times = np.full((rounds, len(names)), np.nan)
    for turn, row in enumerate(times):
        for column, name in enumerate(names):
            if name in QUICK or turn < SLOW_ROUNDS:
                start = time.perf_counter()
                READERS[name](path)
                row[column] = time.perf_counter() - start
    ratios = np.nanmedian(times / times[:, :1], axis=0)
    for name, ratio, median in zip(names, ratios, np.nanmedian(times, axis=0), strict=True):
        speed = points**3 / median / 1e6
        target = targets.get(name)
        print(
            f"  {f'{what}: {name}':<34} {1e3 * median:9.1f} ms {speed:7.1f} Mvoxel/s"
            f"   {ratio:7.2f} × ours" + (f"   (target ≥ {target:g})" if target else "")
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


def bench_memory(small: dict[str, Path], files: dict[str, Path], points: int, ours: bool) -> None:
    print(f"\npeak memory of reading {points}³ points, in frames of float32")
    readers = {
        "cube of ase": ["ours", "ase cube"],
        "cube of ase, gzip": ["ours"],
        "CHGCAR": ["ours", "ase CHGCAR", "pymatgen"],
        "CHGCAR, gzip": ["ours"],
        "XSF": ["ours"],
    }
    for what, path in files.items():
        for name in readers.get(what, [])[: 1 if ours else None]:
            command = [sys.executable, "-W", "ignore", __file__, "--memory", name]
            command += [str(small[what]), str(path), str(points)]
            frames = float(subprocess.run(command, check=True, capture_output=True).stdout)
            print(f"  {f'{what}: {name}':<34} {frames:9.2f} frames")


def write_large(folder: Path, points: int) -> dict[str, Path]:
    """One density by our own writers, which take seconds where others take minutes."""
    grid = PeriodicGrid(np.eye(3) * CELL, (points,) * 3)
    values = density(points)[None].astype(np.float32)
    trajectory = DensityTrajectory.from_array(values, grid, np.zeros(1))
    paths = {"cube of ase": folder / "large.cube", "CHGCAR": folder / "large.vasp"}
    for path in paths.values():
        write_trajectory(trajectory, path)
    return paths


def write_series(folder: Path, n: int, points: int) -> None:
    """Cubes named and commented as CP2K's."""
    folder.mkdir()
    values = density(points)
    rows = values.reshape(-1, points)
    words = "\n".join("".join(f"{value:13.5E}" for value in row) for row in rows)
    step = CELL / 0.529177 / points
    axes = "".join(
        f"{points:5d}" + "".join(f"{step * (i == j):12.6f}" for j in range(3)) + "\n"
        for i in range(3)
    )
    atom = "    3    3.000000    0.000000    0.000000    0.000000\n"
    for index in range(n):
        title = f"-Quickstep-\n ELECTRON DENSITY, i = {index}, time = {index:.3f}, E = -1.0\n"
        text = f"{title}    1    0.000000    0.000000    0.000000\n{axes}{atom}{words}\n"
        (folder / f"run-ELECTRON_DENSITY-1_{index}.cube").write_text(text)


def write_chg(path: Path, n: int, points: int) -> None:
    """A CHG as VASP writes it in a molecular dynamics run, ten numbers a line by 1X,G11.5."""
    words = [f" {value:#7.5g}    " for value in density(points).ravel() * CELL**3]
    lines = "\n".join("".join(words[i : i + 10]) for i in range(0, len(words), 10))
    cell = "".join("".join(f"{CELL * (i == j):12.6f}" for j in range(3)) + "\n" for i in range(3))
    with path.open("w") as file:
        for index in range(n):
            position = f"{index * 1e-5:10.6f}  0.000000  0.000000\n"
            file.write(f"unknown system\n   1.00000000000000\n{cell}   Li\n     1\nDirect\n")
            file.write(f"{position}\n{points:5d}{points:5d}{points:5d}\n{lines}\n")


def bench_long(what: str, path: Path, n: int) -> None:
    """Time opening many frames, and reading them: every tenth, times ten."""
    start = time.perf_counter()
    trajectory = open_any(path)
    opened = time.perf_counter() - start
    assert len(trajectory) == n
    start = time.perf_counter()
    for index in range(0, n, 10):
        trajectory[index]
    read = 10 * (time.perf_counter() - start)
    print(f"  {what:<34} opened in {opened:6.2f} s, all frames read in {read:6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=96, help="along each axis")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frames", type=int, default=5000, help="length of the long trajectories")
    parser.add_argument("--memory", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        name, small, path, points = arguments.memory
        measure_memory(name, Path(small), Path(path), int(points))
        return
    warnings.simplefilter("ignore")  # of pymatgen, about its own readers
    points, rounds, n = arguments.points, arguments.rounds, arguments.frames
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_files(folder, points)
        print(f"opening and reading {points}³ points, {rounds} rounds")
        targets: dict[str, dict[str, float | None]] = {
            "cube": {"ase cube": None},
            "cube of ase": {"ase cube": 10.0, "pymatgen cube": None},
            "cube of ase, gzip": {"ase cube": None},
            "CHGCAR": {"ase CHGCAR": 10.0, "pymatgen": 1.5},
            "CHGCAR, gzip": {"pymatgen": None},
            "XSF": {"ase XSF": None},
        }
        for what, aims in targets.items():
            bench(what, files[what], aims, points, rounds)
        small = write_files(folder, 24)
        bench_memory(small, files, points, ours=False)
        bench_memory(small, write_large(folder, 2 * points), 2 * points, ours=True)
        print(f"\n{n:,} frames of 8³ points")
        write_series(folder / "series", n, 8)
        bench_long("a series of cubes", folder / "series", n)
        write_chg(folder / "CHG", n, 8)
        bench_long("one CHG", folder / "CHG", n)


if __name__ == "__main__":
    main()
