"""Supercells: a cell repeated along its vectors, with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np

from napari_eldyn.density.frames import FieldRows, RepeatedFrames, RepeatedRows, SourceOf
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["repeat_cell"]


def repeat_cell(trajectory: DensityTrajectory, counts: Sequence[int]) -> DensityTrajectory:
    """Return a trajectory of the cell repeated along its vectors, lazily.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Periodic frames.
    counts : sequence of 3 int
        Copies along each cell vector.

    Returns
    -------
    DensityTrajectory
        Densities and further fields, atoms, positions and velocities of all copies, in the order of
        :meth:`ase.Atoms.repeat`; the energy is that of all copies, the temperature that of one.
        Other numbers and arrays per frame belong to one cell and are left out.

    Raises
    ------
    EldynError
        If a count is below 1.
    """
    along = tuple(int(count) for count in counts)
    if len(along) != 3 or min(along) < 1:
        raise EldynError(
            f"a cell cannot be repeated {counts} times along its vectors",
            remedy="Give three counts of 1 or more.",
        )
    grid = trajectory.grid
    images = list(product(*map(range, along)))
    offsets = np.array(images, dtype=np.float64) @ grid.cell
    positions, velocities = trajectory.positions, trajectory.velocities
    scalars = {
        name: values * (len(images) if name == "energy" else 1)
        for name, values in trajectory.scalars.items()
        if name in ("energy", "temperature")
    }
    numbers = trajectory.numbers
    repeated = PeriodicGrid(
        grid.cell * np.array(along)[:, None],
        [points * count for points, count in zip(grid.shape, along, strict=True)],
        grid.origin,
    )
    provenance = {**trajectory.provenance, "repeated": list(along)}
    if provenance.get("expected_electrons") is not None:
        provenance["expected_electrons"] *= len(images)
    return DensityTrajectory(
        RepeatedFrames(SourceOf(trajectory[:]), along),
        repeated,
        trajectory.times,
        numbers=None if numbers is None else np.tile(numbers, len(images)),
        positions=None if positions is None else RepeatedRows(positions, offsets),
        velocities=None if velocities is None else RepeatedRows(velocities, 0.0 * offsets),
        scalars=scalars,
        extra={
            name: FieldRows(trajectory.extra[name], repeated.shape, partial(np.tile, reps=along))
            for name in trajectory.channels
        },
        kind=trajectory.kind,
        quantity=trajectory.quantity,
        times_known=trajectory.times_known,
        provenance=provenance,
        path=trajectory.path,
    )
