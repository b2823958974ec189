"""Files of named arrays, all alike: what NPZ, NPY, HDF5 and zarr have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = ["MAX_ARRAYS", "MAX_CHUNK_BYTES", "Array", "ArrayFile", "ArrayInfo", "naming", "plain"]

Array = npt.NDArray[Any]

MAX_ARRAYS = 4096
"""Arrays in a file, and attributes of one, that are looked at."""

MAX_CHUNK_BYTES = 2**32
"""Chunks above this size are taken for damage."""


@dataclass(frozen=True)
class ArrayInfo:
    """What is known of an array before it is read.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type; never of Python objects.
    attributes : mapping
        Of the array, in HDF5 and zarr.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class ArrayFile(Protocol):
    """A file of arrays; names of arrays in groups have slashes."""

    @property
    def arrays(self) -> Mapping[str, ArrayInfo]:
        """The arrays of numbers and text in it."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the whole file."""
        ...

    def read(self, name: str, index: int | None = None) -> Array:
        """Return an array, or one row of it.

        Raises
        ------
        EldynError
            If the file is damaged.
        """
        ...


def plain(attributes: Any) -> dict[str, Any]:
    """Return attributes of HDF5 or zarr with text as text and numbers as numbers."""
    found = {}
    for key in list(attributes)[:MAX_ARRAYS]:
        value = attributes[key]
        if isinstance(value, (bytes, np.bytes_)):
            value = value.decode(errors="replace")
        found[str(key)] = value.item() if isinstance(value, np.generic) else value
    return found


@contextmanager
def naming(path: Path, what: str) -> Iterator[None]:
    """Turn what libraries raise for damaged bytes into errors that name the file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it may not be, such as "not an NPY file".
    """
    try:
        yield
    except (EldynError, ModuleNotFoundError):
        raise
    except Exception as error:
        # numpy, h5py, zarr and codecs raise many types.
        raise EldynError(
            f"the file is damaged or {what} ({error})",
            path=path,
            remedy="Copy it again from its source.",
        ) from error
