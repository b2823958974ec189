"""GPAW's legacy calculator, whose pseudo density is the positive one this project learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ase import units

from eldyn_training.aimd.recipe import AimdRecipe
from napari_eldyn.exceptions import EldynError

__all__ = ["SAFER_BETA", "SAFER_STEPS", "import_gpaw", "make_calculator"]

SAFER_BETA = 0.05
"""Mixing of the second try, a fifth of the default."""
SAFER_STEPS = 20
"""MD steps after which the recipe's mixer is tried again."""


def import_gpaw() -> Any:
    """Return the module ``gpaw``.

    Raises
    ------
    EldynError
        If GPAW is not installed; says how to install it.
    """
    try:
        import gpaw
        import gpaw.mpi
    except ImportError as error:
        raise EldynError(
            f"GPAW is not installed ({error})",
            remedy="Run `make gpaw` in a checkout, or install libxc, a BLAS and, for several "
            'processes, MPI, and then `pip install "napari-eldyn[gpaw]"`.',
        ) from error
    return gpaw


def make_calculator(recipe: AimdRecipe, *, safer: bool = False, log: Path | None = None) -> Any:
    """Make a calculator for a recipe.

    Parameters
    ----------
    recipe : AimdRecipe
        Cutoff, grid, smearing, mixing, tolerances.
    safer : bool
        Mix a fifth as much, with more iterations: slower, but converges where the recipe's mixer
        does not.
    log : Path, optional
        Where GPAW's own output goes.

    Raises
    ------
    EldynError
        If GPAW is missing.
    """
    gpaw = import_gpaw()
    scf = recipe.scf
    width = scf.smearing if scf.smearing is not None else units.kB * recipe.temperature
    mixer = {
        "backend": scf.mixer.backend,
        "beta": min(SAFER_BETA, scf.mixer.beta / 5.0) if safer else scf.mixer.beta,
        "nmaxold": scf.mixer.history,
        "weight": 50.0 if safer else scf.mixer.weight,
    }
    options: dict[str, Any] = {
        "mode": gpaw.PW(scf.cutoff),
        "xc": scf.xc,
        "gpts": scf.grid,
        "kpts": {"size": scf.kpoints, "gamma": True},
        "occupations": {"name": "fermi-dirac", "width": width},
        "mixer": mixer,
        "convergence": {
            "density": scf.density_tolerance,
            "energy": scf.energy_tolerance,
            "eigenstates": scf.eigenstates_tolerance,
        },
        # Moving atoms have no symmetry, and looking for it costs.
        "symmetry": "off",
        "maxiter": scf.max_iterations * (3 if safer else 1),
        "txt": None if log is None else str(log),
    }
    if scf.setups:
        options["setups"] = dict(scf.setups)
    if scf.bands is not None:
        options["nbands"] = scf.bands
    # The new calculator's pseudo density holds compensation charges, negative near nuclei.
    return gpaw.GPAW(legacy_gpaw=True, **options)
