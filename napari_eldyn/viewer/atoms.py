"""Atoms as they are shown: where, in which colour, how large."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid

__all__ = ["atom_colours", "atom_diameters", "atom_symbols", "place_atoms", "repeat_atoms"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SHARE = 0.42  # of the covalent radius: bonds and densities between the atoms stay in sight
_ON_FACE = 1e-6  # cell vectors; atoms this close below the far face are drawn at the near one


def place_atoms(
    positions: FloatArray, grid: PeriodicGrid, shift: Sequence[int], *, wrapped: bool
) -> FloatArray:
    """Return where atoms are shown in the first cell, shape (atoms, 3) [Å].

    Parameters
    ----------
    positions : ndarray, shape (atoms, 3)
        As the file has them [Å].
    grid : PeriodicGrid
        Cell, points and origin.
    shift : sequence of 3 int
        Grid points by which the density is moved.
    wrapped : bool
        Whether to bring all atoms into the cell.
    """
    moved = positions + np.asarray(shift) @ grid.voxel_vectors
    if not wrapped:
        return np.asarray(moved)
    fractions = (moved - grid.origin) @ np.linalg.inv(grid.cell)
    return np.asarray(moved - np.floor(fractions + _ON_FACE) @ grid.cell)


def repeat_atoms(places: FloatArray, cell: FloatArray, tiling: Sequence[int]) -> FloatArray:
    """Return the places in all cells shown, shape (cells * atoms, 3), cell after cell [Å]."""
    images = np.array(list(product(*map(range, tiling))), np.float64) @ cell
    return np.asarray((places[None] + images[:, None]).reshape(-1, 3))


def atom_colours(numbers: IntArray) -> FloatArray:
    """Jmol's colours of the elements, red, green, blue and opacity, shape (atoms, 4)."""
    from ase.data.colors import jmol_colors

    known = np.minimum(numbers, len(jmol_colors) - 1)
    return np.concatenate([jmol_colors[known], np.ones((len(numbers), 1))], axis=1)


def atom_diameters(numbers: IntArray) -> FloatArray:
    """Diameters of the spheres shown, a share of the covalent ones, shape (atoms,) [Å]."""
    from ase.data import covalent_radii

    return np.asarray(2.0 * _SHARE * covalent_radii[numbers])


def atom_symbols(numbers: IntArray) -> list[str]:
    """Symbols of the elements."""
    from ase.data import chemical_symbols

    return [chemical_symbols[number] for number in numbers]
