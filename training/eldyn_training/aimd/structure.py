"""Where the atoms start, and how fast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.md.velocitydistribution import Stationary, thermalize_momenta

from eldyn_training.aimd.recipe import AimdRecipe, StructureRecipe
from napari_eldyn.exceptions import EldynError

__all__ = ["starting_atoms"]


def starting_atoms(recipe: AimdRecipe, rng: np.random.RandomState) -> Atoms:
    """Build or read the structure, displace it and give it velocities.

    Parameters
    ----------
    recipe : AimdRecipe
        Structure and temperature of the first stage.
    rng : numpy.random.RandomState
        Of displacements and velocities.

    Returns
    -------
    ase.Atoms
        Periodic, without a net momentum.

    Raises
    ------
    EldynError
        If the file is no structure, it has no cell, there is no such element or lattice, or the
        structure has fewer than two atoms.
    """
    atoms = _structure(recipe.structure)
    atoms.pbc = True
    atoms.calc = None
    if len(atoms) < 2:
        raise EldynError(
            f"the structure has {len(atoms)} atom: dynamics with a fixed centre of mass need two",
            path=recipe.structure.file,
        )
    if recipe.structure.length is not None:
        scale = recipe.structure.length / float(np.linalg.norm(atoms.cell[0]))
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
    atoms.positions += recipe.structure.displacement * rng.standard_normal((len(atoms), 3))
    thermalize_momenta(atoms, recipe.starting_temperature, rng=rng)
    Stationary(atoms)
    return atoms


def _structure(recipe: StructureRecipe) -> Atoms:
    if recipe.file is not None:
        path = Path(recipe.file)
        try:
            atoms: Atoms = read(path)  # type: ignore[assignment]  # without an index, one image
        except Exception as error:  # ASE's readers raise nearly everything
            raise EldynError(f"not a structure that ASE reads ({error})", path=path) from error
        if abs(atoms.cell.volume) < 1e-6:
            raise EldynError(
                "the structure has no cell",
                path=path,
                remedy="Give a format that holds the cell, such as extended XYZ or CIF.",
            )
        return atoms
    try:
        crystal: Atoms = bulk(str(recipe.element), recipe.lattice, a=1.0, cubic=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise EldynError(f"no {recipe.lattice} crystal of {recipe.element} ({error})") from error
    repeated: Atoms = crystal.repeat(recipe.repeats)
    return repeated
