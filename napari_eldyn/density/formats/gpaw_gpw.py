"""Read GPAW's ``.gpw`` files.

The pseudo density lies in the file; for the other kinds, GPAW reads the file and computes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, get_args

import ase.io.ulm
import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.gpaw_densities import GpawKind, compute_density
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.exceptions import EldynError

__all__ = ["FORMAT", "open_gpw"]

_ULM = b"- of Ulm"
_HEADER_BYTES = 48  # magic, tag, version, number of items, offset of their offsets
_SPIN_CHANNELS = {
    1: (),
    2: ("density_spin",),
    4: ("density_spin_x", "density_spin_y", "density_spin_z"),
}


class GpwFile:
    """An opened file.

    Parameters
    ----------
    path : Path
    header : VolumeHeader
    periodic : ndarray of bool, shape (3,)
        Along which cell vectors; along the others, the file leaves out the points at the wall.
    """

    def __init__(self, path: Path, header: VolumeHeader, periodic: npt.NDArray[np.bool_]) -> None:
        self.header = header
        self._path = path
        self._periodic = periodic

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return the density or a component of the spin density [electrons/Å³].

        Raises
        ------
        EldynError
            If the file is damaged, or GPAW is needed and is not there.
        """
        kind = self.header.kind
        assert kind in get_args(GpawKind)
        if kind == "pseudo":
            with _opened(self._path) as reader:
                by_spin = np.asarray(reader.density.density, dtype=np.float64)
        else:
            by_spin = compute_density(self._path, kind)
        if by_spin.shape[1:] != self.header.grid.shape:
            wall = [(0, 0), *((0, 0) if periodic else (1, 0) for periodic in self._periodic)]
            by_spin = np.pad(by_spin, wall)
        values = _channel(by_spin, self.header.channels.index(channel))
        if not np.abs(values).max() <= np.finfo(np.float32).max:
            raise EldynError(
                "its density holds values that are NaN, infinite or beyond single precision",
                path=self._path,
            )
        return np.ascontiguousarray(values, dtype=np.float32)


def open_gpw(path: Path, options: OpenOptions) -> GpwFile:
    """Read the cell, the atoms and the grid of a file.

    Parameters
    ----------
    path : Path
    options : OpenOptions
        ``kind``: ``pseudo`` (the file's own: ñ with the pseudo core), ``pseudo_valence`` or
        ``all_electron``, which GPAW has to compute.

    Raises
    ------
    EldynError
        If the file is damaged, holds no density, or cannot give that kind.
    """
    kind = options.kind or "pseudo"
    if kind not in get_args(GpawKind):
        raise EldynError(
            f"a .gpw file gives no density of kind '{kind}'",
            path=path,
            remedy=f"Choose one of {', '.join(get_args(GpawKind))}.",
        )
    with _opened(path) as reader:
        if "density" not in reader or "density" not in reader.density:
            raise EldynError(
                "it holds no density", path=path, remedy="Write it with calc.write(PATH)."
            )
        n_components, *shape = _shape_inside(path, reader.density.proxy("density"))
        cell = np.asarray(reader.atoms.cell, dtype=np.float64)
        periodic = np.asarray(reader.atoms.pbc, dtype=bool)
        numbers = np.asarray(reader.atoms.numbers, dtype=np.int64)
        positions = np.asarray(reader.atoms.positions, dtype=np.float64)
        energy = _number(reader, "results", "energy")
        charge = _number(reader, "parameters", "charge") or 0.0
        version = reader.gpaw_version if "gpaw_version" in reader else "unknown"
    if n_components not in _SPIN_CHANNELS or len(shape) != 3 or periodic.shape != (3,):
        raise EldynError(
            f"its density has the shape {(n_components, *shape)}, not (spins, x, y, z)", path=path
        )
    if positions.shape != (len(numbers), 3) or not np.all(np.isfinite(positions)):
        raise EldynError(f"{len(numbers)} atoms do not fit its positions", path=path)
    full = tuple(n if along else n + 1 for n, along in zip(shape, periodic, strict=True))
    notes: dict[str, Any] = {"code": f"GPAW {version}", "unit_in_file": "electrons/Å³"}
    if not periodic.all():
        notes["walls"] = "a plane of zeros added where GPAW leaves out the wall of the cell"
    if kind != "all_electron":
        notes["electrons"] = "a pseudo density does not integrate to a number of electrons"
    header = VolumeHeader(
        checked_grid(path, cell, full),
        channels=(DENSITY, *_SPIN_CHANNELS[n_components]),
        kind=kind,
        numbers=numbers,
        positions=positions[None],
        scalars={} if energy is None else {"energy": np.array([energy])},
        expected_electrons=float(numbers.sum()) - charge if kind == "all_electron" else None,
        notes=notes,
    )
    return GpwFile(path, header, periodic)


def _channel(by_spin: npt.NDArray[np.float64], index: int) -> npt.NDArray[np.float64]:
    """Return the density (0) or a component of the magnetisation, which four of them hold."""
    if len(by_spin) == 2:
        up, down = by_spin
        return np.asarray(up + down if index == 0 else up - down)
    return np.asarray(by_spin[index])


def _number(reader: Any, section: str, name: str) -> float | None:
    if section not in reader or name not in (part := getattr(reader, section)):
        return None
    return float(getattr(part, name))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            _check_places(path, file)
            yield ase.io.ulm.Reader(file)
    except EldynError:
        raise
    except Exception as error:
        # ase raises many types for damaged files.
        problem = f"{type(error).__name__}: {error}"[:200].removesuffix(": ")
        raise EldynError(
            f"this .gpw file is damaged ({problem})", path=path, remedy="Copy or write it again."
        ) from error


def _check_places(path: Path, file: BinaryIO) -> None:
    """Refuse places beyond the file's end, from which ase would read what memory cannot hold."""
    size = file.seek(0, 2)

    def integer(at: int) -> int:
        file.seek(at)
        return int.from_bytes(file.read(8), "little", signed=True)

    n_items, table = integer(32), integer(40)
    if not (0 < n_items <= size // 8 and _HEADER_BYTES <= table <= size - 8 * n_items):
        raise EldynError(
            f"the file is damaged (byte 32 claims {n_items} items, at byte {table} of {size})",
            path=path,
        )
    item = integer(table)
    if not (_HEADER_BYTES <= item <= size - 8 and 0 <= integer(item) <= size - 8 - item):
        raise EldynError(
            f"the file is damaged or cut (byte {table}: its first item, at byte {item} of {size})",
            path=path,
        )
    file.seek(0)


def _shape_inside(path: Path, array: ase.io.ulm.NDArrayReader) -> tuple[int, ...]:
    """Return the shape of an array if it ends before the file does."""
    shape = tuple(int(n) for n in array.shape)
    n_bytes, size = math.prod(shape) * array.itemsize, path.stat().st_size
    if min(shape, default=0) < 1 or not 0 <= array.offset <= size - n_bytes:
        raise EldynError(
            f"the file is damaged (byte {array.offset}: an array of shape {shape} goes beyond its "
            f"{size} bytes)",
            path=path,
        )
    return shape


def _accepts(path: Path, head: bytes) -> bool:
    return head.startswith(_ULM) and head[8:24].strip().lower() == b"gpaw"


FORMAT = VolumeFormat("GPAW", ("*.gpw",), _accepts, open_gpw)
