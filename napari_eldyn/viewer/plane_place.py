"""Where a layer's cells lie in the world: what is shown of a periodic field, and at which place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.viewer.tiling import TiledVolumes

__all__ = ["ShownCells", "shown_cells"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShownCells:
    """The cells that are shown.

    Parameters
    ----------
    corner : ndarray, shape (3,)
        Their corner in the file's coordinates [Å].
    edges : ndarray, shape (3, 3)
        Edges of all of them together, as rows [Å].
    offset : ndarray, shape (3,)
        From the file's coordinates to the world's [Å].
    """

    corner: FloatArray
    edges: FloatArray
    offset: FloatArray


def shown_cells(layer: Any, grid: PeriodicGrid) -> ShownCells:
    """Return which cells of a layer are shown, and where.

    Parameters
    ----------
    layer : napari.layers.Image
        A volume against time.
    grid : PeriodicGrid
        One cell of it.
    """
    tiling, shift = np.ones(3, np.int64), np.zeros(3, np.int64)
    if isinstance(layer.data, TiledVolumes):
        tiling, shift = np.array(layer.data.tiling), np.array(layer.data.shift)
    corner = grid.origin - shift @ grid.voxel_vectors
    first = np.asarray(layer.data_to_world((0.0,) * layer.ndim), np.float64)[-3:]
    return ShownCells(corner, grid.cell * tiling[:, None], first - corner)
