"""Frames read straight from a store's files: the same as zarr's, and damage is met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from liquid import gaussian_liquid

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.density.store_chunks import frame_chunks
from napari_eldyn.exceptions import EldynError


@pytest.mark.parametrize("encoding", ["log16", "float32"])
def test_what_is_read_is_what_zarr_reads(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.eldyn"
    gaussian_liquid(5).save(path, encoding=encoding)  # type: ignore[arg-type]
    array = zarr.open_array(path / "density", mode="r")
    chunks = frame_chunks(array, path / "density")
    assert chunks is not None
    for index in range(5):
        values = chunks.read(index)
        np.testing.assert_array_equal(values, array[index])
        values[0, 0, 0] = 1  # it belongs to who asked for it


def test_another_layout_is_left_to_zarr(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "density", shape=(4, 3, 3, 3), chunks=(2, 3, 3, 3), dtype="float32"
    )
    assert frame_chunks(array, tmp_path / "density") is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def swell(path: Path) -> None:
    """Claim 2 GiB, with a checksum that fits."""
    import google_crc32c

    data = bytearray(path.read_bytes()[:-4])
    data[4:8] = (2**31 - 64).to_bytes(4, "little")
    path.write_bytes(bytes(data) + google_crc32c.value(bytes(data)).to_bytes(4, "little"))


@pytest.mark.parametrize("damage", [cut, empty, flip, swell, Path.unlink])
def test_a_damaged_frame_is_named_and_the_others_are_read(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "a.eldyn"
    gaussian_liquid(3).save(path)
    damage(path / "density" / "c.1.0.0.0")  # type: ignore[operator]
    trajectory = DensityTrajectory.open(path)
    with pytest.raises(EldynError, match=r"a\.eldyn: frame 1 is (damaged|missing)"):
        trajectory[1]
    np.testing.assert_allclose(trajectory[2], gaussian_liquid(3)[2], rtol=1e-4)
