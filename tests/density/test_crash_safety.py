"""Writers that are killed, and disks that are full: for real, in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, StoreWriter, open_store
from napari_eldyn.exceptions import EldynError

COMMON = """
import json, resource, sys, time
import numpy as np
from napari_eldyn.density import DensityTrajectory, PeriodicGrid, StoreWriter, open_store
from napari_eldyn.exceptions import EldynError

GRID = PeriodicGrid(np.eye(3) * 8.0, (24, 24, 24))

def frame(index):
    return np.exp(np.random.default_rng(index).normal(-3.0, 0.3, GRID.shape)).astype(np.float32)

def append(writer, index):
    writer.append(frame(index), float(index), positions=np.full((4, 3), index),
                  scalars={"energy": float(index)}, extra={"latents": np.full(32, index)})

def create(path, **options):
    return StoreWriter.create(path, GRID, numbers=[3] * 4, scalars=("energy",),
                              extra={"latents": (32,)}, **options)
"""

APPEND_FOREVER = (
    COMMON
    + """
writer = create(sys.argv[1], encoding=sys.argv[2])
for index in range(100_000):
    append(writer, index)
    print(index, flush=True)
"""
)

SAVE_SLOWLY = (
    COMMON
    + """
array = np.stack([frame(index) for index in range(130)])
trajectory = DensityTrajectory.from_array(array, GRID, np.arange(130.0))
def report(done, n):
    print(done, flush=True)
    time.sleep(60)
trajectory.save(sys.argv[1], overwrite=True, progress=report)
"""
)


def python(script: str, *arguments: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def check_frames(stored: DensityTrajectory) -> None:
    """All parts of every frame belong to it and are whole."""
    assert stored.positions is not None
    for index in range(len(stored)):
        expected = np.exp(np.random.default_rng(index).normal(-3.0, 0.3, (24, 24, 24)))
        np.testing.assert_allclose(stored[index], expected, rtol=5e-5)
        assert stored.times[index] == stored.scalars["energy"][index] == index
        assert np.all(stored.positions[index] == index)
        assert np.all(stored.extra["latents"][index] == index)


@pytest.mark.parametrize("encoding", ["log16", "float32"])
@pytest.mark.parametrize("delay", [0.0, 0.0037, 0.0091])
def test_kill_9_while_appending(tmp_path: Path, encoding: str, delay: float) -> None:
    path = tmp_path / "run.eldyn"
    process = python(APPEND_FOREVER, path, encoding)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 12:
            break
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    reported = max([12, *(int(line) for line in rest.split())])
    assert process.returncode == -signal.SIGKILL

    stored = DensityTrajectory.open(path)
    # A frame whose append returned counts; at most one more was whole but not yet reported.
    n = len(stored)
    assert reported + 1 <= n <= reported + 2
    check_frames(stored)

    # The lock died with the process; appending goes on where the whole frames end.
    with StoreWriter.reopen(path) as writer:
        assert len(writer) == n
        for index in range(n, n + 3):
            density = np.exp(np.random.default_rng(index).normal(-3.0, 0.3, (24, 24, 24)))
            writer.append(
                density,
                index,
                positions=np.full((4, 3), index),
                scalars={"energy": index},
                extra={"latents": np.full(32, index)},
            )
    check_frames(open_store(path))
    assert len(open_store(path)) == n + 3
    assert not list(path.rglob("*.partial"))


def test_kill_9_while_saving_leaves_the_old_store(tmp_path: Path, make_trajectory) -> None:
    path = tmp_path / "t.eldyn"
    make_trajectory(n=3).save(path)
    process = python(SAVE_SLOWLY, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "64\n"
    # While it is being written nobody else can write the same store.
    with pytest.raises(EldynError, match="another program"):
        make_trajectory(n=4).save(path, overwrite=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(open_store(path)) == 3
    # What was whole can be had; the next save clears it away.
    assert len(open_store(tmp_path / "t.eldyn.partial")) == 64
    make_trajectory(n=4).save(path, overwrite=True)
    assert len(open_store(path)) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.eldyn"]


def test_a_store_that_was_never_finished_is_pointed_out(tmp_path: Path, make_trajectory) -> None:
    process = python(SAVE_SLOWLY, tmp_path / "t.eldyn")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with pytest.raises(EldynError, match=r"never finished.*t\.eldyn\.partial"):
        DensityTrajectory.open(tmp_path / "t.eldyn")


def test_an_interrupted_replacement_is_pointed_out(tmp_path: Path, make_trajectory) -> None:
    make_trajectory().save(tmp_path / "t.eldyn")
    (tmp_path / "t.eldyn").rename(tmp_path / "t.eldyn.replaced.partial")
    with pytest.raises(EldynError, match=r"rename t\.eldyn\.replaced\.partial"):
        DensityTrajectory.open(tmp_path / "t.eldyn")


# Appends until the disk is full, reports, makes room, and goes on.
FILL = """
path = sys.argv[1]
error = None
with create(path, encoding="float32") as writer:
    for index in range(1000):
        if index == 7:
            fill()
        try:
            append(writer, index)
        except EldynError as caught:
            error = caught
            break
    n = len(writer)
    n_read = len(open_store(path))
    make_room()
    append(writer, n)
