"""How much of a field lies in a sphere or in a layer, as somebody has chosen it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.regions import integral_in_layer, integral_in_sphere
from napari_eldyn.viewer.shown_field import FieldValues, ShownField

__all__ = ["Count", "LayerChoice", "SphereChoice", "count_in_layer", "count_in_sphere"]


@dataclass(frozen=True)
class SphereChoice:
    """A sphere.

    Parameters
    ----------
    atom : int or None
        Index of the atom in its centre; None for a point.
    point : tuple of 3 float
        Its centre otherwise [Å].
    radius : float
        Radius [Å].
    """

    atom: int | None
    point: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class LayerChoice:
    """A layer between two lattice planes.

    Parameters
    ----------
    indices : tuple of 3 int
        Miller indices.
    lower, upper : float
        Distances from the cell's origin along the normal [Å].
    """

    indices: tuple[int, int, int]
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class Count:
    """What is in a region.

    Parameters
    ----------
    value : float
        Integral of the field, or of the square of an orbital.
    volume : float
        Of the region [Å³].
    total : float
        The same integral over the whole cell.
    place : str
        The region in words.
    centre : ndarray, shape (3,), or None
        Of a sphere, in the file's coordinates [Å].
    note : str
        What to know about this region, if anything.
    """

    value: float
    volume: float
    total: float
    place: str
    centre: NDArray[np.float64] | None = None
    note: str = ""


def count_in_sphere(field: ShownField, choice: SphereChoice, values: FieldValues) -> Count:
    """Integrate over a sphere (worker thread).

    Raises
    ------
    EldynError
        If the atom in its centre is not known.
    """
    if choice.atom is None:
        centre, place = np.array(choice.point), "sphere around a point"
    else:
        positions = field.positions()
        if positions is None or choice.atom >= len(positions):
            raise EldynError(
                f"the positions of the atoms of '{field.name}' are not known",
                remedy="Give the centre of the sphere as a point.",
            )
        centre, place = positions[choice.atom], f"sphere around atom {choice.atom + 1}"
    waves = values.waves(field.weight)
    value = integral_in_sphere(waves, centre, choice.radius)
    shortest = _shortest_lattice_vector(field.grid)
    note = (
        f"Wider than {shortest:.4g} Å, the sphere reaches into its own periodic images."
        if 2 * choice.radius > shortest
        else ""
    )
    volume = 4.0 / 3.0 * np.pi * choice.radius**3
    return Count(value, volume, _total(field, values), place, centre, note)


def count_in_layer(field: ShownField, choice: LayerChoice, values: FieldValues) -> Count:
    """Integrate over the part of a layer that belongs to one cell (worker thread)."""
    layer = integral_in_layer(
        values.waves(field.weight), choice.indices, choice.lower, choice.upper
    )
    place = f"{layer.thickness:.4g} Å × {layer.area:.4g} Å² of one cell"
    return Count(layer.value, layer.thickness * layer.area, _total(field, values), place)


def _total(field: ShownField, values: FieldValues) -> float:
    levels = values.levels(field.weight)
    return levels.total(1) + levels.total(-1)


def _shortest_lattice_vector(grid: PeriodicGrid) -> float:
    steps = [step for step in product((-1, 0, 1), repeat=3) if any(step)]
    return float(np.linalg.norm(np.array(steps) @ grid.cell, axis=1).min())
