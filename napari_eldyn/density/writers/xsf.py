"""Write XSF files of XCrySDen and VESTA, animated for several frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.writers.file_format import (
    FileFormat,
    atoms_of,
    checked_frame,
    describe,
    when,
)
from napari_eldyn.density.writers.number_text import number_lines

__all__ = ["FORMAT"]


def _frame(trajectory: DensityTrajectory, index: int) -> Iterator[bytes]:
    """Yield the data grid of a frame: x fastest, end planes repeated, exact to float32."""
    frame = np.pad(checked_frame(trajectory, index), (0, 1), mode="wrap")
    grid = trajectory.grid
    lines = [
        f"BEGIN_DATAGRID_3D_{trajectory.quantity}#{index + 1}",
        " ".join(f"{n:6d}" for n in frame.shape),
        _vector(grid.origin),
        *map(_vector, grid.cell),
    ]
    yield ("\n".join(lines) + "\n").encode("ascii")
    yield from number_lines(frame.transpose(2, 1, 0).reshape(-1), 6, 9, 16)
    yield b"END_DATAGRID_3D\n"


def _assemble(
    trajectory: DensityTrajectory, frames: Iterable[Iterable[bytes]], file: BinaryIO
) -> None:
    """Write structures first, then the data grids of all frames in one block."""
    unit = QUANTITIES[trajectory.quantity].unit.replace("Å", "A").replace("³", "^3")
    animated = len(trajectory) > 1
    lines = [f"# {describe(trajectory)}", f"# unit of the values: {unit or '1'}; lengths: A"]
    if animated:
        lines.append(f"ANIMSTEPS {len(trajectory)}")
    lines += ["CRYSTAL", "PRIMVEC", *map(_vector, trajectory.grid.cell)]
    file.write(_text(lines))
    for index in range(len(trajectory)):
        atoms = atoms_of(trajectory, index)
        lines = [f"# {when(trajectory, index)}"]
        lines.append(f"PRIMCOORD {index + 1}" if animated else "PRIMCOORD")
        lines.append(f"{len(atoms.numbers)} 1")
        for number, position in zip(atoms.numbers, atoms.positions, strict=True):
            lines.append(f"{number:3d} {_vector(position)}")
        file.write(_text(lines))
    file.write(_text(["BEGIN_BLOCK_DATAGRID_3D", trajectory.quantity]))
    for frame in frames:
        file.writelines(frame)
    file.write(_text(["END_BLOCK_DATAGRID_3D"]))


def _vector(values: Iterable[float]) -> str:
    return " ".join(f"{x:19.14f}" for x in values)


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")


def _notes(trajectory: DensityTrajectory, _: Path) -> tuple[str, ...]:
    notes = []
    if trajectory.positions_at(0) is None:
        notes.append("no atoms in the file: their positions are not known")
    if trajectory.channels:
        notes.append(f"left out: {', '.join(trajectory.channels)}")
    return tuple(notes)


FORMAT = FileFormat(
    name="XSF",
    suffixes=(".xsf", ".axsf"),
    accepts=lambda path: path.suffix.lower() in (".xsf", ".axsf"),
    exactness="nine digits, exact to float32",
    frame=_frame,
    notes=_notes,
    assemble=_assemble,
)
