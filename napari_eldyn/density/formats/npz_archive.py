"""Read arrays of NPZ files: headers first, no pickles, and errors that name the file."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = [
    "NpyHeader",
    "check_size",
    "damaged",
    "opened",
    "read_array",
    "read_header",
    "read_npy_header",
]

BOMB_BYTES, BOMB_RATIO = 2**26, 500
"""No array of measured numbers above this size shrinks that much."""

NpyHeader = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""Shape, whether the first axis goes fastest, and type."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an npz file; whatever a damaged one raises names the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except EldynError:
        raise
    except FileNotFoundError as error:
        raise EldynError("there is no such file", path=path) from error
    except Exception as error:
        # zipfile, zlib and numpy raise many types for damaged bytes.
        raise damaged(path, error) from error


def read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Read a whole array, and compare its checksum."""
    check_size(archive, name)
    with archive.open(f"{name}.npy") as member:
        values: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        # Reading to the end makes zipfile compare the checksum.
        member.read()
    return values


def check_size(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an array whose header claims more or less than the archive holds.

    Raises
    ------
    ValueError
        If it does, or the array was compressed to less than can be meant.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        shape, _, dtype = read_npy_header(file)
        n_bytes = math.prod(shape) * dtype.itemsize
        if file.tell() + n_bytes != member.file_size:
            raise ValueError(
                f"array '{name}' claims {n_bytes} bytes of {member.file_size - file.tell()}"
            )
    if n_bytes > BOMB_BYTES and n_bytes > BOMB_RATIO * member.compress_size:
        raise ValueError(
            f"array '{name}' claims {n_bytes} bytes from {member.compress_size} compressed ones"
        )


def read_header(archive: zipfile.ZipFile, member_name: str) -> NpyHeader:
    """Read shape and type of an array in the archive, and nothing more of it."""
    with archive.open(member_name) as member:
        return read_npy_header(member)


def read_npy_header(file: IO[bytes]) -> NpyHeader:
    """Read the header of an array; the file is left where its values begin.

    Raises
    ------
    ValueError
        If it is none, or that of pickled objects or of negative counts.
    """
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("Object arrays are pickled")
    if any(n < 0 for n in shape):
        raise ValueError(f"its header claims the shape {shape}")
    return tuple(int(n) for n in shape), is_fortran, dtype


def damaged(path: Path, error: Exception) -> EldynError:
    """Return the error that a file with damaged or pickled content ends in."""
    if "pickle" in str(error).lower() or _starts_like_a_pickle(path):
        return EldynError(
            "the file holds pickled Python objects, which are never loaded: they could run code",
            path=path,
            remedy="Write it with numpy.savez_compressed from plain arrays.",
        )
    return EldynError(
        f"the file is damaged or not an npz file ({error})",
        path=path,
        remedy="Copy it again from its source.",
    )


def _starts_like_a_pickle(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(1) == b"\x80"
    except OSError:
        return False
