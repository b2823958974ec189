"""Arrays of NPZ and NPY files, row by row."""

from __future__ import annotations

import math
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_eldyn.density.formats import npz_archive
from napari_eldyn.density.formats.array_file import MAX_ARRAYS, Array, ArrayInfo, naming

__all__ = ["NpyFile", "NpzFile"]

HELD_BYTES = 2**28
"""Compressed arrays up to this size are held once read; larger ones are read on from frame to
frame."""


class NpyFile:
    """A single array, called ``array``."""

    attributes: Mapping[str, Any] = {}

    def __init__(self, path: Path) -> None:
        self._path = path
        with naming(path, "not an NPY file"), path.open("rb") as file:
            self._layout = _Layout.read(file, path.stat().st_size)
        self.arrays = {"array": ArrayInfo(self._layout.shape, self._layout.dtype)}

    def read(self, name: str, index: int | None = None) -> Array:
        """Return the array, or one row of it."""
        with naming(self._path, "not an NPY file"), self._path.open("rb") as file:
            return self._layout.read_rows(file, index)


@dataclass(frozen=True)
class _Layout:
    """Where the values of an uncompressed array are in a file."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    start: int

    @classmethod
    def read(cls, file: IO[bytes], end: int) -> _Layout:
        """Read it from where an NPY file begins; its values must be there before byte `end`."""
        shape, is_fortran, dtype = npz_archive.read_npy_header(file)
        layout = cls(shape, is_fortran, dtype, file.tell())
        n_bytes = math.prod(shape) * dtype.itemsize
        if layout.start + n_bytes > end:
            raise ValueError(f"its header claims {n_bytes} bytes of {end - layout.start}")
        return layout

    def read_rows(self, file: IO[bytes], index: int | None) -> Array:
        """Return the array, or one row."""
        if index is not None and not self.is_fortran:
            count = math.prod(self.shape[1:])
            file.seek(self.start + index * count * self.dtype.itemsize)
            return np.fromfile(file, self.dtype, count).reshape(self.shape[1:])
        if index is None:
            file.seek(self.start)
            values = np.fromfile(file, self.dtype, math.prod(self.shape))
            return values.reshape(self.shape, order="F" if self.is_fortran else "C")
        whole = np.memmap(file, self.dtype, "r", self.start, self.shape, "F")
        return np.array(whole[index])


class NpzFile:
    """Arrays in a zip archive, compressed or not."""

    attributes: Mapping[str, Any] = {}

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._held: dict[str, Array] = {}
        self._stream: _Stream | None = None
        self.arrays: dict[str, ArrayInfo] = {}
        with npz_archive.opened(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            for member in members[:MAX_ARRAYS]:
                try:
                    shape, _, dtype = npz_archive.read_header(archive, member)
                except ValueError:
                    # Pickled objects, or no array: not to be read; others in the file may be.
                    continue
                self.arrays[member.removesuffix(".npy")] = ArrayInfo(shape, dtype)

    def read(self, name: str, index: int | None = None) -> Array:
        """Return an array, or one row of it."""
        with self._lock:
            if name in self._held:
                return self._held[name] if index is None else self._held[name][index]
            with npz_archive.opened(self._path) as archive:
                return self._read(archive, name, index)

    def _read(self, archive: zipfile.ZipFile, name: str, index: int | None) -> Array:
        npz_archive.check_size(archive, name)
        if index is None:
            return npz_archive.read_array(archive, name)
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type == zipfile.ZIP_STORED:
            return self._read_stored(member, index)
        if member.file_size <= HELD_BYTES:
            self._held[name] = npz_archive.read_array(archive, name)
            return np.asarray(self._held[name][index])
        if self._stream is None or self._stream.name != name or self._stream.next > index:
            self._stream = _Stream(self._path, name)
        return self._stream.read(index)

    def _read_stored(self, member: zipfile.ZipInfo, index: int) -> Array:
        """Read a row of an array that is in the archive as it is."""
        with self._path.open("rb") as file:
            file.seek(member.header_offset)
            header = file.read(30)
            if header[:4] != b"PK\x03\x04":
                raise ValueError(f"no member at byte {member.header_offset}")
            # The local header's own lengths of name and extra field count.
            skipped = int.from_bytes(header[26:28], "little") + int.from_bytes(
                header[28:30], "little"
            )
            start = member.header_offset + 30 + skipped
            file.seek(start)
            return _Layout.read(file, start + member.file_size).read_rows(file, index)


class _Stream:
    """Rows of a compressed array, decompressed one after the other."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.next = 0
        self._file = zipfile.ZipFile(path)
        self._member = self._file.open(f"{name}.npy")
        shape, is_fortran, dtype = npz_archive.read_npy_header(self._member)
        if is_fortran:
            raise ValueError("a large compressed array must have its last axis fastest")
        self._shape, self._dtype = shape[1:], dtype

    def read(self, index: int) -> Array:
        """Return a row that comes later than the last."""
        n_bytes = math.prod(self._shape) * self._dtype.itemsize
        while self.next < index:
            self._take(n_bytes)
        return np.frombuffer(self._take(n_bytes), self._dtype).reshape(self._shape)

    def _take(self, n_bytes: int) -> bytes:
        row = self._member.read(n_bytes)
        if len(row) < n_bytes:
            raise ValueError(f"row {self.next} of array '{self.name}' is cut")
        self.next += 1
        return row
