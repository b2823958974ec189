from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import FORMATS, find_format, open_any
from napari_eldyn.exceptions import EldynError

N, SHAPE, ATOMS = 4, (5, 6, 7), 2
LOW, HIGH = -7.0, -1.0


def chunk_arrays(first: int, n: int = N, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed + first)
    return {
        "lnrho": rng.integers(0, 65536, (n, *SHAPE), dtype=np.uint16),
        "lnrho_range": np.array([LOW, HIGH]),
        "positions": rng.normal(size=(n, ATOMS, 3)),
        "velocities": rng.normal(size=(n, ATOMS, 3)),
        "D": rng.normal(size=(n, ATOMS, 15)).astype(np.float32),
        "energy": rng.normal(size=n),
        "temperature": rng.uniform(700, 900, n),
        "frame": np.arange(first, first + n),
        "cell": np.diag([8.0, 9.0, 10.0]),
        "numbers": np.array([3, 11]),
        "timestep_fs": np.array(4.0),
    }


def write(folder: Path, first: int, **changes: Any) -> Path:
    path = folder / f"frames_{first:06d}.npz"
    arrays = chunk_arrays(first) | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three chunks of one run, frames 10 to 21."""
    folder = tmp_path / "run"
    folder.mkdir()
    for first in (10, 14, 18):
        write(folder, first)
    return folder


def test_a_directory_is_one_continuous_trajectory(run: Path) -> None:
    trajectory = DensityTrajectory.open(run)
    parts = [chunk_arrays(first) for first in (10, 14, 18)]
    assert len(trajectory) == 12
    assert (trajectory.name, trajectory.kind, trajectory.timestep) == ("run", "pseudo", 4.0)
    np.testing.assert_allclose(trajectory.times, 4.0 * np.arange(10, 22))
    np.testing.assert_array_equal(trajectory.grid.cell, np.diag([8.0, 9.0, 10.0]))
    np.testing.assert_array_equal(trajectory.numbers, [3, 11])
    for index in (0, 3, 4, 11):
        codes = parts[index // N]["lnrho"][index % N].astype(float)
        np.testing.assert_allclose(
            trajectory[index], np.exp(LOW + (HIGH - LOW) * codes / 65535), rtol=1e-6
        )
    for name in ("positions", "energy", "temperature"):
        expected = np.concatenate([part[name] for part in parts])
        found = trajectory.positions if name == "positions" else trajectory.scalars[name]
        np.testing.assert_array_equal(found, expected)
    matrices = np.concatenate([part["D"] for part in parts])
    np.testing.assert_array_equal(trajectory.extra["atomic_density_matrices"], matrices)
    np.testing.assert_array_equal(
        trajectory[3:9:2].extra["atomic_density_matrices"][1], matrices[5]
    )


def test_velocities_come_in_angstrom_per_fs(run: Path) -> None:
    """ASE's unit of time is Å·sqrt(u/eV), 10.18 fs: a velocity of 1 moves 0.0982 Å in a fs."""
    trajectory = DensityTrajectory.open(run)
    stored = chunk_arrays(14)["velocities"]
    assert trajectory.velocities is not None
    np.testing.assert_allclose(trajectory.velocities[4:8], stored * ase.units.fs)
    assert ase.units.fs == pytest.approx(0.0982, abs=1e-4)


def test_a_file_a_list_and_any_order(run: Path) -> None:
    files = sorted(run.glob("*.npz"))
    single = DensityTrajectory.open(files[1])
    np.testing.assert_array_equal(single.times, 4.0 * np.arange(14, 18))
    assert single.name == "frames_000014"
    listed = open_any(files[::-1])
    np.testing.assert_array_equal(listed.times, DensityTrajectory.open(run).times)
    np.testing.assert_array_equal(listed[5], DensityTrajectory.open(run)[5])


def test_opening_reads_no_densities(tmp_path: Path) -> None:
    """Of the densities only the header is read: damage in their bytes shows with the frame."""
    codes = np.random.default_rng(0).integers(0, 65536, (N, 24, 24, 24), dtype=np.uint16)
    write(tmp_path, 0, lnrho=codes)
    path = write(tmp_path, 4, lnrho=codes)
    content = bytearray(path.read_bytes())
    content[60_000] ^= 0xFF  # within the densities, the file's first array
    path.write_bytes(content)
    trajectory = DensityTrajectory.open(tmp_path)
    assert len(trajectory) == 8
    assert trajectory[3].shape == (24, 24, 24)
    with pytest.raises(EldynError, match=r"frames_000004.npz: .*damaged"):
        trajectory[4]


def test_one_file_is_read_once_for_its_frames(run: Path) -> None:
    trajectory = DensityTrajectory.open(run)
    first = trajectory[0]
    shutil.rmtree(run)
    np.testing.assert_array_equal(trajectory[0], first)
    assert trajectory[3].shape == SHAPE
    with pytest.raises(EldynError, match="frames_000014"):
        trajectory[4]


