"""Electrons in spheres and layers, against closed forms and plain sums over fine voxels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import PeriodicGrid
from napari_eldyn.density.grid import resample
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.regions import FieldWaves, integral_in_layer, integral_in_sphere

SHEARED = np.array([[4.0, 0.0, 0.0], [1.1, 4.4, 0.0], [-0.7, 0.9, 5.0]])
ORIGIN = (0.4, -1.2, 2.0)


def positions_of(grid: PeriodicGrid) -> np.ndarray:
    """Grid points [Å], shape (nx, ny, nz, 3)."""
    nodes = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1)
    return nodes @ grid.cell + grid.origin


@pytest.fixture(scope="module", params=[(10, 11, 12), (9, 12, 10), (8, 8, 7)])
def grid(request: pytest.FixtureRequest) -> PeriodicGrid:
    return PeriodicGrid(SHEARED, request.param, ORIGIN)


@pytest.fixture(scope="module")
def field(grid: PeriodicGrid) -> np.ndarray:
    """Every wave that the grid holds, those of its edge among them."""
    return 1.0 + 0.3 * np.random.default_rng(3).normal(size=grid.shape)


def voxel_sum(field: np.ndarray, grid: PeriodicGrid, inside, finer: int = 8) -> float:
    """Plain sum over the voxels of a finer grid whose middles are inside."""
    fine = grid.with_shape([finer * n for n in grid.shape])
    values = resample(field, fine.shape)
    total = 0.0
    # Any point of space may be nearer than the one in the cell: look at the images as well.
    places = positions_of(fine)
    for shift in np.ndindex(3, 3, 3):
        mask = inside(places + (np.array(shift) - 1) @ grid.cell)
        total += float(values[mask].sum())
    return total * fine.voxel_volume


def test_uniform_densities_and_single_waves_have_closed_forms() -> None:
    grid = PeriodicGrid(SHEARED, (12, 12, 12), ORIGIN)
    centre, radius = np.array([1.0, 2.0, 3.5]), 1.7
    flat = FieldWaves(np.full(grid.shape, 0.25, np.float32), grid)
    volume = 4 / 3 * np.pi * radius**3
    assert integral_in_sphere(flat, centre, radius) == pytest.approx(0.25 * volume, rel=1e-12)
    assert integral_in_sphere(flat, centre, 0.0) == 0.0
    q = np.array([1, -2, 3]) @ grid.reciprocal_vectors
    wave = np.cos((positions_of(grid) - grid.origin) @ q + 0.3)
    x = radius * np.linalg.norm(q)
    expected = (
        volume * 3 * (np.sin(x) - x * np.cos(x)) / x**3 * np.cos(q @ (centre - grid.origin) + 0.3)
    )
    found = integral_in_sphere(FieldWaves(wave, grid), centre, radius)
    assert found == pytest.approx(expected, rel=1e-10)


def test_spheres_agree_with_sums_over_voxels(grid: PeriodicGrid, field: np.ndarray) -> None:
    centre, radius = grid.origin + np.array([0.3, 0.2, 4.9]), 1.6
    waves = FieldWaves(field, grid)
    found = integral_in_sphere(waves, centre, radius)
    summed = voxel_sum(field, grid, lambda r: np.linalg.norm(r - centre, axis=-1) <= radius)
    assert found == pytest.approx(summed, rel=4e-3), "as far as voxels can tell"
    moved = integral_in_sphere(waves, centre + [2, -1, 5] @ grid.cell, radius)
    assert moved == pytest.approx(found, rel=1e-9), "periodic"
    # Space filled by a sphere that shrinks: a hundredth of an ångström sees the value itself.
    r = positions_of(grid)[3, 4, 5]
    tiny = integral_in_sphere(waves, r, 0.01) / (4 / 3 * np.pi * 0.01**3)
    assert tiny == pytest.approx(field[3, 4, 5], rel=1e-3)


@pytest.mark.parametrize("indices", [(1, 0, 0), (0, 0, 1), (1, 1, 1), (2, -1, 0), (-1, 2, -1)])
def test_layers_agree_with_sums_over_voxels(
    grid: PeriodicGrid, field: np.ndarray, indices: tuple[int, int, int]
) -> None:
    waves = FieldWaves(field, grid)
    normal = indices @ grid.reciprocal_vectors
    d = 2 * np.pi / np.linalg.norm(normal)
    normal /= np.linalg.norm(normal)
    lower, upper = 0.21 * d, 0.74 * d
    layer = integral_in_layer(waves, indices, lower, upper)
    assert layer.thickness == pytest.approx(0.53 * d)
    assert layer.area * d == pytest.approx(grid.volume)

    def inside(r: np.ndarray) -> np.ndarray:
        height = (r - grid.origin) @ normal
        return (np.mod(height, d) >= lower) & (np.mod(height, d) < upper)

    fine = grid.with_shape([8 * n for n in grid.shape])
    values = resample(field, fine.shape)
    summed = values[inside(positions_of(fine))].sum() * fine.voxel_volume
    assert layer.value == pytest.approx(summed, rel=0.03)
    whole = integral_in_layer(waves, indices, -0.3 * d, 0.7 * d)
    assert whole.value == pytest.approx(field.sum() * grid.voxel_volume, rel=1e-10)
    parts = (
        layer.value
        + integral_in_layer(waves, indices, upper, d).value
        + integral_in_layer(waves, indices, 0, lower).value
    )
    assert parts == pytest.approx(whole.value, rel=1e-10)


def test_a_layer_of_one_wave_has_a_closed_form() -> None:
    grid = PeriodicGrid(SHEARED, (10, 9, 8), ORIGIN)
    b = grid.reciprocal_vectors[2]
    d = 2 * np.pi / np.linalg.norm(b)
    wave = 0.5 + np.sin(2 * (positions_of(grid) - grid.origin) @ b)
    lower, upper = 0.3, 1.9
    area = grid.volume / d
    q = 4 * np.pi / d
    expected = area * (0.5 * (upper - lower) - (np.cos(q * upper) - np.cos(q * lower)) / q)
    for indices in ((0, 0, 1), (0, 0, 2)):  # the second plane of a cell is of the same family
        layer = integral_in_layer(FieldWaves(wave, grid), indices, lower, upper)
        assert layer.value == pytest.approx(expected, rel=1e-10)
        assert layer.area == pytest.approx(area)


def test_regions_that_make_no_sense_are_refused() -> None:
    grid = PeriodicGrid(SHEARED, (4, 4, 4))
    waves = FieldWaves(np.ones(grid.shape), grid)
    with pytest.raises(EldynError, match="radius of at least 0"):
        integral_in_sphere(waves, (0, 0, 0), -1.0)
    with pytest.raises(EldynError, match="name no plane"):
        integral_in_layer(waves, (0, 0, 0), 0.0, 1.0)
    with pytest.raises(EldynError, match="below its start"):
        integral_in_layer(waves, (0, 0, 1), 2.0, 1.0)
    with pytest.raises(EldynError, match="not on"):
        FieldWaves(np.ones((3, 4, 4)), grid)
