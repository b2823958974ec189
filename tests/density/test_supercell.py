from __future__ import annotations

from pathlib import Path

import ase
import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid, repeat_cell
from napari_eldyn.exceptions import EldynError

COUNTS = (2, 1, 3)


def oblique(n: int = 4) -> DensityTrajectory:
    rng = np.random.default_rng(0)
    grid = PeriodicGrid([[5.0, 0.0, 0.0], [1.0, 4.0, 0.0], [0.0, 0.5, 6.0]], (4, 6, 8))
    return DensityTrajectory.from_array(
        rng.uniform(0.1, 1.0, (n, *grid.shape)),
        grid,
        4.0 * np.arange(n),
        numbers=[3, 1, 8],
        positions=rng.normal(size=(n, 3, 3)),
        velocities=rng.normal(size=(n, 3, 3)),
        scalars={"energy": rng.normal(size=n), "temperature": np.full(n, 800.0), "x": np.ones(n)},
        extra={"latents": np.zeros((n, 5))},
        kind="pseudo",
    )


def test_atoms_are_those_of_ase() -> None:
    one = oblique()
    many = repeat_cell(one, COUNTS)
    for frame in range(4):
        atoms = ase.Atoms(
            one.numbers,
            positions=one.positions[frame],  # type: ignore[index]
            cell=one.grid.cell,
            velocities=one.velocities[frame],  # type: ignore[index]
            pbc=True,
        ).repeat(COUNTS)
        np.testing.assert_allclose(many.positions[frame], atoms.positions)  # type: ignore[index]
        np.testing.assert_allclose(many.velocities[frame], atoms.get_velocities())  # type: ignore[index]
        np.testing.assert_array_equal(many.numbers, atoms.numbers)
        np.testing.assert_allclose(many.grid.cell, atoms.cell)
    assert many.kind == "pseudo"


def test_densities_are_copies_with_as_many_electrons() -> None:
    one = oblique()
    many = repeat_cell(one, COUNTS)
    assert many.grid.shape == (8, 6, 24)
    np.testing.assert_allclose(many.grid.voxel_vectors, one.grid.voxel_vectors)
    for corner in ((0, 0), (4, 0), (0, 8), (4, 16)):
        part = many[2][corner[0] : corner[0] + 4, :, corner[1] : corner[1] + 8]
        np.testing.assert_array_equal(part, one[2])
    assert many.electrons(1) == pytest.approx(6 * one.electrons(1))
    np.testing.assert_allclose(many.scalars["energy"], 6 * one.scalars["energy"])
    np.testing.assert_array_equal(many.scalars["temperature"], 800.0)
    assert set(many.scalars) == {"energy", "temperature"}
    assert not many.extra
    assert many.provenance["repeated"] == [2, 1, 3]


def test_further_fields_and_expected_electrons_are_those_of_all_copies() -> None:
    one = oblique()
    spin = np.random.default_rng(1).normal(size=(4, 4, 6, 8)).astype(np.float32)
    one = DensityTrajectory.from_array(
        list(one),
        one.grid,
        one.times,
        extra={"density_spin": spin},
        provenance={"expected_electrons": 7.0},
    )
    many = repeat_cell(one, COUNTS)
    assert list(many.channels) == ["density_spin"]
    np.testing.assert_array_equal(many.extra["density_spin"][3], np.tile(spin[3], COUNTS))
    assert many.provenance["expected_electrons"] == 42.0


def test_saved_and_sliced(tmp_path: Path) -> None:
    many = repeat_cell(oblique(), COUNTS)
    many[1::2].save(tmp_path / "m.eldyn", encoding="float32")
    stored = DensityTrajectory.open(tmp_path / "m.eldyn")
    np.testing.assert_array_equal(stored[1], many[3])
    np.testing.assert_allclose(stored.positions, many.positions[1::2])  # type: ignore[index]


def test_bare_densities_are_repeated_too() -> None:
    grid = PeriodicGrid(np.eye(3), (2, 2, 2))
    bare = DensityTrajectory.from_array(np.ones((1, 2, 2, 2)), grid, [0.0])
    assert repeat_cell(bare, (1, 1, 2)).positions is None


@pytest.mark.parametrize("counts", [(1, 1), (0, 1, 1), (1, -1, 1)])
def test_impossible_counts(counts: tuple[int, ...]) -> None:
    with pytest.raises(EldynError, match="cannot be repeated"):
        repeat_cell(oblique(), counts)
