"""Read VASP's CHGCAR, CHG, PARCHG, AECCAR, LOCPOT and ELFCAR files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.byte_source import ByteSource, open_source
from napari_eldyn.density.formats.vasp_comment import read_comment
from napari_eldyn.density.formats.vasp_index import Snapshot, index_snapshots
from napari_eldyn.density.formats.vasp_names import (
    CONTENTS,
    PATTERNS,
    accepts,
    content_name,
    neighbour_name,
    sibling_name,
)
from napari_eldyn.density.formats.vasp_neighbours import Neighbours, read_neighbours
from napari_eldyn.density.formats.vasp_poscar import Poscar, element_number
from napari_eldyn.density.formats.vasp_values import read_block
from napari_eldyn.density.formats.volume_file import (
    DENSITY,
    OpenOptions,
    VolumeFormat,
    VolumeHeader,
    checked_grid,
)
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError

__all__ = ["FORMAT", "VaspFile", "open_vasp"]

_TIMES_VOLUME = ("density", "density_difference", "spin_density")
"""Quantities that files hold multiplied by the volume of the cell."""

_STEPS_PER_FRAME = 10
"""MD steps between the densities of a CHG: https://vasp.at/wiki/CHG."""


def open_vasp(path: Path, options: OpenOptions) -> VaspFile:
    """Read the structures of a file and find its volumes.

    Parameters
    ----------
    path : Path
    options : OpenOptions
        ``dataset`` says what a file of another name holds (``LOCPOT``, …; else it is taken for a
        CHGCAR). ``kind="all_electron"`` adds up an AECCAR0 and the AECCAR2 beside it.

    Raises
    ------
    EldynError
        Naming the file and the line, if it is damaged; if cell or grid change; or if
        what was asked for is not there.
    """
    name, named = content_name(path, options)
    content = CONTENTS[name]
    source = open_source(path)
    snapshots, left_out = index_snapshots(source)
    first = snapshots[0]
    comment = read_comment(first.structure.comment)
    if comment is not None and content.quantity == "density":
        content = replace(content, quantity=comment.quantity, kind=comment.kind)
    grid = checked_grid(path, first.structure.cell, first.shape)
    _check_alike(path, snapshots, grid)
    further = {1: (), 2: content.spin, 4: content.vector}[len(first.blocks)]
    beside = read_neighbours(path, lambda kind: neighbour_name(path.name, kind), first.structure)
    symbols = _symbols(first.structure, beside)
    notes: dict[str, Any] = {"comment": first.structure.comment, "vasp_file": name}
    if not named:
        notes["content_from"] = "the file has none of VASP's names; taken for a CHGCAR"
    if not symbols:
        notes["elements"] = "the file names none, and no POTCAR that fits is beside"
    if left_out:
        notes["left_out"] = f"the last snapshot: {left_out}"
    if content.quantity in _TIMES_VOLUME:
        notes["unit_in_file"] = "electrons (density × cell volume)"
        notes["paw_occupancies"] = "not read: within the PAW spheres, only what is on the grid"
    header = VolumeHeader(
        grid,
        n_frames=len(snapshots),
        channels=(DENSITY, *further),
        quantity=content.quantity,
        kind=content.kind,
        numbers=first.structure.numbers(symbols),
        positions=_unwrapped(snapshots, grid),
        notes=notes,
    )
    if comment is None:
        header = _with_electrons(header, name, beside)
    header = _with_times(header, name, snapshots, beside, options)
    file = VaspFile(source, snapshots, header)
    if options.kind == "all_electron" and content.quantity == "density":
        return _all_electron(path, name, file, options)
    if options.kind and content.quantity == "density" and not named and comment is None:
        file.header = replace(header, kind=options.kind, expected_electrons=None)
    return file


