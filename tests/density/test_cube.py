"""Gaussian cubes of ase's writer, of the layouts that other codes write, and damaged ones."""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ase.build import bulk, molecule
from ase.io.cube import read_cube, write_cube

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.exceptions import EldynError

FILES = Path(__file__).parent / "files"
BOHR = 0.529177210903
HARTREE = 27.211386245988
SHEARED = np.array([[0.5, 0.0, 0.0], [0.1, 0.4, 0.0], [0.0, -0.2, 0.6]])  # bohr, per voxel

Values = npt.NDArray[np.float64]


def field(shape: tuple[int, ...] = (6, 5, 7), seed: int = 0) -> Values:
    return 0.1 + np.random.default_rng(seed).random(shape)


def text(
    values: Values,
    *,
    voxel: Values = SHEARED,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    atoms: Sequence[Sequence[float]] = ((3, 3.0, 0.1, 0.2, 0.3),),
    comments: tuple[str, str] = ("made up", "electron density"),
    ids: Sequence[int] = (),
    n_values: int | None = None,
    angstrom: bool = False,
    form: Callable[[float], str] = "{:.5E}".format,
) -> str:
    """A cube with the values of shape (nx, ny, nz) or (nx, ny, nz, data sets)."""
    first = [f"{len(atoms) * (-1 if ids else 1):5d}", *(f"{x:12.6f}" for x in origin)]
    lines = [*comments, "".join([*first, *([f"{n_values:5d}"] if n_values else [])])]
    for count, vector in zip(values.shape, voxel, strict=False):
        shown = "".join(f"{x:12.6f}" for x in vector)
        lines.append(f"{-count if angstrom else count:5d}{shown}")
    lines += [f"{row[0]:5.0f}" + "".join(f"{x:12.6f}" for x in row[1:]) for row in atoms]
    numbers = [len(ids), *ids] if ids else []
    lines += ["".join(f"{n:5d}" for n in numbers[i : i + 10]) for i in range(0, len(numbers), 10)]
    for row in values.reshape(math.prod(values.shape[:2]), -1):
        words = [form(x) for x in row]
        lines += ["  ".join(["", *words[i : i + 6]]) for i in range(0, len(words), 6)]
    return "\n".join(lines) + "\n"


def write(path: Path, values: Values, **how: Any) -> Path:
    path.write_text(text(values, **how))
    return path


def of_ase(path: Path) -> dict[str, Any]:
    with path.open() as file:
        read: dict[str, Any] = read_cube(file)
        return read


def channel(trajectory: DensityTrajectory, name: str) -> npt.NDArray[np.float32]:
    return np.asarray(trajectory.extra[name][0])


# ------------------------------------------------------------------------------ other libraries


def test_a_sheared_crystal_of_ase(tmp_path: Path) -> None:
    atoms = bulk("Si", "diamond", a=5.43)
    atoms.rattle(0.1, seed=3)
    values = field()
    path = tmp_path / "si.cube"
    origin = np.array([0.3, -0.2, 0.1])
    with path.open("w") as file:
        write_cube(file, atoms, values, origin=origin)
    trajectory, theirs = open_any(path), of_ase(path)
    np.testing.assert_allclose(trajectory[0], theirs["data"] / BOHR**3, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.voxel_vectors, theirs["spacing"], atol=1e-7)
    np.testing.assert_allclose(trajectory.grid.cell, atoms.cell, atol=1e-5)
    np.testing.assert_allclose(trajectory.grid.origin, theirs["origin"], atol=1e-7)
    np.testing.assert_allclose(trajectory.grid.origin, origin, atol=1e-6)
    np.testing.assert_allclose(trajectory.positions_at(0), theirs["atoms"].positions, atol=1e-7)
    np.testing.assert_array_equal(trajectory.numbers, atoms.numbers)
    expected = values.mean() * atoms.cell.volume / BOHR**3
    assert trajectory.electrons(0) == pytest.approx(expected, rel=1e-5)


