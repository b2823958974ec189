"""The ``.eldyn`` store: open it lazily, append to it safely, save trajectories as one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zarr

from napari_eldyn.density import store_layout
from napari_eldyn.density.encodings import EncodingName, decode_log16, encode_log16, log16_error
from napari_eldyn.density.frames import Rows
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityKind, DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = ["StoreWriter", "open_store", "save_trajectory", "store_encoding"]

GROWTH = 256
"""Frames by which the arrays of a growing store are lengthened at once."""

SHARDED_ABOVE = 1000
FRAMES_PER_SHARD = 64
"""Saved trajectories of more frames than SHARDED_ABOVE keep this many in each file."""


class _StoredFrames:
    """Frames of an open store; each read touches one chunk."""

    def __init__(self, group: zarr.Group, encoding: EncodingName, n: int, path: Path) -> None:
        self._density = _array(group, "density", path)
        self._limits: npt.NDArray[np.float64] | None = None
        if encoding == "log16":
            self._limits = _read_rows(_array(group, "density_range", path), n, path)
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
            values = np.asarray(self._density[index])
        except Exception as error:
            # zarr and its codecs raise many types for damaged bytes.
            raise EldynError(
                f"frame {index} is damaged ({error})",
                path=self._path,
                remedy="The other frames can still be read: eldyn convert --frames leaves it out.",
            ) from error
        if self._is_missing(values):
            raise EldynError(
                f"frame {index} is missing from the store",
                path=self._path,
                remedy="The other frames can still be read: eldyn convert --frames leaves it out.",
            )
        if self._limits is None:
            return values
        return decode_log16(values, self._limits[index])

    def _is_missing(self, values: npt.NDArray[Any]) -> bool:
        fill = 0 if self._limits is not None else -np.inf
        return bool(values.flat[0] == fill) and bool(np.all(values == fill))


def open_store(path: str | Path) -> DensityTrajectory:
    """Open an ``.eldyn`` store; frames stay on disk until they are asked for.

    A store that is being appended to can be opened: it shows the frames that were whole by then.

    Raises
    ------
    EldynError
        If the path is missing, or not a whole ``.eldyn`` store.
    """
    path = Path(path)
    group = _open_group(path, "r")
    header = store_layout.read_header(group, path)
    n = header.n_frames
    density = _array(group, "density", path)
    grid = PeriodicGrid(_read_all(_array(group, "cell", path), path), density.shape[1:])

    def rows(prefix: str) -> dict[str, Rows]:
        if prefix not in group:
            return {}
        subgroup = group[prefix]
        assert isinstance(subgroup, zarr.Group)
        return {name: _rows(array, n, path) for name, array in sorted(subgroup.arrays())}

    def optional(name: str) -> Rows | None:
        return _rows(_array(group, name, path), n, path) if name in group else None

    return DensityTrajectory(
        _StoredFrames(group, header.encoding.name, n, path),
        grid,
        _read_rows(_array(group, "times", path), n, path),
        numbers=_read_all(_array(group, "numbers", path), path) if "numbers" in group else None,
        positions=optional("positions"),
        velocities=optional("velocities"),
        scalars={name: _read_rows(array, n, path) for name, array in rows("scalars").items()},
        extra=rows("extra"),
        kind=header.kind,
        provenance=header.provenance,
        path=path,
    )


def store_encoding(path: str | Path) -> store_layout.EncodingHeader:
    """Return how a store codes its densities and the largest relative error of that."""
    path = Path(path)
    return store_layout.read_header(_open_group(path, "r"), path).encoding


class StoreWriter:
    """Append frames to an ``.eldyn`` store.

    A frame counts only when all its parts are written; a process killed at any moment leaves the
    frames before. One process writes at a time; readers may open the store meanwhile. Use
    `create` or `reopen`, best in a ``with`` statement.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self._path = path
        self._lock: int | None = lock
        self._group = _open_group(path, "r+")
        header = store_layout.read_header(self._group, path)
        self._header = header
        self._n = header.n_frames
        self._density = _array(self._group, "density", path)
        self._rows: dict[str, store_layout.ZarrArray] = {}
        for name in ("times", "density_range", "positions", "velocities"):
            if name in self._group:
                self._rows[name] = _array(self._group, name, path)
        for prefix in ("scalars", "extra"):
            if prefix in self._group:
                subgroup = self._group[prefix]
                assert isinstance(subgroup, zarr.Group)
                for name, array in subgroup.arrays():
                    self._rows[f"{prefix}/{name}"] = array
        self._last_time = (
            float(np.asarray(self._rows["times"][self._n - 1])) if self._n else -np.inf
        )
        self._relative_error = header.encoding.relative_error

    @classmethod
    def create(
        cls,
        path: str | Path,
        grid: PeriodicGrid,
        *,
        encoding: EncodingName = "log16",
        kind: DensityKind = "unknown",
        provenance: Mapping[str, Any] | None = None,
        numbers: npt.ArrayLike | None = None,
        positions: bool | None = None,
        velocities: bool = False,
        scalars: tuple[str, ...] = (),
        extra: Mapping[str, tuple[int, ...]] | None = None,
        extra_dtypes: Mapping[str, npt.DTypeLike] | None = None,
        frames_per_shard: int = 1,
        overwrite: bool = False,
    ) -> Self:
        """Make a new store without frames and open it for appending.

        Parameters
        ----------
        path : path-like
            The store's directory.
        grid : PeriodicGrid
            Cell [Å] and points.
        encoding : {"log16", "float32"}
            How densities are coded.
        kind, provenance, numbers
            As in `DensityTrajectory`.
        positions, velocities : bool
            Whether each frame comes with them. Positions by default if `numbers` are given.
        scalars : tuple of str
            Names of the numbers that come with each frame.
        extra : mapping of str to tuple of int
            Names of further arrays per frame and the shape of one frame's.
        extra_dtypes : mapping, optional
            Their types; float32 if not given.
        frames_per_shard : int
            Frames per file. With more than 1 there are fewer files, and an append rewrites one.
        overwrite : bool
            Replace an existing store at once.

        Raises
        ------
        EldynError
            If the path exists, the provenance is not JSON, or the disk is full.
        """
        path = Path(path)
        check_free(path, overwrite)
        atoms = None if numbers is None else np.asarray(numbers, dtype=np.int64)
        if positions is None:
            positions = atoms is not None
        if atoms is None and (positions or velocities):
            raise EldynError("positions and velocities need the atomic numbers", path=path)
        rows: dict[str, tuple[tuple[int, ...], npt.DTypeLike]] = {"times": ((), np.float64)}
        if encoding == "log16":
            rows["density_range"] = ((2,), np.float64)
        for name, present in (("positions", positions), ("velocities", velocities)):
            if present and atoms is not None:
                rows[name] = ((len(atoms), 3), np.float64)
        rows.update({f"scalars/{name}": ((), np.float64) for name in scalars})
        types = extra_dtypes or {}
        for name, shape in (extra or {}).items():
            rows[f"extra/{name}"] = (tuple(shape), types.get(name, np.float32))
        try:
            plain = json.loads(json.dumps(dict(provenance or {}), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise EldynError(
                f"the provenance cannot be written as JSON: {error}", path=path
            ) from error
        partial = partial_path(path)
        with writing(path, partial):
            remove(partial)
            store_layout.build(
                partial,
                grid,
                encoding=encoding,
                kind=kind,
                provenance=plain,
                numbers=atoms,
                rows=rows,
                frames_per_shard=frames_per_shard,
            )
            put_in_place(partial, path)
        return cls(path, _acquire(path))

    @classmethod
    def reopen(cls, path: str | Path) -> Self:
        """Open an existing store for appending after its last whole frame.

        What a killed process left unfinished is removed.

        Raises
        ------
        EldynError
            If the path is not an ``.eldyn`` store, or another process is writing to it.
        """
        path = Path(path)
        store_layout.read_header(_open_group(path, "r"), path)
        writer = cls(path, _acquire(path))
        for leftover in path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)
        with writing(path):
            writer._set_capacity(writer._n)
        return writer

    @property
    def path(self) -> Path:
        """The store's directory."""
        return self._path

    def __len__(self) -> int:
        """Return the number of whole frames."""
        return self._n

    def append(
        self,
        density: npt.ArrayLike,
        time: float,
        positions: npt.ArrayLike | None = None,
        velocities: npt.ArrayLike | None = None,
        scalars: Mapping[str, float] | None = None,
        extra: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        """Add one frame; when this returns, the frame is in the store.

        Parameters
        ----------
        density : array-like, shape (nx, ny, nz)
            [electrons/Å³].
        time : float
            After the last frame's [fs].
        positions, velocities : array-like, shape (atoms, 3)
            [Å], [Å/fs]; just where the store has them.
        scalars, extra : mapping
            By the names given at creation, all of them.

        Raises
        ------
        EldynError
            If a part has a wrong shape, is missing or unknown, the density cannot be stored, or
            the disk is full. The frames before stay.
        """
        rows: dict[str, Any] = {"times": np.float64(time)}
        if positions is not None:
            rows["positions"] = positions
        if velocities is not None:
            rows["velocities"] = velocities
        rows.update({f"scalars/{name}": value for name, value in (scalars or {}).items()})
        rows.update({f"extra/{name}": value for name, value in (extra or {}).items()})
        frame = np.asarray(density, dtype=np.float32)
        self.append_block(frame[None], {name: np.asarray(row)[None] for name, row in rows.items()})

    def append_block(
        self, densities: npt.NDArray[np.float32], rows: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        """Add several frames at once; either all of them count, or none.

        Parameters
        ----------
        densities : ndarray, shape (n, nx, ny, nz)
            [electrons/Å³].
        rows : mapping
            ``times`` and, by their names in the store, all other per-frame arrays, (n, ...).
        """
        if self._lock is None:
            raise EldynError("the writer is closed", path=self._path)
        self._check_block(densities, rows)
        values, blocks, error = self._encode(densities, rows)
        start, stop = self._n, self._n + len(densities)
        with writing(self._path):
            if self._density.shape[0] < stop:
                self._set_capacity(stop + max(GROWTH, stop // 4))
            self._density[start:stop] = values
            for name, block in blocks.items():
                self._rows[name][start:stop] = block
            self._commit(stop, error)
        self._last_time = float(blocks["times"][-1])

    def _check_block(
        self, densities: npt.NDArray[np.float32], rows: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        n = len(densities)
        expected = set(self._rows) - {"density_range"}
        missing, unknown = expected - set(rows), set(rows) - expected
        if missing or unknown:
            parts = [
                f"{word} {', '.join(sorted(names))}"
                for word, names in (("without", missing), ("with unknown", unknown))
                if names
            ]
            raise EldynError(
                f"a frame {' and '.join(parts)} does not fit this store", path=self._path
            )
        if densities.shape[1:] != self._density.shape[1:]:
            raise EldynError(
                f"a density of shape {densities.shape[1:]} does not fit this store's grid of "
                f"{self._density.shape[1:]}",
                path=self._path,
            )
        for name, row in rows.items():
            if row.shape != (n, *self._rows[name].shape[1:]):
                raise EldynError(
                    f"{name} of shape {row.shape[1:]} per frame, where the store has "
                    f"{self._rows[name].shape[1:]}",
                    path=self._path,
                )
        times = np.concatenate([[self._last_time], np.asarray(rows["times"], dtype=np.float64)])
        if not np.all(np.isfinite(times[1:])) or np.any(np.diff(times) <= 0.0):
            raise EldynError(
                f"a frame at {times[-1]:g} fs does not come after the one at {times[0]:g} fs",
                path=self._path,
            )

    def _encode(
        self, densities: npt.NDArray[np.float32], rows: Mapping[str, npt.NDArray[Any]]
    ) -> tuple[npt.NDArray[Any], dict[str, npt.NDArray[Any]], float]:
        for offset, frame in enumerate(densities):
            check_frame(frame, self._path, self._n + offset)
        blocks = {name: np.asarray(row) for name, row in rows.items()}
        if self._header.encoding.name == "float32":
            return densities, blocks, 0.0
        codes = np.empty(densities.shape, dtype=np.uint16)
        limits = np.empty((len(densities), 2))
        for offset, frame in enumerate(densities):
            try:
                codes[offset], limits[offset] = encode_log16(frame)
            except EldynError as error:
                raise EldynError(
                    f"frame {self._n + offset}: {error.problem}",
                    path=self._path,
                    remedy=error.remedy,
                ) from error
        return codes, {**blocks, "density_range": limits}, max(map(log16_error, limits))

    def _commit(self, n: int, error: float) -> None:
        """Make the first `n` frames count: one atomic replacement of the group's metadata."""
        relative_error = max(self._relative_error, error)
        encoding = self._header.encoding.model_copy(update={"relative_error": relative_error})
        self._group.update_attributes({"n_frames": n, "encoding": encoding.model_dump()})
        self._n, self._relative_error = n, relative_error

    def _set_capacity(self, n: int) -> None:
        for array in (self._density, *self._rows.values()):
            if array.shape[0] != n:
                array.resize((n, *array.shape[1:]))

    def close(self) -> None:
        """End appending: trim the arrays to the whole frames and let other writers in."""
        if self._lock is None:
            return
        # Longer arrays are harmless, and a full disk must not hide the error that told of it.
        with contextlib.suppress(OSError):
            self._set_capacity(self._n)
        os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def save_trajectory(
    trajectory: DensityTrajectory,
    path: str | Path,
    *,
    encoding: EncodingName = "log16",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a trajectory as a store; see `DensityTrajectory.save`."""
    path = Path(path)
    check_free(path, overwrite)
    partial = partial_path(path)
    n = len(trajectory)
    rows: dict[str, Any] = {"times": trajectory.times}
    for name, value in (("positions", trajectory.positions), ("velocities", trajectory.velocities)):
        if value is not None:
            rows[name] = value
    rows.update({f"scalars/{name}": value for name, value in trajectory.scalars.items()})
    rows.update({f"extra/{name}": value for name, value in trajectory.extra.items()})
    block = FRAMES_PER_SHARD if n > SHARDED_ABOVE else 1
    try:
        remove(partial)
        with StoreWriter.create(
            partial,
            trajectory.grid,
            encoding=encoding,
            kind=trajectory.kind,
            provenance=trajectory.provenance,
            numbers=trajectory.numbers,
            positions=trajectory.positions is not None,
            velocities=trajectory.velocities is not None,
            scalars=tuple(trajectory.scalars),
            extra={name: tuple(value.shape[1:]) for name, value in trajectory.extra.items()},
            extra_dtypes={name: value.dtype for name, value in trajectory.extra.items()},
            frames_per_shard=block,
        ) as writer:
            for start in range(0, n, FRAMES_PER_SHARD):
                stop = min(start + FRAMES_PER_SHARD, n)
                frames = np.stack([trajectory[index] for index in range(start, stop)])
                writer.append_block(
                    frames, {name: np.asarray(row[start:stop]) for name, row in rows.items()}
                )
                if progress is not None:
                    progress(stop, n)
        with writing(path):
            put_in_place(partial, path)
    except BaseException as error:
        remove(partial)
        if isinstance(error, EldynError) and error.path == partial:
            raise EldynError(error.problem, path=path, remedy=error.remedy) from error
        raise


def partial_path(path: Path) -> Path:
    """Return where something is written before it takes the name `path`."""
    return path.with_name(path.name + ".partial")


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse a path that exists, or, to be overwritten, one that is not an ``.eldyn`` store.

    Raises
    ------
    EldynError
        Naming the path and what to do.
    """
    if not path.parent.is_dir():
        raise EldynError(f"the folder {path.parent} does not exist", path=path, remedy="Make it.")
    if not (path.exists() or path.is_symlink()):
        return
    if not overwrite:
        raise EldynError(
            "the path exists already", path=path, remedy="Choose another name, or overwrite it."
        )
    # Overwriting must never delete somebody's directory of other things.
    store_layout.read_header(_open_group(path, "r"), path)


def put_in_place(partial: Path, path: Path) -> None:
    """Give `partial` its final name; a store that has the name is kept until then."""
    if not path.exists():
        partial.rename(path)
        return
    old = path.with_name(path.name + ".replaced.partial")
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
                "no space left to write; frames already in the store are kept",
                path=path,
                remedy="Free some space, or choose another disk.",
            ) from error
        raise EldynError(f"cannot write: {error.strerror or error}", path=path) from error


def _acquire(path: Path) -> int:
    """Lock the store's directory; the system lets go when the process ends, however it ends."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise EldynError(
            "another program is writing to this store", path=path, remedy="Wait until it is done."
        ) from error
    return handle


def _open_group(path: Path, mode: Any) -> zarr.Group:
    if not path.exists():
        partial = partial_path(path)
        hint = f"An unfinished {partial.name} lies beside it." if partial.exists() else None
        raise EldynError("there is no such store", path=path, remedy=hint)
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


def _array(group: zarr.Group, name: str, path: Path) -> store_layout.ZarrArray:
    try:
        array = group[name]
    except Exception as error:
        raise EldynError(f"the store's array '{name}' is missing or damaged", path=path) from error
    if not isinstance(array, zarr.Array):
        raise EldynError(f"the store's '{name}' is not an array", path=path)
    return array


def _read_all(array: Any, path: Path) -> npt.NDArray[Any]:
    try:
        return np.asarray(array[:])
    except Exception as error:
        raise EldynError(
            f"the store's array '{_name(array)}' is damaged ({error})", path=path
        ) from error


def _rows(array: Any, n: int, path: Path) -> Rows:
    if array.shape[0] < n:
        raise EldynError(
            f"the store claims {n} frames but its array '{_name(array)}' has {array.shape[0]}",
            path=path,
        )
    return Rows(array, range(n))


def _read_rows(array: Any, n: int, path: Path) -> npt.NDArray[Any]:
    return _read_all(_rows(array, n, path), path)


def _name(array: Any) -> str:
    return str(getattr(array, "basename", "per-frame"))
