"""Arrays of HDF5 files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_eldyn.density.formats.array_file import (
    MAX_ARRAYS,
    MAX_CHUNK_BYTES,
    Array,
    ArrayInfo,
    naming,
    plain,
)
from napari_eldyn.density.formats.npz_archive import BOMB_BYTES, BOMB_RATIO

if TYPE_CHECKING:
    import h5py

__all__ = ["Hdf5File"]


class Hdf5File:
    """Data sets of an HDF5 file; it is open while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.arrays: dict[str, ArrayInfo] = {}
        with naming(path, "not a whole HDF5 file"), self._opened() as file:
            self.attributes: Mapping[str, Any] = plain(file.attrs)
            file.visititems(self._visit)

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        import h5py

        with h5py.File(self._path, "r") as file:
            yield file

    def _visit(self, name: str | bytes, item: Any) -> bool | None:
        import h5py

        if len(self.arrays) >= MAX_ARRAYS:
            return True
        if not isinstance(name, str):  # bytes, where they are no UTF-8
            return None
        # Values may lie in other files, which a file from elsewhere must not make us read.
        if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
            is_text = h5py.check_string_dtype(item.dtype) is not None
            if item.shape is not None and (item.dtype.kind in "fiub" or is_text):
                self.arrays[name] = ArrayInfo(tuple(item.shape), item.dtype, plain(item.attrs))
        return None

    def read(self, name: str, index: int | None = None) -> Array:
        """Return an array, or one row of it."""
        import h5py

        with naming(self._path, "not a whole HDF5 file"), self._opened() as file:
            dataset = file[name]
            _check_size(dataset)
            text = h5py.check_string_dtype(dataset.dtype)
            if text is not None:
                if text.length is None:
                    self._check_text(dataset)
                dataset = dataset.asstr()
            return np.asarray(dataset[()] if index is None else dataset[index])

    def _check_text(self, dataset: h5py.Dataset) -> None:
        """Refuse a text that claims to be longer than the file, which HDF5 makes room for."""
        offset = dataset.id.get_offset()
        if dataset.size != 1 or offset is None:
            raise ValueError(f"'{dataset.name}' is not a single text")
        with self._path.open("rb") as file:
            file.seek(offset)
            length = int.from_bytes(file.read(4), "little")
            if length > file.seek(0, 2):
                raise ValueError(f"'{dataset.name}' claims a text of {length} bytes")


def _check_size(dataset: h5py.Dataset) -> None:
    """Refuse a data set that claims more than the file can hold."""
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    most = stored if dataset.chunks is None else BOMB_RATIO * max(stored, BOMB_BYTES)
    if dataset.nbytes > max(most, 1024) or chunk > MAX_CHUNK_BYTES:
        raise ValueError(f"'{dataset.name}' claims {dataset.nbytes} bytes, {stored} are stored")
    if dataset.size and not stored:
        raise ValueError(f"'{dataset.name}' holds no values")
