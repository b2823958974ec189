"""CHG: a density every ten steps of molecular dynamics, with the atoms' positions."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from ase import Atoms
from ase.calculators.vasp import VaspChargeDensity

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.writers import write_trajectory
from napari_eldyn.exceptions import EldynError

N, SHAPE = 5, (8, 6, 10)
CELL = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [-0.5, 0.7, 6.0]])


def fortran_field(value: float) -> str:
    """Write a number by Fortran's ``1X,G11.5``, which VASP writes CHG with."""
    size = abs(value)
    if 0.1 <= size < 99999.5:
        digits = next(n for n in range(5, -1, -1) if float(f"{size:.{n}f}") < 10 ** (5 - n))
        return f" {f'{value:#.{digits}f}'.replace('-0.', '-.'):>7}    "
    mantissa, exponent = f"{size:.4E}".split("E")
    sign = "-" if value < 0 else "0"
    power = int(exponent) + 1 if size else 0
    return f" {sign}.{mantissa.replace('.', '')}E{power:+03d}"


def write_chg(path: Path, n: int = N, spin: bool = False, shape: Any = SHAPE) -> Any:
    """Write a trajectory with ase; an atom leaves the cell on the way and comes back wrapped."""
    rng = np.random.default_rng(1)
    charge = VaspChargeDensity(None)
    for frame in range(n):
        fractional = [[0.1 + 0.2 * frame, 0.5, 0.5], [0.7, 0.05 - 0.06 * frame, 0.2]]
        atoms = Atoms("NaCl", scaled_positions=fractional, cell=CELL, pbc=True)
        atoms.wrap()
        charge.atoms.append(atoms)
        charge.chg.append(np.exp(rng.normal(-2.0, 3.0, shape)))
        if spin:
            charge.chgdiff.append(rng.normal(size=shape))
    charge.write(str(path), format="chg")
    return charge


@pytest.mark.parametrize("spin", [False, True])
def test_frames_and_positions_are_those_that_ase_wrote(tmp_path: Path, spin: bool) -> None:
    reference = write_chg(tmp_path / "CHG", spin=spin)
    trajectory = DensityTrajectory.open(tmp_path / "CHG")
    assert (len(trajectory), trajectory.times_known) == (N, False)
    assert list(trajectory.extra) == (["density_spin"] if spin else [])
    for frame in (3, 0, 4):
        np.testing.assert_allclose(trajectory[frame], reference.chg[frame], rtol=6e-5)
        if spin:
            np.testing.assert_allclose(
                trajectory.extra["density_spin"][frame], reference.chgdiff[frame], rtol=6e-5
            )
        positions = trajectory.positions_at(frame)
        assert positions is not None
        wrapped = (positions @ np.linalg.inv(CELL)) % 1.0
        expected = reference.atoms[frame].get_scaled_positions(wrap=True)
        np.testing.assert_allclose(wrapped, expected, atol=1e-7)


def test_atoms_do_not_jump_when_they_cross_the_boundary(tmp_path: Path) -> None:
    write_chg(tmp_path / "CHG")
    positions = DensityTrajectory.open(tmp_path / "CHG").positions
    assert positions is not None
    moves = np.diff(positions, axis=0) @ np.linalg.inv(CELL)
    np.testing.assert_allclose(moves[:, 0], [[0.2, 0.0, 0.0]] * (N - 1), atol=1e-6)
    np.testing.assert_allclose(moves[:, 1], [[0.0, -0.06, 0.0]] * (N - 1), atol=1e-6)


def test_a_compressed_chg_is_read_in_any_order(tmp_path: Path) -> None:
    reference = write_chg(tmp_path / "CHG")
    (tmp_path / "CHG.gz").write_bytes(gzip.compress((tmp_path / "CHG").read_bytes()))
    trajectory = DensityTrajectory.open(tmp_path / "CHG.gz")
    for frame in (4, 1, 2, 0):
        np.testing.assert_allclose(trajectory[frame], reference.chg[frame], rtol=6e-5)


INCAR = "SYSTEM = NaCl\n  IBRION = 0 ; POTIM = 2.0 ! fs\nNSW = {steps} # MD\n"


def test_the_times_come_from_the_incar_beside(tmp_path: Path) -> None:
    write_chg(tmp_path / "CHG")
    (tmp_path / "INCAR").write_text(INCAR.format(steps=50))
    trajectory = DensityTrajectory.open(tmp_path / "CHG")
    assert trajectory.times_known
    np.testing.assert_allclose(trajectory.times, 2.0 * (1 + 10 * np.arange(N)))
    assert "INCAR" in trajectory.provenance["times_from"]
    given = DensityTrajectory.open(tmp_path / "CHG", timestep=15.0)
    assert given.timestep == 15.0


@pytest.mark.parametrize(
    "incar", [INCAR.format(steps=30), INCAR.format(steps=50).replace("IBRION = 0", "IBRION = 2")]
)
def test_an_incar_of_another_run_gives_no_times(tmp_path: Path, incar: str) -> None:
    write_chg(tmp_path / "CHG")
    (tmp_path / "INCAR").write_text(incar)
    assert not DensityTrajectory.open(tmp_path / "CHG").times_known