def test_water_of_matterviz_as_ase_and_pymatgen_read_it(tmp_path: Path) -> None:
    from pymatgen.io.common import VolumetricData

    plain = tmp_path / "h2o.cube"
    plain.write_bytes(gzip.decompress((FILES / "h2o-density.cube.gz").read_bytes()))
    volume, theirs = VolumetricData.from_cube(plain), of_ase(plain)
    lattice = volume.structure.lattice
    zipped = shutil.copy(FILES / "h2o-density.cube.gz", tmp_path / "zipped.cube.gz")
    for path in (plain, zipped):
        trajectory = open_any(path)
        # All points of a molecule are kept.
        assert trajectory.grid.shape == volume.data["total"].shape == (30, 30, 30)
        np.testing.assert_allclose(trajectory[0], volume.data["total"] / BOHR**3, rtol=1e-6)
        np.testing.assert_allclose(trajectory[0], theirs["data"] / BOHR**3, rtol=1e-6)
        np.testing.assert_allclose(trajectory.grid.cell, lattice.matrix, rtol=1e-6)
        np.testing.assert_allclose(trajectory.grid.origin, theirs["origin"], rtol=1e-6)
        # pymatgen counts positions from the origin, we and the file do not.
        np.testing.assert_allclose(
            trajectory.positions_at(0) - trajectory.grid.origin,
            volume.structure.cart_coords,
            atol=1e-5,
        )
        np.testing.assert_array_equal(trajectory.numbers, [8, 1, 1])
        counted = volume.data["total"].mean() * lattice.volume / BOHR**3
        assert trajectory.electrons(0) == pytest.approx(counted, rel=1e-6)
        assert trajectory.provenance["expected_electrons"] == 10.0


def test_castep_as_ase_reads_it(tmp_path: Path) -> None:
    padded = np.pad(field(), (0, 1), mode="wrap")
    path = write(tmp_path / "x.cube", padded, comments=("run", "castep2cube density"))
    trajectory, theirs = open_any(path), of_ase(path)
    np.testing.assert_allclose(trajectory[0], theirs["data"] / BOHR**3, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.cell, theirs["atoms"].cell, atol=1e-6)


# ------------------------------------------------------------------------------ headers


