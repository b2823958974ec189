"""Write trajectories whole, or keep what is done of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from napari_eldyn.density.encodings import Clipping, EncodingName, choose_encoding
from napari_eldyn.density.files import acquire, partial_path, remove, write_whole
from napari_eldyn.density.store_reader import store_encoding
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.writers import cube, npz, vasp, xsf
from napari_eldyn.density.writers.file_format import FileFormat
from napari_eldyn.density.writers.file_target import FileTarget
from napari_eldyn.density.writers.recipe import ConversionRecipe
from napari_eldyn.density.writers.store_target import StoreTarget
from napari_eldyn.exceptions import EldynError

__all__ = ["WRITERS", "WriteReport", "find_writer", "write_trajectory"]

WRITERS: tuple[FileFormat, ...] = (cube.FORMAT, vasp.CHG, vasp.CHGCAR, xsf.FORMAT, npz.FORMAT)
"""Formats besides our own store."""

STORE_SUFFIX = ".eldyn"

_MARK = "conversion.json"
"""Tells in an unfinished output which inputs it is of."""


@dataclass(frozen=True)
class WriteReport:
    """What has been written.

    Parameters
    ----------
    paths : tuple of Path
        The file or store, or the files of a series.
    exactness : str
        How exactly the values are kept.
    notes : tuple of str
        What a user should know.
    """

    paths: tuple[Path, ...]
    exactness: str
    notes: tuple[str, ...]

    @property
    def where(self) -> str:
        """The file, or the first and the last of a series."""
        first, last = self.paths[0], self.paths[-1]
        return str(first) if first == last else f"{first} … {last.name}"


class _Target(Protocol):
    def begin(self, trajectory: DensityTrajectory, directory: Path) -> None: ...

    def go_on(
        self,
        trajectory: DensityTrajectory,
        directory: Path,
        recipe: ConversionRecipe | None,
        workers: int,
    ) -> Iterator[int]: ...

    def finish(self, trajectory: DensityTrajectory, directory: Path) -> tuple[Path, ...]: ...


def find_writer(path: Path) -> FileFormat | None:
    """Return the format to write by the name of a file, None for an ``.eldyn`` store.

    Raises
    ------
    EldynError
        Listing the formats, if the name tells none.
    """
    if path.suffix.lower() == STORE_SUFFIX:
        return None
    form = next((form for form in WRITERS if form.accepts(path)), None)
    if form is None:
        known = "; ".join(f"{form.name} ({', '.join(form.suffixes)})" for form in WRITERS)
        raise EldynError(
            "the name does not tell which format to write",
            path=path,
            remedy=f"Let it end in {STORE_SUFFIX}, or as one of: {known}.",
        )
    return form


def write_trajectory(
    trajectory: DensityTrajectory,
    path: str | Path,
    *,
    encoding: EncodingName | None = None,
    overwrite: bool = False,
    recipe: ConversionRecipe | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> WriteReport:
    """Write a trajectory in the format that the name of the file tells.

    Formats of one frame give a numbered series. Until all is written, what there is of it lies in
    a directory ``PATH.partial``.

    Parameters
    ----------
    trajectory : DensityTrajectory
        At least one frame.
    path : path-like
        Ends in ``.eldyn``, ``.cube``, ``.vasp`` (or ``CHGCAR``, ``CHG``), ``.xsf``, ``.axsf`` or
        ``.npz``.
    encoding : {"log16", "float32"}, optional
        Of an ``.eldyn`` store. By default what suits the first frame. The logarithm clips values
        that are not positive to the smallest positive one of their frame.
    overwrite : bool
        Replace what has the name; it stays until the new is whole.
    recipe : ConversionRecipe, optional
        How other processes get at the same trajectory. With it, whole frames are kept if writing
        is interrupted, and another call with the same inputs goes on after them.
    workers : int
        Processes, if there is a recipe and enough to do.
    progress : callable, optional
        Called with (frames done, frames in all), first with those that were found.

    Raises
    ------
    EldynError
        If the path exists or cannot be written to, a frame cannot be read, or the format cannot
        hold the trajectory.
    """
    path = Path(path)
    form = find_writer(path)
    n = len(trajectory)
    if not n:
        raise EldynError("there are no frames to write", path=trajectory.path)
    notes: list[str] = []
    target: _Target
    if form is None:
        if encoding is None:
            encoding, reason = choose_encoding(trajectory[0], trajectory.quantity)
            if reason is not None:
                notes.append(f"stored as float32, without loss, and not as a logarithm: {reason}")
        target = store = StoreTarget(path, encoding, overwrite)
    else:
        notes += form.notes(trajectory, path)
        target = FileTarget(path, form, trajectory, overwrite)
    directory = partial_path(path)
    mark = None if recipe is None else {**recipe.mark(), "encoding": encoding}
    if _left_over(directory, mark):
        remove(directory)
        notes.append("what an unfinished conversion of other inputs had left was removed")
    try:
        if not directory.exists():
            target.begin(trajectory, directory)
            if mark is not None:
                write_whole(directory / _MARK, json.dumps(mark).encode())
        for done in target.go_on(trajectory, directory, recipe, workers):
            if progress is not None:
                progress(done, n)
        paths = target.finish(trajectory, directory)
        if form is None:
            (path / _MARK).unlink(missing_ok=True)
        else:
            remove(directory)
    except EldynError as error:
        if recipe is None or error.path not in (None, directory, path):
            # What cannot be read will be read no better when it is tried again.
            remove(directory)
        if error.path != directory:
            raise
        raise EldynError(error.problem, path=path, remedy=error.remedy) from error
    except BaseException:
        if recipe is None:
            remove(directory)
        raise
    if form is not None:
        return WriteReport(paths, form.exactness, tuple(notes))
    notes += _clipping_note(store.clipping, trajectory)
    return WriteReport(paths, _exactness(path), tuple(notes))


def _left_over(directory: Path, mark: Mapping[str, Any] | None) -> bool:
    """Whether there is something unfinished that this call cannot go on with.

    Raises
    ------
    EldynError
        If another program is writing there.
    """
    if not directory.exists():
        return False
    os.close(acquire(directory))
    try:
        return mark is None or bool(json.loads((directory / _MARK).read_bytes()) != mark)
    except (OSError, ValueError):
        return True


def _exactness(path: Path) -> str:
    encoding = store_encoding(path)
    error = encoding.relative_error
    return f"{encoding.name}, " + (f"relative error at most {error:.1e}" if error else "lossless")


def _clipping_note(clipping: Clipping, trajectory: DensityTrajectory) -> list[str]:
    if not clipping.values:
        return []
    in_all = len(trajectory) * trajectory.grid.n_points
    added = clipping.added * trajectory.grid.voxel_volume / clipping.frames
    values = f"{clipping.values} of {in_all} values"
    return [
        f"{values}, in {clipping.frames} of {len(trajectory)} frames, were not positive and became "
        f"the smallest positive one of their frame, which adds {added:.2g} electrons to each of "
        "these frames; float32 (--encoding float32) keeps them"
    ]
