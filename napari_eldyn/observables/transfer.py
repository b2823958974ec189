"""Compare trajectories in a larger cell with a reference in a smaller one.

A cell of m1 × m2 × m3 copies of another has all its wave vectors, and more between them. Only the
wave vectors that both have are compared, so that no shell of the larger cell stands against waves
that do not fit into the smaller. Whatever grows with the cell is given for one reference cell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.scattering.modes import DensityModes
from napari_eldyn.observables.structure_factor import Shells
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics

__all__ = ["cell_multiples", "check_multiple", "common_modes", "common_shells", "per_cell"]

# Largest difference of cell vectors, Å: a cell is often stored with few digits.
_TOLERANCE = 1e-3


def cell_multiples(larger: PeriodicGrid, grid: PeriodicGrid) -> tuple[int, int, int] | None:
    """Count how many times a cell fits into another along each vector.

    Parameters
    ----------
    larger, grid : PeriodicGrid
        Both cells with their points.

    Returns
    -------
    tuple of 3 int, or None
        None unless every vector, and the points along it, are the same whole multiple; (1, 1, 1)
        for equal cells.
    """
    multiples = np.array(larger.shape) // np.array(grid.shape)
    same_points = np.array_equal(multiples * grid.shape, larger.shape)
    if not same_points or multiples.min() < 1:
        return None
    if np.abs(larger.cell - multiples[:, None] * grid.cell).max() > _TOLERANCE * multiples.max():
        return None
    x, y, z = multiples.tolist()
    return x, y, z


def check_multiple(trajectory: DensityTrajectory, reference: DensityTrajectory) -> None:
    """Require that a trajectory's cell holds several of the reference's.

    Raises
    ------
    EldynError
        If it is no whole multiple with as many times the points, or the same cell.
    """
    found = cell_multiples(trajectory.grid, reference.grid)
    if found == (1, 1, 1):
        raise EldynError(
            "this trajectory lies in the reference's own cell",
            path=trajectory.path,
            remedy="Give it as a ROLLOUT, without --transfer.",
        )
    if found is None:
        raise EldynError(
            f"the cell ({trajectory.grid!r}) is not a whole multiple of the reference's "
            f"({reference.grid!r}) with as many times the points",
            path=trajectory.path,
            remedy="Make the rollout in a cell of several reference cells with the same voxels.",
        )


def common_shells(shells: Shells, larger: PeriodicGrid) -> Shells:
    """Find the same wave vectors in a larger cell.

    Parameters
    ----------
    shells : Shells
        Of the smaller cell.
    larger : PeriodicGrid
        Its multiple.

    Returns
    -------
    Shells
        The members and weights of `shells`, as places in the transform on the larger grid.

    Raises
    ------
    EldynError
        If `larger` is no multiple of the cell of `shells`.
    """
    multiples = cell_multiples(larger, shells.grid)
    if multiples is None:
        raise EldynError(f"{larger!r} is no multiple of {shells.grid!r}")
    nx, ny, nz = shells.grid.shape
    places = np.stack(np.unravel_index(shells.indices, (nx, ny, nz // 2 + 1)))
    for axis, points in enumerate((nx, ny)):
        # The upper half of the first two axes holds negative wave numbers.
        places[axis] -= points * (places[axis] > points // 2)
    h = places * np.array(multiples)[:, None]
    half = (larger.shape[0], larger.shape[1], larger.shape[2] // 2 + 1)
    h[:2] %= np.array(half[:2])[:, None]
    return replace(shells, grid=larger, indices=np.ravel_multi_index(tuple(h), half))


def common_modes(modes: DensityModes, larger: PeriodicGrid, grid: PeriodicGrid) -> DensityModes:
    """Keep the modes of a larger cell that the smaller one has, too.

    Parameters
    ----------
    modes : DensityModes
        Of a density in the larger cell.
    larger, grid : PeriodicGrid
        Both cells.

    Returns
    -------
    DensityModes
        With `h` and `cell` of the smaller cell, so that shells are the same.

    Raises
    ------
    EldynError
        If one cell is no multiple of the other.
    """
    multiples = cell_multiples(larger, grid)
    if multiples is None:
        raise EldynError(f"{larger!r} is no multiple of {grid!r}")
    kept = np.flatnonzero(np.all(modes.h % np.array(multiples) == 0, axis=1))
    return replace(
        modes,
        h=modes.h[kept] // np.array(multiples),
        q=modes.q[kept],
        values=modes.values[:, kept],
        cell=grid.cell,
    )


def per_cell(statistics: TrajectoryStatistics, cells: int) -> TrajectoryStatistics:
    """Scale what grows with the cell to one reference cell.

    Parameters
    ----------
    statistics : TrajectoryStatistics
        Of a trajectory in a cell of several.
    cells : int
        How many.

    Returns
    -------
    TrajectoryStatistics
        Electrons of one cell; amplitudes |F| over √cells, as they grow for uncorrelated cells.
        The intensity is per electron already, the values of ρ̃ and its steps are local.
    """
    frames = tuple(
        replace(
            frame,
            amplitude=frame.amplitude / np.sqrt(cells),
            electrons=frame.electrons / cells,
        )
        for frame in statistics.frames
    )
    return replace(statistics, frames=frames)
