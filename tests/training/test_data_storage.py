"""Where frames lie: memory or a mapped file, which is written whole once and never mistaken."""

from __future__ import annotations

import errno
import os
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from eldyn_training.data import Dataset, load_dataset
from eldyn_training.data.storage import plan_storage
from eldyn_training.recipe import DataRecipe
from liquid import gaussian_liquid

from napari_eldyn.exceptions import EldynError

CPU = torch.device("cpu")


def load(cache: Path, seed: int = 0, frames: str = ":") -> Dataset:
    return load_dataset(
        DataRecipe(frames=frames), [gaussian_liquid(9, seed=seed)], storage="mapped", cache=cache
    )


def files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_mapped_frames_are_a_plain_npy_of_the_normalised_density(tmp_path: Path) -> None:
    expected = load_dataset(DataRecipe(), [gaussian_liquid(9)])
    dataset = load(tmp_path)
    (file,) = files(tmp_path)
    np.testing.assert_array_equal(np.load(file), expected.density)
    assert torch.equal(dataset.density, expected.density)
    assert dataset.fingerprint == expected.fingerprint
    assert "in memory" in expected.storage
    assert str(file) in dataset.storage
    assert not dataset.is_at_hand
    assert expected.is_at_hand


def test_the_file_is_written_once(tmp_path: Path) -> None:
    load(tmp_path)
    (file,) = files(tmp_path)
    before = file.stat()
    load(tmp_path)
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_other_frames_get_their_own_file(tmp_path: Path) -> None:
    first = load(tmp_path)
    load(tmp_path, seed=1)
    load(tmp_path, frames=":8")
    assert len(files(tmp_path)) == 3
    assert torch.equal(load(tmp_path).density, first.density)


@pytest.mark.parametrize("damage", ["cut", "text", "shape"])
def test_a_damaged_file_is_written_again(tmp_path: Path, damage: str) -> None:
    expected = load(tmp_path).density.clone()
    (file,) = files(tmp_path)
    if damage == "cut":
        os.truncate(file, file.stat().st_size - 5000)
    elif damage == "text":
        file.write_text("not an array")
    else:
        np.save(file, np.zeros((3, 3), np.float32))
    assert torch.equal(load(tmp_path).density, expected)
    assert files(tmp_path) == [file]


def test_a_full_disk_is_an_error_and_leaves_nothing_under_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(EldynError, match="no space left") as error:
            load(tmp_path)
    assert error.value.path is not None
    assert files(tmp_path) == []
    assert load(tmp_path).density.shape == (9, 16, 16, 16)


def test_processes_that_start_together_share_one_file(tmp_path: Path) -> None:
    found: list[Dataset] = []
    threads = [threading.Thread(target=lambda: found.append(load(tmp_path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(files(tmp_path)) == 1
    assert all(torch.equal(dataset.density, found[0].density) for dataset in found)


def test_auto_chooses_by_the_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 GB available, or 4 GB for each of two processes of this machine."""
    memory = namedtuple("memory", "available")(8_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert plan_storage("auto", 3_000_000_000, CPU).place == "memory"
    large = plan_storage("auto", 5_000_000_000, CPU)
    assert large.place == "mapped"
    assert "5 GB of 8 GB available" in large.reason
    assert plan_storage("memory", 5_000_000_000, CPU).place == "memory"
    assert plan_storage("mapped", 10, CPU).place == "mapped"
    with pytest.raises(EldynError, match="only 8 GB of memory"):
        plan_storage("memory", 9_000_000_000, CPU)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert plan_storage("auto", 3_000_000_000, CPU).place == "mapped"
