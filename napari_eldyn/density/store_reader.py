"""Open an ``.eldyn`` store lazily."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zarr

from napari_eldyn.density import store_layout
from napari_eldyn.density.encodings import EncodingName, decode_log16
from napari_eldyn.density.files import partial_path, replaced_path
from napari_eldyn.density.frames import Rows
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.store_chunks import frame_chunks
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["find_array", "names_in", "open_group", "open_store", "store_encoding"]


class _StoredArray:
    """An array of a store whose damaged or missing parts are named when they are met."""

    def __init__(self, array: store_layout.ZarrArray, path: Path, rows_are_finite: bool) -> None:
        self._array = array
        self._path = path
        self._rows_are_finite = rows_are_finite
        self._block: tuple[int, npt.NDArray[Any]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    def __getitem__(self, index: int | slice) -> npt.NDArray[Any]:
        try:
            values = self._row(index) if isinstance(index, int) else np.asarray(self._array[index])
        except Exception as error:
            # zarr and its codecs raise many types for damaged bytes.
            raise EldynError(
                f"the store's array '{self._array.path}' is damaged ({error})", path=self._path
            ) from error
        if self._rows_are_finite and not np.all(np.isfinite(values)):
            raise EldynError(
                f"the store's array '{self._array.path}' has missing parts", path=self._path
            )
        return values

    def _row(self, index: int) -> npt.NDArray[Any]:
        """Return one row; its chunk, which has to be read anyway, is kept for the neighbours."""
        start = index - index % self._array.chunks[0]
        block = self._block
        if block is None or block[0] != start:
            stop = min(start + self._array.chunks[0], self._array.shape[0])
            block = self._block = (start, np.asarray(self._array[start:stop]))
        return np.array(block[1][index - start])


class _StoredFrames:
    """Frames of an open store; each read touches one chunk."""

    def __init__(self, group: zarr.Group, encoding: EncodingName, n: int, path: Path) -> None:
        self._density = find_array(group, "density", path)
        _check_length(self._density, n, path)
        self._chunks = frame_chunks(self._density, path / "density")
        self._limits: npt.NDArray[np.float64] | None = None
        if encoding == "log16":
            self._limits = _rows(group, "density_range", n, path)[:]
        self._n = n
        self._path = path

    def __len__(self) -> int:
        return self._n

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index` [electrons/Å³].

        Raises
        ------
        EldynError
            If the chunk is missing, truncated, or fails its checksum.
        """
        try:
            values = self._values(index)
        except FileNotFoundError as error:
            raise self._broken(index, "missing from the store") from error
        except Exception as error:
            # zarr and its codecs raise many types for damaged bytes.
            raise self._broken(index, f"damaged ({error})") from error
        fill = -np.inf if self._limits is None else 0
        if values.flat[0] == fill and np.all(values == fill):
            raise self._broken(index, "missing from the store")
        if self._limits is None:
            return values
        return decode_log16(values, self._limits[index])

    def _values(self, index: int) -> npt.NDArray[Any]:
        if self._chunks is not None:
            return self._chunks.read(index)
        return np.asarray(self._density[index])

    def _broken(self, index: int, how: str) -> EldynError:
        return EldynError(
            f"frame {index} is {how}",
            path=self._path,
            remedy="The other frames can still be read: eldyn convert --frames leaves it out.",
        )


