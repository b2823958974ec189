"""Write a trajectory as files of another format, frame by frame."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from napari_eldyn.density.files import acquire, partial_path, writing
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.writers.file_format import FileFormat
from napari_eldyn.density.writers.processes import Recipe, do_pieces
from napari_eldyn.exceptions import EldynError

__all__ = ["FileTarget", "series_path"]

_READ_BYTES = 2**20


class FileTarget:
    """Files of a format; frames gather in a directory until all are there.

    Parameters
    ----------
    path : Path
        The file to write; a series adds numbers to its name.
    form : FileFormat
        What to write.
    overwrite : bool
        Replace files that exist.

    Raises
    ------
    EldynError
        If the path cannot be written to.
    """

    def __init__(
        self, path: Path, form: FileFormat, trajectory: DensityTrajectory, overwrite: bool
    ) -> None:
        if not path.parent.is_dir():
            raise EldynError(
                f"the folder {path.parent} does not exist", path=path, remedy="Make it."
            )
        self._path = path
        self._form = form
        n = len(trajectory)
        self._paths = [path]
        if form.assemble is None and n > 1:
            self._paths = [series_path(path, index, n) for index in range(n)]
        self._replaced = [path] if len(self._paths) == 1 else _series(path)
        self._replaced = [old for old in self._replaced if old.exists() or old.is_symlink()]
        for old in self._replaced:
            if not overwrite:
                raise EldynError(
                    "the file exists already",
                    path=old,
                    remedy="Choose another name, or overwrite it.",
                )
            if old.is_dir():
                raise EldynError("this is a directory", path=old, remedy="Choose another name.")

    def begin(self, trajectory: DensityTrajectory, directory: Path) -> None:
        """Make an empty directory for the frames."""
        with writing(self._path):
            directory.mkdir()

    def go_on(
        self, trajectory: DensityTrajectory, directory: Path, recipe: Recipe | None, workers: int
    ) -> Iterator[int]:
        """Write the frames that a directory lacks.

        Yields
        ------
        int
            The number of frames there, first that of those found.
        """
        lock = acquire(directory)
        try:
            frames = range(len(trajectory))
            missing = [index for index in frames if not _piece(directory, index).exists()]
            done = len(frames) - len(missing)
            yield done
            work = partial(_write_piece, self._form.frame, directory)
            for _ in do_pieces(trajectory, recipe, work, missing, workers):
                done += 1
                yield done
        finally:
            os.close(lock)

    def finish(self, trajectory: DensityTrajectory, directory: Path) -> tuple[Path, ...]:
        """Make the files of the frames, and give them their names."""
        pieces = [_piece(directory, index) for index in range(len(trajectory))]
        with writing(self._path):
            if self._form.assemble is not None:
                whole = directory / "whole"
                with _whole_file(whole) as file:
                    self._form.assemble(trajectory, map(_bytes, pieces), file)
                pieces = [whole]
            for old in self._replaced:
                if old not in self._paths:
                    old.unlink()
            for piece, path in zip(pieces, self._paths, strict=True):
                piece.replace(path)
        return tuple(self._paths)


def series_path(path: Path, index: int, n: int) -> Path:
    """Return the name of one file of a series: numbers of four digits or more from 0."""
    digits = max(4, len(str(n - 1)))
    return path.with_name(f"{path.stem}_{index:0{digits}d}{path.suffix}")


def _series(path: Path) -> list[Path]:
    number = re.compile(rf"{re.escape(path.stem)}_\d{{4,}}{re.escape(path.suffix)}")
    return sorted(old for old in path.parent.iterdir() if number.fullmatch(old.name))


def _piece(directory: Path, index: int) -> Path:
    return directory / f"{index:06d}.frame"


def _write_piece(
    frame: Callable[[DensityTrajectory, int], Iterable[bytes]],
    directory: Path,
    trajectory: DensityTrajectory,
    index: int,
) -> None:
    content = frame(trajectory, index)
    with writing(directory), _whole_file(_piece(directory, index)) as file:
        file.writelines(content)


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes its name when it is whole."""
    partial_file = partial_path(path)
    try:
        with partial_file.open("wb") as file:
            yield file
        partial_file.replace(path)
    finally:
        partial_file.unlink(missing_ok=True)


def _bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while content := file.read(_READ_BYTES):
            yield content
    # What is in the whole file need not take its place twice.
    path.unlink()
