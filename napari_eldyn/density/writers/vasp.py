"""Write VASP's CHGCAR, CHG, LOCPOT and ELFCAR."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from ase.data import chemical_symbols

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.density.writers.file_format import (
    Atoms,
    FileFormat,
    atoms_of,
    checked_frame,
    describe,
    when,
)
from napari_eldyn.density.writers.number_text import number_lines
from napari_eldyn.exceptions import EldynError

__all__ = ["CHG", "CHGCAR"]

_NAMES = {"potential": "LOCPOT", "localisation": "ELFCAR"}
"""What VASP calls files of fields that are not densities; the name alone tells readers."""

_DENSITIES = ("density", "density_difference", "spin_density")
"""Written like a density, multiplied by the volume of the cell."""

_PER_LINE = 5
_BLOCK = _PER_LINE * 2**15

_CHANNELS = {
    "density": ("density_spin", "density_spin_x", "density_spin_y", "density_spin_z"),
    "potential": ("potential_down", "potential_b1", "potential_b2", "potential_b3"),
    "localisation": (
        "localisation_down",
        "localisation_2",
        "localisation_3",
        "localisation_4",
    ),
}
"""Further volumes of spin-polarised and of non-collinear calculations, in VASP's order."""


def _frame(trajectory: DensityTrajectory, index: int) -> Iterator[bytes]:
    """Yield a frame as VASP writes it: ρ·V with x fastest, 11 digits, five numbers on a line."""
    fields = [checked_frame(trajectory, index)]
    for name in _CHANNELS.get(trajectory.quantity, ()):
        if name in trajectory.channels:
            field = np.asarray(trajectory.extra[name][index])
            check_frame(field, trajectory.path, index)
            fields.append(field)
    factor = trajectory.grid.volume if trajectory.quantity in _DENSITIES else 1.0
    yield _header(trajectory, index)
    for field in fields:
        yield " ".join(f"{n:5d}" for n in field.shape).encode() + b"\n"
        values = field.transpose(2, 1, 0).reshape(-1)
        for start in range(0, len(values), _BLOCK):  # a part at a time in double precision
            part = values[start : start + _BLOCK].astype(np.float64)
            yield from number_lines(part * factor, _PER_LINE, 11, 18)


def _header(trajectory: DensityTrajectory, index: int) -> bytes:
    cell = trajectory.grid.cell
    atoms = atoms_of(trajectory, index)
    order = _by_element(atoms)
    numbers = atoms.numbers[order]
    # CHGCAR has no origin: atoms and density move together.
    fractions = (atoms.positions[order] - trajectory.grid.origin) @ np.linalg.inv(cell)
    species, firsts, counts = np.unique(numbers, return_index=True, return_counts=True)
    along = np.argsort(firsts)
    if not len(numbers):
        species = np.unique(trajectory.numbers if trajectory.numbers is not None else [0])
        counts, along = np.zeros(len(species), np.int64), np.arange(len(species))
    lines = [f"{describe(trajectory)}, {when(trajectory, index)}; no PAW occupancies", "   1.0"]
    lines += ["".join(f" {x:20.14f}" for x in vector) for vector in cell]
    lines.append("".join(f" {chemical_symbols[number]:>5}" for number in species[along]))
    lines.append("".join(f" {count:5d}" for count in counts[along]))
    lines.append("Direct")
    lines += ["".join(f" {x:19.15f}" for x in row) for row in fractions]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def _by_element(atoms: Atoms) -> npt.NDArray[np.intp]:
    """Order atoms by element, elements in the order in which they first occur."""
    species, firsts, which = np.unique(atoms.numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(species), np.intp)
    rank[np.argsort(firsts)] = np.arange(len(species))
    return np.argsort(rank[which], kind="stable")


def _notes(trajectory: DensityTrajectory, path: Path) -> tuple[str, ...]:
    quantity = trajectory.quantity
    if quantity not in (*_DENSITIES, *_NAMES):
        raise EldynError(
            f"VASP has no files of what this is ({QUANTITIES[quantity].title.lower()})",
            path=path,
            remedy="Write a cube, XSF, NPZ or .eldyn file.",
        )
    named = next((name for name in _NAMES.values() if name in path.name.upper()), None)
    if named != _NAMES.get(quantity):
        wanted = _NAMES.get(quantity, "CHGCAR")
        raise EldynError(
            f"readers take what is in a file of this name for something else than this "
            f"({QUANTITIES[quantity].title.lower()})",
            path=path,
            remedy=f"Write it to a file whose name has {wanted} in it, such as {wanted}.vasp.",
        )
    notes = []
    if quantity in _DENSITIES[1:]:
        notes.append("only the comment line tells that the file holds no density of electrons")
    elif quantity == "density":
        notes.append("no PAW occupancies in the file: VASP cannot start from it")
    if trajectory.positions_at(0) is None:
        notes.append("no atoms in the file (which pymatgen refuses): their positions are not known")
    elif trajectory.numbers is not None and np.any(np.diff(_by_element(_all(trajectory))) != 1):
        notes.append("the atoms are sorted by element")
    if np.any(trajectory.grid.origin != 0.0):
        notes.append("the origin of the grid becomes zero: atoms and density are moved together")
    held = _CHANNELS.get(quantity, ())
    left_out = [name for name in trajectory.channels if name not in held]
    if left_out:
        notes.append(f"left out: {', '.join(left_out)}")
    return tuple(notes)


def _all(trajectory: DensityTrajectory) -> Atoms:
    numbers = np.asarray(trajectory.numbers)
    return Atoms(numbers, np.zeros((len(numbers), 3)))


def _one_after_the_other(
    _: DensityTrajectory, frames: Iterable[Iterable[bytes]], file: BinaryIO
) -> None:
    """Join frames like the CHG of a molecular-dynamics run."""
    for frame in frames:
        file.writelines(frame)


def _is_chg(path: Path) -> bool:
    return (
        re.search(r"(^|[-_.])CHG$", path.stem if path.suffix == ".vasp" else path.name) is not None
    )


def _is_chgcar(path: Path) -> bool:
    if path.suffix.lower() in (".vasp", ".chgcar"):
        return True
    return re.search(r"(^|[-_.])(CHGCAR|PARCHG|AECCAR\d|LOCPOT|ELFCAR)$", path.name) is not None


CHG = FileFormat(
    name="VASP CHG (all frames in one file)",
    suffixes=(".CHG",),
    accepts=_is_chg,
    exactness="eleven digits",
    frame=_frame,
    notes=_notes,
    assemble=_one_after_the_other,
)
CHGCAR = FileFormat(
    name="VASP CHGCAR",
    suffixes=(".vasp", ".CHGCAR"),
    accepts=_is_chgcar,
    exactness="eleven digits",
    frame=_frame,
    notes=_notes,
)
