from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import PeriodicGrid, apply_operation, point_group, shift, time_reverse
from napari_eldyn.exceptions import EldynError

A = 3.0
HEXAGONAL = np.array([[A, 0, 0], [-A / 2, A * np.sqrt(3) / 2, 0], [0, 0, 5.0]])


def rhombohedral(angle: float) -> np.ndarray:
    """Cell vectors of equal length at equal angles, around the axis (1, 1, 1)."""
    c = np.cos(np.radians(angle))
    return A * np.linalg.cholesky(np.full((3, 3), c) + (1 - c) * np.eye(3))


# Orders of the holohedries of the seven crystal systems: International Tables A, table 1.3.4.1.
CELLS = {
    "cubic P": (np.eye(3) * A, 48),
    "cubic F": (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * A, 48),
    "cubic I": (np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) * A, 48),
    "cubic, oblique axes": (np.array([[A, 0, 0], [3 * A, A, 0], [2 * A, -A, A]]), 48),
    "cubic, rotated": (np.eye(3) @ np.linalg.qr(np.arange(9).reshape(3, 3) + np.eye(3))[0] * A, 48),
    "hexagonal, 120°": (HEXAGONAL, 24),
    "hexagonal, 60°": (
        HEXAGONAL * np.array([[1], [1], [1]]) + [[0] * 3, HEXAGONAL[0], [0] * 3],
        24,
    ),
    "tetragonal": (np.diag([3.0, 3.0, 4.0]), 16),
    "rhombohedral": (rhombohedral(75.0), 12),
    "orthorhombic P": (np.diag([3.0, 4.0, 5.0]), 8),
    "orthorhombic C": (np.array([[3.0, 4, 0], [3, -4, 0], [0, 0, 7]]), 8),
    "monoclinic": (np.array([[3.0, 0, 0], [0, 4, 0], [1, 0, 5]]), 4),
    "triclinic": (np.array([[3.0, 0, 0], [0.4, 4, 0], [1, 0.7, 5]]), 2),
}


@pytest.mark.parametrize("name", CELLS)
def test_order_of_the_point_group(name: str) -> None:
    cell, order = CELLS[name]
    operations = point_group(PeriodicGrid(cell, (12, 12, 12)))
    assert len(operations) == order
    assert len({operation.tobytes() for operation in operations}) == order
    np.testing.assert_array_equal(operations[0], np.eye(3))


@pytest.mark.parametrize("name", CELLS)
def test_operations_are_a_group_of_rotations(name: str) -> None:
    cell, _ = CELLS[name]
    operations = point_group(PeriodicGrid(cell, (6, 6, 6)))
    members = {operation.tobytes() for operation in operations}
    for first in operations:
        # In Cartesian coordinates each is orthogonal.
        cartesian = cell.T @ first @ np.linalg.inv(cell.T)
        np.testing.assert_allclose(cartesian @ cartesian.T, np.eye(3), atol=1e-9)
        assert all((first @ second).tobytes() in members for second in operations)


def test_unequal_counts_lower_the_symmetry() -> None:
    assert len(point_group(PeriodicGrid(np.eye(3) * A, (6, 6, 8)))) == 16
    assert len(point_group(PeriodicGrid(np.eye(3) * A, (4, 6, 8)))) == 8
    assert len(point_group(PeriodicGrid(HEXAGONAL, (6, 8, 4)))) == 4


@pytest.mark.parametrize("name", CELLS)
def test_an_operation_moves_atoms_and_density_alike(name: str) -> None:
    """Gaussians at rotated positions give the rotated density."""
    cell, _ = CELLS[name]
    shape = (8, 8, 8)
    grid = PeriodicGrid(cell, shape)
    rng = np.random.default_rng(0)
    atoms = rng.uniform(size=(3, 3))
    weights = np.array([1.0, 2.0, 3.0])
    for operation in point_group(grid)[:: max(1, len(point_group(grid)) // 6)]:
        moved = periodic_gaussians(grid, atoms @ operation.T, weights)
        rotated = apply_operation(periodic_gaussians(grid, atoms, weights), operation)
        np.testing.assert_allclose(rotated, moved, atol=1e-10)


def periodic_gaussians(
    grid: PeriodicGrid, fractional: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Sum of periodic Gaussian-like bumps from distances to all images within two cells."""
    points = np.stack(
        np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    density = np.zeros(len(points))
    for atom, weight in zip(fractional, weights, strict=True):
        # A sum over reciprocal vectors inside a sphere is exactly as symmetric as the lattice.
        h = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        q = h @ grid.reciprocal_vectors
        q_squared = (q**2).sum(axis=1)
        shortest = np.min(q_squared[q_squared > 1e-9])
        near = q_squared < 3.01 * shortest
        phases = 2 * np.pi * (points - atom) @ h[near].T
        density += weight * (np.cos(phases) * np.exp(-0.3 * q_squared[near])).sum(axis=1)
    return density.reshape(grid.shape)


def test_operations_act_on_the_last_axes() -> None:
    rng = np.random.default_rng(1)
    stack = rng.normal(size=(2, 3, 6, 6, 4))
    for cell in (np.diag([3.0, 3.0, 5.0]), HEXAGONAL):
        for operation in point_group(PeriodicGrid(cell, (6, 6, 4))):
            whole = apply_operation(stack, operation)
            np.testing.assert_array_equal(whole[1, 2], apply_operation(stack[1, 2], operation))
            inverse = np.rint(np.linalg.inv(operation)).astype(int)
            np.testing.assert_array_equal(apply_operation(whole, inverse), stack)


@pytest.mark.parametrize(
    "operation",
    [np.zeros((3, 3)), 2 * np.eye(3), np.eye(2), np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])],
)
def test_foreign_operations_are_refused(operation: np.ndarray) -> None:
    with pytest.raises(EldynError, match="does not map"):
        apply_operation(np.zeros((4, 6, 8)), operation)


def test_shift_moves_values() -> None:
    field = np.zeros((2, 4, 5, 6))
    field[:, 1, 2, 3] = 1.0
    moved = shift(field, (2, -1, 5))
    assert moved[0, 3, 1, 2] == moved[1, 3, 1, 2] == 1.0
    assert moved.sum() == 2.0


def test_time_reversal_swaps_forward_and_backward() -> None:
    t = np.linspace(0, 1, 4)
    field = np.sin(t)[:, None, None, None] * np.ones((4, 2, 2, 2))
    forward = np.stack([field[1], (field[2] - field[0])])
    backward = np.stack([field[::-1][2], (field[::-1][3] - field[::-1][1])])
    np.testing.assert_array_equal(time_reverse(forward), backward)
    np.testing.assert_array_equal(time_reverse(time_reverse(forward)), forward)
    with pytest.raises(EldynError, match="2 channels"):
        time_reverse(field)
