"""Parsed frames are kept where asked, and never taken for what they are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.frame_cache import CachePlace, cache_directory
from napari_eldyn.exceptions import EldynError

SHAPE = (4, 5, 6)
CELL = np.diag([3.0, 4.0, 5.0])


def write(path: Path, seed: int, n: int = 3) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(0.1, 1.0, (n, *SHAPE)).astype(np.float32)
    np.savez(path, density=values, density_spin=-values, cell=CELL, unit="e/Å³")
    return values


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "x.npz"


def kept(path: Path, place: CachePlace) -> list[Path]:
    return sorted(cache_directory(path, place).glob("*"))


@pytest.mark.parametrize("place", ["beside", "user"])
def test_frames_come_from_the_cache_once_read(path: Path, place: CachePlace) -> None:
    values = write(path, 0)
    trajectory = open_any(path, cache=place)
    np.testing.assert_array_equal(trajectory[1], values[1])
    np.testing.assert_array_equal(trajectory.extra["density_spin"][1], -values[1])
    files = kept(path, place)
    assert len(files) == 2
    assert all(file.stat().st_size == 4 * np.prod(SHAPE) for file in files)
    assert (files[0].is_relative_to(path.parent)) == (place == "beside")
    # That they are read shows when what is kept is changed behind the program's back.
    density = next(file for file in files if ".density." in file.name)
    np.full(SHAPE, 7.0, dtype="<f4").tofile(density)
    assert open_any(path, cache=place)[1] == pytest.approx(7.0)
    np.testing.assert_array_equal(open_any(path)[1], values[1])


def test_nothing_is_kept_unless_asked(path: Path) -> None:
    write(path, 0)
    open_any(path)[0]
    assert not kept(path, "beside")
    assert not kept(path, "user")


def test_a_changed_file_is_read_anew(path: Path) -> None:
    write(path, 0)
    before = open_any(path, cache="beside")
    before[0]
    stale = kept(path, "beside")
    values = write(path, 1)
    os.utime(path, ns=(0, 0))
    # What was opened before the change neither takes nor keeps what may be of either state.
    before[1]
    assert kept(path, "beside") == stale
    np.testing.assert_array_equal(open_any(path, cache="beside")[0], values[0])
    assert len(kept(path, "beside")) == 1
    assert kept(path, "beside") != stale


def test_other_options_are_other_frames(path: Path) -> None:
    values = np.ones(SHAPE)
    np.save(path.with_suffix(".npy"), values)
    path = path.with_suffix(".npy")
    for unit, expected in (("e/Å³", 1.0), ("e/bohr³", 6.7483), ("e/Å³", 1.0)):
        trajectory = DensityTrajectory.open(path, cell=CELL, unit=unit, cache="user")
        assert trajectory[0] == pytest.approx(expected, rel=1e-4)
    assert len(kept(path, "user")) == 2
    # A time step does not change the frames.
    DensityTrajectory.open(path, cell=CELL, unit="e/Å³", timestep=2.0, cache="user")[0]
    assert len(kept(path, "user")) == 2


def test_a_copy_elsewhere_is_another_file(path: Path) -> None:
    write(path, 0)
    open_any(path, cache="user")[0]
    other = path.with_name("y.npz")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    open_any(other, cache="user")[0]
    assert len(kept(path, "user")) == len(kept(other, "user")) == 1


@pytest.mark.parametrize("size", [0, 100, 4 * 120 + 1])
def test_a_file_of_another_size_is_written_anew(path: Path, size: int) -> None:
    values = write(path, 0)
    open_any(path, cache="beside")[0]
    (file,) = kept(path, "beside")
    file.write_bytes(bytes(size))
    np.testing.assert_array_equal(open_any(path, cache="beside")[0], values[0])
    assert file.stat().st_size == 4 * np.prod(SHAPE)


def test_an_interrupted_writer_leaves_no_frame(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = write(path, 0)

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    trajectory = open_any(path, cache="beside")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            trajectory[0]
    assert not kept(path, "beside")
    np.testing.assert_array_equal(trajectory[0], values[0])


def test_a_place_that_cannot_be_written_is_named(path: Path) -> None:
    write(path, 0)
    cache_directory(path, "beside").write_text("a file is in the way")
    with pytest.raises(EldynError, match=r"x.npz.eldyn-cache: parsed frames cannot be kept here"):
        open_any(path, OpenOptions(), cache="beside")[0]
    assert open_any(path)[0].shape == SHAPE


def test_caches_are_no_part_of_a_series(path: Path) -> None:
    for index in range(3):
        write(path.with_name(f"x_{index}.npz"), index, n=1)
    series = open_any(path.parent, cache="beside")
    np.stack(list(series))
    assert len(open_any(path.parent)) == len(open_any(path.parent / "x_*")) == 3
