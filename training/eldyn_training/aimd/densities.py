"""The densities of a converged GPAW calculation, on its own grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ase.units import Bohr

from eldyn_training.aimd.recipe import Kind

__all__ = ["atomic_density_matrices", "density_of_kind"]

FloatArray = npt.NDArray[np.float64]


def density_of_kind(calculator: Any, kind: Kind) -> FloatArray | None:
    """Return a density in electrons/Å³, (nx, ny, nz); None but on the first MPI process.

    Parameters
    ----------
    calculator : gpaw.old.calculator.GPAW
        Converged.
    kind : {"pseudo", "pseudo_valence", "all_electron"}
        ``pseudo``: ñ = Σ f|ψ̃|² plus pseudo core, positive everywhere, the paper's observable.
        ``pseudo_valence``: without the pseudo core. ``all_electron``: with the true core and the
        true orbitals within the augmentation spheres; the grid resolves neither cusp nor core.

    Notes
    -----
    Every MPI process must call this. ñ is summed anew from the wave functions, since during
    mixing GPAW's own array is the mixed input density.
    """
    if kind == "all_electron":
        full = calculator.get_all_electron_density(gridrefinement=1, broadcast=False)
        return None if _rank(calculator) != 0 else np.asarray(full, dtype=np.float64)
    density = calculator.density
    valence = density.gd.zeros(density.nspins)
    calculator.wfs.calculate_density_contribution(valence)
    total = valence.sum(axis=0)
    if kind == "pseudo":
        total = total + density.nct_G
    collected = density.gd.collect(total)
    return None if _rank(calculator) != 0 else np.asarray(collected, dtype=np.float64) / Bohr**3


def atomic_density_matrices(calculator: Any) -> FloatArray | None:
    """Return GPAW's packed atomic density matrices, summed over spins, (atoms, elements).

    Atoms of fewer elements than others are padded with zeros. None but on the first process.
    """
    matrices = calculator.density.D_asp
    communicator = calculator.density.gd.comm
    if communicator.size > 1:
        matrices = matrices.copy()
        matrices.redistribute(matrices.partition.as_serial())
    if _rank(calculator) != 0:
        return None
    rows = [np.asarray(matrices[atom]).sum(axis=0) for atom in range(len(calculator.atoms))]
    packed = np.zeros((len(rows), max(len(row) for row in rows)))
    for target, row in zip(packed, rows, strict=True):
        target[: len(row)] = row
    return packed


def _rank(calculator: Any) -> int:
    return int(calculator.wfs.world.rank)
