"""Densities in arrays: NPZ, NPY, HDF5 and zarr files, with a cell and a unit.

Arrays are found by their names, upper and lower case alike, in groups or not:

=================================================  ================================================
``density`` (also ``rho``, ``charge_density``,     (frame, x, y, z), or (x, y, z) for one frame;
``electron_density``)                              else the only array of such a shape
``cell`` (``lattice``, ``lattice_vectors``, …)     (3, 3) vectors as rows, or (3,) lengths [Å]
``unit`` (``units``, ``density_unit``)             text, such as ``electrons/Å³``
``origin``                                         (3,) [Å]
``times`` (``time``), ``times_known``              (frame,) [fs]
``numbers`` (``atomic_numbers``)                   (atom,)
``positions``, ``velocities``                      (frame, atom, 3) or (atom, 3) [Å], [Å/fs]
``quantity``, ``kind``, ``expected_electrons``     text, as in `VolumeHeader`; a number
``density_spin``, ``orbital_…``, ``potential_…``   further fields, of the shape of the density
=================================================  ================================================

Other arrays of one floating-point number per frame are taken as such. What is not an array may be
an attribute of the density, of its group, or of the file. Our own NPZ files are of this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import ase.units
import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.array_file import Array, ArrayFile
from napari_eldyn.density.formats.density_units import (
    TO_ELECTRONS_PER_CUBIC_ANGSTROM,
    UNITS,
    unit_named,
)
from napari_eldyn.density.formats.hdf5_arrays import Hdf5File
from napari_eldyn.density.formats.npz_arrays import NpyFile, NpzFile
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.density.formats.zarr_arrays import ZarrFile, is_zarr
from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.exceptions import EldynError, MissingInformationError

__all__ = ["FORMAT", "is_surely_a_density"]

_HDF5, _NPY, _ZIP = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04"

_DENSITIES = ("density", "rho", "charge_density", "electron_density")
_CELLS = ("cell", "lattice", "lattice_vectors", "cell_vectors", "unit_cell", "box")
_UNITS = ("unit", "units", "density_unit", "density_units")
_TIMES = ("times", "time")
_NUMBERS = ("numbers", "atomic_numbers")
_CHANNELS = ("density_", "orbital_", "potential_")
_TO_EV = {"ev": 1.0, "ha": ase.units.Hartree, "hartree": ase.units.Hartree, "ry": ase.units.Rydberg}


def open_arrays(path: Path) -> ArrayFile:
    """Read the names, shapes and types of the arrays in a file.

    Raises
    ------
    EldynError
        If it is damaged, or no file of arrays.
    """
    if path.is_dir():
        return ZarrFile(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise EldynError(f"cannot be read: {error.strerror or error}", path=path) from error
    if head.startswith(_NPY):
        return NpyFile(path)
    return Hdf5File(path) if head == _HDF5 else NpzFile(path)


def accepts(path: Path, head: bytes) -> bool:
    """Whether a file holds an array that can be a density; a damaged one by its name."""
    if not (head.startswith((_HDF5, _NPY, _ZIP)) or is_zarr(path)):
        return path.suffix == ".npz" and path.is_file()
    if head.startswith(_ZIP) and path.suffix != ".npz":
        return False
    try:
        return bool(_fields(open_arrays(path)))
    except (EldynError, ModuleNotFoundError):
        return path.suffix in (".npz", ".npy", ".h5", ".hdf5", ".zarr")


def is_surely_a_density(path: Path) -> bool:
    """Whether a file has an array that is named as a density, and a cell.

    What is `accepts`-ed may be an image of others, for which a user would have to give a cell.
    """
    try:
        file = open_arrays(path)
    except (EldynError, ModuleNotFoundError):
        return False
    fields = [name for name in _fields(file) if _last(name) in _DENSITIES]
    return any(_Entries(file, name).has(_CELLS) for name in fields)


def _last(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _fields(file: ArrayFile) -> list[str]:
    """Return the names of arrays that can be fields: of three axes, or four with frames first."""
    found = []
    for name, info in file.arrays.items():
        if info.dtype.kind not in "fiu" or len(info.shape) not in (3, 4) or 0 in info.shape:
            continue
        # Vectors of atoms, and matrices, have three components last.
        if _last(name) in _DENSITIES or min(info.shape[-3:]) > 3:
            found.append(name)
    return found


class _Entries:
    """What belongs to a field: arrays beside it or above it, and attributes."""

    def __init__(self, file: ArrayFile, field: str) -> None:
        self._file = file
        groups = field.split("/")[:-1]
        self._places = ["/".join([*groups[:n], ""]) for n in range(len(groups), -1, -1)]
        self._attributes = {
            key.lower(): value
            for key, value in {**file.attributes, **file.arrays[field].attributes}.items()
        }
        self._names = {name.lower(): name for name in file.arrays}

    def name(self, names: Sequence[str]) -> str | None:
        """Return the name of the first array that is there."""
        for place in self._places:
            for name in names:
                found = self._names.get(f"{place.lower()}{name}")
                if found is not None:
                    return found
        return None

    def has(self, names: Sequence[str]) -> bool:
        return self.name(names) is not None or any(name in self._attributes for name in names)

    def get(self, *names: str) -> Array | None:
        """Return an array, or an attribute as one."""
        name = self.name(names)
        if name is not None:
            return self._file.read(name)
        for key in names:
            if key in self._attributes:
                return np.asarray(self._attributes[key])
        return None

    def text(self, *names: str) -> str | None:
        """Return a text."""
        value = self.get(*names)
        if value is None or value.size != 1 or value.dtype.kind not in "USO":
            return None
        item = value.reshape(-1)[0]
        return item.decode(errors="replace") if isinstance(item, bytes) else str(item)

    def numbers(self, *names: str) -> npt.NDArray[np.float64] | None:
        """Return numbers; what is none, or is not finite, does not count."""
        value = self.get(*names)
        if value is None or value.dtype.kind not in "fiub":
            return None
        values = value.astype(np.float64)
        return values if np.all(np.isfinite(values)) else None


class _ArrayVolumes:
    """An opened file of arrays."""

    def __init__(
        self, file: ArrayFile, header: VolumeHeader, names: dict[str, tuple[str, float]], rows: bool
    ) -> None:
        self._file = file
        self._header = header
        self._names = names
        self._rows = rows

    @property
    def header(self) -> VolumeHeader:
        return self._header

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return one volume."""
        name, factor = self._names[channel]
        values = self._file.read(name, frame if self._rows else None)
        if factor != 1.0:
            values = values * factor
        return np.ascontiguousarray(values, dtype=np.float32)


