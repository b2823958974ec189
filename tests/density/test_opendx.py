"""OpenDX files of GridDataFormats, of the layouts that other codes write, and damaged ones."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.exceptions import EldynError, MissingInformationError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import gridData

BOHR = 0.529177210903
SHEARED = np.array([[0.5, 0.0, 0.0], [0.1, 0.4, 0.0], [0.0, -0.2, 0.6]])
PER_ANGSTROM, PER_BOHR = OpenOptions(unit="e/Å³"), OpenOptions(unit="e/bohr³")

Values = npt.NDArray[np.float64]


def field(shape: tuple[int, int, int] = (4, 5, 6), seed: int = 0) -> Values:
    return 0.1 + np.random.default_rng(seed).random(shape)


def grid_text(
    shape: Sequence[int], deltas: Values = SHEARED, origin: Sequence[float] = (0, 0, 0)
) -> str:
    counts = " ".join(map(str, shape))
    rows = "".join("delta " + " ".join(map(str, row)) + "\n" for row in deltas)
    return (
        f"object 1 class gridpositions counts {counts}\norigin {' '.join(map(str, origin))}\n"
        f"{rows}object 2 class gridconnections counts {counts}\n"
    )


def array_text(values: Values, name: str = "3", dep: str = "positions") -> str:
    words = [f"{x:.6E}" for x in values.ravel()]
    lines = [" ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
    return (
        f"object {name} class array type double rank 0 items {values.size} data follows\n"
        + "\n".join(lines)
        + f'\nattribute "dep" string "{dep}"\n'
    )


def field_text(name: str = '"density"', data: str = "3") -> str:
    return (
        f'object {name} class field\ncomponent "positions" value 1\n'
        f'component "connections" value 2\ncomponent "data" value {data}\n'
    )


def text(values: Values, comment: str = "e/A^3") -> str:
    return f"# {comment}\n{grid_text(values.shape)}{array_text(values)}{field_text()}"


def test_a_field_of_griddataformats(tmp_path: Path) -> None:
    values = field()
    path = tmp_path / "x.dx"
    gridData.Grid(values, origin=[1.0, -2.0, 3.0], delta=[0.5, 0.6, 0.7]).export(str(path))
    theirs = gridData.Grid(str(path))
    trajectory = open_any(path, PER_ANGSTROM)
    np.testing.assert_allclose(trajectory[0], theirs.grid, rtol=1e-6)
    np.testing.assert_allclose(trajectory[0], values, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.origin, theirs.origin)
    np.testing.assert_allclose(trajectory.grid.voxel_vectors, np.diag(theirs.delta))
    expected = theirs.grid.sum() * np.prod(theirs.delta)
    assert trajectory.electrons(0) == pytest.approx(expected, rel=1e-6)
    assert "Å" in trajectory.provenance["lengths"]


def test_the_unit_is_asked_for_and_never_guessed(tmp_path: Path) -> None:
    values = field()
    path = tmp_path / "x.dx"
    path.write_text(text(values, "a density"))
    with pytest.raises(MissingInformationError, match=r"x\.dx: .*--unit") as caught:
        open_any(path)
    assert caught.value.option == "unit"
    assert set(caught.value.choices) == {"e/Å³", "e/bohr³"}
    np.testing.assert_allclose(open_any(path, PER_ANGSTROM)[0], values, rtol=1e-6)
    trajectory = open_any(path, PER_BOHR)
    np.testing.assert_allclose(trajectory[0], values / BOHR**3, rtol=1e-6)
    assert trajectory.quantity == "density"
    assert "asked" in trajectory.provenance["unit_in_file"]


@pytest.mark.parametrize(
    ("comment", "factor"),
    [
        *(("e/A^3", 1.0), ("density [e/Å^3]", 1.0), ("(electrons/angstrom^3)", 1.0)),
        *(("density (e/bohr^3)", BOHR**-3), ("units: e/a0^3", BOHR**-3), ("[bohr^-3]", BOHR**-3)),
    ],
)
def test_units_in_comments(tmp_path: Path, comment: str, factor: float) -> None:
    values = field()
    path = tmp_path / "x.dx"
    path.write_text(text(values, comment), encoding="utf-8")
    np.testing.assert_allclose(open_any(path)[0], values * factor, rtol=1e-6)


def test_potentials_of_apbs_are_no_densities(tmp_path: Path) -> None:
    values = field() - 0.5
    path = tmp_path / "pot.dx"
    # Names and comments as in APBS's output; the last line of numbers is shorter.
    header = "# Data from 1.5\n# \n# POTENTIAL (kT/e)\n# \n"
    name = '"regular positions regular connections"'
    path.write_text(
        f"{header}{grid_text(values.shape, np.diag([0.5, 0.6, 0.7]))}{array_text(values)}"
        f"{field_text(name)}"
    )
    trajectory, theirs = open_any(path), gridData.Grid(str(path))
    assert trajectory.quantity == "unknown"
    np.testing.assert_allclose(trajectory[0], theirs.grid, rtol=1e-6)


def test_sheared_deltas_and_the_origin(tmp_path: Path) -> None:
    values = field()
    origin = [1.0, -2.5, 30.0]
    path = tmp_path / "x.dx"
    path.write_text(
        f"# e/A^3\n{grid_text(values.shape, SHEARED, origin)}{array_text(values)}{field_text()}"
    )
    grid = open_any(path).grid
    np.testing.assert_allclose(grid.voxel_vectors, SHEARED)
    np.testing.assert_allclose(grid.cell, SHEARED * np.array(values.shape)[:, None])
    np.testing.assert_allclose(grid.origin, origin)


def test_repeated_end_planes_are_removed(tmp_path: Path) -> None:
    values = field()
    path = tmp_path / "x.dx"
    path.write_text(text(np.pad(values, (0, 1), mode="wrap")))
    trajectory = open_any(path)
    np.testing.assert_allclose(trajectory[0], values, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.voxel_vectors, SHEARED, atol=1e-12)
    assert trajectory.provenance["removed_end_planes"] == ["x", "y", "z"]


def test_values_of_the_cells_between_points(tmp_path: Path) -> None:
    values = field()
    path = tmp_path / "x.dx"
    counts = [n + 1 for n in values.shape]
    path.write_text(
        f"# e/A^3\n{grid_text(counts)}{array_text(values, dep='connections')}{field_text()}"
    )
    trajectory = open_any(path)
    np.testing.assert_allclose(trajectory[0], values, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.origin, SHEARED.sum(axis=0) / 2.0)
    np.testing.assert_allclose(trajectory.grid.voxel_vectors, SHEARED, atol=1e-12)


def test_several_fields_have_to_be_chosen_from(tmp_path: Path) -> None:
    up, down = field(seed=1), field(seed=2)
    path = tmp_path / "x.dx"
    path.write_text(
        f"# e/A^3\n{grid_text(up.shape)}{array_text(up, '3')}{array_text(down, '4')}"
        f"{field_text(chr(34) + 'up' + chr(34), '3')}{field_text('down', '4')}end\n"
    )
    with pytest.raises(MissingInformationError, match=r"x\.dx: the file holds 2 fields") as caught:
        open_any(path)
    assert caught.value.option == "dataset"
    assert caught.value.choices == ("up", "down")
    for name, values in (("up", up), ("down", down)):
        chosen = open_any(path, OpenOptions(dataset=name))
        np.testing.assert_allclose(chosen[0], values, rtol=1e-6)
    with pytest.raises(EldynError, match=r"x\.dx: there is no field 'x', but up, down"):
        open_any(path, OpenOptions(dataset="x"))


def test_ways_of_writing(tmp_path: Path) -> None:
    values = field()
    path = tmp_path / "x.dx"
    path.write_text(text(values))
    expected = open_any(path)[0]
    whole = path.read_bytes()
    without_field = whole[: whole.index(b'object "density"')]
    tabs = whole.replace(b"\nobject", b"\n\n  object").replace(b"E-01 ", b"E-01\t")
    commas = whole.replace(b"class array type double rank 0", b"class array, type double, rank 0,")
    upper = whole.replace(b"items", b"shape 1 items")
    for changed in (whole.replace(b"\n", b"\r\n"), without_field, tabs, commas, upper):
        path.write_bytes(changed)
        np.testing.assert_array_equal(open_any(path)[0], expected)
    zipped = tmp_path / "x.dx.gz"
    zipped.write_bytes(gzip.compress(whole))
    np.testing.assert_array_equal(open_any(zipped)[0], expected)


def test_a_series(tmp_path: Path) -> None:
    for step in (0, 5, 10):
        (tmp_path / f"rho_{step}.dx").write_text(text(field(seed=step)))
    trajectory = open_any(tmp_path, OpenOptions(timestep=2.0))
    assert len(trajectory) == 3
    np.testing.assert_allclose(trajectory[1], field(seed=5), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[: len(s) // 2], r"line \d+: the file ends where"),
        (lambda s: s.replace("counts 4 5 6", "counts 4000 5000 6000"), "line 2: .*claims a grid"),
        (lambda s: s.replace("counts 4 5 6", "counts 4 5 0"), "line 2: .*claims a grid"),
        (lambda s: s.replace("counts 4 5 6", "counts 4 5 7"), "120 values for a grid of 4 × 5 × 7"),
        (lambda s: s.replace("counts 4 5 6", "counts 4 5"), "line 2: the positions should"),
        (lambda s: s.replace("items 120", "items 99999999"), "more than the file can hold"),
        (lambda s: s.replace("items 120", "items 119"), "line 48: there are more numbers"),
        (lambda s: s.replace("items 120", "items x"), "line 8: the array should"),
        (lambda s: s.replace("items 120", f"items {10**30}"), "line 8: the array should"),
        (lambda s: s.replace("rank 0", "rank 1 shape 3"), "line 8: the array should be of rank 0"),
        (lambda s: s.replace("type double", "type double binary"), "line 8: the array is binary"),
        (lambda s: s.replace("data follows", "data file x.bin"), "line 8: the numbers of array 3"),
        (lambda s: s.replace("delta 0.5", "delta nan"), "line 2: an origin or delta"),
        (lambda s: s.replace("delta 0.5 0.0 0.0\n", ""), "line 2: the positions should"),
        (lambda s: s.replace("delta 0.5 0.0 0.0", "delta 0 0 0"), "cell"),
        (lambda s: s.replace("E-01", "E-O1", 1), "line 9: .*is not a number"),
        (lambda s: s.replace("E-01", "E+99", 1), "line 9: .*too large"),
        (lambda s: s.replace("gridpositions", "positions"), "no field on a regular grid"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    path = tmp_path / "bad.dx"
    path.write_text(change(text(field())))
    with pytest.raises(EldynError, match=rf"bad\.dx.*{message}"):
        open_any(path)[0]


def test_more_numbers_than_items_are_no_silent_matter(tmp_path: Path) -> None:
    """A header that leaves a plane out must not give a shorter grid of other values."""
    path = tmp_path / "bad.dx"
    changed = text(field()).replace("counts 4 5 6", "counts 3 5 6").replace("120", "90")
    path.write_text(changed)
    with pytest.raises(EldynError, match=r"bad\.dx: line 39: there are more numbers than the 90"):
        open_any(path)[0]


def test_a_blank_within_a_number_does_not_shift_the_values(tmp_path: Path) -> None:
    """Both halves are numbers; where the array ends is computed, as its lines are equally long."""
    lines = text(field((20, 20, 12))).split("\n")
    lines[200] = lines[200].replace("E-01", " -01", 1)
    assert len(lines[200].split()) == 4
    path = tmp_path / "bad.dx"
    path.write_text("\n".join(lines))
    with pytest.raises(EldynError, match=r"bad\.dx: line \d+: .*values"):
        open_any(path)[0]
