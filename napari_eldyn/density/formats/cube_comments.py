"""What the two comment lines of a cube tell: the quantity, and the time of a frame.

Codes write no more than these about it. The words are those of Gaussian, Psi4, ORCA, CP2K,
Multiwfn, Quantum ESPRESSO and our own writer.
"""

from __future__ import annotations

import re
from typing import cast

from ase.units import Bohr, Hartree

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityKind

__all__ = ["SCALES", "find_energy", "find_kind", "find_quantity", "find_step", "find_time"]

SCALES = {
    "density": Bohr**-3,
    "density_difference": Bohr**-3,
    "spin_density": Bohr**-3,
    "orbital": Bohr**-1.5,
    "potential": Hartree,
}
"""Factors from atomic units, in which cubes are, to ours; 1 for quantities without a unit."""

_WORDS = (
    ("spin_density", r"spin[ _-]*(polari[sz]ed[ _-]*)?dens|\bproperty: ds\b|spin difference"),
    ("density_difference", r"density[ _-]*difference|difference[ _-]*density"),
    ("localisation", r"\belf\b|locali[sz]ation function"),
    ("potential", r"potential|\besp\b|\bproperty: esp\b"),
    ("density", r"dens|\bproperty: d[tab]\b"),
    ("orbital", r"wave[ _-]?function|orbital|\bmos?\b|\bpsi(_|\b)(?!4)|\bhomo\b|\blumo\b"),
)
_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[EeDd][-+]?\d+)?)"
_TIME = re.compile(
    rf"\btime\s*=\s*{_NUMBER}\s*(fs|ps)?\b|\btime\s*:?\s*{_NUMBER}\s*(fs|ps)\b", re.IGNORECASE
)
_STEP = re.compile(r"(?:\bi\s*=|\bstep\s*(?:number|nr\.?)?\s*[=:]?)\s*(\d+)\b", re.IGNORECASE)
_ENERGY = re.compile(rf"\bE\s*=\s*{_NUMBER}")
_KIND = re.compile(r"\((pseudo|pseudo_valence|valence|core|all_electron)\)")


def find_quantity(comments: tuple[str, str], *, has_dataset_ids: bool) -> str:
    """Return the quantity of a cube; a density where nothing tells otherwise.

    Parameters
    ----------
    comments : tuple of 2 str
    has_dataset_ids : bool
        Cubes of orbitals number them.
    """
    text = " ".join(comments)
    for name, entry in QUANTITIES.items():
        if name != "unknown" and f": {entry.title.lower()}" in text:
            return name
    # Psi4 goes on to tell which part of a density an isosurface of an orbital encloses.
    told = re.search(r"Property: [^.]*", text)
    for name, pattern in _WORDS:
        if re.search(pattern, told[0] if told else text, re.IGNORECASE):
            return name
    return "orbital" if has_dataset_ids else "density"


def find_kind(comments: tuple[str, str]) -> DensityKind | None:
    """Return the kind of density that our own writer notes."""
    match = _KIND.search(" ".join(comments))
    return cast("DensityKind", match[1]) if match else None


def find_time(comments: tuple[str, str]) -> float | None:
    """Return the time of a frame [fs]."""
    match = _TIME.search(" ".join(comments))
    if match is None:
        return None
    number, unit = match[1] or match[3], match[2] or match[4]
    return _float(number) * (1000.0 if unit and unit.lower() == "ps" else 1.0)


def find_step(comments: tuple[str, str]) -> int | None:
    """Return the number of a frame's MD step."""
    match = _STEP.search(" ".join(comments))
    return int(match[1]) if match and len(match[1]) < 16 else None


def find_energy(comments: tuple[str, str]) -> float | None:
    """Return the energy [eV] that follows step and time as CP2K writes them."""
    text = " ".join(comments)
    match = _ENERGY.search(text) if _TIME.search(text) and _STEP.search(text) else None
    return _float(match[1]) * Hartree if match else None


def _float(text: str) -> float:
    return float(text.upper().replace("D", "E"))