def open_volumes(path: Path, options: OpenOptions) -> _ArrayVolumes:
    """Find the density in a file of arrays, and what belongs to it.

    Raises
    ------
    EldynError
        If there is none, or the file is damaged.
    MissingInformationError
        If there are several, or no cell or unit.
    """
    file = open_arrays(path)
    field = _chosen_field(file, options.dataset, path)
    shape = file.arrays[field].shape
    n = shape[0] if len(shape) == 4 else 1
    entries = _Entries(file, field)
    cell, origin = _cell(entries, n, options, path)
    grid = checked_grid(path, cell, shape[-3:], origin)
    quantity, factor, unit = _quantity(entries, options, path)
    names = {DENSITY: (field, factor)}
    for name, info in file.arrays.items():
        plain = name.rpartition("/")[2]
        if name != field and info.shape == shape and plain.startswith(_CHANNELS):
            names[plain] = (name, factor if plain.startswith("density_") else 1.0)
    numbers = _atomic_numbers(entries, path)
    positions = _vectors(entries, "positions", n, numbers, path)
    expected = entries.numbers("expected_electrons")
    header = VolumeHeader(
        grid,
        n_frames=n,
        channels=tuple(names),
        quantity=quantity,
        kind=_kind(entries, options),
        numbers=numbers,
        positions=positions,
        velocities=_vectors(entries, "velocities", n, numbers, path),
        times=_times(entries, n, path),
        scalars=_scalars(file, n, numbers),
        expected_electrons=None if expected is None or expected.size != 1 else expected.item(),
        notes={"dataset": field, **({"unit_in_file": unit} if unit else {})},
    )
    return _ArrayVolumes(file, header, names, len(shape) == 4)


def _chosen_field(file: ArrayFile, dataset: str | None, path: Path) -> str:
    """Return the name of the field that is meant."""
    fields = _fields(file)
    if dataset is not None:
        named = [name for name in file.arrays if dataset in (name, _last(name))]
        if len(named) == 1 and len(file.arrays[named[0]].shape) in (3, 4):
            return named[0]
    elif not fields:
        raise EldynError(
            "the file holds no array that could be a density: none has the axes (x, y, z), or "
            "(frame, x, y, z)",
            path=path,
            remedy="Arrays of Python objects do not count: they are never loaded.",
        )
    else:
        known = [name for name in fields if _last(name) in _DENSITIES] or fields
        if len(known) == 1:
            return known[0]
        exact = [name for name in known if name.lower() == "density"]
        if len(exact) == 1:
            return exact[0]
    problem = (
        "several arrays could be the density"
        if dataset is None
        else f"there is no one field called '{dataset}'"
    )
    raise MissingInformationError(problem, option="dataset", choices=tuple(fields[:20]), path=path)


