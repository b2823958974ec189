"""XSF files of ase's writer, of the layouts that other codes write, and damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import numpy as np
import numpy.typing as npt
import pytest
from ase.build import bulk
from ase.io.xsf import read_xsf, write_xsf

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.writers import write_trajectory
from napari_eldyn.exceptions import EldynError, MissingInformationError

BOHR = 0.529177210903


def field(shape: tuple[int, int, int], seed: int = 0) -> npt.NDArray[np.float64]:
    return 0.1 + np.random.default_rng(seed).random(shape)


def crystal() -> ase.Atoms:
    atoms = bulk("Si", "diamond", a=5.43)  # primitive: not orthogonal
    atoms.rattle(0.1, seed=3)
    return atoms


def text(
    values: npt.NDArray[np.float64],
    *,
    span: npt.NDArray[np.float64],
    structure: str,
    block: str = "3D_field",
    name: str = "BEGIN_DATAGRID_3D_density",
) -> str:
    """An XSF file with the values given, x fastest."""
    rows = "\n".join(" ".join(f"{x:.8E}" for x in row) for row in values.T.reshape(-1, 1))
    vectors = "\n".join(" ".join(f"{x:.9f}" for x in vector) for vector in span)
    counts = " ".join(map(str, values.shape))
    return (
        f"{structure}\nBEGIN_BLOCK_DATAGRID_3D\n{block}\n{name}\n{counts}\n0. 0. 0.\n{vectors}\n"
        f"{rows}\nEND_DATAGRID_3D\nEND_BLOCK_DATAGRID_3D\n"
    )


def structure_of(atoms: ase.Atoms) -> str:
    vectors = "\n".join(" ".join(f"{x:.9f}" for x in vector) for vector in atoms.cell)
    rows = "\n".join(
        f"{symbol} " + " ".join(f"{x:.9f}" for x in position)
        for symbol, position in zip(atoms.symbols, atoms.positions, strict=True)
    )
    return f"CRYSTAL\nPRIMVEC\n{vectors}\nPRIMCOORD\n{len(atoms)} 1\n{rows}"


def test_a_crystal_of_ase(tmp_path: Path) -> None:
    atoms, values = crystal(), field((6, 5, 4))
    path = tmp_path / "si.xsf"
    with path.open("w") as file:
        write_xsf(file, [atoms], data=values)
    trajectory = open_any(path)
    with path.open() as file:
        theirs = read_xsf(file, read_data=True)[0]
    np.testing.assert_allclose(trajectory[0], values, atol=6e-7)  # ase writes six decimals
    np.testing.assert_allclose(trajectory[0], theirs, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.cell, atoms.cell, atol=1e-9)
    assert trajectory.positions is not None
    np.testing.assert_allclose(trajectory.positions[0], atoms.positions, atol=1e-9)
    assert trajectory.numbers is not None
    assert trajectory.numbers.tolist() == atoms.numbers.tolist()
    assert trajectory.electrons(0) == pytest.approx(values.mean() * atoms.cell.volume, rel=1e-6)


def test_planes_that_do_not_repeat_are_kept(tmp_path: Path) -> None:
    atoms, values = crystal(), field((6, 5, 4))
    path = tmp_path / "si.xsf"
    path.write_text(text(values, span=atoms.cell.array, structure=structure_of(atoms)))
    trajectory = open_any(path)
    np.testing.assert_allclose(trajectory[0], values, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.cell, atoms.cell, atol=1e-6)
    assert "does not repeat" in trajectory.provenance["points"]


def test_vectors_that_end_at_the_last_point(tmp_path: Path) -> None:
    atoms, values = crystal(), field((6, 5, 4))
    values[-1] = values[0]  # happens to look like a repeat
    span = (
        atoms.cell.array * (np.array(values.shape) - 1)[:, None] / np.array(values.shape)[:, None]
    )
    path = tmp_path / "si.xsf"
    path.write_text(text(values, span=span, structure=structure_of(atoms)))
    trajectory = open_any(path)
    assert trajectory.grid.shape == values.shape
    np.testing.assert_allclose(trajectory.grid.cell, atoms.cell, atol=1e-6)


def test_quantum_espresso_writes_per_cubic_bohr(tmp_path: Path) -> None:
    atoms, values = crystal(), field((4, 4, 4))
    padded = np.pad(values, (0, 1), mode="wrap")
    path = tmp_path / "si.xsf"
    path.write_text(
        text(
            padded,
            span=atoms.cell.array,
            structure=structure_of(atoms),
            block="3D_PWSCF",
            name="DATAGRID_3D_UNKNOWN",
        )
    )
    trajectory = open_any(path)
    np.testing.assert_allclose(trajectory[0], values / BOHR**3, rtol=1e-6)
    assert trajectory.provenance["removed_end_planes"] == ["x", "y", "z"]
    asked = open_any(path, OpenOptions(unit="e/Å³"))
    np.testing.assert_allclose(asked[0], values, rtol=1e-6)
    assert "asked" in asked.provenance["unit_in_file"]


def test_a_molecule_keeps_all_points(tmp_path: Path) -> None:
    values = field((5, 6, 7))
    path = tmp_path / "h2.xsf"
    span = np.diag([4.0, 5.0, 6.0])
    path.write_text(
        text(values, span=span, structure="ATOMS\nH 1.0 1.0 1.0 0.1 0.2 0.3\n1 1.7 1.0 1.0")
    )
    trajectory = open_any(path)
    np.testing.assert_allclose(trajectory[0], values, rtol=1e-6)
    np.testing.assert_allclose(trajectory.grid.voxel_vectors, np.eye(3), atol=1e-9)
    assert trajectory.numbers is not None
    assert trajectory.numbers.tolist() == [1, 1]


def test_an_animation(tmp_path: Path) -> None:
    trajectory = DensityTrajectory.from_array(
        np.stack([field((4, 5, 6), seed) for seed in range(3)]),
        PeriodicGrid(crystal().cell.array, (4, 5, 6)),
        [0.0, 4.0, 8.0],
        numbers=[3, 3],
        positions=np.random.default_rng(1).random((3, 2, 3)),
    )
    path = tmp_path / "run.axsf"
    write_trajectory(trajectory, path)
    again = open_any(path)
    assert len(again) == 3
    np.testing.assert_allclose(again.times, trajectory.times)
    for index in range(3):
        np.testing.assert_array_equal(again[index], trajectory[index])
    np.testing.assert_allclose(np.asarray(again.positions), np.asarray(trajectory.positions))
    images = ase.io.read(path, ":", format="xsf")
    assert len(images) == 3


def test_several_grids_have_to_be_chosen_from(tmp_path: Path) -> None:
    atoms, up, down = crystal(), field((4, 4, 4), 1), field((4, 4, 4), 2)
    padded = [np.pad(values, (0, 1), mode="wrap") for values in (up, down)]
    both = text(
        padded[0], span=atoms.cell.array, structure=structure_of(atoms), name="DATAGRID_3D_up"
    )
    both += text(padded[1], span=atoms.cell.array, structure="", name="DATAGRID_3D_down")
    path = tmp_path / "spin.xsf"
    path.write_text(both)
    with pytest.raises(MissingInformationError, match=r"2 data grids.*up, down"):
        open_any(path)
    for dataset in ("down", "2"):
        chosen = open_any(path, OpenOptions(dataset=dataset))
        np.testing.assert_allclose(chosen[0], down, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[: len(lines) // 2], "ends"),
        (lambda lines: [x.replace("7 6 5", "7000 6000 5000") for x in lines], "claims a grid"),
        (lambda lines: [x.replace("7 6 5", "700 600 500") for x in lines], "more than the file"),
        (lambda lines: [x.replace("7 6 5", "7 6 4") for x in lines], "should end here"),
        (lambda lines: [x.replace("END_DATAGRID_3D", "nan") for x in lines], "should end here"),
        (lambda lines: ["PRIMVEC\nx y z" if x == "PRIMVEC" else x for x in lines], "not numbers"),
    ],
)
def test_damage_is_named_with_file_and_line(
    tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    path = tmp_path / "bad.xsf"
    padded = np.pad(field((6, 5, 4)), (0, 1), mode="wrap")
    whole = text(padded, span=crystal().cell.array, structure=structure_of(crystal()))
    path.write_text("\n".join(change(whole.split("\n"))))
    with pytest.raises(EldynError, match=rf"bad\.xsf.*{message}"):
        open_any(path)[0]


def test_a_blank_within_a_number_does_not_shift_the_values(tmp_path: Path) -> None:
    """Both halves are numbers; where the grid ends is computed, as its lines are equally long."""
    path = tmp_path / "bad.xsf"
    padded = np.pad(field((12, 12, 12)), (0, 1), mode="wrap")
    lines = text(padded, span=crystal().cell.array, structure=structure_of(crystal())).split("\n")
    place = next(n for n, line in enumerate(lines) if n > 500 and line.endswith("E-01"))
    lines[place] = lines[place].replace("E-01", " -01")
    path.write_text("\n".join(lines))
    with pytest.raises(EldynError, match=r"bad\.xsf: line \d+: the data grid should end"):
        open_any(path)[0]
