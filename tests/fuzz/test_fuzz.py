"""Damaged and made-up files are read or refused by an error that names them, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_eldyn.density.formats import open_any
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.exceptions import EldynError

TESTS = Path(__file__).parents[1]
CELL = np.diag([3.0, 4.0, 5.0])

some = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
counts = st.one_of(
    st.integers(1, 4), st.integers(-5, 50), st.integers(-(2**70), 2**70), st.just(2**31)
)
shapes = st.tuples(counts, counts, counts)
lengths = st.one_of(st.floats(0.5, 9.0), st.floats(allow_nan=True, allow_infinity=True))
values = st.lists(st.floats(-1e3, 1e3, width=32), max_size=64)


@pytest.mark.timeout(900)  # about a minute of one core
def test_every_reader_reads_or_refuses_ten_thousand_damaged_files(tmp_path: Path) -> None:
    """In a process of its own, whose memory is limited and whose peak is its own."""
    result = subprocess.run(
        [sys.executable, "-m", "fuzz", "--cases", "10000", "--keep", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-4000:]
    assert "10000 cases" in result.stdout


@some
@given(
    name=st.sampled_from(
        ["a.cube", "CHGCAR", "LOCPOT", "a.xsf", "a.dx", "a.gpw", "charge-density.hdf5", "a.npz"]
    ),
    start=st.sampled_from(
        [
            b"",
            b"\x1f\x8b\x08\x00",
            b"- of UlmGPAW",
            b"\x89HDF\r\n\x1a\n",
            b"PK\x03\x04",
            b"CRYSTAL\n",
        ]
    ),
    rest=st.binary(max_size=3000),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, name: str, start: bytes, rest: bytes):
    path = tmp_path / name
    path.write_bytes(start + rest)
    read_or_refused(path)


def cube(shape: tuple[int, int, int], length: float, numbers: list[float]) -> str:
    axes = "".join(
        f"{n} {' '.join(str(length * (i == axis)) for i in range(3))}\n"
        for axis, n in enumerate(shape)
    )
    return f"made up\n\n1 0 0 0\n{axes}3 3 0 0 0\n{' '.join(map(str, numbers))}\n"


def chgcar(shape: tuple[int, int, int], length: float, numbers: list[float]) -> str:
    lattice = f"{length} 0 0\n0 {length} 0\n0 0 {length}\n"
    return (
        f"made up\n1.0\n{lattice}Li\n1\nDirect\n0 0 0\n\n"
        f"{' '.join(map(str, shape))}\n{' '.join(map(str, numbers))}\n"
    )


def xsf(shape: tuple[int, int, int], length: float, numbers: list[float]) -> str:
    lattice = f"{length} 0 0\n0 {length} 0\n0 0 {length}\n"
    return (
        f"CRYSTAL\nPRIMVEC\n{lattice}PRIMCOORD\n1 1\nLi 0 0 0\nBEGIN_BLOCK_DATAGRID_3D\ndensity\n"
        f"BEGIN_DATAGRID_3D_density\n{' '.join(map(str, shape))}\n0 0 0\n{lattice}"
        f"{' '.join(map(str, numbers))}\nEND_DATAGRID_3D\nEND_BLOCK_DATAGRID_3D\n"
    )


def opendx(shape: tuple[int, int, int], length: float, numbers: list[float]) -> str:
    sizes = " ".join(map(str, shape))
    deltas = f"delta {length} 0 0\ndelta 0 {length} 0\ndelta 0 0 {length}\n"
    return (
        f"object 1 class gridpositions counts {sizes}\norigin 0 0 0\n{deltas}"
        f"object 2 class gridconnections counts {sizes}\n"
        f"object 3 class array type double rank 0 items {len(numbers)} data follows\n"
        f"{' '.join(map(str, numbers))}\n"
    )


made_up = pytest.mark.parametrize(
    ("name", "text"),
    [("a.cube", cube), ("CHGCAR", chgcar), ("a.xsf", xsf), ("a.dx", opendx)],
)


@made_up
def test_made_up_files_can_be_read(
    tmp_path: Path, name: str, text: Callable[[tuple[int, int, int], float, list[float]], str]
) -> None:
    path = tmp_path / name
    path.write_text(text((2, 3, 2), 3.0, np.linspace(0.1, 0.7, 12).tolist()))
    assert read_or_refused(path)


@made_up
@some
@given(shape=shapes, length=lengths, numbers=values, fits=st.booleans())
def test_counts_that_do_not_fit_the_values_are_refused(
    tmp_path: Path,
    name: str,
    text: Callable[[tuple[int, int, int], float, list[float]], str],
    shape: tuple[int, int, int],
    length: float,
    numbers: list[float],
    fits: bool,
) -> None:
    points = int(np.prod(np.array(shape, dtype=object)))
    if fits and 0 < points <= 64:
        numbers = (numbers * points)[:points] or [0.5] * points
    path = tmp_path / name
    path.write_text(text(shape, length, numbers))
    was_read = read_or_refused(path)
    assert not was_read or abs(points) == len(numbers)  # a cube's counts may be negative: Å


def read_or_refused(path: Path) -> bool:
    """Read the file, or return False where an error names it."""
    refusal = ""
    try:
        trajectory = open_any(path, OpenOptions(cell=CELL, unit="e/Å³"))
        for frame in trajectory:
            assert frame.shape == trajectory.grid.shape
            assert np.all(np.isfinite(frame))
    except EldynError as error:
        refusal = str(error)
    assert not refusal or str(path) in refusal
    return not refusal