def test_everything_survives_conversion(run: Path, tmp_path: Path) -> None:
    trajectory = DensityTrajectory.open(run)
    trajectory.save(tmp_path / "run.eldyn")
    stored = DensityTrajectory.open(tmp_path / "run.eldyn")
    for index in range(len(trajectory)):
        np.testing.assert_allclose(stored[index], trajectory[index], rtol=5e-5)
    np.testing.assert_array_equal(stored.positions, trajectory.positions)
    np.testing.assert_array_equal(stored.velocities, trajectory.velocities)
    np.testing.assert_array_equal(
        stored.extra["atomic_density_matrices"], trajectory.extra["atomic_density_matrices"]
    )
    assert stored.provenance["source"] == [f"frames_{i:06d}.npz" for i in (10, 14, 18)]
    assert stored.provenance["source_relative_error"] == pytest.approx(3.0 / 65535, rel=1e-3)


def test_optional_arrays_may_be_absent(tmp_path: Path) -> None:
    path = write(
        tmp_path, 0, positions=None, velocities=None, D=None, energy=None, temperature=None
    )
    trajectory = DensityTrajectory.open(path)
    assert trajectory.positions is trajectory.velocities is None
    assert not trajectory.scalars
    assert not trajectory.extra
    assert trajectory[0].shape == SHAPE


def test_missing_frames_are_reported(run: Path) -> None:
    (run / "frames_000014.npz").unlink()
    with pytest.raises(EldynError, match=r"frames_000018.npz: frames 14 to 17 are missing"):
        DensityTrajectory.open(run)


def test_frames_that_are_there_twice_are_reported(run: Path) -> None:
    write(run, 17)
    with pytest.raises(EldynError, match=r"frames_000017.npz: frame 17 is there twice"):
        DensityTrajectory.open(run)


def test_a_gap_inside_a_file_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path, 0, frame=np.array([0, 1, 3, 4]))
    with pytest.raises(EldynError, match="frames 2 to 2 are missing"):
        DensityTrajectory.open(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": np.diag([8.0, 9.0, 10.5])}, "cell"),
        ({"numbers": np.array([3, 3])}, "atoms"),
        ({"timestep_fs": np.array(2.0)}, "time step 2 against 4 fs"),
        ({"D": None}, "'D' is in one only"),
        ({"lnrho": np.zeros((N, 4, 4, 4), dtype=np.uint16)}, "grid"),
    ],
)
def test_chunks_of_different_runs_are_refused(run: Path, changes: dict, message: str) -> None:
    write(run, 18, **changes)
    with pytest.raises(EldynError, match=rf"frames_000018.npz: not of the same .*{message}"):
        DensityTrajectory.open(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lnrho": None}, "no array lnrho"),
        ({"cell": None, "frame": None}, "no array frame, cell"),
        ({"positions": np.zeros((N, 3, 3))}, r"'positions' is \(4, 3, 3\)"),
        ({"energy": np.zeros(3)}, "'energy' is"),
        ({"frame": np.arange(3)}, "'lnrho' is"),
        ({"frame": np.array(3)}, "'frame' is"),
        ({"timestep_fs": np.array([4.0, 4.0])}, "'timestep_fs' is"),
        ({"timestep_fs": np.array(0.0)}, "time step is 0"),
        ({"lnrho_range": np.array([1.0, -1.0])}, "not a range"),
        ({"lnrho_range": np.array([np.nan, 1.0])}, "not a range"),
        ({"cell": np.zeros((3, 3))}, "no volume"),
        ({"lnrho": np.zeros(4, dtype=np.uint16)}, "lnrho"),
        ({"lnrho": np.zeros((N, *SHAPE), dtype=np.float32)}, "lnrho"),
        ({"numbers": np.array([["x"]])}, "numbers"),
    ],
)
def test_files_that_are_no_chunks_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    path = write(tmp_path, 0, **changes)
    with pytest.raises(EldynError, match=rf"frames_000000.npz: .*{message}"):
        DensityTrajectory.open(path)


@pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, 0.99])
def test_truncated_files(run: Path, kept: float) -> None:
    path = run / "frames_000014.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(EldynError, match=r"frames_000014.npz: the file is damaged"):
        DensityTrajectory.open(run)


class Malice:
    """Unpickling this would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.write_text, (self.target, "code was run"))


@pytest.mark.parametrize("name", ["lnrho", "numbers", "positions"])
def test_pickles_are_refused_and_not_run(tmp_path: Path, name: str) -> None:
    target = tmp_path / "owned"
    path = write(tmp_path, 0, **{name: np.array([Malice(target)] * N, dtype=object)})
    with pytest.raises(EldynError, match="pickled Python objects, which are never loaded"):
        DensityTrajectory.open(path)
    assert not target.exists()


def test_a_bare_pickle_named_npz_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    path = tmp_path / "frames_000000.npz"
    path.write_bytes(pickle.dumps(Malice(target)))
    with pytest.raises(EldynError, match="pickled"):
        DensityTrajectory.open(path)
    assert not target.exists()


def test_unknown_paths_name_what_is_supported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no density")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "notes.txt", tmp_path / "empty"):
        assert find_format(path) is None
        with pytest.raises(EldynError) as caught:
            DensityTrajectory.open(path)
        for known in FORMATS:
            assert known.name in str(caught.value)
    with pytest.raises(EldynError, match="no such file"):
        DensityTrajectory.open(tmp_path / "nothing")


def test_a_folder_of_trajectories(run: Path, make_trajectory) -> None:
    """One trajectory inside opens; several are listed."""
    assert len(DensityTrajectory.open(run.parent)) == 12
    make_trajectory().save(run.parent / "other.eldyn")
    with pytest.raises(EldynError, match=r"2 trajectories: other.eldyn, run\. Open one"):
        DensityTrajectory.open(run.parent)
