"""Densities that GPAW computes from one of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import ase.units
import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = ["GpawKind", "compute_density"]

GpawKind = Literal["pseudo", "pseudo_valence", "all_electron"]


def compute_density(path: Path, kind: str) -> npt.NDArray[np.float64]:
    """Return a density on the calculation's own grid.

    Parameters
    ----------
    path : Path
        A ``.gpw`` file.
    kind : {"pseudo_valence", "all_electron"}
        ``pseudo_valence``: the pseudo density less the pseudo core. ``all_electron``: with the
        true core and orbitals; the grid resolves neither cusp nor core.

    Returns
    -------
    ndarray, shape (spins, nx, ny, nz)
        [electrons/Å³]; for non-collinear spins, the density and three components of the
        magnetisation.

    Raises
    ------
    EldynError
        If GPAW is not installed, or cannot read the file.
    """
    try:
        from gpaw import GPAW
    except ModuleNotFoundError as error:
        raise EldynError(
            f"the {kind} density has to be computed by GPAW, which is not installed",
            path=path,
            remedy="Install it: pip install 'napari-eldyn[gpaw]'. "
            "The pseudo density is read without it.",
        ) from error
    try:
        calculator = GPAW(path, txt=None)
        if kind == "all_electron":
            return _all_electron(calculator)
        density = calculator.dft.density
        by_spin = np.array(density.nt_sR.data, dtype=np.float64)
        n_densities = 2 if len(by_spin) == 2 else 1  # the others are a magnetisation
        by_spin[:n_densities] -= density.nct_R.data  # half of it per spin where there are two
        return by_spin * ase.units.Bohr**-3
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:200]
        raise EldynError(f"GPAW cannot read the file ({problem})", path=path) from error


def _all_electron(calculator: Any) -> npt.NDArray[np.float64]:
    n_spins = len(calculator.dft.density.nt_sR.data)
    if n_spins == 1:
        return np.asarray(calculator.get_all_electron_density(gridrefinement=1))[None]
    return np.stack(
        [
            np.asarray(calculator.get_all_electron_density(spin=spin, gridrefinement=1))
            for spin in range(n_spins)
        ]
    )
