"""Read XSF files of XCrySDen, VESTA, Quantum ESPRESSO and others: one data grid, or animated.

http://www.xcrysden.org/doc/XSF.html. A grid's vectors lead from its first to its last points; in
a crystal, the last planes repeat the first ones.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource, open_source
from napari_eldyn.density.formats.density_units import TO_ELECTRONS_PER_CUBIC_ANGSTROM, unit_named
from napari_eldyn.density.formats.text_numbers import read_numbers
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    Unit,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.density.formats.xsf_parts import AtomsBlock, DataGrid, XsfParts, find_parts
from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.exceptions import EldynError, MissingInformationError

__all__ = ["FORMAT", "open_xsf"]

_TIME = re.compile(r"time = (-?\d+(?:\.\d+)?)")
_UNIT = re.compile(r"unit of the values: ([^;]+)")
_SAME = 1e-4  # of the largest value: planes that agree to this are the same


class XsfFile:
    """An opened file.

    Parameters
    ----------
    source : ByteSource
    grids : list of DataGrid
        One per frame.
    header : VolumeHeader
    scale : float
        From the unit in the file.
    first_values : ndarray
        Of the first grid, which had to be read; kept for the first call of `read`.
    """

    def __init__(
        self,
        source: ByteSource,
        grids: list[DataGrid],
        header: VolumeHeader,
        scale: float,
        first_values: npt.NDArray[np.float32],
    ) -> None:
        self.header = header
        self._source = source
        self._grids = grids
        self._scale = scale
        self._first_values: npt.NDArray[np.float32] | None = first_values

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return a frame without the planes at its end that repeat the first ones.

        Raises
        ------
        EldynError
            Naming the file and the line, if a value is not a number.
        """
        values, self._first_values = self._first_values, None
        if values is None or frame:
            values = _values(self._source, self._grids[frame], self._scale)
        nx, ny, nz = self.header.grid.shape
        return np.ascontiguousarray(values[:nx, :ny, :nz])


def open_xsf(path: Path, options: OpenOptions) -> XsfFile:
    """Find the structures and data grids of a file; the first grid is read for its end planes.

    Parameters
    ----------
    path : Path
    options : OpenOptions
        ``dataset`` is the name or number (from 1) of a data grid, where a file that is not
        animated has several; ``unit`` that of the values.

    Raises
    ------
    MissingInformationError
        If there are several data grids, and none was chosen.
    EldynError
        Naming the file and the line, if it is damaged; if grids or cells differ between frames.
    """
    source = open_source(path)
    parts = find_parts(source)
    grids = _frames(path, parts, options)
    first = grids[0]
    quantity = _quantity(parts, first)
    unit, unit_note = _unit(parts, quantity, options)
    scale = TO_ELECTRONS_PER_CUBIC_ANGSTROM[unit]
    values = _values(source, first, scale)
    removed, cell, shape, spacing_note = _periodicity(parts, first, values)
    blocks = _atoms(path, parts, grids)
    notes: dict[str, Any] = {"comment": "; ".join(parts.comments[:2]), "dataset": first.name}
    notes |= {"unit_in_file": unit_note} if unit_note else {}
    notes |= {"removed_end_planes": removed} if removed else {}
    notes |= {"points": spacing_note} if spacing_note else {}
    times = [_TIME.search(block.comment) for block in blocks]
    header = VolumeHeader(
        checked_grid(path, cell, shape, first.origin),
        n_frames=len(grids),
        quantity=quantity,
        kind=options.kind or "unknown",
        numbers=blocks[0].numbers if blocks else None,
        positions=np.stack([block.positions for block in blocks]) if blocks else None,
        times=np.array([float(time[1]) for time in times if time])
        if times and all(times)
        else None,
        notes=notes,
    )
    return XsfFile(source, grids, header, scale, values)


def _values(source: ByteSource, grid: DataGrid, scale: float) -> npt.NDArray[np.float32]:
    nx, ny, nz = grid.shape
    values, end = read_numbers(source, grid.start, nx * ny * nz, scale=scale)
    # Lines are only counted when a file is opened; a blank within a number shifts the rest.
    if not source.read(end, 4096).lstrip().upper().startswith((b"END_DATAGRID", b"#")):
        raise EldynError(
            f"line {source.line_number(end)}: the data grid should end here, after {nx} × {ny} × "
            f"{nz} numbers: one before is split in two, joined with another, or missing",
            path=source.path,
        )
    return values.reshape(nz, ny, nx).transpose(2, 1, 0)


def _frames(path: Path, parts: XsfParts, options: OpenOptions) -> list[DataGrid]:
    grids = parts.grids
    if not grids:
        raise EldynError(
            "the file holds no data grid of three dimensions",
            path=path,
            remedy="Export the density with it (BEGIN_BLOCK_DATAGRID_3D).",
        )
    animated = parts.n_steps is not None and parts.n_steps > 1
    if len(grids) > 1 and not animated and len(parts.atoms) < len(grids):
        return [_chosen(path, grids, options.dataset)]
    first = grids[0]
    for number, grid in enumerate(grids[1:], start=2):
        if grid.shape != first.shape or not np.allclose(
            (grid.span, np.tile(grid.origin, (3, 1))),
            (first.span, np.tile(first.origin, (3, 1))),
            atol=1e-4,
        ):
            raise EldynError(
                f"data grid {number} has another grid or cell than the first: a trajectory has one",
                path=path,
            )
    if animated and parts.n_steps != len(grids) and len(grids) > 1:
        raise EldynError(
            f"it claims {parts.n_steps} steps, but holds {len(grids)} data grids", path=path
        )
    return grids


