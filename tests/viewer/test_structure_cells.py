"""Tiling and shift: densities and atoms move alike, by whole grid points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.viewer.cell_view import CellView, cell_view_of
from napari_eldyn.viewer.tiling import TiledVolumes, plain_volumes

if TYPE_CHECKING:
    from live_session import Live

SHAPE = (3, 4, 5)
SHEARED = np.array([[4.0, 0.0, 0.0], [1.5, 5.0, 0.0], [-0.7, 1.1, 6.0]])


def test_volumes_are_rolled_and_repeated() -> None:
    values = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)
    tiled = TiledVolumes(values, (2, 1, 3), (1, 3, 2))
    expected = np.tile(np.roll(values, (1, 3, 2), axis=(1, 2, 3)), (1, 2, 1, 3))
    assert tiled.shape == expected.shape
    assert len(tiled) == 2
    assert tiled.size == expected.size
    assert tiled.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(tiled), expected)
    for key in (1, -1, (0, 4), (1, slice(None), 2, slice(1, 9)), slice(0, 0)):
        np.testing.assert_array_equal(tiled[key], expected[key])


@pytest.mark.parametrize("cell", [np.eye(3) * 5, SHEARED], ids=["cubic", "sheared"])
def test_positions_move_as_grid_points_do(cell: np.ndarray) -> None:
    grid = PeriodicGrid(cell, SHAPE, origin=(0.3, -1.0, 2.0))
    trajectory = DensityTrajectory.from_array(np.ones((1, *SHAPE)), grid, [0.0])
    view = CellView()
    view.fraction = (0.4, -0.3, 1.26)
    shift = view.shift_on(SHAPE)
    assert shift == (1, 3, 1), "the nearest whole points: 1.2, 2.8, 1.3"
    point = np.array([1, 2, 3])
    before = grid.origin + point @ grid.voxel_vectors
    after = grid.origin + (point + shift) @ grid.voxel_vectors
    np.testing.assert_allclose(view.to_world(before, trajectory), after, atol=1e-12)
    np.testing.assert_allclose(view.from_world(after, trajectory), before, atol=1e-12)


@pytest.mark.parametrize("tiling", [(1, 1, 1), (2, 1, 3)])
def test_a_position_comes_to_the_middle(tiling: tuple[int, int, int]) -> None:
    grid = PeriodicGrid(SHEARED, (40, 50, 60), origin=(1.0, 0.0, 0.0))
    trajectory = DensityTrajectory.from_array(np.ones((1, 40, 50, 60)), grid, [0.0])
    view = CellView()
    view.tiling = tiling
    place = np.array([0.9, 3.1, 5.2])
    view.centre_on(place, trajectory)
    shown = (view.to_world(place, trajectory) - grid.origin) @ np.linalg.inv(grid.cell)
    away = shown - np.array(tiling) / 2
    away -= np.rint(away)  # it is drawn in every cell
    assert np.all(np.abs(away * grid.shape) <= 0.5 + 1e-9)


def test_news_are_told_once() -> None:
    view = CellView()
    told: list[int] = []
    view.changed.connect(lambda: told.append(1))
    view.tiling = (1, 1, 1)
    view.fraction = (1.0, 2.0, 0.0)
    assert not told
    assert view.is_plain
    view.show((1, 2, 1), (0.5, 0.0, 0.0))
    assert len(told) == 1
    for wrong in ((0, 1, 1), (1, 4, 1)):
        with pytest.raises(ValueError, match="1 to 3"):
            view.tiling = wrong
    with pytest.raises(ValueError, match="finite"):
        view.fraction = (np.nan, 0.0, 0.0)


def test_panels_are_tiled_like_the_trajectory(live: Live) -> None:
    view, reference = cell_view_of(live.viewer), live.control.comparison.reference
    trajectory = live.control.comparison.pairing.trajectory
    n = trajectory.grid.shape[0]
    view.show((2, 1, 1), (0.25, 0.0, 0.0))
    panels = live.control.panels.layers
    assert set(panels) == {"generated", "reference"}
    for layer in panels.values():
        assert layer.data.shape[1:] == (2 * n, n, n)
    shown = panels["reference"].data[1]
    expected = np.roll(trajectory[live.control.comparison.pairing.reference_frame(1)], n // 4, 0)
    np.testing.assert_array_equal(shown, np.tile(expected, (2, 1, 1)))
    live.control.panels.set_shown("reconstruction", True)
    assert live.control.panels.layers["reconstruction"].data.shape[1:] == (2 * n, n, n)
    live.control.panels.clear()
    assert len(reference.data) == len(trajectory)
    assert reference.data.shape[1:] == (2 * n, n, n)
    view.show((1, 1, 1), (0.0, 0.0, 0.0))
    assert reference.data is plain_volumes(reference)
    np.testing.assert_array_equal(reference.data[3], trajectory[3])
