"""Bonds by covalent radii in a periodic cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BOND_TOLERANCE", "HalfBonds", "find_bonds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BOND_TOLERANCE = 1.15
"""Two atoms are bonded up to this multiple of the sum of their covalent radii."""


@dataclass(frozen=True, eq=False)
class HalfBonds:
    """Bonds from each of their two atoms to the middle, so that none has to be cut at the cell.

    Parameters
    ----------
    atoms : ndarray, shape (m,)
        Index of the atom that the half starts from.
    vectors : ndarray, shape (m, 3)
        From the atom to the middle of the bond [Å].
    """

    atoms: IntArray
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.atoms)


def find_bonds(
    positions: FloatArray,
    numbers: IntArray,
    cell: FloatArray | None,
    tolerance: float = BOND_TOLERANCE,
) -> HalfBonds:
    """Find the bonds between atoms, those across the boundary of the cell among them.

    Covalent radii are those of Cordero et al., Dalton Trans. 2008, 2832, as ase has them.

    Parameters
    ----------
    positions : ndarray, shape (atoms, 3)
        Positions [Å]; they may lie outside of the cell.
    numbers : ndarray, shape (atoms,)
        Atomic numbers.
    cell : ndarray, shape (3, 3), or None
        Cell vectors as rows [Å]; None where nothing is repeated.
    tolerance : float
        Bonded up to this multiple of the sum of the radii.

    Returns
    -------
    HalfBonds
        Two of them for each bond, sorted by atom. An atom can be bonded to images of itself.
    """
    from ase.data import covalent_radii
    from scipy.spatial import cKDTree

    n = len(positions)
    if n == 0:
        return HalfBonds(np.zeros(0, np.int64), np.zeros((0, 3)))
    radii = tolerance * covalent_radii[numbers]
    reach = 2.0 * float(radii.max())
    home, places, owners = positions, positions, np.arange(n)
    if cell is not None:
        fractions = positions @ np.linalg.inv(cell)
        home = positions - np.floor(fractions) @ cell
        places, owners = _with_images(home, cell, reach)
    pairs = cKDTree(home).sparse_distance_matrix(cKDTree(places), reach, output_type="coo_matrix")
    first, second, distance = pairs.row, pairs.col, pairs.data
    other = owners[second]
    # Atoms on top of each other are no bond; nor is an atom with itself.
    bonded = (distance <= radii[first] + radii[other]) & (distance > 1e-3)
    first, second = first[bonded].astype(np.int64), second[bonded]
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    return HalfBonds(first, 0.5 * (places[second] - home[first]))


def _with_images(home: FloatArray, cell: FloatArray, reach: float) -> tuple[FloatArray, IntArray]:
    """Atoms in the cell and their images within `reach` of it, and whose images they are."""
    inverse = np.linalg.inv(cell)
    margins = reach * np.linalg.norm(inverse, axis=0)  # in cell vectors: reach over height
    steps = [np.arange(-k, k + 1) for k in np.ceil(margins).astype(int)]
    images = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    fractions = (home @ inverse)[None] + images[:, None]
    near = np.all((fractions >= -margins) & (fractions <= 1.0 + margins), axis=-1)
    image, owner = np.nonzero(near)
    return home[owner] + images[image] @ cell, owner
