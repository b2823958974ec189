"""AIMD trajectories in ``frames_*.npz`` chunks: densities as 16-bit ln ρ, with the atoms.

Each file holds n frames: ``lnrho`` (n, nx, ny, nz) uint16 with ln ρ = lo + (hi - lo)·value/65535
and ``lnrho_range`` (lo, hi), ρ in electrons/Å³; ``frame`` (n,) counted from the start of the run;
``cell`` (3, 3) [Å], ``numbers`` (atoms,), ``timestep_fs``; and, where known, ``positions`` and
``velocities`` (n, atoms, 3) in Å and ASE's units, ``energy`` [eV], ``temperature`` [K], ``D``
(n, atoms, k) packed atomic density matrices. The density is GPAW's pseudo density, positive.
"""

from __future__ import annotations

import threading
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats import npz_archive
from napari_eldyn.density.frames import JoinedFrames, JoinedRows
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["NAME", "accepts", "open_npz_chunks"]

NAME = "frames_*.npz chunks (a file, or a directory of them)"

Header = tuple[tuple[int, ...], np.dtype[Any]]

REQUIRED = ("lnrho", "lnrho_range", "frame", "cell", "numbers", "timestep_fs")
SCALARS = ("energy", "temperature")
EXTRA = {"D": "atomic_density_matrices"}
CACHED_BYTES = 64 * 2**20


def accepts(path: Path) -> bool:
    """Whether a path is a chunk, or a directory of chunks, named ``frames_*.npz``.

    A file of that name is none if it holds plain arrays; a file of another name is, if it holds
    ``lnrho``.
    """
    if path.is_dir():
        first = next(iter(sorted(path.glob("frames_*.npz"))), None)
        return first is not None and accepts(first)
    if path.suffix != ".npz":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        names = []
    named = path.name.startswith("frames_")
    return "lnrho.npy" in names or (named and "density.npy" not in names)


def open_npz_chunks(path: Path | Sequence[Path]) -> DensityTrajectory:
    """Open chunks as the one continuous trajectory they are cut from.

    Parameters
    ----------
    path : Path or sequence of Path
        A file, a directory, or several files in any order. Frames are put in the order of their
        index ``frame``, times are index times the time step.

    Raises
    ------
    EldynError
        If a file is damaged, or not such a chunk; if the files differ in cell, grid, atoms or
        time step; if frames are missing between them or there twice.
    """
    if isinstance(path, Path):
        files = sorted(path.glob("frames_*.npz")) if path.is_dir() else [path]
        label = path
    else:
        files = [Path(part) for part in path]
        label = files[0].parent if files else Path()
    if not files:
        raise EldynError("no frames_*.npz files", path=label)
    chunks = sorted((_read_chunk(file) for file in files), key=lambda chunk: int(chunk.index[0]))
    for chunk in chunks[1:]:
        _check_alike(chunks[0], chunk)
    index = np.concatenate([chunk.index for chunk in chunks])
    _check_continuous(index, chunks)
    first = chunks[0]
    cache = _Cache()
    return DensityTrajectory(
        JoinedFrames([_ChunkFrames(chunk, cache) for chunk in chunks]),
        first.grid,
        index * first.timestep,
        numbers=first.numbers,
        positions=_rows(chunks, "positions", 1.0),
        velocities=_rows(chunks, "velocities", float(ase.units.fs)),
        scalars={
            name: np.concatenate([chunk.scalars[name] for chunk in chunks])
            for name in first.scalars
        },
        extra={
            name: rows
            for key, name in EXTRA.items()
            if (rows := _rows(chunks, key, 1.0)) is not None
        },
        kind="pseudo",
        provenance={
            "source": [chunk.path.name for chunk in chunks],
            "source_format": "frames_*.npz chunks, 16-bit ln ρ",
            "source_relative_error": max(chunk.relative_error for chunk in chunks),
            "source_frames": [int(index[0]), int(index[-1])],
        },
        path=label,
    )