class VaspFile:
    """An opened file of VASP's.

    Parameters
    ----------
    source : ByteSource
    snapshots : list of Snapshot
    header : VolumeHeader
    added : VaspFile, optional
        Whose density is added.
    """

    def __init__(
        self,
        source: ByteSource,
        snapshots: list[Snapshot],
        header: VolumeHeader,
        added: VaspFile | None = None,
    ) -> None:
        self._source = source
        self._snapshots = snapshots
        self._added = added
        self.header = header

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return one volume, in the unit of its quantity.

        Raises
        ------
        EldynError
            Naming the file and the line, if a number is damaged.
        """
        snapshot = self._snapshots[frame]
        start, end = snapshot.blocks[self.header.channels.index(channel)]
        scale = 1.0 / self.header.grid.volume if self.header.quantity in _TIMES_VOLUME else 1.0
        values = read_block(self._source, start, end, snapshot.shape, scale)
        if self._added is not None:
            values += self._added.read(frame, channel)
        return values


def _check_alike(path: Path, snapshots: list[Snapshot], grid: PeriodicGrid) -> None:
    first = snapshots[0]
    for index, snapshot in enumerate(snapshots[1:], 1):
        if snapshot.shape != first.shape:
            raise EldynError(
                f"frame {index} has {' × '.join(map(str, snapshot.shape))} grid points, the first "
                f"{' × '.join(map(str, first.shape))}",
                path=path,
            )
        if not np.allclose(snapshot.structure.cell, grid.cell, rtol=0.0, atol=1e-4):
            raise EldynError(
                f"the cell changes: that of frame {index} is "
                f"{snapshot.structure.cell.round(4).tolist()} Å, the first "
                f"{grid.cell.round(4).tolist()} Å; all frames of a trajectory have one",
                path=path,
            )
        if snapshot.structure.counts != first.structure.counts:
            raise EldynError(f"frame {index} has other atoms than the first", path=path)


def _symbols(structure: Poscar, beside: Neighbours) -> tuple[str, ...]:
    """Return the elements of the species; VASP 4 writes none, ASE puts them in the first line."""
    if structure.symbols or beside.symbols:
        return structure.symbols or beside.symbols
    words = tuple(structure.comment.split())
    fits = len(words) == len(structure.counts) and all(map(element_number, words))
    return words if fits else ()


def _unwrapped(snapshots: list[Snapshot], grid: PeriodicGrid) -> npt.NDArray[np.float64]:
    """Return the positions [Å]; from frame to frame, each atom moves less than half a cell."""
    positions = np.stack([snapshot.structure.positions for snapshot in snapshots])
    moves = np.diff(positions, axis=0) @ np.linalg.inv(grid.cell)
    jumps = np.cumsum(np.round(moves), axis=0)
    positions[1:] -= jumps @ grid.cell
    return np.asarray(positions)


def _with_electrons(header: VolumeHeader, name: str, beside: Neighbours) -> VolumeHeader:
    """Tell how many electrons are expected, and after what."""
    if name not in ("CHGCAR", "CHG", "AECCAR0", "AECCAR2"):
        return header
    electrons, origin = beside.electrons, beside.electrons_from
    if name == "AECCAR0":
        electrons, origin = None, None
        numbers = header.numbers
        if beside.valence is not None and numbers is not None and np.all(numbers > 0):
            electrons = float(numbers.sum()) - beside.valence
            origin = "atomic numbers less ZVAL of the POTCAR beside"
    notes = {
        **header.notes,
        "expected_electrons_from": origin
        or "a whole number: neither an OUTCAR nor a POTCAR that fits is beside",
    }
    return replace(header, expected_electrons=electrons, notes=notes)


def _with_times(
    header: VolumeHeader,
    name: str,
    snapshots: list[Snapshot],
    beside: Neighbours,
    options: OpenOptions,
) -> VolumeHeader:
    """Tell the times, after our own comment lines, or the INCAR of the run that wrote a CHG."""
    if options.timestep is not None:
        return header
    comments = [read_comment(snapshot.structure.comment) for snapshot in snapshots]
    told = [comment.time for comment in comments if comment and comment.time is not None]
    if len(told) == len(snapshots):
        return replace(header, times=np.array(told))
    steps = 1 + _STEPS_PER_FRAME * np.arange(header.n_frames)
    if name != "CHG" or header.n_frames < 2 or any(comments):
        return header
    spacing = f"{_STEPS_PER_FRAME} MD steps (VASP writes a CHG every ten)"
    header = replace(header, notes={**header.notes, "frame_spacing": spacing})
    if beside.step is None or steps[-1] > (beside.n_steps or 0):
        return header
    return replace(
        header,
        times=steps.astype(np.float64) * beside.step,
        steps=steps,
        notes={**header.notes, "times_from": "POTIM of the INCAR beside, ten steps a frame"},
    )


def _all_electron(path: Path, name: str, file: VaspFile, options: OpenOptions) -> VaspFile:
    """Return the sum of core and valence densities, as pymatgen makes it of AECCAR0 and 2."""
    if name not in ("AECCAR0", "AECCAR2"):
        raise EldynError(
            f"a {name} holds no core electrons",
            path=path,
            remedy="Open the AECCAR0 or AECCAR2 of the run with kind all_electron.",
        )
    other_name = "AECCAR2" if name == "AECCAR0" else "AECCAR0"
    other_path = path.with_name(sibling_name(path.name, other_name) or other_name)
    if not other_path.is_file():
        raise EldynError(
            f"the all-electron density is its sum with {other_path.name}, which is not beside it",
            path=path,
            remedy="Put it there, or open this one without a kind.",
        )
    other = open_vasp(other_path, replace(options, kind=None))
    if other.header.n_frames != file.header.n_frames or not other.header.grid.matches(
        file.header.grid
    ):
        raise EldynError(f"its grid or cell is not that of {path.name}", path=other_path)
    numbers = file.header.numbers
    known = numbers is not None and bool(np.all(numbers > 0))
    header = replace(
        file.header,
        kind="all_electron",
        channels=(DENSITY,),
        expected_electrons=float(numbers.sum()) if known and numbers is not None else None,
        notes={
            **file.header.notes,
            "vasp_file": "AECCAR0 + AECCAR2",
            "expected_electrons_from": "atomic numbers, for a neutral cell",
        },
    )
    return VaspFile(file._source, file._snapshots, header, added=other)


FORMAT = VolumeFormat(
    "VASP volumes (CHGCAR, CHG, PARCHG, AECCAR, LOCPOT, ELFCAR)", PATTERNS, accepts, open_vasp
)
