"""Frames of a store read straight from their files: no more than bytes, checksum and codec.

A window steps through frames as fast as the slider moves. zarr hands every read to a thread of
its own and back, which takes several times as long as the work itself. The layout that our stores
have is read here; every other one by zarr.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import zarr
from numcodecs import blosc  # type: ignore[import-untyped]
from zarr.abc.codec import Codec
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec

__all__ = ["FrameChunks", "frame_chunks"]

_CODECS = (BytesCodec, BloscCodec, Crc32cCodec)
_CHECKSUM_BYTES = 4
_HEADER_BYTES = 16


class FrameChunks:
    """The chunks of an array with one frame a file.

    Parameters
    ----------
    directory : Path
        Of the array.
    shape : tuple of int
        Of one frame.
    dtype : dtype
        Of the values, little-endian in the files.
    """

    def __init__(self, directory: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._directory = directory
        self._shape = shape
        self._dtype = dtype.newbyteorder("<")
        self._n_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        self._rest = ".0" * len(shape)

    def read(self, index: int) -> npt.NDArray[Any]:
        """Return frame `index`.

        Raises
        ------
        FileNotFoundError
            If the store has no such chunk.
        OSError, ValueError
            If it cannot be read, or is damaged.
        """
        data = (self._directory / f"c.{index}{self._rest}").read_bytes()
        body = data[:-_CHECKSUM_BYTES]
        if len(body) < _HEADER_BYTES:
            raise ValueError(f"the chunk has {len(data)} bytes")
        stored = int.from_bytes(data[-_CHECKSUM_BYTES:], "little")
        if google_crc32c.value(body) != stored:
            raise ValueError("its checksum does not fit")
        n_bytes = int.from_bytes(body[4:8], "little")
        if n_bytes != self._n_bytes:
            raise ValueError(f"the chunk holds {n_bytes} bytes, not {self._n_bytes}")
        values = np.empty(self._shape, self._dtype)
        try:
            blosc.decompress(body, values)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return values


def frame_chunks(array: zarr.Array[Any], directory: Path) -> FrameChunks | None:
    """Return the reader of an array's frames, or None if its layout is another one.

    Parameters
    ----------
    array : zarr.Array
        Frames along its first axis.
    directory : Path
        Where it lies.
    """
    metadata: Any = array.metadata
    codecs: tuple[Codec, ...] = tuple(getattr(metadata, "codecs", ()))
    separator = getattr(getattr(metadata, "chunk_key_encoding", None), "separator", None)
    fits = (
        tuple(type(codec) for codec in codecs) == _CODECS
        and array.chunks == (1, *array.shape[1:])
        and array.shards is None
        and separator == "."
        and array.dtype.itemsize > 1
        and "little" in str(getattr(codecs[0], "endian", None))
    )
    return FrameChunks(directory, array.shape[1:], array.dtype) if fits else None
