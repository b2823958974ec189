"""Series of files: what belongs together, in which order, at which times, read when looked at."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io.cube import write_cube

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import find_series, open_any
from napari_eldyn.density.formats.numbered_files import natural_order
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.exceptions import EldynError

CELL = np.array([[4.0, 0.0, 0.0], [0.5, 5.0, 0.0], [0.0, 0.3, 6.0]])
SHAPE = (8, 9, 10)


def density(index: int) -> np.ndarray:
    return np.random.default_rng(index).uniform(0.1, 1.0, SHAPE)


def atoms(index: int, cell: np.ndarray = CELL) -> Atoms:
    return Atoms("LiNa", positions=[[0.1 * index, 0.0, 0.0], [1.0, 2.0, 3.0]], cell=cell, pbc=True)


def write(path: Path, index: int, cell: np.ndarray = CELL, comment: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        write_cube(file, atoms(index, cell), density(index), comment=comment or "made up")
    return path


def check(trajectory: DensityTrajectory, order: Sequence[int]) -> None:
    """Check that the frames are those numbers, and come with their atoms."""
    assert len(trajectory) == len(order)
    # ase writes the numbers as they are; a cube's are in e/bohr³, with five decimals of e.
    for frame, index in enumerate(order):
        np.testing.assert_allclose(trajectory[frame], density(index) / 0.529177210903**3, rtol=1e-4)
        np.testing.assert_allclose(
            trajectory.positions_at(frame), atoms(index).positions, atol=2e-6
        )
    np.testing.assert_allclose(trajectory.grid.cell, CELL, atol=1e-4)
    np.testing.assert_array_equal(trajectory.numbers, [3, 11])


ORDER = [0, 2, 9, 10, 11, 100]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Files numbered without leading zeros, among others."""
    for index in ORDER:
        write(tmp_path / "run" / f"rho_{index}.cube", index)
    (tmp_path / "run" / "input.txt").write_text("what made them")
    (tmp_path / "run" / ".rho_5.cube").write_text("hidden")
    (tmp_path / "run" / "rho_6.cube.partial").write_text("half")
    return tmp_path / "run"


def test_a_directory_a_pattern_and_a_list(run: Path) -> None:
    files = list(run.glob("rho_*.cube"))
    for what in (run, str(run), run / "rho_*.cube", str(run / "rho_?*.cube"), files, files[::-1]):
        trajectory = open_any(what)
        check(trajectory, ORDER)
        assert trajectory.path == run
        assert not trajectory.times_known
        np.testing.assert_array_equal(trajectory.times, range(len(ORDER)))
    assert open_any(run / "rho_1*.cube").provenance["source"] == [
        "rho_10.cube",
        "rho_11.cube",
        "rho_100.cube",
    ]
    np.testing.assert_array_equal(DensityTrajectory.open(run, timestep=0.5).times[:3], [0, 0.5, 1])


def test_natural_order() -> None:
    names = ["b1", "a10", "a9", "a09", "a1/x2", "a1/x10", "a", "10", "9", "2b", "a1b2", "a1b10"]
    assert [str(path) for path in natural_order(map(Path, names))] == [
        "2b", "9", "10", "a", "a1/x2", "a1/x10", "a1b2", "a1b10", "a09", "a9", "a10", "b1",
    ]  # fmt: skip


def test_only_the_first_file_is_read_when_opened(run: Path) -> None:
    for index in ORDER[1:]:
        (run / f"rho_{index}.cube").write_text("not read")
    trajectory = open_any(run)
    check(trajectory[:1], [0])
    for look in (lambda: trajectory[2], lambda: trajectory.positions_at(2)):
        with pytest.raises(EldynError, match=r"rho_9.cube"):
            look()


def test_a_file_of_another_series_is_named_when_met(run: Path) -> None:
    write(run / "rho_9.cube", 9, cell=CELL * 1.01)
    trajectory = open_any(run)
    check(trajectory[:2], ORDER[:2])
    with pytest.raises(EldynError, match=r"rho_9.cube: not of the same series as rho_0.cube.*cell"):
        trajectory[2]
    (run / "rho_10.cube").unlink()
    with pytest.raises(EldynError, match=r"rho_10.cube.*cannot be read"):
        trajectory[3]


