"""Files that we write, as ase, pymatgen, numpy and our own readers see them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.vasp import VaspChargeDensity
from ase.io.cube import read_cube
from ase.io.xsf import iread_xsf
from ase.units import Bohr, Hartree
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.writers import find_writer, write_trajectory
from napari_eldyn.density.writers.number_text import number_columns, number_lines
from napari_eldyn.exceptions import EldynError

CELL = np.array([[5.0, 0.0, 0.0], [1.2, 4.5, 0.0], [0.3, -0.7, 6.0]])
SHAPE = (8, 9, 10)
NUMBERS = [8, 1, 3, 1]
SORTED = [0, 1, 3, 2]
"""The atoms with those of one element together."""


def sheared(n: int = 3, **fields) -> DensityTrajectory:
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(-3.0, 0.5, (n, *SHAPE))).astype(np.float32)
    complete = {
        "numbers": NUMBERS,
        # Some outside of the cell; formats with fractions come back unwrapped in time.
        "positions": rng.uniform(-3.0, 8.0, (4, 3)) + rng.uniform(-0.2, 0.2, (n, 4, 3)),
        "scalars": {"energy": rng.normal(size=n)},
        "kind": "valence",
        **fields,
    }
    grid = PeriodicGrid(CELL, SHAPE, complete.pop("origin", (0.0, 0.0, 0.0)))
    return DensityTrajectory.from_array(values, grid, 10.0 + 4.0 * np.arange(n), **complete)


def chgcar(path: Path):
    from pymatgen.io.vasp import Chgcar

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pymatgen about itself
        return Chgcar.from_file(str(path))


# -- numbers -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e30, 1e30, allow_subnormal=False), min_size=1, max_size=40),
    st.sampled_from([(6, 13), (9, 16), (11, 18)]),
)
def test_numbers_are_those_of_c(values: list[float], layout: tuple[int, int]) -> None:
    significant, width = layout
    values = [x if abs(x) > 1e-90 else 0.0 for x in values]
    for row, value in zip(
        number_columns(np.array(values), significant, width), values, strict=True
    ):
        expected = f"%{width}.{significant - 1}E" % (value or 0.0)
        text = row.tobytes().decode()
        if text != expected:
            # Halfway cases may be rounded the other way.
            assert float(text) == pytest.approx(value, rel=0.5001 * 10.0 ** (1 - significant))
        assert len(text) == width


@pytest.mark.parametrize("value", [9.9999995, 0.99999949, 1e-45, 3.4028235e38, 999999.5, -1e-10])
def test_numbers_at_edges_keep_their_size(value: float) -> None:
    value = float(np.float32(value))
    text = number_columns(np.array([value], np.float32), 9, 16).tobytes()
    assert np.float32(float(text)) == np.float32(value)


def test_lines_are_filled_and_rows_begin_lines() -> None:
    text = b"".join(number_lines(np.arange(16.0).reshape(2, 8), 6, 6, 13)).decode()
    assert [len(line.split()) for line in text.splitlines()] == [6, 2, 6, 2]
    flat = b"".join(number_lines(np.arange(16.0), 5, 11, 18)).decode()
    assert [len(line.split()) for line in flat.splitlines()] == [5, 5, 5, 1]
    assert [float(x) for x in flat.split()] == list(range(16))


# -- cube --------------------------------------------------------------------------------------


def test_ase_reads_our_cubes(tmp_path: Path) -> None:
    trajectory = sheared(origin=(0.1, -0.2, 0.3))
    report = write_trajectory(trajectory, tmp_path / "run.cube")
    assert [path.name for path in report.paths] == [f"run_000{i}.cube" for i in range(3)]
    for index, path in enumerate(report.paths):
        with path.open() as file:
            read = read_cube(file)
        np.testing.assert_allclose(read["data"] / Bohr**3, trajectory[index], rtol=5.1e-6)
        np.testing.assert_allclose(read["origin"], trajectory.grid.origin, atol=5e-7)
        np.testing.assert_allclose(read["atoms"].cell, CELL, atol=1e-5)
        assert list(read["atoms"].numbers) == NUMBERS
        np.testing.assert_allclose(read["atoms"].positions, trajectory.positions[index], atol=5e-7)


def test_cubes_come_back(tmp_path: Path) -> None:
    trajectory = sheared(origin=(0.1, -0.2, 0.3))
    write_trajectory(trajectory, tmp_path / "run.cube")
    again = DensityTrajectory.open(tmp_path)
    assert len(again) == 3
    assert again.grid.matches(trajectory.grid, 1e-5)
    np.testing.assert_allclose(np.stack(list(again)), np.stack(list(trajectory)), rtol=5.2e-6)
    np.testing.assert_allclose(again.positions, trajectory.positions, atol=1e-6)
    np.testing.assert_allclose(again.times, trajectory.times)
    assert again.electrons(2) == pytest.approx(trajectory.electrons(2), rel=1e-5)


@pytest.mark.parametrize(("kind", "expected"), [("all_electron", 13.0), ("pseudo", None)])
def test_cubes_of_a_part_of_the_electrons_claim_no_charges(tmp_path, kind: str, expected) -> None:
    (path,) = write_trajectory(sheared(1, kind=kind), tmp_path / "one.cube").paths
    again = DensityTrajectory.open(path)
    assert again.kind == kind
    assert again.provenance.get("expected_electrons") == expected


@pytest.mark.parametrize(("quantity", "factor"), [("potential", Hartree), ("orbital", Bohr**-1.5)])
def test_cubes_of_other_fields_have_atomic_units(tmp_path, quantity: str, factor: float) -> None:
    trajectory = sheared(1, quantity=quantity)
    (path,) = write_trajectory(trajectory, tmp_path / "one.cube").paths
    with path.open() as file:
        read = read_cube(file)
    np.testing.assert_allclose(read["data"].reshape(SHAPE) * factor, trajectory[0], rtol=1e-5)
    again = DensityTrajectory.open(path)
    assert again.quantity == quantity
    np.testing.assert_allclose(again[0], trajectory[0], rtol=1e-5)


# -- VASP --------------------------------------------------------------------------------------


def test_pymatgen_and_ase_read_our_chgcar(tmp_path: Path) -> None:
    spin = np.random.default_rng(1).normal(size=(1, *SHAPE)).astype(np.float32)
    trajectory = sheared(1, extra={"density_spin": spin})
    report = write_trajectory(trajectory, tmp_path / "CHGCAR")
    assert [path.name for path in report.paths] == ["CHGCAR"]
    assert any("PAW occupancies" in note for note in report.notes)
    assert "the atoms are sorted by element" in report.notes
    theirs, volume = chgcar(report.paths[0]), trajectory.grid.volume
    np.testing.assert_allclose(theirs.data["total"] / volume, trajectory[0], rtol=5.1e-11)
    np.testing.assert_allclose(theirs.data["diff"] / volume, spin[0], rtol=5.1e-11)
    np.testing.assert_allclose(theirs.structure.lattice.matrix, CELL, atol=1e-13)
    np.testing.assert_allclose(
        theirs.structure.cart_coords, trajectory.positions[0][SORTED], atol=1e-12
    )
    assert [site.specie.Z for site in theirs.structure] == [NUMBERS[i] for i in SORTED]
    assert theirs.data["total"].sum() / np.prod(SHAPE) == pytest.approx(trajectory.electrons(0))
    ases = VaspChargeDensity(str(report.paths[0]))
    np.testing.assert_allclose(ases.chg[0], trajectory[0], rtol=1e-9)
    np.testing.assert_allclose(ases.chgdiff[0], spin[0], rtol=1e-9)
    again = DensityTrajectory.open(report.paths[0])
    np.testing.assert_array_equal(again[0], trajectory[0])
    np.testing.assert_array_equal(again.extra["density_spin"][0], spin[0])
    assert again.kind == trajectory.kind


def test_a_chg_holds_all_frames(tmp_path: Path) -> None:
    trajectory = sheared(origin=(0.5, 0.0, 0.0))
    (path,) = write_trajectory(trajectory, tmp_path / "run-CHG").paths
    ases = VaspChargeDensity(str(path))
    assert len(ases.chg) == 3
    np.testing.assert_allclose(ases.chg[1], trajectory[1], rtol=1e-9)
    # Density and atoms move with the origin, which CHG does not have.
    expected = trajectory.positions[2][SORTED] - [0.5, 0.0, 0.0]
    np.testing.assert_allclose(ases.atoms[2].positions, expected, atol=1e-12)
    again = DensityTrajectory.open(path)
    np.testing.assert_array_equal(np.stack(list(again)), np.stack(list(trajectory)))
    np.testing.assert_allclose(again.positions[2], expected, atol=1e-12)
    np.testing.assert_allclose(again.times, trajectory.times)


def test_numbered_chgcars_come_back(tmp_path: Path) -> None:
    trajectory = sheared()
    report = write_trajectory(trajectory, tmp_path / "CHGCAR.vasp")
    assert [path.name for path in report.paths][::2] == ["CHGCAR_0000.vasp", "CHGCAR_0002.vasp"]
    again = DensityTrajectory.open(tmp_path)
    np.testing.assert_array_equal(np.stack(list(again)), np.stack(list(trajectory)))
    np.testing.assert_allclose(again.times, trajectory.times)


def test_potentials_are_not_multiplied_by_the_volume(tmp_path: Path) -> None:
    trajectory = sheared(1, quantity="potential", kind="unknown")
    with pytest.raises(EldynError, match="Write it to a file whose name has LOCPOT in it"):
        write_trajectory(trajectory, tmp_path / "CHGCAR")
    with pytest.raises(EldynError, match="whose name has CHGCAR in it"):
        write_trajectory(sheared(1), tmp_path / "LOCPOT")
    (path,) = write_trajectory(trajectory, tmp_path / "LOCPOT").paths
    np.testing.assert_allclose(chgcar(path).data["total"], trajectory[0], rtol=5.1e-11)
    again = DensityTrajectory.open(path)
    assert again.unit == "eV"
    np.testing.assert_array_equal(again[0], trajectory[0])


# -- XSF ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3])
def test_ase_reads_our_xsf(tmp_path: Path, n: int) -> None:
    trajectory = sheared(n, origin=(0.1, -0.2, 0.3))
    (path,) = write_trajectory(trajectory, tmp_path / "run.axsf").paths
    with path.open() as file:
        text = file.read()
    # ase knows files of one data grid only; that of the first frame comes first.
    first = tmp_path / "first.xsf"
    first.write_text(text.split("BEGIN_DATAGRID_3D_density#2")[0] + "END_BLOCK_DATAGRID_3D\n")
    with first.open() as file:
        *images, (values, origin, vectors) = list(iread_xsf(file, read_data=True))
    np.testing.assert_array_equal(values[:-1, :-1, :-1].astype(np.float32), trajectory[0])
    for axis in range(3):  # end planes are repeated
        np.testing.assert_array_equal(values.take(-1, axis), values.take(0, axis))
    np.testing.assert_allclose(origin, trajectory.grid.origin)
    np.testing.assert_allclose(vectors, CELL)
    assert len(images) == n
    assert text.count("END_DATAGRID_3D") == n
    for image, positions in zip(images, trajectory.positions, strict=True):
        assert list(image.numbers) == NUMBERS
        np.testing.assert_allclose(image.positions, positions, atol=1e-13)


def test_animated_xsf_comes_back(tmp_path: Path) -> None:
    trajectory = sheared(origin=(0.1, -0.2, 0.3))
    (path,) = write_trajectory(trajectory, tmp_path / "run.axsf").paths
    again = DensityTrajectory.open(path)
    assert again.grid.matches(trajectory.grid, 1e-9)
    np.testing.assert_array_equal(np.stack(list(again)), np.stack(list(trajectory)))
    np.testing.assert_allclose(again.positions, trajectory.positions, atol=1e-13)
    assert list(again.numbers) == NUMBERS


# -- NPZ and .eldyn ----------------------------------------------------------------------------


def test_numpy_reads_our_archives_and_all_comes_back(tmp_path: Path) -> None:
    spin = np.random.default_rng(1).normal(size=(3, *SHAPE)).astype(np.float32)
    trajectory = sheared(origin=(0.1, -0.2, 0.3), extra={"density_spin": spin})
    (path,) = write_trajectory(trajectory, tmp_path / "run.npz").paths
    with np.load(path) as arrays:  # which refuses to unpickle
        np.testing.assert_array_equal(arrays["density"], np.stack(list(trajectory)))
        np.testing.assert_array_equal(arrays["cell"], CELL)
        np.testing.assert_array_equal(arrays["positions"], trajectory.positions)
        assert str(arrays["unit"]) == "electrons/Å³"
    again = DensityTrajectory.open(path)
    assert again.grid.matches(trajectory.grid, 0.0)
    np.testing.assert_array_equal(again[1], trajectory[1])
    np.testing.assert_array_equal(again.extra["density_spin"][2], spin[2])
    np.testing.assert_array_equal(again.positions, trajectory.positions)
    np.testing.assert_array_equal(again.times, trajectory.times)
    np.testing.assert_array_equal(again.scalars["energy"], trajectory.scalars["energy"])
    assert (again.kind, again.quantity) == (trajectory.kind, trajectory.quantity)


def test_vacuum_and_signed_fields_are_stored_without_logarithm(tmp_path: Path) -> None:
    values = np.stack(list(sheared(2)))
    grid = PeriodicGrid(CELL, SHAPE)
    for name, change, why in (
        ("vacuum", lambda v: v * np.where(np.arange(10) < 5, 1.0, 1e-25), "more than 16 bits"),
        ("signed", lambda v: v - 0.05, "not positive would add"),
        ("nothing", lambda v: 0.0 * v, "no value is positive"),
    ):
        field = change(values).astype(np.float32)
        trajectory = DensityTrajectory.from_array(field, grid, [0.0, 1.0])
        report = write_trajectory(trajectory, tmp_path / f"{name}.eldyn")
        assert report.exactness == "float32, lossless"
        assert why in report.notes[0]
        np.testing.assert_array_equal(list(DensityTrajectory.open(report.paths[0])), field)
    report = write_trajectory(sheared(), tmp_path / "density.eldyn")
    assert report.exactness.startswith("log16, relative error")
    assert report.notes == ()


# -- what is refused, and what stays -----------------------------------------------------------


@pytest.mark.parametrize("name", ["run", "run.txt", "run.h5", "CHGCARS"])
def test_names_that_tell_no_format(name: str) -> None:
    with pytest.raises(EldynError, match=r"Let it end in \.eldyn, or as one of: Gaussian cube"):
        find_writer(Path(name))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Si-CHGCAR", "VASP CHGCAR"),
        ("a.vasp", "VASP CHGCAR"),
        ("CHG", "VASP CHG (all frames in one file)"),
        ("li-CHG", "VASP CHG (all frames in one file)"),
        ("A.CUBE", "Gaussian cube"),
        ("a.axsf", "XSF"),
    ],
)
def test_names_tell_the_format(name: str, form: str) -> None:
    found = find_writer(Path(name))
    assert found is not None
    assert found.name == form


@pytest.mark.parametrize("name", ["run.cube", "run.axsf", "run.npz", "run-CHG"])
def test_frames_with_nan_are_named_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    values = np.stack(list(sheared()))
    values[2, 0, 0, 0] = np.nan
    bad = DensityTrajectory.from_array(values, PeriodicGrid(CELL, SHAPE), [0.0, 1.0, 2.0])
    with pytest.raises(EldynError, match="frame 2 has 1 values of 720 that are NaN"):
        write_trajectory(bad, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_files_stay_unless_told(tmp_path: Path) -> None:
    write_trajectory(sheared(), tmp_path / "run.cube")
    before = (tmp_path / "run_0000.cube").read_bytes()
    with pytest.raises(EldynError, match=r"run_0000\.cube: the file exists already"):
        write_trajectory(sheared(2), tmp_path / "run.cube")
    assert (tmp_path / "run_0000.cube").read_bytes() == before
    write_trajectory(sheared(2), tmp_path / "run.cube", overwrite=True)
    # None of the longer series is left to be taken for a part of this one.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run_0000.cube", "run_0001.cube"]
    (tmp_path / "run.npz").mkdir()
    with pytest.raises(EldynError, match="this is a directory"):
        write_trajectory(sheared(), tmp_path / "run.npz", overwrite=True)


def test_a_trajectory_without_atoms_says_so(tmp_path: Path) -> None:
    trajectory = sheared(1, positions=None)
    for name in ("one.cube", "one.vasp", "one.xsf"):
        report = write_trajectory(trajectory, tmp_path / name)
        assert any("no atoms in the file" in note for note in report.notes)
        again = DensityTrajectory.open(report.paths[0])
        np.testing.assert_allclose(again[0], trajectory[0], rtol=5.2e-6)
        assert again.positions is None or again.positions.shape[1] == 0
