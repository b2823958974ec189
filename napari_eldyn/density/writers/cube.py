"""Write Gaussian cube files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.units import Bohr, Hartree

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

_UNITS = {
    "density": ("electrons/bohr^3", Bohr**3),
    "density_difference": ("electrons/bohr^3", Bohr**3),
    "spin_density": ("electrons/bohr^3", Bohr**3),
    "orbital": ("bohr^-3/2", Bohr**1.5),
    "potential": ("hartree", 1.0 / Hartree),
}
"""Unit in the file, and the factor from ours to it."""


def _frame(trajectory: DensityTrajectory, index: int) -> Iterator[bytes]:
    """Yield a cube: lengths in bohr, six numbers on a line with six significant digits."""
    frame = checked_frame(trajectory, index)
    atoms = atoms_of(trajectory, index)
    unit, factor = _UNITS.get(trajectory.quantity, ("as given", 1.0))
    orbital = trajectory.quantity == "orbital"
    n_atoms = len(atoms.numbers)
    lines = [f"{describe(trajectory)}, {unit}", f" {when(trajectory, index)}"]
    # A negative count of atoms announces numbers of orbitals.
    lines.append(_row(-n_atoms if orbital else n_atoms, trajectory.grid.origin / Bohr))
    vectors = trajectory.grid.voxel_vectors / Bohr
    lines += [_row(n, row) for n, row in zip(trajectory.grid.shape, vectors, strict=True)]
    # Charges add up to the electrons expected: those of a part of the electrons are not known.
    charged = trajectory.kind in ("all_electron", "unknown")
    for number, position in zip(atoms.numbers, atoms.positions / Bohr, strict=True):
        lines.append(_row(number, [float(number) if charged else 0.0, *position]))
    if orbital:
        lines.append(f"{1:5d}{1:5d}")
    yield ("\n".join(lines) + "\n").encode("ascii")
    for plane in frame:
        yield from number_lines(plane.astype(np.float64) * factor, 6, 6, 13)


def _row(count: int, numbers: object) -> str:
    return f"{count:5d}" + "".join(f"{x:12.6f}" for x in np.asarray(numbers, dtype=np.float64))


def _notes(trajectory: DensityTrajectory, _: Path) -> tuple[str, ...]:
    notes = []
    if trajectory.positions_at(0) is None:
        notes.append("no atoms in the file: their positions are not known")
    if trajectory.channels:
        names = ", ".join(trajectory.channels)
        notes.append(f"left out: {names}; a cube holds one field")
    return tuple(notes)


FORMAT = FileFormat(
    name="Gaussian cube",
    suffixes=(".cube", ".cub"),
    accepts=lambda path: path.suffix.lower() in (".cube", ".cub"),
    exactness="six digits",
    frame=_frame,
    notes=_notes,
)
