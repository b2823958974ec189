"""The files of a series, opened when they are looked at and compared with the first of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.volume_file import (
    OpenOptions,
    VolumeFile,
    VolumeFormat,
    VolumeHeader,
)
from napari_eldyn.density.frame_cache import CachePlace, FrameCache
from napari_eldyn.exceptions import EldynError

__all__ = ["SeriesFiles"]

KEPT_OPEN = 4
"""Opened files that are kept; readers of arrays keep what they decompressed with them."""


class SeriesFiles:
    """The files of a series; those looked at last are kept open.

    Parameters
    ----------
    paths : sequence of Path
        In the order of time.
    form : VolumeFormat
        Their format.
    options : OpenOptions
        What they leave open.
    cache : {"beside", "user"}, optional
        Where parsed volumes are kept.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        form: VolumeFormat,
        options: OpenOptions,
        cache: CachePlace | None,
    ) -> None:
        self.paths = list(paths)
        self._form = form
        self._options = options
        self._cache = cache
        self._first: VolumeHeader | None = None
        self._opened: OrderedDict[int, tuple[VolumeFile, FrameCache | None]] = OrderedDict()
        self._lock = threading.Lock()

    def header(self, index: int) -> VolumeHeader:
        """Return the header of a file.

        Raises
        ------
        EldynError
            If the file is damaged, or does not belong to the first.
        """
        return self._open(index)[0].header

    def read(self, index: int, frame: int, channel: str) -> npt.NDArray[np.float32]:
        """Return a volume of a file, from the cache if it is there; raises as `header` does."""
        file, cache = self._open(index)
        if cache is None:
            return file.read(frame, channel)
        values = cache.read(frame, channel, file.header.grid.shape)
        if values is None:
            values = file.read(frame, channel)
            cache.write(frame, channel, values)
        return values

    def _open(self, index: int) -> tuple[VolumeFile, FrameCache | None]:
        with self._lock:
            if index in self._opened:
                self._opened.move_to_end(index)
                return self._opened[index]
        path = self.paths[index]
        # The state of the file that the cache notes is that before it was read.
        cache = (
            FrameCache(path, self._cache, self._options)
            if self._cache is not None and path.is_file()
            else None
        )
        opened = self._form.open(path, self._options), cache
        if self._first is None:
            self._first = opened[0].header if index == 0 else self.header(0)
        _check_alike(self._first, opened[0].header, path, self.paths[0])
        with self._lock:
            self._opened[index] = opened
            while len(self._opened) > KEPT_OPEN:
                self._opened.popitem(last=False)
        return opened


def _check_alike(first: VolumeHeader, other: VolumeHeader, path: Path, first_path: Path) -> None:
    differences = []
    if other.grid.shape != first.grid.shape:
        differences.append(f"grid {_points(other)} against {_points(first)}")
    elif not other.grid.matches(first.grid):
        differences += [
            f"{what} {mine.round(5).tolist()} against {theirs.round(5).tolist()} Å"
            for what, mine, theirs in (
                ("cell", other.grid.cell, first.grid.cell),
                ("origin", other.grid.origin, first.grid.origin),
            )
            if np.any(np.abs(mine - theirs) > 1e-4)
        ]
    if not _same_atoms(first, other):
        differences.append("atoms")
    for what in ("quantity", "kind"):
        mine, theirs = getattr(other, what), getattr(first, what)
        if mine != theirs:
            differences.append(f"{what} ({mine} against {theirs})")
    if set(other.channels) != set(first.channels):
        differences.append(f"channels ({', '.join(other.channels)})")
    if differences:
        raise EldynError(
            f"not of the same series as {first_path.name}: they differ in {'; '.join(differences)}",
            path=path,
            remedy="Open it by itself; the frames of a trajectory share one cell and grid.",
        )


def _points(header: VolumeHeader) -> str:
    return " × ".join(map(str, header.grid.shape))


def _same_atoms(first: VolumeHeader, other: VolumeHeader) -> bool:
    if first.numbers is None or other.numbers is None:
        return first.numbers is other.numbers
    return np.array_equal(first.numbers, other.numbers)
