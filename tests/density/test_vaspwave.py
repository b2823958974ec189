"""VASP's HDF5 files, against pymatgen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pymatgen.io.vasp.outputs import Vaspwave

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError, MissingInformationError

FILES = Path(__file__).parent / "files"
CELL = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.0, 0.5, 6.0]])
SHAPE = (4, 6, 8)


def test_the_real_file_holds_density_and_spin() -> None:
    """Its raw values, times the volume, are what is on disk in the order z, y, x."""
    path = FILES / "vaspwave-si-charge.h5"
    trajectory = DensityTrajectory.open(path)
    with h5py.File(path) as file:
        raw = file["charge/charge"][()]
    volume = 4.0 * 5.0 * 6.0
    assert (trajectory.grid.shape, trajectory.grid.volume) == (SHAPE, pytest.approx(volume))
    np.testing.assert_allclose(trajectory[0], raw[0].T / volume, rtol=2e-7)
    np.testing.assert_allclose(trajectory.extra["density_spin"][0], raw[1].T / volume, rtol=2e-7)
    assert trajectory.electrons(0) == pytest.approx(raw[0].mean(), rel=1e-6)
    assert (trajectory.kind, trajectory.quantity) == ("valence", "density")
    np.testing.assert_array_equal(trajectory.numbers, [14, 14])
    np.testing.assert_allclose(trajectory.positions_at(0), [[0, 0, 0], [1.0, 1.25, 1.5]])


def write(path: Path, n: int, seed: int = 0, **datasets: Any) -> None:
    """Write a file as VASP lays it out: ``/charge``, ``/locpot``, ``/structure/positions``."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for key, value in (("major", 6), ("minor", 5), ("patch", 0)):
            file[f"version/{key}"] = value
        for group, name in (("charge", "charge"), ("locpot", "total")):
            file[f"{group}/grid"] = np.array(SHAPE)
            file[f"{group}/{name}"] = rng.normal(size=(n, *SHAPE[::-1]))
        positions = file.create_group("structure/positions")
        positions["ion_types"] = np.array([b"Li", b"O"])
        positions["number_ion_types"] = np.array([2, 1])
        positions["scale"] = 1.5
        positions["lattice_vectors"] = CELL
        positions["position_ions"] = rng.uniform(size=(3, 3))
        positions["direct_coordinates"] = 1
        for place, value in datasets.items():
            del file[place]
            if value is not None:
                file[place] = value


@pytest.mark.parametrize(
    ("n", "keys", "extra"),
    [
        (1, ["total"], []),
        (2, ["total", "diff"], ["density_spin"]),
        (
            4,
            ["total", "diff_x", "diff_y", "diff_z"],
            ["density_spin_x", "density_spin_y", "density_spin_z"],
        ),
    ],
)
def test_densities_are_those_that_pymatgen_reads(
    tmp_path: Path, n: int, keys: list[str], extra: list[str]
) -> None:
    path = tmp_path / "vaspwave.h5"
    write(path, n)
    reference = Vaspwave(path).get_chgcar()
    trajectory = DensityTrajectory.open(path)
    assert list(trajectory.extra) == extra
    found = [trajectory[0], *(trajectory.extra[name][0] for name in extra)]
    for ours, key in zip(found, keys, strict=True):
        theirs = reference.data[key] / reference.structure.volume
        np.testing.assert_allclose(ours, theirs, rtol=2e-7)
    np.testing.assert_allclose(trajectory.grid.cell, reference.structure.lattice.matrix)
    np.testing.assert_array_equal(trajectory.numbers, reference.structure.atomic_numbers)
    np.testing.assert_allclose(trajectory.positions_at(0), reference.structure.cart_coords)


@pytest.mark.parametrize(
    ("n", "keys", "extra"),
    [(1, ["total"], []), (2, ["spin_up", "spin_down"], ["potential_down"])],
)
def test_potentials_are_those_that_pymatgen_reads(
    tmp_path: Path, n: int, keys: list[str], extra: list[str]
) -> None:
    path = tmp_path / "vaspwave.h5"
    write(path, n)
    reference = Vaspwave(path).get_locpot()
    trajectory = DensityTrajectory.open(path, dataset="locpot")
    assert (trajectory.quantity, list(trajectory.extra)) == ("potential", extra)
    found = [trajectory[0], *(trajectory.extra[name][0] for name in extra)]
    for ours, key in zip(found, keys, strict=True):
        np.testing.assert_allclose(ours, reference.data[key], rtol=2e-7)


def test_the_potential_of_a_vaspout(tmp_path: Path) -> None:
    """Places of py4vasp's schema: ``/results/potential/total``, ``/results/positions``."""
    write(tmp_path / "all.h5", 1)
    with h5py.File(tmp_path / "all.h5") as source, h5py.File(tmp_path / "vaspout.h5", "w") as file:
        source.copy("structure/positions", file.create_group("results"))
        file["results/potential/total"] = source["locpot/total"][()]
        raw = source["locpot/total"][0]
    trajectory = DensityTrajectory.open(tmp_path / "vaspout.h5")
    assert (trajectory.quantity, trajectory.unit) == ("potential", "eV")
    np.testing.assert_allclose(trajectory[0], raw.T, rtol=2e-7)


def test_a_file_without_a_structure_asks_for_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "vaspwave.h5"
    write(path, 1, structure=None)
    with pytest.raises(MissingInformationError, match=r"vaspwave\.h5.*no cell") as error:
        DensityTrajectory.open(path)
    assert error.value.option == "cell"
    trajectory = DensityTrajectory.open(path, cell=CELL)
    with h5py.File(path) as file:
        assert trajectory.electrons(0) == pytest.approx(file["charge/charge"][0].mean(), rel=1e-5)


def test_hdf5_files_of_others_are_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "results.h5"
    with h5py.File(path, "w") as file:
        file["charge/grid"] = [1, 2, 3]
    with pytest.raises(EldynError):
        DensityTrajectory.open(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"charge/charge": np.zeros((3, 2, 2, 2))}, r"charge/charge has shape \(3, 2, 2, 2\)"),
        ({"structure/positions/number_ion_types": [2, 7]}, "no structure: its parts do not fit"),
        ({"structure/positions/lattice_vectors": np.zeros((3, 3))}, "has no volume"),
        ({"structure/positions/scale": None}, "damaged"),
    ],
)
def test_damage_is_told(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "vaspwave.h5"
    write(path, 1, **changes)
    with pytest.raises(EldynError, match=message) as error:
        DensityTrajectory.open(path)
    assert error.value.path == path


def test_a_file_that_is_cut_is_told(tmp_path: Path) -> None:
    path = tmp_path / "vaspwave.h5"
    write(path, 1)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(EldynError, match=r"vaspwave\.h5"):
        DensityTrajectory.open(path)[0]