def test_negative_counts_of_points_mean_angstrom(tmp_path: Path) -> None:
    values = field()
    how = {"origin": (1.0, 2.0, 3.0), "atoms": ((1, 1.0, 0.5, 0.6, 0.7),)}
    trajectory = open_any(write(tmp_path / "x.cube", values, angstrom=True, **how))
    np.testing.assert_allclose(trajectory.grid.voxel_vectors, SHEARED, atol=1e-9)
    np.testing.assert_allclose(trajectory.grid.origin, [1.0, 2.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(trajectory.positions_at(0), [[0.5, 0.6, 0.7]], atol=1e-9)
    # The values are in atomic units all the same.
    np.testing.assert_allclose(trajectory[0], values / BOHR**3, rtol=1e-5)
    assert "Å" in trajectory.provenance["lengths_in_file"]
    bohr = open_any(write(tmp_path / "y.cube", values, **how))
    np.testing.assert_allclose(bohr.grid.voxel_vectors, SHEARED * BOHR, rtol=1e-9)
    np.testing.assert_allclose(bohr.grid.origin, np.array([1, 2, 3]) * BOHR, rtol=1e-9)


def test_densities_may_be_said_to_be_per_cubic_angstrom(tmp_path: Path) -> None:
    values = field()
    path = write(tmp_path / "x.cube", values)
    trajectory = open_any(path, OpenOptions(unit="e/Å³"))
    np.testing.assert_allclose(trajectory[0], values, rtol=1e-5)
    assert "asked" in trajectory.provenance["unit_in_file"]


@pytest.mark.parametrize(
    ("comments", "quantity", "factor"),
    [
        (("Generated by Multiwfn", "Electron density"), "density", BOHR**-3),
        (("-Quickstep-", "ELECTRON DENSITY"), "density", BOHR**-3),
        (("-Quickstep-", "SPIN DENSITY"), "spin_density", BOHR**-3),
        (("-Quickstep-", "HARTREE POTENTIAL"), "potential", HARTREE),
        (("water", "Electrostatic potential from Total SCF Density"), "potential", HARTREE),
        (("-Quickstep-", "WAVEFUNCTION 4 spin 1 i.e. HOMO"), "orbital", BOHR**-1.5),
        (("", "Electron localization function (ELF)"), "localisation", 1.0),
        (("no", "words"), "density", BOHR**-3),
    ],
)
def test_comments_tell_the_quantity(
    tmp_path: Path, comments: tuple[str, str], quantity: str, factor: float
) -> None:
    values = field()
    trajectory = open_any(write(tmp_path / "x.cube", values, comments=comments))
    assert trajectory.quantity == quantity
    np.testing.assert_allclose(trajectory[0], values * factor, rtol=1e-5)


def test_a_cube_without_atoms(tmp_path: Path) -> None:
    trajectory = open_any(write(tmp_path / "x.cube", field(), atoms=()))
    assert trajectory.numbers is None
    assert trajectory.positions is None


# ------------------------------------------------------------------------------ data sets


def test_orbitals_are_channels(tmp_path: Path) -> None:
    values = field((4, 5, 3, 3)) - 0.5
    comments = ("water", "MO coefficients")
    plain = write(tmp_path / "x.cube", values, ids=(4, 5, 6), comments=comments)
    # ase wants the number of values in the header too.
    labelled = write(tmp_path / "y.cube", values, ids=(4, 5, 6), comments=comments, n_values=3)
    theirs = of_ase(labelled)
    for path in (plain, labelled):
        trajectory = open_any(path)
        assert trajectory.quantity == "orbital"
        assert trajectory.provenance["datasets"] == theirs["labels"] == [4, 5, 6]
        np.testing.assert_allclose(trajectory[0], theirs["datas"][0] / BOHR**1.5, rtol=1e-6)
        assert set(trajectory.extra) == {"orbital_5", "orbital_6"}
        for index, name in enumerate(("orbital_5", "orbital_6"), 1):
            np.testing.assert_allclose(
                channel(trajectory, name), theirs["datas"][index] / BOHR**1.5, rtol=1e-6
            )
        np.testing.assert_allclose(trajectory.positions_at(0), theirs["atoms"].positions, atol=1e-7)
        for dataset in ("6", "orbital_6"):
            chosen = open_any(path, OpenOptions(dataset=dataset))
            assert chosen.quantity == "orbital"
            np.testing.assert_allclose(chosen[0], theirs["datas"][2] / BOHR**1.5, rtol=1e-6)
        with pytest.raises(EldynError, match=r"[xy]\.cube: there is no data set '7', but 4, 5, 6"):
            open_any(path, OpenOptions(dataset="7"))


def test_numbers_of_many_orbitals_go_on_over_lines(tmp_path: Path) -> None:
    values, ids = field((3, 4, 3, 23)), range(101, 124)
    path = write(tmp_path / "x.cube", values, ids=ids, n_values=23)
    theirs = of_ase(path)
    assert theirs["labels"] == list(ids)
    chosen = open_any(path, OpenOptions(dataset="123"))
    np.testing.assert_allclose(chosen[0], theirs["datas"][22] / BOHR**3, rtol=1e-6)


def test_several_values_per_point_without_names(tmp_path: Path) -> None:
    """Gaussian writes a density and its gradient so."""
    values = field((4, 5, 3, 4))
    path = write(tmp_path / "x.cube", values, n_values=4)
    theirs, trajectory = of_ase(path), open_any(path)
    np.testing.assert_allclose(trajectory[0], theirs["datas"][0] / BOHR**3, rtol=1e-6)
    assert trajectory.quantity == "density"
    assert set(trajectory.extra) == {"value_2", "value_3", "value_4"}
    # Nothing tells what the others are: they are as in the file.
    np.testing.assert_allclose(channel(trajectory, "value_3"), theirs["datas"][2], rtol=1e-6)
    chosen = open_any(path, OpenOptions(dataset="3"))
    assert chosen.quantity == "unknown"
    np.testing.assert_allclose(chosen[0], theirs["datas"][2], rtol=1e-6)


# ------------------------------------------------------------------------------ end planes


def test_repeated_end_planes_are_removed(tmp_path: Path) -> None:
    values = field()
    path = write(tmp_path / "x.cube", np.pad(values, (0, 1), mode="wrap"))
    trajectory = open_any(path)
    assert trajectory.provenance["removed_end_planes"] == ["x", "y", "z"]
    np.testing.assert_allclose(trajectory[0], values / BOHR**3, rtol=1e-5)
    cell = SHEARED * np.array(values.shape)[:, None] * BOHR
    np.testing.assert_allclose(trajectory.grid.cell, cell, rtol=1e-9)
    expected = values.mean() * np.linalg.det(cell) / BOHR**3
    assert trajectory.electrons(0) == pytest.approx(expected, rel=1e-5)


def test_planes_that_repeat_along_two_axes_are_kept(tmp_path: Path) -> None:
    values = np.pad(field(), ((0, 1), (0, 1), (0, 0)), mode="wrap")
    trajectory = open_any(write(tmp_path / "x.cube", values))
    np.testing.assert_allclose(trajectory[0], values / BOHR**3, rtol=1e-5)
    assert "points" in trajectory.provenance


def test_empty_planes_around_a_molecule_are_kept(tmp_path: Path) -> None:
    values = np.pad(field((4, 4, 4)), 2)
    atoms = molecule("H2")
    atoms.set_cell([4, 4, 4])
    with (tmp_path / "x.cube").open("w") as file:
        write_cube(file, atoms, values)
    trajectory = open_any(tmp_path / "x.cube")
    assert trajectory.grid.shape == (8, 8, 8)
    np.testing.assert_allclose(trajectory[0], values / BOHR**3, rtol=1e-5)
    np.testing.assert_allclose(trajectory.grid.cell, np.eye(3) * 4, atol=1e-5)


def test_planes_of_a_mirrored_crystal_by_its_whole_number_of_electrons(tmp_path: Path) -> None:
    """A plane wave with its maximum in the corner: end planes are alike with and without repeat."""
    n = 6
    angle = 2.0 * np.pi * np.arange(n) / n
    wave = sum(np.meshgrid(*[np.cos(angle)] * 3, indexing="ij"))
    values = (4.0 + wave) / wave.size  # sums to 4 voxels' electrons
    voxel = np.eye(3)
    unique = open_any(write(tmp_path / "u.cube", np.pad(values, (0, 1), mode="wrap"), voxel=voxel))
    assert unique.grid.shape == (n, n, n)
    assert unique.electrons(0) == pytest.approx(4.0, abs=1e-4)
    # Points in the middles of the voxels: symmetric as well, and none of them too many.
    angle = 2.0 * np.pi * (np.arange(n) + 0.5) / n
    wave = sum(np.meshgrid(*[np.cos(angle)] * 3, indexing="ij"))
    trajectory = open_any(write(tmp_path / "m.cube", (4.0 + wave) / wave.size, voxel=voxel))
    assert trajectory.grid.shape == (n, n, n)
    assert trajectory.electrons(0) == pytest.approx(4.0, abs=1e-4)


# ------------------------------------------------------------------------------ series


def test_several_cubes_of_a_file_are_frames(tmp_path: Path) -> None:
    """As CP2K appends them."""
    volumes = [field(seed=seed) for seed in range(3)]
    path = tmp_path / "run.cube"
    path.write_text(
        "".join(
            text(
                values,
                atoms=((11, 9.0, 0.1 * index, 0.0, 0.0),),
                comments=("-Quickstep-", f"density i = {10 * index}, time = {5.0 * index:.3f}, "
                          f"E = -{index}.5"),
            )
            for index, values in enumerate(volumes)
        )
    )  # fmt: skip
    trajectory = open_any(path)
    assert len(trajectory) == 3
    assert trajectory.times_known
    np.testing.assert_allclose(trajectory.times, [0.0, 5.0, 10.0])
    np.testing.assert_allclose(
        trajectory.scalars["energy"], [-0.5 * HARTREE, -1.5 * HARTREE, -2.5 * HARTREE]
    )
    for index in (2, 0, 1):
        np.testing.assert_allclose(trajectory[index], volumes[index] / BOHR**3, rtol=1e-5)
        np.testing.assert_allclose(
            trajectory.positions_at(index), [[0.1 * index * BOHR, 0, 0]], atol=1e-9
        )
    zipped = tmp_path / "run.cube.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    again = open_any(zipped)
    for index in (1, 0, 2):
        np.testing.assert_array_equal(again[index], trajectory[index])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"voxel": SHEARED * 1.1}, "cube 2 has another grid or cell"),
        ({"origin": (0.1, 0.0, 0.0)}, "cube 2 has another grid or cell"),
        ({"atoms": ((4, 4.0, 0.0, 0.0, 0.0),)}, "cube 2 has other atoms"),
    ],
)
def test_cubes_of_a_file_have_to_belong_together(
    tmp_path: Path, how: dict[str, Any], message: str
) -> None:
    path = tmp_path / "x.cube"
    path.write_text(text(field()) + text(field(), **how))
    with pytest.raises(EldynError, match=rf"x\.cube: {message}"):
        open_any(path)


