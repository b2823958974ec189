"""Append to an ``.eldyn`` store safely."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import store_layout
from napari_eldyn.density.encodings import EncodingName, encode_log16, log16_error
from napari_eldyn.density.files import acquire, partial_path, put_in_place, remove, writing
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.store_reader import find_array, names_in, open_group, open_store
from napari_eldyn.density.trajectory import DensityKind, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = ["StoreWriter", "check_free", "write_densities"]

GROWTH = 256
"""Frames by which the arrays of a growing store are lengthened at once."""


class StoreWriter:
    """Append frames to an ``.eldyn`` store.

    A frame counts only when all its parts are written; a process killed at any moment leaves the
    frames before. One process writes at a time; readers may open the store meanwhile. Use
    `create` or `reopen`, best in a ``with`` statement.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self._path = path
        self._lock: int | None = lock
        self._group = open_group(path, "r+")
        header = store_layout.read_header(self._group, path)
        self._header = header
        self._n = header.n_frames
        self._density = find_array(self._group, "density", path)
        names = [n for n in ("density_range", "positions", "velocities") if n in self._group]
        for prefix in ("scalars", "extra"):
            names += [f"{prefix}/{name}" for name in names_in(self._group, prefix, self._path)]
        self._rows = {name: find_array(self._group, name, path) for name in ("times", *names)}
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
        quantity: str = "density",
        times_known: bool = True,
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
        kind, quantity, times_known, provenance, numbers
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
                quantity=quantity,
                times_known=times_known,
                provenance=plain,
                numbers=atoms,
                rows=rows,
                frames_per_shard=frames_per_shard,
            )
            put_in_place(partial, path)
        return cls(path, acquire(path))

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
        # Opening checks the store; lengthening damaged arrays would hide the damage.
        open_store(path)
        writer = cls(path, acquire(path))
        for leftover in path.rglob("*.partial"):
            leftover.unlink(missing_ok=True)
        with writing(path):
            writer._set_capacity(writer._n)
        return writer

    @property
    def path(self) -> Path:
        """The store's directory."""
        return self._path

    @property
    def frames_per_shard(self) -> int:
        """Frames in one file, which only one program can write at a time."""
        return 1 if self._density.shards is None else int(self._density.shards[0])

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the store says of where its data came from."""
        return self._header.provenance

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
        self,
        densities: npt.NDArray[np.float32],
        rows: Mapping[str, npt.NDArray[Any]],
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """Add several frames at once; either all of them count, or none.

        Parameters
        ----------
        densities : ndarray, shape (n, nx, ny, nz)
            [electrons/Å³].
        rows : mapping
            ``times`` and, by their names in the store, all other per-frame arrays, (n, ...).
        provenance : mapping, optional
            JSON values, added to the store's provenance with the frames.
        """
        self._check_rows(len(densities), rows)
        if densities.shape[1:] != self._density.shape[1:]:
            raise EldynError(
                f"a density of shape {densities.shape[1:]} does not fit this store's grid of "
                f"{self._density.shape[1:]}",
                path=self._path,
            )
        values, limits = _encode(densities, self._header.encoding.name, self._path, self._n)
        start, stop = self._n, self._n + len(densities)
        with writing(self._path):
            if self._density.shape[0] < stop:
                self._set_capacity(stop + max(GROWTH, stop // 4))
            self._density[start:stop] = values
            self._count(stop, rows, limits, provenance or {})

    def reserve(self, n: int) -> None:
        """Make room for `n` frames in all, whose densities `write_densities` puts there."""
        with writing(self._path):
            self._set_capacity(max(n, self._n))

    def count_block(
        self,
        rows: Mapping[str, npt.NDArray[Any]],
        limits: npt.NDArray[np.float64] | None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """Count the next frames, whose densities `write_densities` has put in their place.

        Parameters
        ----------
        rows : mapping
            As in `append_block`.
        limits : ndarray, shape (n, 2), optional
            As `write_densities` returned them.
        provenance : mapping, optional
            As in `append_block`.
        """
        n = len(rows["times"])
        self._check_rows(n, rows)
        with writing(self._path):
            self._count(self._n + n, rows, limits, provenance or {})

    def _check_rows(self, n: int, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        if self._lock is None:
            raise EldynError("the writer is closed", path=self._path)
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

    def _count(
        self,
        n: int,
        rows: Mapping[str, npt.NDArray[Any]],
        limits: npt.NDArray[np.float64] | None,
        provenance: Mapping[str, Any],
    ) -> None:
        """Make the first `n` frames count: one atomic replacement of the group's metadata."""
        coded = {} if limits is None else {"density_range": limits}
        for name, block in {**rows, **coded}.items():
            self._rows[name][self._n : n] = block
        error = 0.0 if limits is None else max(map(log16_error, limits))
        relative_error = max(self._relative_error, error)
        encoding = self._header.encoding.model_copy(update={"relative_error": relative_error})
        attributes = {"n_frames": n, "encoding": encoding.model_dump()}
        if provenance:
            self._header.provenance.update(provenance)
            attributes["provenance"] = self._header.provenance
        self._group.update_attributes(attributes)
        self._n, self._relative_error = n, relative_error
        self._last_time = float(rows["times"][-1])

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


def write_densities(
    path: Path, start: int, densities: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64] | None:
    """Put densities into room that a `StoreWriter` has reserved; it counts them later.

    Several processes may do this at once, for frames in different files.

    Parameters
    ----------
    path : Path
        The store.
    start : int
        Index of the first frame.
    densities : ndarray, shape (n, nx, ny, nz)
        [electrons/Å³].

    Returns
    -------
    ndarray, shape (n, 2), or None
        Least and largest ln ρ of each frame, for `StoreWriter.count_block`; None for float32.
    """
    group = open_group(path, "r+")
    encoding = store_layout.read_header(group, path).encoding.name
    values, limits = _encode(densities, encoding, path, start)
    with writing(path):
        find_array(group, "density", path)[start : start + len(densities)] = values
    return limits


def _encode(
    densities: npt.NDArray[np.float32], encoding: EncodingName, path: Path, first: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]:
    for offset, frame in enumerate(densities):
        check_frame(frame, path, first + offset)
    if encoding == "float32":
        return densities, None
    codes = np.empty(densities.shape, dtype=np.uint16)
    limits = np.empty((len(densities), 2))
    for offset, frame in enumerate(densities):
        try:
            codes[offset], limits[offset] = encode_log16(frame)
        except EldynError as error:
            raise EldynError(
                f"frame {first + offset}: {error.problem}", path=path, remedy=error.remedy
            ) from error
    return codes, limits


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
    store_layout.read_header(open_group(path, "r"), path)
