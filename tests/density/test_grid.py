from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from ase.cell import Cell

from napari_eldyn.density import PeriodicGrid, resample
from napari_eldyn.exceptions import EldynError

TRICLINIC = np.array([[4.0, 0.1, -0.3], [0.8, 5.0, 0.2], [1.1, -0.7, 6.0]])


def plane_wave(grid: PeriodicGrid, h: tuple[int, int, int], phase: float = 0.0) -> np.ndarray:
    """cos(2π h·x + phase) at the grid's points, by its formula."""
    x = np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij")
    return np.cos(2 * np.pi * sum(hi * xi for hi, xi in zip(h, x, strict=True)) + phase)


def test_geometry_agrees_with_ase() -> None:
    grid = PeriodicGrid(TRICLINIC, (4, 6, 5))
    cell = Cell(TRICLINIC)
    assert grid.volume == pytest.approx(cell.volume)
    assert grid.voxel_volume == pytest.approx(cell.volume / 120)
    np.testing.assert_allclose(grid.reciprocal_vectors, 2 * np.pi * cell.reciprocal(), atol=1e-12)
    np.testing.assert_allclose(grid.voxel_vectors * np.array([[4], [6], [5]]), TRICLINIC)
    assert grid.n_points == 120


@pytest.mark.parametrize(
    ("cell", "orthogonal", "cubic"),
    [
        (np.eye(3) * 8.66, True, True),
        (np.diag([8.0, 8.0, 9.0]), True, False),
        (TRICLINIC, False, False),
        (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 4.0, False, False),
    ],
)
def test_cell_shape(cell: np.ndarray, orthogonal: bool, cubic: bool) -> None:
    grid = PeriodicGrid(cell, (4, 4, 4))
    assert (grid.is_orthogonal, grid.is_cubic) == (orthogonal, cubic)


@pytest.mark.parametrize("shape", [(4, 6, 8), (5, 4, 7), (3, 3, 3), (1, 2, 1)])
def test_a_plane_wave_has_one_wavevector(shape: tuple[int, int, int]) -> None:
    grid = PeriodicGrid(TRICLINIC, shape)
    h = (1 % shape[0], 1 % shape[1], 0)
    spectrum = np.abs(np.fft.rfftn(plane_wave(grid, h))) / grid.n_points
    found = grid.wavevectors()[spectrum > 0.1]
    expected = 2 * np.pi * np.linalg.inv(TRICLINIC) @ np.array(h)
    assert len(found)
    for q in found:
        # The box of an even grid holds only one of ±N/2: compare what the grid can tell apart.
        difference = (q - expected) @ TRICLINIC.T / (2 * np.pi)
        alternative = (q + expected) @ TRICLINIC.T / (2 * np.pi)
        assert min(
            np.abs(np.remainder(d + 0.5 * np.array(shape), shape) - 0.5 * np.array(shape)).max()
            for d in (difference, alternative)
        ) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("shape", [(4, 6, 8), (5, 4, 7)])
def test_multiplicity_counts_the_full_space(shape: tuple[int, int, int]) -> None:
    grid = PeriodicGrid(TRICLINIC, shape)
    multiplicity = grid.rfft_multiplicity()
    assert multiplicity.sum() == grid.n_points
    field = np.random.default_rng(0).normal(size=shape)
    half = np.abs(np.fft.rfftn(field)) ** 2
    # Parseval's theorem over the half space holds with the right multiplicities only.
    assert (multiplicity * half).sum() / grid.n_points == pytest.approx((field**2).sum())
    assert grid.wavevectors().shape == (*half.shape, 3)


def test_q_max_is_the_inscribed_sphere() -> None:
    assert PeriodicGrid(np.eye(3) * 8.0, (32, 32, 32)).q_max == pytest.approx(np.pi * 32 / 8)
    grid = PeriodicGrid(TRICLINIC, (4, 6, 8))
    # Distance from the origin to each face of the box: half the span across, along its normal.
    b = grid.reciprocal_vectors * np.array(grid.shape)[:, None] / 2
    normals = np.cross(b[[1, 2, 0]], b[[2, 0, 1]])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    assert grid.q_max == pytest.approx(np.abs((b * normals).sum(axis=1)).min())


def test_matches_within_the_tolerance() -> None:
    grid = PeriodicGrid(TRICLINIC, (4, 6, 8))
    assert grid.matches(PeriodicGrid(TRICLINIC + 5e-5, (4, 6, 8)))
    assert not grid.matches(PeriodicGrid(TRICLINIC + 5e-4, (4, 6, 8)))
    assert not grid.matches(grid.with_shape((4, 6, 6)))