def test_files_named_by_cp2k(tmp_path: Path) -> None:
    for step in (0, 50, 100):
        write(
            tmp_path / f"run-ELECTRON_DENSITY-1_{step}.cube",
            field(seed=step),
            comments=("-Quickstep-", "ELECTRON DENSITY"),
        )
    trajectory = open_any(tmp_path, OpenOptions(timestep=0.5))
    np.testing.assert_array_equal(trajectory.times, [0.0, 25.0, 50.0])
    assert trajectory.provenance["md_steps"] == [0, 100]
    np.testing.assert_allclose(trajectory[1], field(seed=50) / BOHR**3, rtol=1e-5)
    assert not open_any(tmp_path).times_known


# ------------------------------------------------------------------------------ ways of writing


def three_digits(value: float) -> str:
    """As Fortran writes exponents that its two digits do not hold."""
    return f"{value:.5E}".replace("E-1", "-1") if abs(value) < 1e-99 else f"{value:.5E}"


@pytest.mark.parametrize(
    "form",
    ["{:.5E}".format, "{:.8f}".format, "{:.17g}".format, three_digits]
    + [lambda value, letter=letter: f"{value:.10E}".replace("E", letter) for letter in "Dd"],
)
def test_numbers_as_codes_write_them(tmp_path: Path, form: Callable[[float], str]) -> None:
    values = field()
    values[1, 2, 3], values[3, 2, 1], values[0, 0, 0] = 0.0, -0.25, 1e-120
    trajectory = open_any(write(tmp_path / "x.cube", values, form=form))
    words = [form(x).replace("D", "E").replace("d", "E") for x in values.ravel()]
    words[0] = words[0].replace("E-120", "-120").replace("e-120", "-120").replace("-120", "E-120")
    expected = np.array(words, dtype=np.float64)
    np.testing.assert_allclose(trajectory[0].ravel(), expected / BOHR**3, rtol=1e-6, atol=1e-37)


