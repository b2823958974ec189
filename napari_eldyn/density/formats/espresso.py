"""Read Quantum ESPRESSO's ``charge-density.hdf5``: coefficients ρ(G), for real space.

The layout is that of ``write_rhog`` in QE's ``Modules/io_base.f90``: Miller indices of the
wavevectors, with the reciprocal vectors [1/bohr] as attributes; coefficients [e/bohr³] as pairs of
numbers; with k = Γ only, of each pair ±G one. Grid and atoms are in the XML file beside.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
import numpy.typing as npt
from scipy.fft import irfftn, next_fast_len

from napari_eldyn.density.formats.density_units import TO_ELECTRONS_PER_CUBIC_ANGSTROM
from napari_eldyn.density.formats.espresso_xml import XML_NAME, Calculation, read_calculation
from napari_eldyn.density.formats.hdf5_arrays import Hdf5File
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.exceptions import EldynError

__all__ = ["FORMAT", "EspressoFile", "open_espresso"]

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MILLER = "MillerIndices"
_MOST_POINTS_PER_WAVEVECTOR = 1000  # 4 in a cube with k = Γ; more in cells with acute angles
_FEW_POINTS = 10**6
_CHANNELS = {
    DENSITY: "rhotot_g",
    "density_spin": "rhodiff_g",
    "density_spin_x": "m_x",
    "density_spin_y": "m_y",
    "density_spin_z": "m_z",
}


class EspressoFile:
    """An opened file.

    Parameters
    ----------
    file : Hdf5File
    path : Path
    header : VolumeHeader
    half : bool
        Whether the file holds one of each pair ±G.
    """

    def __init__(self, file: Hdf5File, path: Path, header: VolumeHeader, half: bool) -> None:
        self.header = header
        self._file = file
        self._path = path
        self._half = half

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return the density or a component of the spin density [electrons/Å³].

        Raises
        ------
        EldynError
            If the file is damaged.
        """
        name = _CHANNELS[channel]
        miller = self._file.read(_MILLER).astype(np.int64)
        pairs = np.asarray(self._file.read(name), dtype=np.float64).reshape(-1)
        if len(pairs) != 2 * len(miller):
            raise EldynError(
                f"{name} holds {len(pairs)} numbers, not a pair for each of {len(miller)} "
                "wavevectors",
                path=self._path,
            )
        if not np.all(np.isfinite(pairs)):
            raise EldynError(f"{name} holds values that are no numbers", path=self._path)
        nx, ny, nz = self.header.grid.shape
        if np.any(2 * np.abs(miller).max(axis=0, initial=0) > (nx, ny, nz)):
            raise EldynError(
                f"{_MILLER} go beyond the grid of {nx} × {ny} × {nz} points", path=self._path
            )
        coefficients = pairs[0::2] + 1j * pairs[1::2]
        spectrum = np.zeros((nx, ny, nz // 2 + 1), dtype=np.complex128)
        # The transform of a real field needs the half with a third index ≥ 0: ρ(−G) = ρ(G)*.
        for sign, values in ((1, coefficients), (-1, coefficients.conj())):
            if sign == 1 or self._half:
                chosen = sign * miller[:, 2] >= 0
                along_x, along_y, along_z = (sign * miller[chosen]).T
                spectrum[along_x % nx, along_y % ny, along_z] = values[chosen]
        values = irfftn(spectrum, (nx, ny, nz), norm="forward", overwrite_x=True)
        values *= TO_ELECTRONS_PER_CUBIC_ANGSTROM["e/bohr³"]
        if not np.abs(values).max() <= np.finfo(np.float32).max:
            raise EldynError(f"{name} gives values beyond single precision", path=self._path)
        return np.asarray(values, dtype=np.float32)


def open_espresso(path: Path, options: OpenOptions) -> EspressoFile:
    """Read the cell of a file, and the grid and atoms of the XML file beside it.

    Without that, the grid is the least on which the wavevectors fit.

    Raises
    ------
    EldynError
        If the file is damaged, or the file beside is of another calculation.
    """
    file = Hdf5File(path)
    miller = file.arrays.get(_MILLER)
    if miller is None or miller.dtype.kind not in "iu" or miller.shape[1:] != (3,):
        raise EldynError(f"it holds no {_MILLER} of three numbers each", path=path)
    reciprocal = np.array([_vector(path, miller.attributes, f"bg{i}") for i in (1, 2, 3)])
    if abs(np.linalg.det(reciprocal)) < 1e-12:
        raise EldynError("its reciprocal vectors span no volume", path=path)
    cell = 2 * np.pi * np.linalg.inv(reciprocal).T * ase.units.Bohr
    calculation = read_calculation(path.with_name(XML_NAME))
    notes: dict[str, Any] = {"code": "Quantum ESPRESSO", "unit_in_file": "e/bohr³"}
    if calculation is None:
        notes["atoms"] = f"not known: {XML_NAME} is not beside the file"
        largest = np.abs(file.read(_MILLER).astype(np.int64)).max(axis=0, initial=0)
        if largest.max() > 2**20:
            raise EldynError(f"{_MILLER} of {largest.max()} cannot be meant", path=path)
        shape = tuple(next_fast_len(2 * int(n) + 1, real=True) for n in largest)
    else:
        _check_cell(path, cell, calculation)
        shape = calculation.shape
    grid = checked_grid(path, cell, shape)
    if math.prod(shape) > _FEW_POINTS + _MOST_POINTS_PER_WAVEVECTOR * miller.shape[0]:
        raise EldynError(
            f"{miller.shape[0]} wavevectors cannot need a grid of "
            f"{' × '.join(map(str, shape))} points",
            path=path,
        )
    half = str(file.attributes.get("gamma_only", "")).strip().strip(".").lower() in ("true", "t")
    channels = tuple(channel for channel, name in _CHANNELS.items() if name in file.arrays)
    if DENSITY not in channels:
        raise EldynError(f"it holds no {_CHANNELS[DENSITY]}", path=path)
    header = VolumeHeader(
        grid,
        channels=channels,
        kind=options.kind or "valence",
        numbers=None if calculation is None else calculation.numbers,
        positions=None if calculation is None else calculation.positions[None],
        expected_electrons=None if calculation is None else calculation.electrons,
        notes=notes,
    )
    return EspressoFile(file, path, header, half)


def _vector(path: Path, attributes: Any, name: str) -> npt.NDArray[np.float64]:
    try:
        vector = np.asarray(attributes[name], dtype=np.float64).reshape(3)
    except (KeyError, ValueError, TypeError) as error:
        raise EldynError(f"{_MILLER} have no reciprocal vector {name}", path=path) from error
    if not np.all(np.isfinite(vector)):
        raise EldynError(f"the reciprocal vector {name} is not finite", path=path)
    return vector


def _check_cell(path: Path, cell: npt.NDArray[np.float64], calculation: Calculation) -> None:
    if not np.allclose(cell, calculation.cell, rtol=1e-4, atol=1e-4):
        raise EldynError(
            f"its cell is not that of {XML_NAME} beside it",
            path=path,
            remedy="Put the file that belongs to it beside it, or none.",
        )


def _accepts(path: Path, head: bytes) -> bool:
    if not head.startswith(_MAGIC) or not path.is_file():
        return False
    try:
        return {_MILLER, _CHANNELS[DENSITY]} <= Hdf5File(path).arrays.keys()
    except (EldynError, ModuleNotFoundError):
        return "charge-density" in path.name


FORMAT = VolumeFormat(
    "Quantum ESPRESSO charge-density.hdf5", ("charge-density*.hdf5",), _accepts, open_espresso
)