def test_step_numbers_of_cp2k_become_times(tmp_path: Path) -> None:
    steps = [0, 50, 100, 1000]
    for step in steps:
        write(tmp_path / f"LI-ELECTRON_DENSITY-1_{step}.cube", step)
    counted = open_any(tmp_path)
    check(counted, steps)
    assert not counted.times_known
    assert counted.provenance["md_steps"] == [0, 1000]
    trajectory = DensityTrajectory.open(tmp_path, timestep=0.5)
    assert trajectory.times_known
    np.testing.assert_array_equal(trajectory.times, [0.0, 25.0, 50.0, 500.0])


def test_directories_of_steps(tmp_path: Path) -> None:
    for step in (9, 10, 11):
        write(tmp_path / f"step_{step}" / "density.cube", step)
        (tmp_path / f"step_{step}" / "log").write_text("text")
    for what in (tmp_path, tmp_path / "step_*" / "density.cube"):
        trajectory = open_any(what)
        check(trajectory, [9, 10, 11])
        assert trajectory.path == tmp_path


def test_several_series_in_a_directory_are_listed(run: Path) -> None:
    for index in (1, 2):
        write(run / f"spin_{index}.cube", index)
    write(run / "eq.cube", 0)
    with pytest.raises(EldynError) as caught:
        open_any(run)
    for part in ("eq.cube", "rho_*.cube (6 files)", "spin_*.cube (2 files)"):
        assert part in str(caught.value)
    check(open_any(run / "spin_*.cube"), [1, 2])
    assert [group.pattern for group, _ in find_series(run)] == [
        "eq.cube",
        "rho_*.cube",
        "spin_*.cube",
    ]


def test_files_that_do_not_fit_together_are_refused_at_once(run: Path) -> None:
    """Of files named alike one is looked at; of others each."""
    other = write(run.parent / "other.cube", 3, cell=CELL * 1.01)
    np.savez(run.parent / "x.npz", density=np.ones(SHAPE), cell=CELL, unit="e/Å³")
    with pytest.raises(EldynError, match=r"not of the same series.*cell"):
        open_any([run / "rho_0.cube", run / "rho_2.cube", other])
    with pytest.raises(EldynError, match=r"several formats: rho_0.cube \(.*\), x.npz"):
        open_any([run / "rho_0.cube", run.parent / "x.npz"])
    with pytest.raises(EldynError, match=r"input.txt: this is not a density trajectory"):
        open_any([run / "rho_0.cube", run / "input.txt"])
    with pytest.raises(EldynError, match=r"no such file"):
        open_any([run / "rho_0.cube", run / "missing.cube"])


def test_a_pattern_that_nothing_matches(tmp_path: Path) -> None:
    with pytest.raises(EldynError, match="no such file"):
        open_any(tmp_path / "*.cube")
    # A name with such characters is a name if the file is there.
    write(tmp_path / "rho[1].cube", 1)
    check(open_any(tmp_path / "rho[1].cube"), [1])
    check(open_any(tmp_path), [1])


def npz(path: Path, index: int, n: int = 1, **changes: Any) -> None:
    values = {
        "density": np.stack([density(index + i) for i in range(n)]),
        "cell": CELL,
        "unit": "e/Å³",
        "times": 2.0 * (index + np.arange(n)),
        "energy": -1.0 * (index + np.arange(n)),
    }
    np.savez(path, **values | changes)


