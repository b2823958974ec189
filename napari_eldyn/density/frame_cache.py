"""Parsed frames kept on disk, so that the next reading of a text file takes no parsing.

Each source file has a directory ``NAME.eldyn-cache``, beside it or in the user's cache directory,
with one file of raw float32 numbers for each volume read so far. Names of these files hold a hash
of the source's path, size and time of change, and one of the options, so that nothing is taken
for what it is not; what belongs to an earlier state of the source is removed.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.files import writing
from napari_eldyn.exceptions import EldynError
from napari_eldyn.versions import installed_versions

if TYPE_CHECKING:
    from napari_eldyn.density.formats.volume_file import OpenOptions

__all__ = ["SUFFIX", "CachePlace", "FrameCache", "cache_directory"]

SUFFIX = ".eldyn-cache"

CachePlace = Literal["beside", "user"]
"""Beside the file, or in the user's cache directory (``$XDG_CACHE_HOME``, or ``~/.cache``)."""


def cache_directory(source: Path, place: CachePlace) -> Path:
    """Return where the parsed frames of a file are kept; it need not exist."""
    source = source.absolute()
    if place == "beside":
        return source.with_name(source.name + SUFFIX)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "napari-eldyn" / f"{source.name}-{_digest(str(source))}{SUFFIX}"


class FrameCache:
    """Parsed volumes of one file.

    Parameters
    ----------
    source : Path
        The file.
    place : {"beside", "user"}
        Where the volumes are kept.
    options : OpenOptions
        What the file is read with.
    """

    def __init__(self, source: Path, place: CachePlace, options: OpenOptions) -> None:
        self._source = source
        self._directory = cache_directory(source, place)
        self._state = _state(source)
        cell = None if options.cell is None else np.asarray(options.cell, dtype=float).tolist()
        self._is_tidy = False
        self._options = _digest(f"{cell} {options.unit} {options.dataset} {options.kind}")

    def read(
        self, frame: int, channel: str, shape: tuple[int, int, int]
    ) -> npt.NDArray[np.float32] | None:
        """Return a volume, or None if it is not kept, or the file has changed since."""
        if _state(self._source) != self._state:
            return None
        path = self._path(frame, channel)
        try:
            if path.stat().st_size != 4 * math.prod(shape):
                return None
            return np.fromfile(path, dtype="<f4").reshape(shape)
        except (OSError, ValueError):
            return None

    def write(self, frame: int, channel: str, values: npt.NDArray[np.float32]) -> None:
        """Keep a volume, unless the file has changed since it was opened.

        Raises
        ------
        EldynError
            If the disk is full, or the place cannot be written to.
        """
        if _state(self._source) != self._state:
            return
        try:
            with writing(self._directory):
                self._write(self._path(frame, channel), values)
        except EldynError as error:
            raise EldynError(
                f"parsed frames cannot be kept here: {error.problem}",
                path=self._directory,
                remedy="Choose the other place (beside the file, or user), or keep none.",
            ) from error

    def _write(self, path: Path, values: npt.NDArray[np.float32]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self._is_tidy:
            for other in self._directory.glob("*.f32"):
                if not other.name.startswith(self._state):
                    other.unlink(missing_ok=True)
            self._is_tidy = True
        # A name of its own: several processes may parse the same frame.
        with tempfile.NamedTemporaryFile(
            dir=self._directory, suffix=".partial", delete=False
        ) as file:
            partial = Path(file.name)
            try:
                file.write(np.ascontiguousarray(values, dtype="<f4").data)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def _path(self, frame: int, channel: str) -> Path:
        return self._directory / f"{self._state}-{self._options}.{frame}.{channel}.f32"


def _state(source: Path) -> str:
    """Return a hash of what changes when a file does."""
    try:
        status = source.stat()
    except OSError as error:
        raise EldynError("there is no such file", path=source) from error
    return _digest(f"{_version()} {source.absolute()} {status.st_size} {status.st_mtime_ns}")


@cache
def _version() -> str:
    """Return the version of this program: another one may read a file differently."""
    return installed_versions("napari-eldyn").get("napari-eldyn", "")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
