"""Read OpenDX files of a field on a regular grid, as APBS and GridDataFormats write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource, open_source
from napari_eldyn.density.formats.density_units import (
    TO_ELECTRONS_PER_CUBIC_ANGSTROM,
    UNITS,
    unit_named,
)
from napari_eldyn.density.formats.end_planes import find_end_planes
from napari_eldyn.density.formats.opendx_objects import DxArray, DxGrid, DxObjects, find_objects
from napari_eldyn.density.formats.text_numbers import read_numbers
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    Unit,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.exceptions import EldynError, MissingInformationError

__all__ = ["FORMAT", "OpenDxFile", "open_opendx"]

_NO_DENSITY = re.compile(r"potential\b.*?(\([^)]*\))?|kT/e|kappa|dielectric", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]|unit[^:]*:\s*(\S+)")
_HEAD = re.compile(rb"^[ \t]*object\s+\S+\s+class\s+\w+", re.MULTILINE)


class OpenDxFile:
    """An opened file.

    Parameters
    ----------
    source : ByteSource
    grid, array : DxGrid, DxArray
        Points of the field, and its values.
    per_cell : bool
        Whether the values are those of the cells between the points.
    unit : Unit or None
        None for what is no density.
    options : OpenOptions
    notes : dict
    """

    def __init__(
        self,
        source: ByteSource,
        grid: DxGrid,
        array: DxArray,
        per_cell: bool,
        unit: Unit | None,
        options: OpenOptions,
        notes: dict[str, Any],
    ) -> None:
        self._source = source
        self._array = array
        self._scale = 1.0 if unit is None else TO_ELECTRONS_PER_CUBIC_ANGSTROM[unit]
        nx, ny, nz = (count - per_cell for count in grid.counts)
        self._shape = nx, ny, nz
        if nx * ny * nz != array.items:
            raise EldynError(
                f"there are {array.items} values for a grid of {nx} × {ny} × {nz}", path=source.path
            )
        voxel = abs(float(np.linalg.det(grid.deltas)))
        row, _ = read_numbers(source, array.start, nz)
        # What was read to look at the end planes is kept for the first read.
        self._repeats, self._values = find_end_planes(
            row, self._read, 0.0 if unit is None else voxel
        )
        shape = (nx - self._repeats, ny - self._repeats, nz - self._repeats)
        self.header = VolumeHeader(
            checked_grid(
                source.path,
                grid.deltas * np.array(shape)[:, None],
                shape,
                grid.origin + (grid.deltas.sum(axis=0) / 2.0 if per_cell else 0.0),
            ),
            quantity="unknown" if unit is None else "density",
            kind=options.kind or "unknown",
            notes=notes | ({"removed_end_planes": ["x", "y", "z"]} if self._repeats else {}),
        )

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return the volume, without end planes that repeat the first ones.

        Raises
        ------
        EldynError
            Naming the file and the line, if it is damaged.
        """
        values, self._values = self._values, None
        if values is None:
            values = self._read()
        nx, ny, nz = self.header.grid.shape
        return np.ascontiguousarray(values[:nx, :ny, :nz])

    def _read(self) -> npt.NDArray[np.float32]:
        values, end = read_numbers(
            self._source, self._array.start, self._array.items, scale=self._scale
        )
        if end != self._array.end:
            # Lines are only counted when a file is opened; a blank within a number shifts the rest.
            line = self._source.line_number(end)
            raise EldynError(
                f"line {line}: the values of the grid end here, but the lines of the array do not",
                path=self._source.path,
                remedy="A number before is split in two, joined with another, or missing.",
            )
        return values.reshape(self._shape)


def open_opendx(path: Path, options: OpenOptions) -> OpenDxFile:
    """Find the field of a file; lengths are taken for Å.

    Parameters
    ----------
    path : Path
    options : OpenOptions
        ``dataset`` is the name of the field, where a file has several; ``unit`` that of the values.

    Raises
    ------
    MissingInformationError
        If there are several fields, or nothing tells the unit of the values.
    EldynError
        Naming the file, and the line if it is damaged.
    """
    source = open_source(path)
    objects = find_objects(source)
    name, grid, array_name = _field(path, objects, options.dataset)
    comment = "; ".join(filter(None, objects.comments[:8]))
    unit, told = _unit(path, [*objects.comments, name], options)
    notes = {"comment": comment, "unit_in_file": told, "lengths": "taken for Å"}
    return OpenDxFile(
        source,
        grid,
        objects.arrays[array_name],
        array_name in objects.per_cell,
        unit,
        options,
        notes,
    )


def _field(path: Path, objects: DxObjects, wanted: str | None) -> tuple[str, DxGrid, str]:
    """Return the name of a field, its grid and the name of its array."""
    found: dict[str, tuple[DxGrid, str]] = {}
    for name, parts in objects.fields.items():
        grid, array = objects.grids.get(parts.get("positions", "")), parts.get("data", "")
        if grid is not None and array in objects.arrays:
            found[name] = grid, array
    if not found and len(objects.grids) == 1:
        # Some codes leave the field out.
        grid = next(iter(objects.grids.values()))
        found = {name: (grid, name) for name in objects.arrays}
    if not found:
        raise EldynError("the file holds no field on a regular grid", path=path)
    if wanted is None and len(found) > 1:
        raise MissingInformationError(
            f"the file holds {len(found)} fields",
            option="dataset",
            choices=tuple(found),
            path=path,
        )
    name = next(iter(found)) if wanted is None or len(found) == 1 else wanted
    if name not in found:
        raise EldynError(f"there is no field '{name}', but {', '.join(found)}", path=path)
    return name, *found[name]


def _unit(path: Path, texts: list[str], options: OpenOptions) -> tuple[Unit | None, str]:
    """Return the unit of a density, or None for another quantity, and what to tell about it."""
    if options.unit is not None:
        return options.unit, f"{options.unit}, as asked for"
    for text in texts:
        # A comment may be the unit and nothing else.
        for named in (text, *(m[1] or m[2] or "" for m in _IN_BRACKETS.finditer(text))):
            if (unit := unit_named(named)) is not None:
                return unit, named
    for text in texts:
        if _NO_DENSITY.search(text):
            return None, text
    raise MissingInformationError(
        "nothing in the file tells the unit of its values", option="unit", choices=UNITS, path=path
    )


def _accepts(path: Path, head: bytes) -> bool:
    # The pattern takes long where the words are not there.
    return (b"gridpositions" in head or b"data follows" in head) and bool(_HEAD.search(head))


FORMAT = VolumeFormat("OpenDX", ("*.dx",), _accepts, open_opendx)