def test_times_in_the_files_give_the_order(tmp_path: Path) -> None:
    for name, index in (("a", 4), ("b", 0), ("c", 2)):
        npz(tmp_path / f"{name}.npz", index, n=2)
    trajectory = open_any(tmp_path / "*.npz")
    np.testing.assert_array_equal(trajectory.times, 2.0 * np.arange(6))
    np.testing.assert_array_equal(trajectory.scalars["energy"], -1.0 * np.arange(6))
    for index in (5, 0, 3):
        np.testing.assert_allclose(trajectory[index], density(index), rtol=1e-6)
    npz(tmp_path / "d.npz", 5, n=2)
    with pytest.raises(EldynError, match=r"d.npz: its frame at 10 fs does not come after"):
        open_any(tmp_path / "*.npz")
    np.savez(tmp_path / "d.npz", density=np.ones(SHAPE), cell=CELL, unit="e/Å³")
    with pytest.raises(EldynError, match=r"d.npz: holds no times, which a.npz does"):
        open_any(tmp_path / "*.npz")


def test_times_of_many_files_follow_from_some_and_are_checked(tmp_path: Path) -> None:
    """Numbers 0, 3, 6, … every 2 fs."""
    n = 80
    for index in range(n):
        npz(tmp_path / f"x_{3 * index}.npz", index)
    trajectory = open_any(tmp_path)
    np.testing.assert_allclose(trajectory.times, 2.0 * np.arange(n))
    np.testing.assert_allclose(trajectory[70], density(70), rtol=1e-6)
    npz(tmp_path / "x_30.npz", 10, times=[20.5])
    trajectory = open_any(tmp_path)
    with pytest.raises(EldynError, match=r"x_30.npz: its time is 20.5 fs, where 20 fs follows"):
        trajectory[10]
    # Where the numbers do not tell, all files are read.
    npz(tmp_path / "x_237.npz", 79, times=[159.0])
    times = open_any(tmp_path).times
    np.testing.assert_allclose(times[[9, 10, 11, 79]], [18.0, 20.5, 22.0, 159.0])


def test_a_file_with_another_number_of_frames_is_named(tmp_path: Path) -> None:
    for index in range(3):
        values = np.stack([density(index)] * (2 if index == 1 else 1))
        np.savez(tmp_path / f"x_{index}.npz", density=values, cell=CELL, unit="e/Å³")
    trajectory = open_any(tmp_path)
    np.testing.assert_allclose(trajectory[2], density(2), rtol=1e-6)
    with pytest.raises(EldynError, match=r"x_1.npz: the file holds 2 frames, where 1 is"):
        trajectory[1]


def test_a_series_is_saved_and_sliced(run: Path, tmp_path: Path) -> None:
    open_any(run)[1::2].save(tmp_path / "x.eldyn", encoding="float32")
    stored = DensityTrajectory.open(tmp_path / "x.eldyn")
    check(stored, ORDER[1::2])
    assert not stored.times_known
    shutil.rmtree(run)
    check(stored, ORDER[1::2])


def test_directories_follow_each_other_as_they_are_given(tmp_path: Path) -> None:
    """Without times nothing else tells the order; with times, they do."""
    for name, indices in (("a", (0, 1)), ("b", (2, 3))):
        for index in indices:
            write(tmp_path / name / f"x-1_{index}.cube", index)
    both = [tmp_path / "b", tmp_path / "a"]
    trajectory = open_any(both)
    check(trajectory, [2, 3, 0, 1])
    assert not trajectory.times_known
    trajectory = open_any(both, OpenOptions(timestep=0.5))
    check(trajectory, [0, 1, 2, 3])
    np.testing.assert_array_equal(trajectory.times, [0.0, 0.5, 1.0, 1.5])


def test_a_stored_series_is_given_its_times_later(run: Path, tmp_path: Path) -> None:
    open_any(run).save(tmp_path / "x.eldyn")
    trajectory = DensityTrajectory.open(tmp_path / "x.eldyn", timestep=4.0)
    assert trajectory.times_known
    np.testing.assert_array_equal(trajectory.times, 4.0 * np.arange(len(ORDER)))
    np.testing.assert_allclose(trajectory.positions_at(2), atoms(9).positions, atol=2e-6)
    trajectory.save(tmp_path / "timed.eldyn")
    again = DensityTrajectory.open(tmp_path / "timed.eldyn", timestep=1.0)
    np.testing.assert_array_equal(again.times, trajectory.times)
