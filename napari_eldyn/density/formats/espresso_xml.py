"""What Quantum ESPRESSO's ``data-file-schema.xml`` tells of a calculation."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import ase.units
import numpy as np
import numpy.typing as npt
from ase.data import atomic_numbers

from napari_eldyn.exceptions import EldynError

__all__ = ["XML_NAME", "Calculation", "read_calculation"]

XML_NAME = "data-file-schema.xml"

_MAX_BYTES = 2**30


@dataclass(frozen=True)
class Calculation:
    """Cell, grid and atoms.

    Parameters
    ----------
    cell : ndarray, shape (3, 3)
        Cell vectors as rows [Å].
    shape : tuple of int
        Points of the grid of the density.
    numbers : ndarray of int, shape (atoms,)
        Atomic numbers; 0 for atoms of no element.
    positions : ndarray, shape (atoms, 3)
        [Å]
    electrons : float, optional
        Valence electrons.
    """

    cell: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    numbers: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]
    electrons: float | None


def read_calculation(path: Path) -> Calculation | None:
    """Return what the file tells, None if there is no such file.

    Raises
    ------
    EldynError
        If it is damaged, or of no finished calculation.
    """
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise EldynError(f"the file has {path.stat().st_size} bytes", path=path)
        return _calculation(ET.parse(path).getroot())
    except EldynError:
        raise
    except (ET.ParseError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise EldynError(
            f"this is not whole output of Quantum ESPRESSO ({error})",
            path=path,
            remedy="Copy it again from its source; without it, the density has no atoms.",
        ) from error


def _calculation(root: ET.Element) -> Calculation:
    output = _inside(root, "output")
    structure = _inside(output, "atomic_structure")
    cell = np.array([_numbers(_inside(structure, f"cell/a{i}")) for i in (1, 2, 3)])
    atoms = _inside(structure, "atomic_positions").findall("atom")
    grid = _inside(output, "basis_set/fft_grid")
    electrons = output.find("band_structure/nelec")
    positions = np.array([_numbers(atom) for atom in atoms]).reshape(-1, 3)
    if cell.shape != (3, 3) or not np.all(np.isfinite(positions)):
        raise ValueError("cell and positions are not three numbers each")
    return Calculation(
        cell * ase.units.Bohr,
        (int(grid.attrib["nr1"]), int(grid.attrib["nr2"]), int(grid.attrib["nr3"])),
        np.array([_number_of(atom.attrib["name"]) for atom in atoms], dtype=np.int64),
        positions * ase.units.Bohr,
        None if electrons is None else float(electrons.text or ""),
    )


def _inside(parent: ET.Element, place: str) -> ET.Element:
    found = parent.find(place)
    if found is None:
        raise ValueError(f"it has no {place}")
    return found


def _numbers(element: ET.Element) -> list[float]:
    numbers = [float(word) for word in (element.text or "").split()]
    if len(numbers) != 3:
        raise ValueError(f"{element.tag} holds {len(numbers)} numbers, not three")
    return numbers


def _number_of(species: str) -> int:
    """Return the element of a species such as ``Fe1`` or ``O_h``; 0 if its name tells none."""
    match = re.match(r"[A-Za-z]{1,2}", species)
    letters = match[0].capitalize() if match else ""
    return int(atomic_numbers.get(letters, atomic_numbers.get(letters[:1], 0)))
