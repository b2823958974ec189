"""Read densities and potentials of VASP's HDF5 files, ``vaspwave.h5`` and ``vaspout.h5``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.vasp_poscar import MAX_ATOMS, element_number
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.exceptions import EldynError, MissingInformationError

__all__ = ["FORMAT", "VaspHdf5File", "accepts", "open_vaspwave"]

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_INFLATION = 1032
"""Bytes that a byte of compressed data can become."""

_STRUCTURES = ("structure/positions", "locpot/position", "results/positions")


@dataclass(frozen=True)
class _Content:
    """A data set (volumes, z, y, x), and how it is shown; densities are multiplied by the cell."""

    name: str
    place: str
    quantity: str
    kind: Any
    spin: tuple[str, ...]
    vector: tuple[str, ...]


_SPIN, _VECTOR = ("density_spin",), ("density_spin_x", "density_spin_y", "density_spin_z")
_DOWN, _HALF = ("potential_down",), ("potential_spin",)
_FIELD = ("potential_b1", "potential_b2", "potential_b3")

_CONTENTS = (
    _Content("charge", "charge/charge", "density", "valence", _SPIN, _VECTOR),
    _Content("locpot", "locpot/total", "potential", "unknown", _DOWN, _FIELD),
    _Content("potential", "results/potential/total", "potential", "unknown", _HALF, _FIELD),
)
"""In the order in which they are looked for. Places: pymatgen's Vaspwave, py4vasp's schema. The
first volumes of a spin-polarised potential are V↑ and V↓ in vaspwave.h5 (pymatgen), but (V↑ + V↓)/2
and (V↑ − V↓)/2 in vaspout.h5 (py4vasp)."""


def accepts(path: Path, head: bytes) -> bool:
    """Return whether a file is one of VASP's, by its groups; of any other HDF5 file, it is not."""
    if not head.startswith(_MAGIC) or not path.is_file():
        return False
    try:
        with _opened(path) as file:
            return any(_dataset(file, content.place) is not None for content in _CONTENTS)
    except (EldynError, ImportError):
        return False


def open_vaspwave(path: Path, options: OpenOptions) -> VaspHdf5File:
    """Read the structure of a file and find its volumes.

    Parameters
    ----------
    path : Path
    options : OpenOptions
        ``dataset`` is ``charge``, ``locpot`` or ``potential``; the first one there is by default.
        ``cell`` is needed of a file that holds no structure.

    Raises
    ------
    EldynError
        Naming the file and the data set, if it is damaged.
    MissingInformationError
        If the file holds no cell.
    """
    with _opened(path) as file:
        datasets = {c.name: _dataset(file, c.place) for c in _CONTENTS}
        there = [name for name, dataset in datasets.items() if dataset is not None]
        name = options.dataset or next(iter(there), "charge")
        dataset = datasets.get(name)
        if dataset is None:
            raise EldynError(
                f"it holds no data set '{name}', but {', '.join(there) or 'none that is known'}",
                path=path,
            )
        content = next(known for known in _CONTENTS if known.name == name)
        shape = tuple(int(n) for n in dataset.shape)
        further = {1: (), 2: content.spin, 4: content.vector}.get(shape[0] if shape else 0)
        if len(shape) != 4 or further is None:
            raise EldynError(
                f"{content.place} has shape {shape}, not (1, 2 or 4 volumes, z, y, x)", path=path
            )
        if dataset.nbytes > _MOST_INFLATION * dataset.id.get_storage_size():
            raise EldynError(
                f"{content.place} claims {shape} values, which are not there", path=path
            )
        structure = _read_structure(path, file)
    cell, numbers, positions = structure or (options.cell, None, None)
    if cell is None:
        raise MissingInformationError("the file holds no cell", option="cell", path=path)
    grid = checked_grid(path, cell, shape[:0:-1])
    notes: dict[str, Any] = {"dataset": content.place, "datasets": there}
    if content.quantity == "density":
        notes["unit_in_file"] = "electrons (density × cell volume)"
        notes["paw_occupancies"] = "not read: within the PAW spheres, only what is on the grid"
    header = VolumeHeader(
        grid,
        channels=(DENSITY, *further),
        quantity=content.quantity,
        kind=content.kind if options.kind is None else options.kind,
        numbers=numbers,
        positions=None if positions is None else positions[None],
        notes=notes,
    )
    return VaspHdf5File(path, content, header)


