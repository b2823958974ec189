"""Write whole or not at all: partial names, renames, locks, and errors of the file system."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from napari_eldyn.exceptions import EldynError

__all__ = [
    "acquire",
    "partial_path",
    "put_in_place",
    "remove",
    "replaced_path",
    "write_whole",
    "writing",
]


def partial_path(path: Path) -> Path:
    """Return where something is written before it takes the name `path`."""
    return path.with_name(path.name + ".partial")


def replaced_path(path: Path) -> Path:
    """Return where what has the name `path` lies while it is being replaced."""
    return path.with_name(path.name + ".replaced.partial")


def put_in_place(partial: Path, path: Path) -> None:
    """Give `partial` its final name; a store that has the name is kept until then."""
    if not path.exists():
        partial.rename(path)
        return
    old = replaced_path(path)
    remove(old)
    path.rename(old)
    partial.rename(path)
    remove(old)


def remove(path: Path) -> None:
    """Delete a directory tree if it is there."""
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def writing(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn failures of the file system into errors that name the path.

    Parameters
    ----------
    path : Path
        What is being written.
    partial : Path, optional
        Removed if anything fails.

    Raises
    ------
    EldynError
        If the disk or a quota is full, or the system refuses to write.
    """
    try:
        yield
    except OSError as error:
        if partial is not None:
            remove(partial)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise EldynError(
                "no space left to write",
                path=path,
                remedy="Free some space, or choose another disk; what was there is unharmed.",
            ) from error
        raise EldynError(f"cannot write: {error.strerror or error}", path=path) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; one that has the name stays until then.

    Raises
    ------
    EldynError
        If the disk or a quota is full, or the system refuses to write.
    """
    partial = partial_path(path)
    with writing(path):
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


def acquire(path: Path) -> int:
    """Lock a store's directory; the system lets go when the process ends, however it ends.

    Returns
    -------
    int
        A file descriptor; closing it unlocks.

    Raises
    ------
    EldynError
        If another writer has the lock, or the directory cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise EldynError(f"cannot open: {error.strerror}", path=path) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise EldynError(
            "another program is writing to this store", path=path, remedy="Wait until it is done."
        ) from error
    except OSError:
        # Some parallel file systems are mounted without locks.
        warnings.warn(
            f"{path}: this file system has no locks; let one program write at a time",
            stacklevel=2,
        )
    return handle