def test_a_frame_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    reference = write_chg(tmp_path / "CHG")
    whole = (tmp_path / "CHG").read_bytes()
    header = whole.index(b"Direct")
    for cut in (len(whole) - 200, whole.rindex(b"Direct") + 40, whole.rindex(b"Direct") - 150):
        (tmp_path / "CHG").write_bytes(whole[:cut])
        trajectory = DensityTrajectory.open(tmp_path / "CHG")
        assert len(trajectory) == N - 1
        assert "left_out" in trajectory.provenance
        np.testing.assert_allclose(trajectory[N - 2], reference.chg[N - 2], rtol=6e-5)
    (tmp_path / "CHG").write_bytes(whole[: header + 400])
    with pytest.raises(EldynError, match="CHG"):
        DensityTrajectory.open(tmp_path / "CHG")


def test_a_cell_that_changes_is_refused(tmp_path: Path) -> None:
    write_chg(tmp_path / "CHG")
    text = (tmp_path / "CHG").read_text()
    last = text.rindex("4.0000000000")
    (tmp_path / "CHG").write_text(text[:last] + "4.2000000000" + text[last + 12 :])
    with pytest.raises(EldynError, match=r"CHG.*the cell changes.*frame 4.*4\.2"):
        DensityTrajectory.open(tmp_path / "CHG")


def test_a_long_chg_is_indexed_without_being_read(tmp_path: Path) -> None:
    """Its volumes are stepped over: opening reads less than a tenth of the file."""
    write_chg(tmp_path / "one", n=1, shape=(60, 60, 60))
    (tmp_path / "CHG").write_bytes((tmp_path / "one").read_bytes() * 10)
    before = psutil.Process().io_counters().read_chars
    trajectory = DensityTrajectory.open(tmp_path / "CHG")
    read = psutil.Process().io_counters().read_chars - before
    assert len(trajectory) == 10
    assert read < 0.1 * (tmp_path / "CHG").stat().st_size


def test_our_own_chg_comes_back_with_its_times_kind_and_atoms(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = DensityTrajectory.from_array(
        rng.uniform(0.01, 0.1, (3, *SHAPE)),
        PeriodicGrid(CELL, SHAPE),
        [2.0, 6.0, 10.0],
        numbers=[3, 3],
        positions=rng.uniform(0.0, 4.0, (3, 2, 3)),
        kind="pseudo",
    )
    write_trajectory(written, tmp_path / "CHG")
    trajectory = DensityTrajectory.open(tmp_path / "CHG")
    assert (trajectory.kind, trajectory.times_known) == ("pseudo", True)
    np.testing.assert_allclose(trajectory.times, written.times)
    np.testing.assert_allclose(np.stack(list(trajectory)), np.stack(list(written)), rtol=1e-7)
    np.testing.assert_array_equal(trajectory.numbers, written.numbers)
    for frame in range(3):
        moved = (trajectory.positions_at(frame) - written.positions_at(frame)) @ np.linalg.inv(CELL)
        np.testing.assert_allclose(moved, np.round(moved), atol=1e-9)


@pytest.mark.parametrize("count", [400, 403])
def test_fortrans_fields_are_read_to_their_last_digit(tmp_path: Path, count: int) -> None:
    """Numbers from 1e-30 to 1e30, of both signs, and zero, in fields with and without exponent."""
    rng = np.random.default_rng(2)
    values = 10.0 ** rng.uniform(-30, 30, count) * rng.choice([-1.0, 1.0], count)
    values[::3] = 10.0 ** rng.uniform(-1, 5, len(values[::3]))
    values[7] = 0.0
    fields = [fortran_field(value) for value in values]
    assert {len(field) for field in fields} == {12}
    lines = ["".join(fields[i : i + 10]) for i in range(0, count, 10)]
    header = f"Na\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Na\n 1\nDirect\n 0 0 0\n\n {count} 1 1\n"
    (tmp_path / "CHG").write_text(header + "\n".join(lines) + "\n")
    trajectory = DensityTrajectory.open(tmp_path / "CHG")
    expected = np.array([float(field) for field in fields]) / 64.0
    np.testing.assert_allclose(trajectory[0][:, 0, 0], expected, rtol=1.2e-7)


@pytest.mark.parametrize("field", [" 0.12?45E-02", " 0.1 345E-02", "  1.2.345    ", " 12345      "])
def test_a_damaged_field_is_told_or_read_in_another_way(tmp_path: Path, field: str) -> None:
    write_chg(tmp_path / "CHG", n=1, shape=(10, 10, 10))
    lines = (tmp_path / "CHG").read_text().split("\n")
    place = next(i for i, line in enumerate(lines) if len(line) == 120) + 20
    lines[place] = lines[place][:36] + field[:12] + lines[place][48:]
    (tmp_path / "CHG").write_text("\n".join(lines))
    trajectory = DensityTrajectory.open(tmp_path / "CHG")
    if field.strip() == "12345":
        assert trajectory[0][3, 0, 2] * trajectory.grid.volume == pytest.approx(12345, rel=1e-6)
    else:
        with pytest.raises(EldynError, match=r"CHG: .*line"):
            trajectory[0]
