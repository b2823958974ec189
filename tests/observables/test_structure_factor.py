"""Shells and S(q) against plane waves, brute-force enumeration and atoms' form factors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.structure_factor import (
    fourier_coefficients,
    shell_average,
    shells,
    structure_factor,
)

CELLS = {
    "cubic": Cell.fromcellpar([6.0, 6.0, 6.0, 90, 90, 90]),
    "hexagonal": Cell.fromcellpar([6.0, 6.0, 8.0, 90, 90, 120]),
    "triclinic": Cell.fromcellpar([5.5, 6.5, 7.0, 75, 82, 67]),
}
SHAPES = {"cubic": (20, 20, 20), "hexagonal": (20, 20, 24), "triclinic": (18, 21, 24)}


@pytest.fixture(params=CELLS)
def grid(request):
    return PeriodicGrid(np.array(CELLS[request.param][:]), SHAPES[request.param])


def full_reciprocal_lengths(grid):
    """|q| of every point of the full FFT grid, straight from integer indices."""
    reciprocal = 2 * np.pi * np.linalg.inv(grid.cell).T
    ranges = [np.arange(n) - n // 2 for n in grid.shape]
    indices = np.array(list(itertools.product(*ranges)))
    return np.linalg.norm(indices @ reciprocal, axis=1)


def test_binned_shell_counts_are_those_of_the_full_grid(grid):
    result = shells(grid)
    width = result.width
    assert width == pytest.approx(np.pi / grid.volume ** (1 / 3))
    lengths = full_reciprocal_lengths(grid)
    lengths = lengths[lengths > 0]
    # The largest sphere inside the FFT box touches the nearest Nyquist plane.
    radius = min(np.pi * n / np.linalg.norm(a) for n, a in zip(grid.shape, grid.cell, strict=True))
    expected_counts, expected_q = [], []
    for k in itertools.count():
        if (k + 0.5) * width > radius:
            break
        members = lengths[(lengths >= (k - 0.5) * width) & (lengths < (k + 0.5) * width)]
        if members.size:
            expected_counts.append(members.size)
            expected_q.append(members.mean())
    assert result.counts.tolist() == expected_counts
    assert result.q == pytest.approx(expected_q, rel=1e-10)


def test_exact_shells_of_a_cube_are_sums_of_three_squares():
    grid = PeriodicGrid(np.eye(3) * 7.3, (12, 12, 12))
    result = shells(grid, exact=True)
    numbers = np.array(list(itertools.product(range(-5, 6), repeat=3)))
    squares = (numbers**2).sum(axis=1)
    values, counts = np.unique(squares[(squares > 0) & (squares < 36)], return_counts=True)
    assert result.width is None
    assert result.q == pytest.approx(2 * np.pi / 7.3 * np.sqrt(values), rel=1e-12)
    assert result.counts.tolist() == counts.tolist()
    assert result.counts[:5].tolist() == [6, 12, 8, 6, 24]


def test_exact_shells_of_any_cell_cover_the_inscribed_sphere_once(grid):
    result = shells(grid, exact=True)
    lengths = full_reciprocal_lengths(grid)
    radius = min(np.pi * n / np.linalg.norm(a) for n, a in zip(grid.shape, grid.cell, strict=True))
    inside = lengths[(lengths > 0) & (lengths < radius * (1 - 1e-9))]
    assert result.counts.sum() == inside.size
    assert np.all(np.diff(result.q) > 0)
    ordered = np.sort(inside)
    assert len(result) == 1 + np.count_nonzero(np.diff(ordered) > 1e-6 * ordered[1:])
    # Friedel pairs: every shell holds q and -q.
    assert np.all(result.counts % 2 == 0)


@pytest.mark.parametrize("index", [(1, 0, 0), (0, 2, 1), (-1, 2, 3), (2, -3, 0), (0, 0, 4)])
def test_plane_wave_lands_in_its_shell_with_its_amplitude(grid, index):
    result = shells(grid)
    fractional = np.stack(
        np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1
    )
    phase = 2 * np.pi * fractional @ np.array(index)
    density = 0.05 + 0.01 * np.cos(phase + 0.4)
    amplitude, intensity = structure_factor(density, result)
    q = np.linalg.norm(np.array(index) @ (2 * np.pi * np.linalg.inv(grid.cell).T))
    number = np.floor(q / result.width + 0.5)
    (shell,) = np.flatnonzero(np.floor(result.q / result.width + 0.5) == number)
    electrons = 0.05 * grid.volume
    peak = 0.5 * 0.01 * grid.volume
    expected = np.zeros(len(result))
    expected[shell] = 2 * peak / result.counts[shell]
    assert amplitude == pytest.approx(expected, abs=1e-12)
    expected[shell] = 2 * peak**2 / electrons / result.counts[shell]
    assert intensity == pytest.approx(expected, abs=1e-12)


def gaussian_atoms(grid, width):
    """Periodic sum of normalised Gaussians at the positions of an ase structure."""
    rng = np.random.default_rng(4)
    atoms = Atoms("Li5", scaled_positions=rng.random((5, 3)), cell=grid.cell, pbc=True)
    fractional = np.stack(
        np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1
    )
    points = fractional @ np.asarray(atoms.cell[:])
    density = np.zeros(grid.shape)
    images = [np.array(i) @ atoms.cell[:] for i in itertools.product(range(-2, 3), repeat=3)]
    for position in atoms.get_positions(wrap=True):
        for image in images:
            squares = ((points - position - image) ** 2).sum(axis=-1)
            density += np.exp(-squares / (2 * width**2))
    return density / (2 * np.pi * width**2) ** 1.5, atoms


def test_gaussian_atoms_give_form_factor_times_phase_sum(grid):
    width = 0.55
    density, atoms = gaussian_atoms(grid, width)
    coefficients = fourier_coefficients(density, grid)
    assert coefficients[0, 0, 0].real == pytest.approx(len(atoms), rel=1e-6)
    q = np.array(
        [
            [
                [np.array((h, k, m)) @ (2 * np.pi * atoms.cell.reciprocal()) for m in range(4)]
                for k in range(4)
            ]
            for h in range(4)
        ]
    )
    phases = np.exp(-1j * q @ atoms.positions.T).sum(axis=-1)
    exact = np.exp(-0.5 * width**2 * (q**2).sum(axis=-1)) * phases
    assert coefficients[:4, :4, :4] == pytest.approx(exact, abs=1e-5)

    result = shells(grid, exact=True)
    amplitude, intensity = structure_factor(density, result)
    ranges = [np.arange(n) - n // 2 for n in grid.shape]
    indices = np.array(list(itertools.product(*ranges)))
    vectors = indices @ (2 * np.pi * np.asarray(atoms.cell.reciprocal()))
    lengths = np.linalg.norm(vectors, axis=1)
    for shell in range(0, 12):
        members = vectors[np.abs(lengths - result.q[shell]) < 1e-6 * result.q[shell]]
        assert len(members) == result.counts[shell]
        factor = np.exp(-0.5 * width**2 * result.q[shell] ** 2) * np.abs(
            np.exp(-1j * members @ atoms.positions.T).sum(axis=1)
        )
        assert amplitude[shell] == pytest.approx(factor.mean(), abs=1e-5)
        assert intensity[shell] == pytest.approx((factor**2).mean() / len(atoms), abs=1e-5)


@pytest.mark.parametrize("shape", [(8, 10, 12), (7, 9, 11), (8, 9, 7)])
def test_parseval(shape):
    grid = PeriodicGrid(np.array(CELLS["triclinic"][:]), shape)
    density = np.random.default_rng(5).random(shape)
    coefficients = fourier_coefficients(density, grid)
    total = (grid.rfft_multiplicity() * np.abs(coefficients) ** 2).sum() / grid.volume
    assert total == pytest.approx((density**2).sum() * grid.voxel_volume, rel=1e-12)


def test_structure_factor_ignores_shifts_and_sees_scale():
    grid = PeriodicGrid(np.array(CELLS["hexagonal"][:]), (10, 10, 12))
    result = shells(grid)
    density = np.random.default_rng(6).random(grid.shape) + 0.1
    amplitude, intensity = structure_factor(density, result)
    shifted = structure_factor(np.roll(density, (3, -2, 5), axis=(0, 1, 2)), result)
    assert shifted[0] == pytest.approx(amplitude, rel=1e-10)
    doubled = structure_factor(2 * density, result)
    assert doubled[0] == pytest.approx(2 * amplitude, rel=1e-12)
    assert doubled[1] == pytest.approx(2 * intensity, rel=1e-12)


def test_float32_frames_agree_with_float64():
    grid = PeriodicGrid(np.eye(3) * 8.66, (32, 32, 32))
    density = np.random.default_rng(7).lognormal(-2.9, 0.27, size=grid.shape)
    result = shells(grid)
    single = structure_factor(density.astype(np.float32), result)
    double = structure_factor(density, result)
    assert single[0] == pytest.approx(double[0], rel=1e-5)
    assert single[1] == pytest.approx(double[1], rel=1e-5)


def test_shell_average_of_a_radial_function_is_its_mean():
    grid = PeriodicGrid(np.array(CELLS["triclinic"][:]), (12, 12, 12))
    result = shells(grid, exact=True)
    lengths = np.linalg.norm(grid.wavevectors(), axis=-1)
    assert shell_average(lengths**2, result) == pytest.approx(result.q**2, rel=1e-6)


def test_wide_width_merges_and_bad_widths_are_refused():
    grid = PeriodicGrid(np.eye(3) * 6.0, (12, 12, 12))
    merged = shells(grid, width=2 * np.pi / 6.0)
    assert merged.counts[0] == 6 + 12
    for width in (0.0, -1.0, np.nan):
        with pytest.raises(EldynError, match="positive"):
            shells(grid, width=width)
    with pytest.raises(EldynError, match="no whole shell"):
        shells(grid, width=50.0)
    with pytest.raises(EldynError, match="exact"):
        shells(grid, width=1.0, exact=True)


def test_bad_densities_are_refused():
    grid = PeriodicGrid(np.eye(3) * 6.0, (8, 8, 8))
    result = shells(grid)
    with pytest.raises(EldynError, match="does not fit"):
        structure_factor(np.ones((8, 8, 9)), result)
    density = np.ones(grid.shape)
    density[1, 2, 3] = np.nan
    with pytest.raises(EldynError, match="NaN"):
        structure_factor(density, result)
    with pytest.raises(EldynError, match="electrons"):
        structure_factor(-np.ones(grid.shape), result)
