"""Whole files of every format that is read, to be damaged."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.writers import write_trajectory

__all__ = ["make_seeds"]

FILES = Path(__file__).parents[1] / "density" / "files"
CELL = np.array([[3.0, 0.0, 0.0], [0.5, 4.0, 0.0], [0.0, 0.2, 5.0]])
SHAPE = (6, 5, 4)


def make_seeds(folder: Path) -> dict[str, list[Path]]:
    """Write files or directories of each format.

    Returns
    -------
    dict of str to list of Path
        By the name of the format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    one, several = _trajectory(1), _trajectory(3)
    return {
        "cube": [_written(one, folder / "one.cube"), *_cubes(folder), *_real(folder, "*.cube.gz")],
        "VASP": [
            _written(one, folder / "CHGCAR"),
            _written(several, folder / "CHG"),
            *_real(folder, "*CHGCAR.gz"),
            *_real(folder, "*LOCPOT.gz"),
            *_real(folder, "*ELFCAR.gz"),
        ],
        "VASP HDF5": _real(folder, "vaspwave*.h5"),
        "XSF": [_written(one, folder / "one.xsf"), _written(several, folder / "several.axsf")],
        "OpenDX": [_opendx(folder / "field.dx")],
        "GPAW": [_copied(path, folder / path.name) for path in sorted(FILES.rglob("*.gpw"))[:2]],
        "Quantum ESPRESSO": [_espresso(folder / "charge-density.hdf5")],
        "NPZ": [_written(several, folder / "arrays.npz"), _chunk(folder / "frames_000000.npz")],
        "NPY": [_npy(folder / "density.npy")],
        "HDF5 arrays": [_hdf5(folder / "arrays.h5")],
        "zarr arrays": [_zarr(folder / "arrays.zarr")],
        "eldyn": [_written(_trajectory(3, with_fields=True), folder / "store.eldyn")],
    }


def _trajectory(n_frames: int, with_fields: bool = False) -> DensityTrajectory:
    rng = np.random.default_rng(0)
    return DensityTrajectory.from_array(
        rng.uniform(0.1, 1.0, (n_frames, *SHAPE)),
        PeriodicGrid(CELL, SHAPE),
        4.0 * np.arange(n_frames),
        numbers=[3, 11],
        positions=rng.uniform(0.0, 3.0, (n_frames, 2, 3)),
        kind="valence",
        scalars={"energy": rng.uniform(size=n_frames)} if with_fields else {},
        extra={"density_spin": rng.uniform(size=(n_frames, *SHAPE))} if with_fields else {},
    )


def _written(trajectory: DensityTrajectory, path: Path) -> Path:
    write_trajectory(trajectory, path)
    return path


def _copied(source: Path, path: Path) -> Path:
    shutil.copyfile(source, path)
    return path


def _real(folder: Path, pattern: str) -> list[Path]:
    """Copy real files; of compressed ones, also make the text, which mutations can reach."""
    paths = []
    for source in sorted(FILES.glob(pattern)):
        if source.suffix == ".gz":
            text = folder / f"real-{source.name.removesuffix('.gz')}"
            text.write_bytes(gzip.decompress(source.read_bytes()))
            paths.append(text)
        paths.append(_copied(source, folder / source.name))
    return paths


def _cubes(folder: Path) -> list[Path]:
    """A cube with two data sets, and two cubes in one file."""
    plain = (folder / "one.cube").read_text().splitlines()
    header, values = plain[:8], plain[8:]
    words = header[2].split()
    orbitals = [*header[:2], " ".join([f"-{words[0]}", *words[1:]]), *header[3:], "2 4 5"]
    (folder / "orbitals.cube").write_text("\n".join([*orbitals, *values, *values]) + "\n")
    parts = write_trajectory(_trajectory(2), folder / "part.cube").paths
    (folder / "two.cube").write_text("".join(part.read_text() for part in parts))
    return [folder / "orbitals.cube", folder / "two.cube"]


def _opendx(path: Path) -> Path:
    nx, ny, nz = SHAPE
    values = " ".join(f"{x:.6f}" for x in np.linspace(0.1, 1.0, nx * ny * nz))
    deltas = "\n".join(
        f"delta {x / n} {y / n} {z / n}" for (x, y, z), n in zip(CELL, SHAPE, strict=True)
    )
    path.write_text(
        f"# e/A^3\nobject 1 class gridpositions counts {nx} {ny} {nz}\norigin 0 0 0\n{deltas}\n"
        f"object 2 class gridconnections counts {nx} {ny} {nz}\n"
        f"object 3 class array type double rank 0 items {nx * ny * nz} data follows\n{values}\n"
        'attribute "dep" string "positions"\nobject "density" class field\n'
    )
    return path


def _espresso(path: Path) -> Path:
    miller = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 2], [0, -1, -2]], dtype=np.int32)
    with h5py.File(path, "w") as file:
        file.attrs["gamma_only"] = np.bytes_(b".FALSE.")
        indices = file.create_dataset("MillerIndices", data=miller)
        for number, vector in enumerate(2 * np.pi * np.linalg.inv(CELL).T, start=1):
            indices.attrs[f"bg{number}"] = vector
        file["rhotot_g"] = np.array([0.5, 0, 0.1, 0.1, 0.1, -0.1, 0, 0.2, 0, -0.2])
    return path


def _chunk(path: Path) -> Path:
    rng = np.random.default_rng(1)
    np.savez_compressed(
        path,
        lnrho=rng.integers(0, 65536, (2, *SHAPE), dtype=np.uint16),
        lnrho_range=np.array([-4.0, 1.0]),
        frame=np.arange(2),
        cell=CELL,
        numbers=np.array([3, 11]),
        timestep_fs=2.0,
        positions=rng.uniform(0.0, 3.0, (2, 2, 3)),
    )
    return path


def _npy(path: Path) -> Path:
    np.save(path, np.full((2, *SHAPE), 0.5, np.float32))
    return path


def _fill(group: Any, create: Callable[..., Any]) -> None:
    create("density", data=np.full((2, *SHAPE), 0.5, np.float32)).attrs["unit"] = "electrons/Å³"
    create("cell", data=CELL)
    create("times", data=np.arange(2.0))
    create("numbers", data=np.array([3, 11]))


def _hdf5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        _fill(file, file.create_dataset)
    return path


def _zarr(path: Path) -> Path:
    group = zarr.open_group(path, mode="w")
    _fill(group, group.create_array)
    return path
