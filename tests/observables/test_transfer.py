"""Comparison across cells of different size: copies of a cell are known answers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables import default_settings, shells
from napari_eldyn.observables.comparison import compare
from napari_eldyn.observables.scattering import density_modes
from napari_eldyn.observables.structure_factor import structure_factor
from napari_eldyn.observables.transfer import (
    cell_multiples,
    check_multiple,
    common_modes,
    common_shells,
)


def enlarged(grid, multiples):
    counts = np.array(multiples)
    return PeriodicGrid(grid.cell * counts[:, None], counts * grid.shape)


def copies(trajectory, multiples):
    frames = np.stack([np.tile(frame, multiples) for frame in trajectory])
    return DensityTrajectory.from_array(
        frames,
        enlarged(trajectory.grid, multiples),
        trajectory.times,
        kind=trajectory.kind,
        numbers=[3] * 4 * int(np.prod(multiples)),
    )


def test_multiples_of_a_cell_are_found(grid):
    assert cell_multiples(enlarged(grid, (1, 2, 3)), grid) == (1, 2, 3)
    assert cell_multiples(grid, grid) == (1, 1, 1)
    assert cell_multiples(grid, enlarged(grid, (1, 1, 2))) is None
    stretched = PeriodicGrid(enlarged(grid, (1, 1, 2)).cell * 1.01, (12, 13, 28))
    assert cell_multiples(stretched, grid) is None
    finer = PeriodicGrid(grid.cell * [[1], [1], [2]], (12, 13, 30))
    assert cell_multiples(finer, grid) is None


@pytest.mark.parametrize("multiples", [(1, 1, 2), (2, 1, 1), (2, 3, 2)])
def test_the_same_waves_are_found_in_the_larger_cell(grid, multiples):
    """Copies interfere at the smaller cell's wave vectors only: n times the amplitude there."""
    rng = np.random.default_rng(0)
    density = np.exp(0.3 * rng.normal(size=grid.shape))
    own = shells(grid)
    common = common_shells(own, enlarged(grid, multiples))
    assert common.counts.tolist() == own.counts.tolist()
    amplitude, intensity = structure_factor(density, own)
    larger = structure_factor(np.tile(density, multiples), common)
    n = np.prod(multiples)
    np.testing.assert_allclose(larger[0], n * amplitude, rtol=1e-6)
    np.testing.assert_allclose(larger[1], n * intensity, rtol=1e-6)
    # Another field has power between them as well: these places do not hold it.
    between = np.exp(0.1 * rng.normal(size=np.array(multiples) * grid.shape))
    spectrum = np.fft.rfftn(between) * grid.voxel_volume
    expected = spectrum[tuple(slice(None, None, m) for m in multiples)]
    flat = np.abs(expected[:, :, : grid.shape[2] // 2 + 1]).ravel()[own.indices]
    found = structure_factor(between, common)[0]
    np.testing.assert_allclose(found, np.bincount(own.labels, flat * own.weights), rtol=1e-6)


def test_common_modes_are_those_of_the_smaller_cell(reference):
    larger = copies(reference[:5], (1, 1, 2))
    modes = common_modes(density_modes(larger), larger.grid, reference.grid)
    own = density_modes(reference[:5])
    order, same = np.lexsort(modes.h.T), np.lexsort(own.h.T)
    np.testing.assert_array_equal(modes.h[order], own.h[same])
    np.testing.assert_allclose(modes.q[order], own.q[same], rtol=1e-9)
    np.testing.assert_allclose(modes.values[:, order], 2 * own.values[:, same], atol=1e-5)
    assert modes.electrons == pytest.approx(2 * own.electrons)
    np.testing.assert_array_equal(modes.cell, reference.grid.cell)


def test_copies_have_the_same_values_steps_and_electrons(reference, normalisation):
    settings = default_settings(reference, normalisation)
    larger = copies(reference, (1, 2, 1))
    metrics = compare(larger, reference, settings, transfer=True).metrics
    assert metrics["distribution"]["sjsd"] == pytest.approx(0, abs=1e-12)
    assert metrics["step_size"]["ratio"] == pytest.approx(1)
    electrons = metrics["electrons"]
    assert electrons["generated"]["mean"] == pytest.approx(electrons["reference"]["mean"])
    # Two copies are as correlated as can be: twice the intensity per electron.
    factor = metrics["structure_factor"]
    np.testing.assert_allclose(factor["intensity"]["relative_difference"], 1.0, rtol=1e-5)
    np.testing.assert_allclose(
        factor["amplitude"]["relative_difference"], np.sqrt(2) - 1, rtol=1e-5
    )
    assert metrics["forecast"]["available"] is False
    assert metrics["stability"]["windows"][0]["electrons"] == pytest.approx(
        electrons["reference"]["mean"], rel=1e-2
    )


def test_other_cells_are_refused(reference, normalisation):
    settings = default_settings(reference, normalisation)
    with pytest.raises(EldynError, match="own cell"):
        check_multiple(reference, reference)
    with pytest.raises(EldynError, match="not a whole multiple"):
        check_multiple(reference, copies(reference[:1], (1, 1, 2)))
    with pytest.raises(EldynError, match="--transfer"):
        compare(copies(reference[:2], (1, 1, 2)), reference, settings)