def test_lines_of_windows_and_blank_lines_at_the_end(tmp_path: Path) -> None:
    once = write(tmp_path / "x.cube", field())
    expected = open_any(once)[0]
    windows = tmp_path / "windows.cube"
    windows.write_bytes(once.read_bytes().replace(b"\n", b"\r\n"))
    twice = tmp_path / "twice.cube"
    twice.write_bytes(windows.read_bytes() * 2)
    padded = tmp_path / "padded.cube"
    padded.write_bytes(once.read_bytes() + b"\n  \n\n")
    bare = tmp_path / "bare.cube"
    bare.write_bytes(once.read_bytes().rstrip())
    for path, n in ((windows, 1), (twice, 2), (padded, 1), (bare, 1)):
        trajectory = open_any(path)
        assert len(trajectory) == n
        for frame in range(n):
            np.testing.assert_array_equal(trajectory[frame], expected)


def test_other_codes_break_lines_elsewhere(tmp_path: Path) -> None:
    """Some break lines every six numbers, whatever the rows; some write one number a line."""
    values = field()
    lines = text(values).split("\n")
    header, words = lines[:7], " ".join(lines[7:]).split()
    for per_line in (1, 6, len(words)):
        rows = [" ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
        path = tmp_path / f"{per_line}.cube"
        path.write_text("\n".join([*header, *rows]) + "\n")
        np.testing.assert_allclose(open_any(path)[0], of_ase(path)["data"] / BOHR**3, rtol=1e-6)


# ------------------------------------------------------------------------------ damage


@pytest.mark.parametrize("word", ["***********", "NaN", "Infinity", "1.0E+400", "1.2.3", "0x10"])
def test_a_word_that_is_no_number_is_named_with_its_line(tmp_path: Path, word: str) -> None:
    lines = text(field()).split("\n")
    lines[20] = " ".join([*lines[20].split()[:-1], word])
    path = tmp_path / "x.cube"
    path.write_text("\n".join(lines))
    with pytest.raises(EldynError, match=r"x\.cube: line 21: ") as caught:
        open_any(path)[0]
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:30], "line 30: the file ends where"),
        (lambda lines: lines[:5], "the file ends where a number of points"),
        (lambda lines: [*lines[:-2], lines[-2] + " 1.0", ""], "more values than"),
        (lambda lines: [x.replace("    6 ", "60000 ", 1) for x in lines], "more than the file"),
        (lambda lines: [x.replace("    6 ", "9" * 30 + " ") for x in lines], "claims a grid"),
        (lambda lines: [x.replace("    6 ", "    0 ") for x in lines], "claims a grid"),
        (lambda lines: [x.replace("    6 ", "  6.5 ") for x in lines], "6.5 is no number of"),
        (lambda lines: [*lines[:2], "9" * 12 + lines[2][5:], *lines[3:]], "claims 999999999999 at"),
        (lambda lines: [*lines[:2], lines[2] + " 9999", *lines[3:]], "9999 values each"),
        (lambda lines: [*lines[:6], "Li 3.0 0 0 0", *lines[7:]], "line 7: “Li 3.0"),
        (lambda lines: [*lines[:6], "3 3.0 nan 0 0", *lines[7:]], "line 7: “3 3.0 nan"),
        (lambda lines: [*lines[:3], "6 0 0 0", *lines[4:]], "cell"),
        (lambda lines: [*lines[:3], "6 1e9 0 0", *lines[4:]], "more than 1e"),
    ],
)
def test_damage_is_named(
    tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    path = tmp_path / "bad.cube"
    path.write_text("\n".join(change(text(field()).split("\n"))))
    with pytest.raises(EldynError, match=rf"bad\.cube.*{message}"):
        open_any(path)[0]


@pytest.mark.parametrize("n_cubes", [1, 2])
def test_a_blank_within_a_number_does_not_shift_the_values(tmp_path: Path, n_cubes: int) -> None:
    """Both halves are numbers; where the cube ends is computed, as its lines are equally long."""
    lines = text(field((20, 20, 12))).split("\n")
    lines[200] = lines[200].replace("E-01", " -01", 1)
    assert len(lines[200].split()) == 7
    path = tmp_path / "bad.cube"
    path.write_text("\n".join(lines) * n_cubes)
    with pytest.raises(EldynError, match=r"bad\.cube: line \d+: .*values"):
        open_any(path)[0]


def test_damaged_numbers_of_data_sets(tmp_path: Path) -> None:
    lines = text(field((3, 4, 3, 2)), ids=(4, 5)).split("\n")
    for line in ("", "x 4 5", "0", "2 4 5 6", "99999 1", "-2 4 5"):
        path = tmp_path / "bad.cube"
        path.write_text("\n".join([*lines[:7], line, *lines[8:]]))
        with pytest.raises(EldynError, match=r"bad\.cube.*line \d+: .*data sets"):
            open_any(path)


def test_a_cut_gzip_file(tmp_path: Path) -> None:
    packed = gzip.compress(text(field((20, 20, 20))).encode())
    path = tmp_path / "x.cube.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(EldynError, match=r"x\.cube\.gz: the gzip data end early, at byte"):
        open_any(path)[0]
