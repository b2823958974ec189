"""Random symmetry operations on the device against numpy's roll, transpose and flip."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from eldyn_training.data import Moves, Symmetries

from napari_eldyn.density import PeriodicGrid
from napari_eldyn.density.symmetry import apply_operation

CPU = torch.device("cpu")


def fields(count: int, shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.randn((count, 2, *shape), generator=torch.Generator().manual_seed(1))


def hexagonal(shape: tuple[int, int, int]) -> PeriodicGrid:
    return PeriodicGrid([[3.0, 0.0, 0.0], [-1.5, 1.5 * np.sqrt(3.0), 0.0], [0.0, 0.0, 5.0]], shape)


def test_shifts_are_rolls() -> None:
    grid = PeriodicGrid(np.diag([3.0, 4.0, 5.0]), (4, 6, 5))
    symmetries = Symmetries(grid, shifts=True, point_group=False, device=CPU)
    moves = symmetries.draw(12, torch.Generator().manual_seed(3))
    values = fields(12, grid.shape)
    moved = symmetries.apply(values, moves)
    for before, after, by in zip(values, moved, moves.shifts.tolist(), strict=True):
        np.testing.assert_array_equal(after, np.roll(before.numpy(), by, axis=(-3, -2, -1)))


def test_the_cube_group_is_all_axis_permutations_and_reflections() -> None:
    """The 48 images of a field, made by transposing and flipping about point 0."""
    grid = PeriodicGrid(np.eye(3) * 4.0, (6, 6, 6))
    symmetries = Symmetries(grid, shifts=False, point_group=True, device=CPU)
    assert len(symmetries.operations) == 48
    field = fields(1, grid.shape)
    every = Moves(torch.zeros((48, 3), dtype=torch.int64), torch.arange(48))
    found = symmetries.apply(field.expand(48, -1, -1, -1, -1), every)
    expected = set()
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            image = field[0].numpy().transpose(0, *(1 + axis for axis in order))
            for axis, flip in enumerate(flips, start=1):
                image = np.roll(np.flip(image, axis), 1, axis) if flip else image
            expected.add(np.ascontiguousarray(image).tobytes())
    assert {image.contiguous().numpy().tobytes() for image in found} == expected
    assert len(expected) == 48


def test_a_quarter_turn_is_rot90() -> None:
    grid = PeriodicGrid(np.eye(3) * 4.0, (5, 5, 5))
    symmetries = Symmetries(grid, shifts=True, point_group=True, device=CPU)
    turn = torch.tensor([[0, -1, 0], [1, 0, 0], [0, 0, 1]])  # x to y, y to −x
    number = next(i for i, w in enumerate(symmetries.operations) if torch.equal(w, turn))
    field = fields(1, grid.shape)
    # rot90 turns about the middle of the grid, the operation about point 0: a shift apart.
    moves = Moves(torch.tensor([[4, 0, 0]]), torch.tensor([number]))
    expected = np.rot90(field[0].numpy(), k=1, axes=(1, 2))
    np.testing.assert_array_equal(symmetries.apply(field, moves)[0], expected)


@pytest.mark.parametrize(
    ("grid", "order"),
    [
        (PeriodicGrid(np.diag([4.0, 4.0, 6.0]), (6, 6, 8)), 16),
        (PeriodicGrid(np.diag([4.0, 5.0, 6.0]), (4, 5, 6)), 8),
        (hexagonal((6, 6, 4)), 24),
        (PeriodicGrid([[0, 2.0, 2.0], [2.0, 0, 2.0], [2.0, 2.0, 0]], (6, 6, 6)), 48),
    ],
)
def test_operations_of_any_cell_are_those_of_numpy(grid: PeriodicGrid, order: int) -> None:
    """Non-orthogonal cells too, where operations mix axes."""
    symmetries = Symmetries(grid, shifts=True, point_group=True, device=CPU)
    assert len(symmetries.operations) == order
    shifts = torch.randint(100, (order, 3), generator=torch.Generator().manual_seed(2))
    values = fields(order, grid.shape)
    moved = symmetries.apply(values, Moves(shifts, torch.arange(order)))
    for number in range(order):
        expected = apply_operation(values[number].numpy(), symmetries.operations[number].numpy())
        expected = np.roll(expected, shifts[number].tolist(), axis=(-3, -2, -1))
        np.testing.assert_array_equal(moved[number], expected)


def test_every_operation_is_as_likely_as_the_others() -> None:
    grid = PeriodicGrid(np.eye(3), (3, 3, 3))
    symmetries = Symmetries(grid, shifts=True, point_group=True, device=CPU)
    moves = symmetries.draw(48_000, torch.Generator().manual_seed(0))
    # Poisson counts of mean 1000: five standard deviations are 160.
    assert np.abs(np.bincount(moves.operations, minlength=48) - 1000).max() < 160
    places = (moves.shifts * torch.tensor([9, 3, 1])).sum(dim=1)
    assert np.abs(np.bincount(places, minlength=27) / (48_000 / 27) - 1).max() < 0.12


def test_the_grid_may_lower_the_symmetry() -> None:
    grid = PeriodicGrid(np.eye(3) * 4.0, (8, 8, 6))
    assert len(Symmetries(grid, shifts=False, point_group=True, device=CPU).operations) == 16