class VaspHdf5File:
    """An opened HDF5 file of VASP's; it is not kept open.

    Parameters
    ----------
    path : Path
    content : _Content
        The data set.
    header : VolumeHeader
    """

    def __init__(self, path: Path, content: _Content, header: VolumeHeader) -> None:
        self._path = path
        self._content = content
        self.header = header

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return one volume, in the unit of its quantity.

        Raises
        ------
        EldynError
            Naming the file and the data set, if it is damaged.
        """
        grid, place = self.header.grid, self._content.place
        volume = self.header.channels.index(channel)
        with _opened(self._path) as file:
            dataset = _dataset(file, place)
            if dataset is None or tuple(dataset.shape[1:]) != grid.shape[::-1]:
                raise EldynError(f"{place} is not what it was", path=self._path)
            values = np.empty(grid.shape, dtype=np.float32)
            scale = 1.0 / grid.volume if self._content.quantity == "density" else 1.0
            depth = max(16, 2**18 // (grid.shape[0] * grid.shape[1]))
            for first in range(0, grid.shape[2], depth):
                planes = np.asarray(dataset[volume, first : first + depth], dtype=np.float64)
                with np.errstate(over="ignore", invalid="ignore"):
                    values[:, :, first : first + depth] = (planes * scale).transpose(2, 1, 0)
        if not np.isfinite(values).all():
            raise EldynError(
                f"{place} holds values that are NaN, infinite or beyond single precision",
                path=self._path,
            )
        return values


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for a while; its errors become ours, naming the file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise EldynError(f"the HDF5 file is damaged ({error})", path=path) from error


def _dataset(file: Any, place: str) -> Any | None:
    """Return a data set of real numbers, None if there is none."""
    import h5py

    found = file.get(place)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
        return None
    return found


def _read_structure(
    path: Path, file: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.float64]] | None:
    """Return cell [Å], atomic numbers and positions [Å], None if the file holds no structure."""
    import h5py

    group = next(
        (file[name] for name in _STRUCTURES if isinstance(file.get(name), h5py.Group)), None
    )
    if group is None:
        return None
    parts = {
        name: _small(group, name)
        for name in (
            *("scale", "lattice_vectors", "number_ion_types", "ion_types", "position_ions"),
            *(["direct_coordinates"] if "direct_coordinates" in group else []),
        )
    }
    scale = float(np.ravel(parts["scale"])[0])
    cell = scale * np.asarray(parts["lattice_vectors"], dtype=np.float64)
    counts = np.ravel(parts["number_ion_types"]).astype(np.int64)
    symbols = [bytes(name).decode("utf-8", "replace").strip() for name in parts["ion_types"]]
    given = np.asarray(parts["position_ions"], dtype=np.float64)
    if (
        cell.shape != (3, 3)
        or len(symbols) != len(counts)
        or np.any(counts < 0)
        or given.shape != (counts.sum(), 3)
        or not np.all(np.isfinite(given))
    ):
        raise EldynError(f"{group.name} is no structure: its parts do not fit", path=path)
    numbers = np.repeat([element_number(symbol) for symbol in symbols], counts)
    direct = np.ravel(parts.get("direct_coordinates", 1))[0] == 1
    return cell, numbers.astype(np.int64), given @ cell if direct else given * scale


def _small(group: Any, name: str) -> Any:
    """Return a data set of a structure.

    Raises
    ------
    ValueError
        If it is larger than that of any structure.
    """
    dataset = group[name]
    if dataset.size > 3 * MAX_ATOMS:
        raise ValueError(f"{name} claims {dataset.size} values")
    return dataset[()]


FORMAT = VolumeFormat("VASP HDF5 (vaspwave.h5, vaspout.h5)", ("vasp*.h5",), accepts, open_vaspwave)
