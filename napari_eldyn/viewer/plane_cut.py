"""A plane cut through the frame that a layer shows, as somebody has chosen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.path import Path
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.planes import (
    NearAtoms,
    Plane,
    atoms_near,
    miller_plane,
    offset_range,
    outline,
    plane_through,
    sample_plane,
    spacing,
)
from napari_eldyn.viewer.plane_place import ShownCells
from napari_eldyn.viewer.shown_field import FieldValues, ShownField

__all__ = ["PlaneChoice", "PlaneCut", "cut_plane", "plane_story", "plane_table"]


@dataclass(frozen=True)
class PlaneChoice:
    """Which plane is wanted.

    Parameters
    ----------
    indices : tuple of 3 int or None
        Miller indices; None for a plane through atoms.
    atoms : tuple of 3 int
        Indices of the atoms.
    along : str
        Direction from the first atom to the second, in words.
    offset : float or None
        Distance from the cell's origin, or from the atoms, along the normal [Å]; None for the
        middle of the cells shown.
    distance : float
        Greatest distance of atoms drawn from the plane [Å].
    """

    indices: tuple[int, int, int] | None
    atoms: tuple[int, int, int] = (0, 1, 2)
    along: str = ""
    offset: float | None = None
    distance: float = 0.5


@dataclass(frozen=True, eq=False)
class PlaneCut:
    """A plane cut through one frame.

    Parameters
    ----------
    field : ShownField
        What was cut.
    choice : PlaneChoice
        What was wanted.
    cells : ShownCells
        The cells shown.
    plane : Plane
        The plane.
    polygon : ndarray, shape (n, 2)
        Its part in the cells shown [Å].
    values : ndarray, shape (rows, columns)
        The field on the rectangle around it, row 0 at the least y.
    box : tuple of 4 float
        The rectangle: x from, x to, y from, y to [Å].
    atoms : NearAtoms or None
        Atoms near it, if positions are known.
    offset : float
        Where it is [Å], inside of `reach`.
    reach : tuple of 2 float
        Least and greatest offset with which it meets the cells shown [Å].
    spacing : float or None
        Distance between lattice planes [Å]; None for a plane through atoms.
    """

    field: ShownField
    choice: PlaneChoice
    cells: ShownCells
    plane: Plane
    polygon: NDArray[np.float64]
    values: NDArray[np.float32]
    box: tuple[float, float, float, float]
    atoms: NearAtoms | None
    offset: float
    reach: tuple[float, float]
    spacing: float | None


def cut_plane(
    field: ShownField, choice: PlaneChoice, cells: ShownCells, values: FieldValues
) -> PlaneCut:
    """Cut a plane through a frame (worker thread).

    Raises
    ------
    EldynError
        If there is no such plane, or it only touches the cells.
    """
    grid, positions = field.grid, field.positions()
    if choice.indices is not None:
        base = miller_plane(grid, choice.indices, 0.0)
        distance: float | None = spacing(grid, choice.indices)
    else:
        base, distance = _plane_of_atoms(field, positions, choice), None
    low, high = offset_range(base, cells.corner, cells.edges)
    wanted = 0.5 * (low + high) if choice.offset is None else choice.offset
    offset = min(max(wanted, low), high)
    plane = base.moved(offset)
    polygon = outline(plane, cells.corner, cells.edges)
    if not len(polygon):
        raise EldynError("the plane only touches the cell", remedy="Move it.")
    sampled, box = sample_plane(values.values, grid, plane, polygon)
    near = None
    if positions is not None:
        near = atoms_near(plane, polygon, grid, positions, choice.distance)
    return PlaneCut(
        field, choice, cells, plane, polygon, sampled, box, near, offset, (low, high), distance
    )


def _plane_of_atoms(
    field: ShownField, positions: NDArray[np.float64] | None, choice: PlaneChoice
) -> Plane:
    remedy = "Give the plane by Miller indices."
    if positions is None:
        raise EldynError(
            f"the positions of the atoms of '{field.name}' are not known", remedy=remedy
        )
    if len(positions) < 3:
        n = len(positions)
        raise EldynError(
            f"'{field.name}' has {n} atom{'' if n == 1 else 's'}; a plane needs three",
            remedy=remedy,
        )
    if len(set(choice.atoms)) < 3 or max(choice.atoms) >= len(positions):
        raise EldynError("a plane needs three different atoms")
    grid, chosen = field.grid, positions[list(choice.atoms)]
    cells_away = np.floor((chosen[0] - grid.origin) @ np.linalg.inv(grid.cell))
    return plane_through(grid, chosen - cells_away @ grid.cell, choice.along)


def plane_table(cut: PlaneCut) -> dict[str, NDArray[np.float64]]:
    """Return all samples in the polygon as columns: place in the plane, position, value."""
    left, right, low, high = cut.box
    rows, columns = cut.values.shape
    x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    y = low + (np.arange(rows) + 0.5) / rows * (high - low)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inside = np.asarray(Path(cut.polygon).contains_points(places))
    positions = cut.plane.to_space(places[inside])
    table = {"along (Å)": places[inside, 0], "across (Å)": places[inside, 1]}
    table |= {f"{name} (Å)": positions[:, axis] for axis, name in enumerate("xyz")}
    quantity = cut.field.quantity
    title = f"{quantity.title} ({quantity.unit})" if quantity.unit else quantity.title
    return table | {title: cut.values.ravel()[inside].astype(np.float64)}


def plane_story(cut: PlaneCut, name: str) -> dict[str, Any]:
    """Return where a map comes from, for files."""
    trajectory = cut.field.trajectory
    story: dict[str, Any] = {
        "plane": name,
        "normal": _rounded(cut.plane.normal),
        "along": _rounded(cut.plane.u),
        "layer": cut.field.name,
        "frame": cut.field.frame,
    }
    if cut.field.time:
        story["time"] = cut.field.time
    if trajectory is not None and trajectory.path is not None:
        story["file"] = str(trajectory.path)
    return story


def _rounded(vector: NDArray[np.float64]) -> list[float]:
    return [round(float(n), 6) + 0.0 for n in vector]  # no −0
