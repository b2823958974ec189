"""Sources of frames and of per-frame arrays that read no more than is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import resample

if TYPE_CHECKING:
    from napari_eldyn.density.trajectory import DensityTrajectory, FrameSource

__all__ = [
    "ArrayFrames",
    "FieldRows",
    "JoinedFrames",
    "JoinedRows",
    "LazyRows",
    "RepeatedFrames",
    "RepeatedRows",
    "ResampledFrames",
    "Rows",
    "SelectedFrames",
    "SourceOf",
]


class ArrayFrames:
    """Frames of an array in memory, shape (n, nx, ny, nz)."""

    def __init__(self, values: npt.NDArray[np.float32]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`."""
        return np.asarray(self._values[index])


class SourceOf:
    """The frames of a trajectory as a source, so that subclasses keep their own reading."""

    def __init__(self, trajectory: DensityTrajectory) -> None:
        self._trajectory = trajectory

    def __len__(self) -> int:
        return len(self._trajectory)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`."""
        return self._trajectory[index]


class SelectedFrames:
    """Some frames of another source."""

    def __init__(self, frames: FrameSource, chosen: range) -> None:
        self._frames = frames
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index` of the selection."""
        return self._frames.read(self._chosen[index])


class ResampledFrames:
    """Frames of another source on another number of points."""

    def __init__(self, frames: FrameSource, shape: tuple[int, int, int]) -> None:
        self._frames = frames
        self._shape = shape

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`, resampled."""
        return resample(self._frames.read(index), self._shape)


class RepeatedFrames:
    """Frames of another source, each side by side with itself."""

    def __init__(self, frames: FrameSource, counts: tuple[int, int, int]) -> None:
        self._frames = frames
        self._counts = counts

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`, repeated along each axis."""
        return np.tile(self._frames.read(index), self._counts)


class JoinedFrames:
    """Frames of several sources, one after the other."""

    def __init__(self, parts: Sequence[FrameSource]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`, counted through all parts."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[part - 1]) if part else 0
        return self._parts[part].read(index - start)


class LazyRows(ABC):
    """A per-frame array that reads the rows it is indexed by; subclasses give `_row`."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    @abstractmethod
    def _row(self, index: int) -> npt.NDArray[Any]: ...

    def _rows(self, chosen: range) -> npt.NDArray[Any]:
        return np.stack([self._row(index) for index in chosen])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice | tuple[Any, ...]) -> npt.NDArray[Any]:
        if isinstance(index, tuple):
            first, *others = index
            lead = [slice(None)] if isinstance(first, slice) else []
            return np.asarray(self[first][(*lead, *others)])
        if not isinstance(index, slice):
            return self._row(range(len(self))[index])
        chosen = range(len(self))[index]
        if not len(chosen):
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        return self._rows(chosen)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


class Rows(LazyRows):
    """Some rows of an array-like, read when indexed.

    Parameters
    ----------
    array : array-like with shape, dtype and slicing along its first axis
        Such as a numpy or zarr array.
    chosen : range
        The rows.
    """

    def __init__(self, array: Any, chosen: range) -> None:
        self._array = array
        self._chosen = chosen

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the selection."""
        return (len(self._chosen), *self._array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    def _row(self, index: int) -> npt.NDArray[Any]:
        return np.asarray(self._array[self._chosen[index]])

    def _rows(self, chosen: range) -> npt.NDArray[Any]:
        if chosen.step < 0:
            # zarr slices forwards only.
            return self._rows(chosen[::-1])[::-1]
        rows = self._chosen[chosen.start : chosen.stop : chosen.step]
        return np.asarray(self._array[rows.start : rows.stop : rows.step])


class JoinedRows(LazyRows):
    """Per-frame arrays of several sources, one after the other, read when indexed."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the joined array."""
        return (int(self._ends[-1]), *self._parts[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = np.dtype(self._parts[0].dtype)
        return dtype

    def _row(self, index: int) -> npt.NDArray[Any]:
        part = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[part - 1]) if part else 0
        return np.asarray(self._parts[part][index - start])


class RepeatedRows(LazyRows):
    """Vectors of the atoms, shape (n, atoms, 3), once for each image of the cell.

    Parameters
    ----------
    array : array-like with shape, dtype and slicing along its first axis
        Of the atoms of one cell.
    offsets : ndarray, shape (images, 3)
        Added to the vectors of each image; images go slowest.
    """

    def __init__(self, array: Any, offsets: npt.NDArray[np.float64]) -> None:
        self._array = array
        self._offsets = offsets

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the repeated array."""
        n, atoms, components = self._array.shape
        return (n, len(self._offsets) * atoms, components)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    def _row(self, index: int) -> npt.NDArray[Any]:
        return np.asarray(self._rows(range(index, index + 1))[0])

    def _rows(self, chosen: range) -> npt.NDArray[Any]:
        rows = np.stack([np.asarray(self._array[index]) for index in chosen])
        images = rows[:, None] + self._offsets[:, None]
        return np.asarray(images.reshape(len(rows), -1, 3), dtype=self.dtype)


class FieldRows(LazyRows):
    """Fields of another array, shape (n, nx, ny, nz), each changed when it is read.

    Parameters
    ----------
    array : array-like with shape, dtype and slicing along its first axis
        The fields.
    shape : tuple of 3 int
        Of a changed field.
    change : callable
        Returns a field of that shape and of the same type.
    """

    def __init__(
        self,
        array: Any,
        shape: tuple[int, int, int],
        change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    ) -> None:
        self._array = array
        self._shape = shape
        self._change = change

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the changed array."""
        return (self._array.shape[0], *self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    def _row(self, index: int) -> npt.NDArray[Any]:
        return self._change(np.asarray(self._array[index]))