@pytest.mark.parametrize(
    ("cell", "shape"),
    [
        (np.zeros((3, 3)), (2, 2, 2)),
        (np.array([[1, 0, 0], [2, 0, 0], [0, 0, 1.0]]), (2, 2, 2)),
        (np.full((3, 3), np.nan), (2, 2, 2)),
        (np.eye(2), (2, 2, 2)),
        (np.eye(3), (2, 0, 2)),
        (np.eye(3), (2, 2)),
    ],
)
def test_impossible_grids_are_refused(cell: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(EldynError):
        PeriodicGrid(cell, shape)


def test_a_grid_cannot_be_changed() -> None:
    grid = PeriodicGrid(TRICLINIC, (4, 6, 8))
    with pytest.raises(ValueError, match="read-only"):
        grid.cell[0, 0] = 1.0


SIZES = [(6, 6, 6), (7, 7, 7), (8, 5, 6), (9, 10, 12), (12, 9, 7)]


@pytest.mark.parametrize("old", SIZES)
@pytest.mark.parametrize("new", SIZES)
def test_waves_that_both_grids_hold_are_exact(
    old: tuple[int, int, int], new: tuple[int, int, int]
) -> None:
    cell = TRICLINIC
    for h in [(0, 0, 0), (1, 0, 0), (2, 1, -1), (-2, 2, 2), (1, -2, 2)]:
        source = plane_wave(PeriodicGrid(cell, old), h, phase=0.4)
        expected = plane_wave(PeriodicGrid(cell, new), h, phase=0.4)
        np.testing.assert_allclose(resample(source, new), expected, atol=1e-12)


def test_waves_beyond_the_new_grid_vanish() -> None:
    grid = PeriodicGrid(TRICLINIC, (16, 16, 16))
    # h = 5 does not fit on 8 points: it would alias to −3 if points were just left out.
    np.testing.assert_allclose(resample(plane_wave(grid, (5, 0, 0)), (8, 8, 8)), 0.0, atol=1e-12)


def test_the_shared_coefficient_of_even_grids() -> None:
    # Adding points to (−1)^i gives the real wave through them, cos(2π (N/2) x).
    for n_new in (9, 12):
        source = plane_wave(PeriodicGrid(TRICLINIC, (6, 4, 4)), (3, 0, 0))
        expected = plane_wave(PeriodicGrid(TRICLINIC, (n_new, 4, 4)), (3, 0, 0))
        np.testing.assert_allclose(resample(source, (n_new, 4, 4)), expected, atol=1e-12)
    # Taking points away, the waves +N/2 and −N/2 fall together, as in sampling the wave.
    source = plane_wave(PeriodicGrid(TRICLINIC, (12, 4, 4)), (3, 0, 0), phase=0.5)
    expected = plane_wave(PeriodicGrid(TRICLINIC, (6, 4, 4)), (3, 0, 0), phase=0.5)
    np.testing.assert_allclose(resample(source, (6, 4, 4)), expected, atol=1e-12)


@pytest.mark.parametrize("new", SIZES)
def test_resampling_agrees_with_scipy(new: tuple[int, int, int]) -> None:
    field = np.random.default_rng(1).normal(size=(2, 8, 9, 10))
    expected = field
    for axis in range(3):
        expected = scipy.signal.resample(expected, new[axis], axis=axis + 1)
    np.testing.assert_allclose(resample(field, new), expected, atol=1e-12)
    assert resample(field.astype(np.float32), new).dtype == np.float32


@pytest.mark.parametrize("new", SIZES)
def test_resampling_keeps_electrons(new: tuple[int, int, int]) -> None:
    field = np.random.default_rng(2).uniform(0.01, 0.1, (8, 9, 10))
    assert resample(field, new).mean() == pytest.approx(field.mean(), rel=1e-12)


def test_resampling_to_the_same_points_is_the_identity() -> None:
    field = np.random.default_rng(3).normal(size=(4, 5, 6))
    result = resample(field, (4, 5, 6))
    np.testing.assert_array_equal(result, field)
    assert result is not field


@pytest.mark.parametrize("target", [(0, 4, 4), (4, 4), (4, 4, -1)])
def test_impossible_targets_are_refused(target: tuple[int, ...]) -> None:
    with pytest.raises(EldynError, match="cannot resample"):
        resample(np.zeros((4, 4, 4)), target)