stored = open_store(path)
whole = all(np.array_equal(stored[i], frame(i)) and stored.extra["latents"][i][0] == i
            and stored.positions[i][0, 0] == i for i in range(len(stored)))
print(json.dumps([str(error), error.remedy, n, n_read, len(stored), whole]))
"""

LIMITED_FILES = (
    COMMON
    + """
def fill():
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
def make_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    + FILL
)

# The file system itself is small: a tmpfs of 2 MB, mounted where this process alone sees it.
SMALL_DISK = (
    COMMON
    + """
import os
from pathlib import Path
ballast = Path(sys.argv[1]).parent / "ballast"
ballast.write_bytes(bytes(500_000))
def fill():
    pass
def make_room():
    ballast.unlink()
"""
    + FILL
)


NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    """Whether this user may mount a file system in a namespace of its own."""
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "t", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


FULL_DISKS = ["file size limit"] + (["small file system"] if can_mount() else [])


@pytest.mark.parametrize("full", FULL_DISKS)
def test_a_full_disk_while_appending(tmp_path: Path, full: str) -> None:
    if full == "file size limit":
        process = python(LIMITED_FILES, tmp_path / "run.eldyn")
    else:
        script = f'mount -t tmpfs -o size=2m t {tmp_path} && exec "$@"'
        arguments = [sys.executable, "-W", "error", "-c", SMALL_DISK, tmp_path / "run.eldyn"]
        process = subprocess.Popen(
            [*NAMESPACE, "sh", "-c", script, "sh", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    out, problems = process.communicate()
    assert process.returncode == 0, problems
    message, remedy, n, n_read, n_after, whole = json.loads(out)
    assert "run.eldyn: no space left to write" in message
    assert "Free some space" in remedy
    # All frames before are there, and after making room the writer goes on with the next.
    assert n == n_read >= 7
    assert n_after == n + 1
    assert whole


SAVE_LIMITED = (
    COMMON
    + """
array = np.stack([frame(index) for index in range(3)])
trajectory = DensityTrajectory.from_array(array, GRID, np.arange(3.0))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    trajectory.save(sys.argv[1], overwrite=True)
except EldynError as error:
    print(error)
"""
)


def test_a_full_disk_while_saving_keeps_what_was_there(tmp_path: Path, make_trajectory) -> None:
    path = tmp_path / "t.eldyn"
    make_trajectory(n=3).save(path)
    out, problems = python(SAVE_LIMITED, path).communicate()
    assert f"{path}: no space left to write" in out, problems
    assert "partial" not in out
    assert len(open_store(path)) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.eldyn"]


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    script = SAVE_LIMITED.replace("2000", "100")
    out, problems = python(script, tmp_path / "t.eldyn").communicate()
    assert "no space left to write" in out, problems
    assert list(tmp_path.iterdir()) == []
