"""What the values of a field on a grid are, and their units."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["QUANTITIES", "Quantity", "channel_quantity"]


@dataclass(frozen=True)
class Quantity:
    """What the values of a field are.

    Parameters
    ----------
    title : str
        For layers, legends and lists.
    unit : str
        Unit of the values; empty for pure numbers.
    signed : bool
        Whether both signs mean something, so that colours are symmetric about zero.
    """

    title: str
    unit: str
    signed: bool = False


QUANTITIES: dict[str, Quantity] = {
    "density": Quantity("Electron density", "electrons/Å³"),
    "density_difference": Quantity("Density difference", "electrons/Å³", signed=True),
    "spin_density": Quantity("Spin density", "electrons/Å³", signed=True),
    "potential": Quantity("Local potential", "eV", signed=True),
    "localisation": Quantity("Electron localisation function", ""),
    "localisation_difference": Quantity("ELF difference", "", signed=True),
    "orbital": Quantity("Orbital", "Å^(-3/2)", signed=True),
    "unknown": Quantity("Field", "unit of the file", signed=True),
}
"""By the name that files and trajectories use."""


def channel_quantity(name: str) -> Quantity:
    """Return what a further field of a trajectory is, by its name in ``extra``.

    Parameters
    ----------
    name : str
        ``density_spin`` (and ``density_spin_x``, ``_y``, ``_z``), ``density_KIND``,
        ``orbital_NUMBER``, ``potential_…``; others are of an unknown quantity.
    """
    if name.startswith("density_spin"):
        return QUANTITIES["spin_density"]
    return QUANTITIES.get(name.partition("_")[0], QUANTITIES["unknown"])
