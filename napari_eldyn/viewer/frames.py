"""What layers slice: volumes made when asked for, and a bounded cache of generated ones."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = ["CheckedFrames", "FrameCache", "LazyVolumes"]

Volume = npt.NDArray[np.float32]


class CheckedFrames:
    """Reads the frames of a trajectory, refuses those with NaN, and keeps the last one.

    Called with an index, it raises EldynError where a frame is damaged, or not finite.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Whose frames.
    """

    def __init__(self, trajectory: DensityTrajectory) -> None:
        self._trajectory = trajectory
        self._last: tuple[int, Volume] | None = None
        self._electrons: tuple[int, float] | None = None

    def __call__(self, index: int) -> Volume:
        """Return frame `index`."""
        last = self._last
        if last is not None and last[0] == index:
            return last[1]
        volume = self._trajectory[index]
        check_frame(volume, self._trajectory.path, index)
        self._last = (index, volume)
        return volume

    def electrons(self, index: int) -> float | None:
        """Return the integral over a frame of a density, if it is the last one that was read."""
        last, known = self._last, self._electrons
        if QUANTITIES[self._trajectory.quantity].unit != QUANTITIES["density"].unit:
            return None
        if known is not None and known[0] == index:
            return known[1]
        if last is None or last[0] != index:
            return None
        # Planes in the values' own precision (summed in pairs), a fraction of the time of float64.
        planes = last[1].reshape(last[1].shape[0], -1).sum(axis=1)
        count = float(planes.sum(dtype=np.float64)) * self._trajectory.grid.voxel_volume
        self._electrons = (index, count)
        return count


class LazyVolumes:
    """Array-like of shape (n, nx, ny, nz) whose volumes are made one at a time.

    napari slices it like an array; nothing but the frames shown is read. An absent frame shows
    as zeros, which the canvas text explains (a frame is never replaced by another one).

    Parameters
    ----------
    n_frames : int
        Length of the time axis.
    shape : tuple of 3 int
        Shape of one volume.
    read : callable
        Returns volume `index`, or None where there is none. An EldynError it raises is kept in
        `problems` under the index, and the volume is absent.
    """

    ndim = 4
    dtype = np.dtype(np.float32)

    def __init__(
        self, n_frames: int, shape: tuple[int, int, int], read: Callable[[int], Volume | None]
    ) -> None:
        self.shape = (n_frames, *shape)
        self._read = read
        self.problems: dict[int, str] = {}

    @property
    def size(self) -> int:
        """Number of values in all."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Volume:
        time, *space = key if isinstance(key, tuple) else (key,)
        if isinstance(time, slice):
            volumes = [self._volume(index)[tuple(space)] for index in range(len(self))[time]]
            if len(volumes) == 1:
                single: Volume = volumes[0][np.newaxis]  # what napari asks for at every step
                return single
            if not volumes:
                return np.zeros((0, *self.shape[1:]), np.float32)[(slice(None), *space)]
            return np.stack(volumes)
        volume: Volume = self._volume(range(len(self))[operator.index(time)])[tuple(space)]
        return volume

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        values = self[:]
        return values if dtype is None else values.astype(dtype)

    def _volume(self, index: int) -> Volume:
        try:
            volume = self._read(index)
            self.problems.pop(index, None)
        except EldynError as error:
            volume = None
            self.problems[index] = str(error)
        return np.zeros(self.shape[1:], np.float32) if volume is None else volume


class FrameCache:
    """Volumes by index (or another key), the least recently used dropped first; thread-safe.

    Parameters
    ----------
    max_bytes : int
        Upper bound of the volumes held (one is always held).
    """

    def __init__(self, max_bytes: int = 512 * 2**20) -> None:
        self.max_bytes = max_bytes
        self._volumes: OrderedDict[Hashable, Volume] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def put(self, index: Hashable, volume: Volume) -> None:
        """Hold a volume."""
        with self._lock:
            self._drop(index)
            self._volumes[index] = volume
            self._n_bytes += volume.nbytes
            self._drop_oldest()

    def limit(self, max_bytes: int) -> None:
        """Change the upper bound; what is beyond it is dropped."""
        with self._lock:
            self.max_bytes = max_bytes
            self._drop_oldest()

    def get(self, index: Hashable) -> Volume | None:
        """Return a volume, or None if it is not held."""
        with self._lock:
            volume = self._volumes.get(index)
            if volume is not None:
                self._volumes.move_to_end(index)
            return volume

    def __contains__(self, index: Hashable) -> bool:
        with self._lock:
            return index in self._volumes

    def __len__(self) -> int:
        with self._lock:
            return len(self._volumes)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._volumes.clear()
            self._n_bytes = 0

    def _drop_oldest(self) -> None:
        while self._n_bytes > self.max_bytes and len(self._volumes) > 1:
            self._drop(next(iter(self._volumes)))

    def _drop(self, index: Hashable) -> None:
        volume = self._volumes.pop(index, None)
        if volume is not None:
            self._n_bytes -= volume.nbytes