def _chosen(path: Path, grids: list[DataGrid], dataset: str | None) -> DataGrid:
    names = [
        grid.name if [other.name for other in grids].count(grid.name) == 1 else str(number)
        for number, grid in enumerate(grids, start=1)
    ]
    if dataset is None:
        raise MissingInformationError(
            f"the file holds {len(grids)} data grids",
            option="dataset",
            choices=tuple(names),
            path=path,
        )
    numbers = [str(number) for number in range(1, len(grids) + 1)]
    for labels in (names, numbers):
        if dataset in labels:
            return grids[labels.index(dataset)]
    raise EldynError(f"there is no data grid '{dataset}', but {', '.join(names)}", path=path)


def _quantity(parts: XsfParts, grid: DataGrid) -> str:
    """Return the quantity that our own files name; others hold densities, or are taken so."""
    for name in (*parts.block_names, grid.name.partition("#")[0]):
        if name in QUANTITIES:
            return name
    return "density"


def _unit(parts: XsfParts, quantity: str, options: OpenOptions) -> tuple[Unit, str]:
    """Return the unit of the values, and what to tell about it."""
    if quantity != "density":
        return "e/Å³", ""
    if options.unit is not None:
        return options.unit, f"{options.unit}, as asked for"
    for comment in parts.comments:
        match = _UNIT.search(comment)
        unit = unit_named(match[1]) if match else None
        if unit is not None:
            return unit, unit
    if any(name.upper().startswith("3D_PWSCF") for name in parts.block_names):
        return "e/bohr³", "not named; e/bohr³, as Quantum ESPRESSO writes it"
    return "e/Å³", "not named; taken for e/Å³, as the lengths are in Å"


def _periodicity(
    parts: XsfParts, grid: DataGrid, values: npt.NDArray[np.float32]
) -> tuple[list[str], npt.NDArray[np.float64], tuple[int, int, int], str]:
    """Return the axes whose end planes repeat the first, cell, counts, and what to tell.

    In a crystal, planes at the end that differ from the first are no repeats, whatever the
    vectors say.
    """
    removed, notes = [], []
    cell, shape = grid.span.copy(), list(grid.shape)
    tolerance = _SAME * float(np.abs(values).max(initial=0.0))
    for axis, name in enumerate("xyz"):
        n = shape[axis]
        vector = _vector_beyond(parts, grid.span[axis], n)
        planes = values.take(0, axis=axis) - values.take(n - 1, axis=axis)
        if not parts.periodic or n == 1:
            cell[axis] *= n / max(n - 1, 1)
        elif vector is not None:
            cell[axis] = vector
        elif np.all(np.abs(planes) <= tolerance):
            removed.append(name)
            shape[axis] = n - 1
        else:
            notes.append(name)
    if not parts.periodic:
        told = "a molecule's: all points are kept, and the cell ends one step after the last"
    elif notes:
        told = (
            f"along {', '.join(notes)} the last plane does not repeat the first, "
            "so it is taken for the last before the end of the cell"
        )
    else:
        told = ""
    return removed, cell, (shape[0], shape[1], shape[2]), told


def _vector_beyond(
    parts: XsfParts, span: npt.NDArray[np.float64], n: int
) -> npt.NDArray[np.float64] | None:
    """Return the cell vector if a grid's vector ends at the last point before its end.

    Some, ase among them, write it longer than the cell by a step instead.
    """
    for vector in parts.cells[0] if parts.cells else ():
        for steps in (n - 1, n + 1):
            if np.allclose(span, vector * steps / n, rtol=1e-4, atol=1e-4):
                return np.asarray(vector)
    return None


def _atoms(path: Path, parts: XsfParts, grids: list[DataGrid]) -> list[AtomsBlock]:
    """Return the atoms of each frame; none if there are none."""
    if not parts.atoms:
        return []
    if len(parts.atoms) == len(grids):
        blocks = parts.atoms
    else:
        blocks = [parts.atoms[max(grid.n_atoms_before - 1, 0)] for grid in grids]
    for block in blocks[1:]:
        if not np.array_equal(block.numbers, blocks[0].numbers):
            raise EldynError("the atoms change from step to step", path=path)
    for cell in parts.cells[1:]:
        if not np.allclose(cell, parts.cells[0], atol=1e-4):
            raise EldynError("the cell changes from step to step: a trajectory has one", path=path)
    return blocks


def _accepts(path: Path, head: bytes) -> bool:
    if b"DATAGRID" in head.upper():
        return True
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".xsf", ".axsf")) and any(
        key in head.upper() for key in (b"PRIMVEC", b"ATOMS", b"PRIMCOORD")
    )


FORMAT = VolumeFormat("XSF", ("*.xsf", "*.axsf"), _accepts, open_xsf)
