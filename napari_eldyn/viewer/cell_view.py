"""Which part of a periodic structure a viewer shows: how many cells, and moved by how much."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer._compat import unwrap

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["MOST_TILES", "CellView", "cell_view_of"]

FloatArray = npt.NDArray[np.float64]

MOST_TILES = 3
"""Cells along each cell vector."""


class CellView(QObject):
    """How many cells a viewer shows along each cell vector, and how far their content is shifted.

    Grid point i of a field is shown at i + s, s being the shift in whole grid points, so that
    densities are moved without interpolation; atoms are moved by the same s. The box stays.
    """

    changed = Signal()
    """Another tiling, or another shift."""

    def __init__(self) -> None:
        super().__init__()
        self._tiling = (1, 1, 1)
        self._fraction = (0.0, 0.0, 0.0)

    @property
    def tiling(self) -> tuple[int, int, int]:
        """Cells shown along each cell vector, from 1 to `MOST_TILES`."""
        return self._tiling

    @tiling.setter
    def tiling(self, counts: Sequence[int]) -> None:
        self.show(counts, self._fraction)

    @property
    def fraction(self) -> tuple[float, float, float]:
        """The shift asked for, in cell vectors, from 0 to 1; `shift_on` a grid is what is done."""
        return self._fraction

    @fraction.setter
    def fraction(self, fraction: Sequence[float]) -> None:
        self.show(self._tiling, fraction)

    def show(self, counts: Sequence[int], fraction: Sequence[float]) -> None:
        """Choose tiling and shift.

        Parameters
        ----------
        counts : sequence of 3 int
            Cells along each cell vector.
        fraction : sequence of 3 float
            Shift in cell vectors; whole cells make no difference.

        Raises
        ------
        ValueError
            If a count is not between 1 and `MOST_TILES`, or a fraction is not finite.
        """
        a, b, c = (int(count) for count in counts)
        if not all(1 <= count <= MOST_TILES for count in (a, b, c)):
            raise ValueError(f"cells along a vector are 1 to {MOST_TILES}, not {(a, b, c)}")
        x, y, z = (float(part) % 1.0 for part in fraction)
        if not np.all(np.isfinite((x, y, z))):
            raise ValueError(f"a shift is three finite numbers, not {tuple(fraction)}")
        before = self._tiling, self._fraction
        self._tiling, self._fraction = (a, b, c), (x, y, z)
        if (self._tiling, self._fraction) != before:
            self.changed.emit()

    @property
    def is_plain(self) -> bool:
        """Whether fields are shown as they are: one cell, no shift asked for."""
        return self._tiling == (1, 1, 1) and self._fraction == (0.0, 0.0, 0.0)

    def shift_on(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Return the shift in grid points of a grid, each from 0 to N − 1.

        Parameters
        ----------
        shape : sequence of 3 int
            Points along each cell vector.
        """
        x, y, z = (
            int(np.floor(part * points + 0.5)) % points
            for part, points in zip(self._fraction, shape, strict=True)
        )
        return x, y, z

    def offset(self, grid: PeriodicGrid) -> FloatArray:
        """Return the shift on a grid as a vector, shape (3,) [Å]."""
        return np.asarray(np.array(self.shift_on(grid.shape)) @ grid.voxel_vectors)

    def to_world(self, positions: npt.ArrayLike, trajectory: DensityTrajectory) -> FloatArray:
        """Return where positions are shown: moved as the density is, not wrapped into the cell.

        Parameters
        ----------
        positions : array-like, shape (..., 3)
            In the coordinates of the trajectory's atoms [Å].
        trajectory : DensityTrajectory
            Whose positions they are.

        Returns
        -------
        ndarray, shape (..., 3)
            World coordinates x, y, z of the layers [Å].
        """
        return np.asarray(positions, np.float64) + self.offset(trajectory.grid)

    def from_world(self, positions: npt.ArrayLike, trajectory: DensityTrajectory) -> FloatArray:
        """Return the coordinates of the atoms [Å] of places in the world, as `to_world` undone."""
        return np.asarray(positions, np.float64) - self.offset(trajectory.grid)

    def centre_on(self, position: npt.ArrayLike, trajectory: DensityTrajectory) -> None:
        """Choose the shift that brings a position to the middle of the cells shown.

        Parameters
        ----------
        position : array-like, shape (3,)
            In the coordinates of the trajectory's atoms [Å].
        trajectory : DensityTrajectory
            Whose position it is.
        """
        grid = trajectory.grid
        here = (np.asarray(position, np.float64) - grid.origin) @ np.linalg.inv(grid.cell)
        self.fraction = (np.array(self._tiling) / 2.0 - here).tolist()


_views: weakref.WeakKeyDictionary[Any, CellView] = weakref.WeakKeyDictionary()


def cell_view_of(viewer: Viewer) -> CellView:
    """Return the viewer's cell view, made at the first call."""
    viewer = unwrap(viewer)
    view = _views.get(viewer)
    if view is None:
        view = _views[viewer] = CellView()
    return view