def _cell(
    entries: _Entries, n: int, options: OpenOptions, path: Path
) -> tuple[Array, npt.ArrayLike]:
    """Return the cell and the origin [Å]."""
    origin = entries.numbers("origin")
    corner: npt.ArrayLike = origin if origin is not None and origin.shape == (3,) else (0, 0, 0)
    cell = entries.numbers(*_CELLS)
    if cell is not None and cell.shape == (3,):
        cell = np.diag(cell)
    if cell is not None and cell.shape == (n, 3, 3):
        if np.ptp(cell, axis=0).max() > 1e-4:
            raise EldynError(
                f"the cell varies, from {cell[0].tolist()} to {cell[-1].tolist()} Å",
                path=path,
                remedy="The frames of a trajectory share one cell: write the others apart.",
            )
        cell = cell[0]
    if cell is not None and cell.shape == (3, 3):
        return cell, corner
    if options.cell is None:
        raise MissingInformationError("the file holds no cell", option="cell", path=path)
    return options.cell, corner


def _quantity(entries: _Entries, options: OpenOptions, path: Path) -> tuple[str, float, str | None]:
    """Return the quantity, the factor to its unit, and the unit in the file."""
    unit = entries.text(*_UNITS)
    quantity = entries.text("quantity")
    if quantity not in QUANTITIES:
        quantity = "potential" if unit is not None and unit.lower() in _TO_EV else "density"
    if unit == QUANTITIES[quantity].unit or QUANTITIES[quantity].unit == "":
        return quantity, 1.0, unit
    if quantity == "potential" and unit is not None and unit.lower() in _TO_EV:
        return quantity, float(_TO_EV[unit.lower()]), unit
    if QUANTITIES[quantity].unit != QUANTITIES["density"].unit:
        return ("unknown", 1.0, unit)
    known = (unit_named(unit) if unit else None) or options.unit
    if known is None:
        problem = f"the unit '{unit}' is not known" if unit else "the file does not say its unit"
        raise MissingInformationError(problem, option="unit", choices=UNITS, path=path)
    return quantity, TO_ELECTRONS_PER_CUBIC_ANGSTROM[known], unit or known


def _kind(entries: _Entries, options: OpenOptions) -> DensityKind:
    text = entries.text("kind")
    for kind in get_args(DensityKind):
        if text == kind != "unknown":
            return kind  # type: ignore[no-any-return]
    return options.kind or "unknown"


def _atomic_numbers(entries: _Entries, path: Path) -> npt.NDArray[np.int64] | None:
    numbers = entries.numbers(*_NUMBERS)
    if numbers is None or numbers.ndim != 1:
        return None
    if np.any((numbers < 0) | (numbers > 118)):
        raise EldynError("the atomic numbers are not those of elements", path=path)
    return numbers.astype(np.int64)


def _vectors(
    entries: _Entries, name: str, n: int, numbers: npt.NDArray[np.int64] | None, path: Path
) -> npt.NDArray[np.float64] | None:
    """Return positions or velocities, (n, atoms, 3)."""
    vectors = entries.numbers(name)
    if vectors is None:
        return None
    if vectors.ndim == 2:
        vectors = np.broadcast_to(vectors, (n, *vectors.shape))
    atoms = vectors.shape[1:2] if numbers is None else (len(numbers),)
    if vectors.shape != (n, *atoms, 3):
        raise EldynError(
            f"{name} of shape {vectors.shape} do not fit {n} frames of {atoms[0]} atoms", path=path
        )
    return vectors


def _times(entries: _Entries, n: int, path: Path) -> npt.NDArray[np.float64] | None:
    """Return the times [fs], None if the file says that they are mere counts."""
    times = entries.numbers(*_TIMES)
    known = entries.get("times_known")
    if times is None or (known is not None and known.size == 1 and not known.item()):
        return None
    if times.reshape(-1).shape != (n,):
        raise EldynError(f"times of shape {times.shape} do not fit {n} frames", path=path)
    return times.reshape(-1)


def _scalars(
    file: ArrayFile, n: int, numbers: npt.NDArray[np.int64] | None
) -> dict[str, npt.NDArray[np.float64]]:
    """Return arrays of one number per frame, unless they could be one number per atom."""
    known = ("energy", "temperature", "pressure")
    return {
        _last(name): np.asarray(file.read(name), dtype=np.float64)
        for name, info in file.arrays.items()
        if info.shape == (n,)
        and info.dtype.kind == "f"
        and _last(name) not in (*_TIMES, *_CELLS, "origin")
        and (_last(name) in known or (n > 1 and (numbers is None or n != len(numbers))))
    }


FORMAT = VolumeFormat(
    "arrays (NPZ, NPY, HDF5 or zarr) with a cell",
    ("*.npz", "*.npy", "*.h5", "*.hdf5", "*.zarr"),
    accepts,
    open_volumes,
)