@dataclass(frozen=True, eq=False)
class _Chunk:
    """What is read of a file when it is opened: everything small."""

    path: Path
    grid: PeriodicGrid
    numbers: npt.NDArray[np.int64]
    timestep: float
    index: npt.NDArray[np.int64]
    limits: tuple[float, float]
    scalars: dict[str, npt.NDArray[np.float64]]
    shapes: dict[str, tuple[int, ...]]

    @property
    def relative_error(self) -> float:
        """Half a level of ln ρ."""
        return float(np.expm1(0.5 * (self.limits[1] - self.limits[0]) / 65535))


def _read_chunk(path: Path) -> _Chunk:
    with npz_archive.opened(path) as archive:
        headers: dict[str, Header] = {}
        for name in archive.namelist():
            shape, _, dtype = npz_archive.read_header(archive, name)
            headers[name.removesuffix(".npy")] = shape, dtype
        missing = [name for name in REQUIRED if name not in headers]
        if missing:
            raise EldynError(
                "this npz file is not a chunk of a density trajectory: "
                f"no array {', '.join(missing)}",
                path=path,
                remedy=f"A chunk holds {', '.join(REQUIRED)}.",
            )
        small = {
            name: npz_archive.read_array(archive, name)
            for name in (*REQUIRED[1:], *SCALARS)
            if name in headers
        }
    _check_headers(headers, path)
    try:
        grid = PeriodicGrid(small["cell"], headers["lnrho"][0][1:])
    except EldynError as error:
        raise EldynError(error.problem, path=path) from error
    chunk = _Chunk(
        path=path,
        grid=grid,
        numbers=small["numbers"].astype(np.int64),
        timestep=float(small["timestep_fs"]),
        index=small["frame"].astype(np.int64),
        limits=(float(small["lnrho_range"][0]), float(small["lnrho_range"][1])),
        scalars={name: small[name].astype(np.float64) for name in SCALARS if name in small},
        shapes={name: shape for name, (shape, _) in headers.items()},
    )
    _check_values(chunk)
    return chunk


def _check_headers(headers: dict[str, Header], path: Path) -> None:
    n = headers["frame"][0][0] if headers["frame"][0] else -1
    atoms = headers["numbers"][0][0] if headers["numbers"][0] else -1
    expected: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "frame": ("iu", (n,)),
        "numbers": ("iu", (atoms,)),
        "lnrho": ("u", (n, None, None, None)),
        "lnrho_range": ("f", (2,)),
        "cell": ("fiu", (3, 3)),
        "timestep_fs": ("fiu", ()),
        "positions": ("f", (n, atoms, 3)),
        "velocities": ("f", (n, atoms, 3)),
        **dict.fromkeys(SCALARS, ("fiu", (n,))),
        **dict.fromkeys(EXTRA, ("f", (n, atoms, None))),
    }
    for name, (kinds, shape) in expected.items():
        if name not in headers:
            continue
        found, dtype = headers[name]
        fits = len(found) == len(shape) and all(
            wanted in (None, size) for size, wanted in zip(found, shape, strict=True)
        )
        if not fits or dtype.kind not in kinds:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise EldynError(
                f"array '{name}' is {found} of {dtype}, where ({wanted}) is expected", path=path
            )
    if n == 0:
        raise EldynError("the file holds no frames", path=path)
    if headers["lnrho"][1] != np.uint16:
        raise EldynError(f"array 'lnrho' is {headers['lnrho'][1]}, not uint16", path=path)


def _check_values(chunk: _Chunk) -> None:
    if not (chunk.timestep > 0.0 and np.isfinite(chunk.timestep)):
        raise EldynError(f"the time step is {chunk.timestep:g} fs", path=chunk.path)
    low, high = chunk.limits
    if not (high >= low and np.isfinite(high - low)):
        raise EldynError(f"lnrho_range {chunk.limits} is not a range", path=chunk.path)