def open_store(path: str | Path) -> DensityTrajectory:
    """Open an ``.eldyn`` store; frames stay on disk until they are asked for.

    A store that is being appended to can be opened: it shows the frames that were whole by then.

    Raises
    ------
    EldynError
        If the path is missing, or not a whole ``.eldyn`` store.
    """
    path = Path(path)
    group = open_group(path, "r")
    header = store_layout.read_header(group, path)
    n = header.n_frames
    frames = _StoredFrames(group, header.encoding.name, n, path)
    cell, shape = _read_whole(group, "cell", path), find_array(group, "density", path).shape[1:]
    try:
        grid = PeriodicGrid(cell, shape, header.origin)
    except EldynError as error:
        raise EldynError(error.problem, path=path) from error
    return DensityTrajectory(
        frames,
        grid,
        _rows(group, "times", n, path)[:],
        numbers=_read_whole(group, "numbers", path) if _has(path, "numbers") else None,
        positions=_rows(group, "positions", n, path) if _has(path, "positions") else None,
        velocities=_rows(group, "velocities", n, path) if _has(path, "velocities") else None,
        scalars={
            name: _rows(group, f"scalars/{name}", n, path, finite=False)[:]
            for name in names_in(group, "scalars", path)
        },
        extra={
            name: _rows(group, f"extra/{name}", n, path, finite=False)
            for name in names_in(group, "extra", path)
        },
        kind=header.kind,
        quantity=header.quantity,
        times_known=header.times_known,
        provenance=header.provenance,
        path=path,
    )


def store_encoding(path: str | Path) -> store_layout.EncodingHeader:
    """Return how a store codes its densities and the largest relative error of that."""
    path = Path(path)
    return store_layout.read_header(open_group(path, "r"), path).encoding


def open_group(path: Path, mode: Literal["r", "r+"]) -> zarr.Group:
    """Open the zarr group of a store.

    Raises
    ------
    EldynError
        If there is none, or its metadata cannot be read.
    """
    if not path.exists():
        raise EldynError("there is no such store", path=path, remedy=_beside(path))
    if not (path / "zarr.json").is_file():
        raise EldynError(
            "this is not an .eldyn store: it has no zarr.json",
            path=path,
            remedy="An .eldyn store is a directory; open the directory that holds zarr.json.",
        )
    try:
        return zarr.open_group(path, mode=mode, zarr_format=3)
    except Exception as error:
        # zarr raises many types for a damaged or foreign zarr.json.
        raise EldynError(f"zarr.json cannot be read ({error})", path=path) from error


def _beside(path: Path) -> str | None:
    """Say what an interrupted save has left beside a path that does not exist."""
    replaced, partial = replaced_path(path), partial_path(path)
    if replaced.exists():
        return f"Replacing it was interrupted: rename {replaced.name} to get it back."
    if partial.exists():
        return f"It was never finished; its whole frames are in {partial.name}."
    return None


def find_array(group: zarr.Group, name: str, path: Path) -> store_layout.ZarrArray:
    """Return an array of the group.

    Raises
    ------
    EldynError
        If it is missing, or its metadata cannot be read.
    """
    try:
        array = group[name]
    except Exception as error:
        raise EldynError(f"the store's array '{name}' is missing or damaged", path=path) from error
    if not isinstance(array, zarr.Array):
        raise EldynError(f"the store's '{name}' is not an array", path=path)
    return array


def names_in(group: zarr.Group, prefix: str, path: Path) -> list[str]:
    """Return the names of the arrays in a subgroup, none if it does not exist.

    Raises
    ------
    EldynError
        If the metadata of one cannot be read.
    """
    try:
        subgroup = group.get(prefix)
        return sorted(subgroup.array_keys()) if isinstance(subgroup, zarr.Group) else []
    except Exception as error:
        raise EldynError(f"the store's '{prefix}' are damaged ({error})", path=path) from error


def _has(path: Path, name: str) -> bool:
    """Whether an array is there, be it damaged; zarr raises many types for one that is."""
    return (path / name).exists()


def _rows(group: zarr.Group, name: str, n: int, path: Path, *, finite: bool = True) -> Rows:
    array = find_array(group, name, path)
    _check_length(array, n, path)
    return Rows(_StoredArray(array, path, finite), range(n))


def _check_length(array: store_layout.ZarrArray, n: int, path: Path) -> None:
    if array.shape[0] < n:
        raise EldynError(
            f"the store claims {n} frames but its array '{array.path}' has {array.shape[0]}",
            path=path,
        )


def _read_whole(group: zarr.Group, name: str, path: Path) -> npt.NDArray[Any]:
    return _StoredArray(find_array(group, name, path), path, rows_are_finite=True)[:]
