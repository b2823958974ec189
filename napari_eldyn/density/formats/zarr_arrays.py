"""Arrays of zarr directories."""

from __future__ import annotations

import math
from collections.abc import Mapping
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

if TYPE_CHECKING:
    import zarr

__all__ = ["ZarrFile", "is_zarr"]

_MUCH = 2**26  # bytes
_MOST_INFLATION = 1000  # times; more only of values that are all alike


def is_zarr(path: Path) -> bool:
    """Whether a directory is a zarr group or array."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


class ZarrFile:
    """Arrays of a zarr group, or a single one called ``array``, in a directory."""

    def __init__(self, path: Path) -> None:
        import zarr

        self._path = path
        self.arrays: dict[str, ArrayInfo] = {}
        self._zarr: dict[str, zarr.Array[Any]] = {}
        with naming(path, "not a whole zarr directory"):
            node = zarr.open(path, mode="r")
            self.attributes: Mapping[str, Any] = plain(node.attrs)
            if isinstance(node, zarr.Array):
                self._zarr["array"] = node
            else:
                for name, member in node.members(max_depth=4):
                    if isinstance(member, zarr.Array) and len(self._zarr) < MAX_ARRAYS:
                        self._zarr[name] = member
            for name, array in self._zarr.items():
                dtype = np.dtype(array.dtype)
                if not dtype.hasobject:
                    self.arrays[name] = ArrayInfo(tuple(array.shape), dtype, plain(array.attrs))

    def read(self, name: str, index: int | None = None) -> Array:
        """Return an array, or one row of it."""
        with naming(self._path, "not a whole zarr directory"):
            array = self._zarr[name]
            if math.prod(array.chunks) * array.dtype.itemsize > MAX_CHUNK_BYTES:
                raise ValueError(f"array '{name}' has chunks of {array.chunks} values")
            # Missing chunks take no room on disk, but as much memory as others.
            n_bytes = math.prod(array.shape if index is None else array.shape[1:])
            n_bytes *= array.dtype.itemsize
            if n_bytes > _MUCH and n_bytes > _MOST_INFLATION * array.nbytes_stored():
                raise ValueError(f"array '{name}' claims more values than are stored")
            values = np.asarray(array[:] if index is None else array[index])
            # zarr takes what is missing for the fill value.
            if values.ndim >= 3 and np.all(values == array.fill_value):
                where = "" if index is None else f" of frame {index}"
                raise ValueError(f"the values{where} of array '{name}' are missing")
            return values