def _check_alike(first: _Chunk, other: _Chunk) -> None:
    differences = []
    if first.grid.shape != other.grid.shape:
        differences.append(f"grid {other.grid.shape} against {first.grid.shape}")
    elif not first.grid.matches(other.grid):
        differences.append(f"cell {other.grid.cell.tolist()} against {first.grid.cell.tolist()} Å")
    if not np.array_equal(first.numbers, other.numbers):
        differences.append("atoms")
    if first.timestep != other.timestep:
        differences.append(f"time step {other.timestep:g} against {first.timestep:g} fs")
    for name in (*SCALARS, "positions", "velocities", *EXTRA):
        if (name in first.shapes) != (name in other.shapes):
            differences.append(f"'{name}' is in one only")
        elif name in EXTRA and first.shapes.get(name, ())[1:] != other.shapes.get(name, ())[1:]:
            differences.append(f"shape of '{name}'")
    if differences:
        raise EldynError(
            f"not of the same trajectory as {first.path}: {'; '.join(differences)}",
            path=other.path,
            remedy="Open each trajectory by itself.",
        )


def _check_continuous(index: npt.NDArray[np.int64], chunks: list[_Chunk]) -> None:
    steps = np.diff(index)
    wrong = np.flatnonzero(steps != 1)
    if not len(wrong):
        return
    at = int(wrong[0])
    before, after = int(index[at]), int(index[at + 1])
    owner = np.repeat(np.arange(len(chunks)), [len(chunk.index) for chunk in chunks])
    path = chunks[owner[at + 1]].path
    if after > before:
        raise EldynError(
            f"frames {before + 1} to {after - 1} are missing before this file's frame {after}",
            path=path,
            remedy="Add the missing file, or open the stretches one by one.",
        )
    raise EldynError(
        f"frame {after} is there twice: it follows frame {before}",
        path=path,
        remedy="Leave out the file that repeats frames.",
    )


class _Cache:
    """The codes of the files read last, at most CACHED_BYTES of them, but at least one."""

    def __init__(self) -> None:
        self._codes: OrderedDict[Path, npt.NDArray[np.uint16]] = OrderedDict()
        self._lock = threading.Lock()

    def codes(self, chunk: _Chunk) -> npt.NDArray[np.uint16]:
        with self._lock:
            if chunk.path not in self._codes:
                self._codes[chunk.path] = _load(chunk, "lnrho")
            self._codes.move_to_end(chunk.path)
            while len(self._codes) > 1 and self._n_bytes() > CACHED_BYTES:
                self._codes.popitem(last=False)
            return self._codes[chunk.path]

    def _n_bytes(self) -> int:
        return sum(codes.nbytes for codes in self._codes.values())


class _ChunkFrames:
    """Frames of one file."""

    def __init__(self, chunk: _Chunk, cache: _Cache) -> None:
        self._chunk = chunk
        self._cache = cache

    def __len__(self) -> int:
        return len(self._chunk.index)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index` of the file [electrons/Å³]."""
        low, high = self._chunk.limits
        codes = self._cache.codes(self._chunk)[index].astype(np.float64)
        return np.asarray(np.exp(low + (high - low) / 65535 * codes), dtype=np.float32)


class _ChunkRows:
    """A per-frame array of one file, read when indexed."""

    def __init__(self, chunk: _Chunk, name: str, factor: float) -> None:
        self._chunk = chunk
        self._name = name
        self._factor = factor
        self._values: npt.NDArray[Any] | None = None
        self.shape = chunk.shapes[name]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._read().dtype

    def _read(self) -> npt.NDArray[Any]:
        if self._values is None:
            values = _load(self._chunk, self._name)
            self._values = values if self._factor == 1.0 else values * self._factor
        return self._values

    def __getitem__(self, index: int | slice) -> npt.NDArray[Any]:
        return np.asarray(self._read()[index])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.asarray(self._read(), dtype=dtype)


def _load(chunk: _Chunk, name: str) -> npt.NDArray[Any]:
    with npz_archive.opened(chunk.path) as archive:
        return npz_archive.read_array(archive, name)


def _rows(chunks: list[_Chunk], name: str, factor: float) -> JoinedRows | None:
    if name not in chunks[0].shapes:
        return None
    return JoinedRows([_ChunkRows(chunk, name, factor) for chunk in chunks])
