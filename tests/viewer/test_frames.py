from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.frames import FrameCache, LazyVolumes

SHAPE = (2, 3, 4)


def volume(index: int) -> np.ndarray:
    return np.arange(24, dtype=np.float32).reshape(SHAPE) + 100 * index


def test_slices_like_an_array_and_reads_only_what_is_asked_for() -> None:
    asked: list[int] = []

    def read(index: int) -> np.ndarray:
        asked.append(index)
        return volume(index)

    lazy = LazyVolumes(5, SHAPE, read)
    whole = np.stack([volume(i) for i in range(5)])
    assert (lazy.shape, lazy.ndim, lazy.dtype, len(lazy)) == ((5, *SHAPE), 4, np.float32, 5)
    np.testing.assert_array_equal(lazy[3], whole[3])
    np.testing.assert_array_equal(lazy[-1, 1], whole[-1, 1])
    np.testing.assert_array_equal(lazy[1:3, :, 1:, ::2], whole[1:3, :, 1:, ::2])
    np.testing.assert_array_equal(lazy[np.int64(2), ..., 0], whole[2, ..., 0])
    assert asked == [3, 4, 1, 2, 2]
    np.testing.assert_array_equal(np.asarray(lazy), whole)
    with pytest.raises(IndexError):
        lazy[5]


def test_absent_and_unreadable_volumes_are_zero_and_the_reason_is_kept() -> None:
    def read(index: int) -> np.ndarray | None:
        if index == 1:
            raise EldynError("frame 1 has NaN")
        return None if index == 2 else volume(index)

    lazy = LazyVolumes(3, SHAPE, read)
    assert not lazy[1].any()
    assert not lazy[2].any()
    assert lazy[0].any()
    assert lazy.problems == {1: "frame 1 has NaN"}


def test_cache_drops_the_least_recently_used() -> None:
    cache = FrameCache(max_bytes=3 * volume(0).nbytes)
    for index in range(3):
        cache.put(index, volume(index))
    assert cache.get(0) is not None
    cache.put(3, volume(3))
    assert [index for index in range(4) if index in cache] == [0, 2, 3]
    assert cache.get(1) is None
    cache.put(3, volume(4))  # replaced, not counted twice
    assert len(cache) == 3
    cache.clear()
    assert len(cache) == 0


def test_cache_holds_one_volume_however_large() -> None:
    cache = FrameCache(max_bytes=1)
    cache.put(0, volume(0))
    cache.put(1, volume(1))
    assert 1 in cache
    assert len(cache) == 1
