"""Planes through cells of any shape: where they lie, what they cut, and the field on them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import get_distances
from matplotlib.path import Path

from napari_eldyn.density import PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.planes import (
    atoms_near,
    interpolate,
    miller_plane,
    offset_range,
    outline,
    plane_through,
    sample_plane,
    spacing,
)

SHEARED = np.array([[4.0, 0.0, 0.0], [1.1, 4.4, 0.0], [-0.7, 0.9, 5.0]])
ORIGIN = (0.4, -1.2, 2.0)
WAVES = ((1.0, (1, 0, 0), 0.2), (0.7, (-1, 2, 1), 1.0), (0.4, (2, 0, 3), 0.0))
PLANES = [(1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (2, -1, 3), (0, 2, 2)]


@pytest.fixture(scope="module")
def grid() -> PeriodicGrid:
    return PeriodicGrid(SHEARED, (24, 25, 32), ORIGIN)


def waves(grid: PeriodicGrid, positions: np.ndarray) -> np.ndarray:
    """A periodic field with a closed form: three waves of the cell."""
    r = positions - grid.origin
    return sum(
        size * np.cos(r @ (indices @ grid.reciprocal_vectors) + phase)
        for size, indices, phase in (
            (1.0, (1, 0, 0), 0.2),
            (0.7, (-1, 2, 1), 1.0),
            (0.4, (2, 0, 3), 0),
        )
    )


@pytest.fixture(scope="module")
def field(grid: PeriodicGrid) -> np.ndarray:
    nodes = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1)
    return waves(grid, nodes @ grid.cell + grid.origin).astype(np.float32)


@pytest.mark.parametrize(
    "indices", [(1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1), (2, -1, 3), (0, 2, 2)]
)
def test_miller_planes_lie_as_the_lattice_says(
    grid: PeriodicGrid, indices: tuple[int, int, int]
) -> None:
    d = spacing(grid, indices)
    # The textbook's: a/h, b/k, c/l are on the plane one spacing from the origin.
    plane = miller_plane(grid, indices, d)
    for axis, index in enumerate(indices):
        if index:
            height = plane.to_plane(grid.origin + grid.cell[axis] / index)[2]
        else:  # the axis is parallel to the plane
            height = plane.normal @ grid.cell[axis]
        assert height == pytest.approx(0.0, abs=1e-9)
    assert d == pytest.approx(1 / np.linalg.norm(indices @ np.linalg.inv(grid.cell).T))
    frame = np.stack([plane.u, plane.v, plane.normal])
    assert frame @ frame.T == pytest.approx(np.eye(3), abs=1e-12)
    # u is a direction of the lattice, named.
    named = [int(n) for n in plane.along.replace("−", "-").strip("[]").split()]
    assert np.dot(named, indices) == 0
    direction = named @ grid.cell
    assert np.cross(direction, plane.u) == pytest.approx(0, abs=1e-9)


def test_the_field_on_a_plane_of_a_sheared_cell(grid: PeriodicGrid, field: np.ndarray) -> None:
    for indices, offset in (((1, 1, 1), 1.234), ((0, 0, 1), 0.0), ((2, -1, 3), -0.4)):
        plane = miller_plane(grid, indices, offset)
        polygon = outline(plane, grid.origin, grid.cell)
        values, (left, right, low, high) = sample_plane(field, grid, plane, polygon)
        rows, columns = values.shape
        x = left + (np.arange(columns) + 0.5) / columns * (right - left)
        y = low + (np.arange(rows) + 0.5) / rows * (high - low)
        places = plane.to_space(np.stack(np.meshgrid(x, y), axis=-1))
        assert np.allclose(places @ plane.normal - grid.origin @ plane.normal, offset)
        assert np.abs(values - waves(grid, places)).max() < 3e-3


def test_interpolation_is_exact_at_grid_points_and_as_good_as_it_says(grid: PeriodicGrid) -> None:
    rough = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    nodes = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1)
    places = nodes @ grid.cell + grid.origin + [2, -1, 1] @ grid.cell
    assert interpolate(rough, grid, places) == pytest.approx(rough, abs=1e-5), "also far outside"
    anywhere = np.random.default_rng(1).uniform(-9, 9, (4000, 3))
    for index, error in ((4, 2e-3), (2, 1e-4)):  # 8 and 16 points per wavelength along c
        q = index * grid.reciprocal_vectors[2]
        wave = np.cos((nodes @ grid.cell) @ q)
        found = interpolate(wave, grid, anywhere)
        assert np.abs(found - np.cos((anywhere - grid.origin) @ q)).max() < error


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def test_outlines_are_the_sections_of_the_cell(grid: PeriodicGrid) -> None:
    a, b, _ = grid.cell
    for offset in (0.0, 0.5 * spacing(grid, (0, 0, 1)), spacing(grid, (0, 0, 1))):
        polygon = outline(miller_plane(grid, (0, 0, 1), offset), grid.origin, grid.cell)
        assert len(polygon) == 4
        assert area(polygon) == pytest.approx(np.linalg.norm(np.cross(a, b)))
    # A cube cut across its diagonal: triangle, hexagon, nothing.
    cube = PeriodicGrid(2 * np.eye(3), (4, 4, 4))
    d = spacing(cube, (1, 1, 1))
    for share, corners, size in ((1.0, 3, 2 * np.sqrt(3)), (1.5, 6, 3 * np.sqrt(3)), (3.1, 0, 0.0)):
        polygon = outline(miller_plane(cube, (1, 1, 1), share * d), cube.origin, cube.cell)
        assert len(polygon) == corners
        assert area(polygon) if corners else pytest.approx(size) == 0.0
    low, high = offset_range(miller_plane(grid, (1, -1, 0), 0.0), grid.origin, grid.cell)
    assert (low, high) == pytest.approx((-spacing(grid, (1, -1, 0)), spacing(grid, (1, -1, 0))))
    # All sections together fill the cell.
    plane = miller_plane(grid, (1, -1, 2), 0.0)
    low, high = offset_range(plane, grid.origin, grid.cell)
    heights = low + (np.arange(400) + 0.5) / 400 * (high - low)
    sections = [area(outline(plane.moved(h), grid.origin, grid.cell)) for h in heights]
    assert np.mean(sections) * (high - low) == pytest.approx(grid.volume, rel=1e-4)


def test_a_plane_through_atoms_takes_their_nearest_images(grid: PeriodicGrid) -> None:
    atoms = grid.origin + np.array([[0.1, 0.2, 0.3], [3.9, 0.1, 0.2], [0.3, 4.0, 4.7]])
    plane = plane_through(grid, atoms, "Li1–Li2")
    assert plane.along == "Li1–Li2"
    vectors, lengths = get_distances(atoms[:1], atoms[1:], cell=grid.cell, pbc=True)
    for vector, length in zip(vectors[0], lengths[0], strict=True):
        x, y, height = plane.to_plane(atoms[0] + vector)
        assert height == pytest.approx(0, abs=1e-9)
        assert np.hypot(x, y) == pytest.approx(length)
    assert plane.to_plane(atoms[0] + vectors[0, 0])[1] == pytest.approx(0, abs=1e-9), "u"
    direct = plane_through(grid, atoms, nearest=False)
    assert direct.to_plane(atoms)[:, 2] == pytest.approx(np.zeros(3), abs=1e-9)
    with pytest.raises(EldynError, match="on a line"):
        plane_through(grid, [[0, 0, 0], [1, 0, 0], [-0.7, 0, 0]])
    with pytest.raises(EldynError, match="on a line"):
        plane_through(grid, [atoms[0], atoms[0], atoms[1]])


def test_atoms_near_a_plane_are_all_images_in_the_polygon(grid: PeriodicGrid) -> None:
    rng = np.random.default_rng(4)
    positions = rng.uniform(-8, 12, (20, 3))
    plane = miller_plane(grid, (1, 1, 2), 4.1)
    edges = grid.cell * np.array([[2], [1], [2]])
    polygon = outline(plane, grid.origin, edges)
    found = atoms_near(plane, polygon, grid, positions, 0.6)
    # Against ase: every image in a block of cells around, told by its place alone.
    block = Atoms(f"H{len(positions)}", positions=positions, cell=grid.cell, pbc=True)
    block.wrap()
    block = block.repeat((9, 9, 9))
    places = block.positions - [4, 4, 4] @ grid.cell
    relative = (places - plane.point) @ np.stack([plane.u, plane.v, plane.normal], axis=-1)
    inside = Path(polygon).contains_points(relative[:, :2])
    inside &= np.abs(relative[:, 2]) <= 0.6
    expected = relative[inside]
    mine = np.column_stack([found.places, found.heights])
    assert len(mine) == len(expected) >= 10
    order = [np.lexsort(np.round(rows, 5).T) for rows in (mine, expected)]
    assert mine[order[0]] == pytest.approx(expected[order[1]], abs=1e-6)
    assert np.array_equal(np.sort(found.index), np.sort(np.flatnonzero(inside) % len(positions)))


def test_no_indices_no_plane(grid: PeriodicGrid) -> None:
    with pytest.raises(EldynError, match="0 0 0 name no plane"):
        miller_plane(grid, (0, 0, 0), 0.0)
