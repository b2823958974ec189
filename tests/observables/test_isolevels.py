"""Levels and what they enclose, against plain sums over masks and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from napari_eldyn.observables.isolevels import IsoLevels

VOXEL = 0.02  # Å³


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    """Both signs, zeros, and many equal values."""
    values = np.random.default_rng(0).normal(size=(17, 16, 15)).astype(np.float32)
    return np.round(values, 2)


@pytest.mark.parametrize("level", [2.31, 1.0, 0.01, 0.0, -0.01, -1.5, 9.0, -9.0])
def test_enclosed_is_the_sum_over_the_mask(field: np.ndarray, level: float) -> None:
    levels = IsoLevels(field, VOXEL)
    level = float(np.float32(level))
    mask = field <= level if level < 0 else (field >= level) & (field > 0)
    found = levels.enclosed(level)
    inside = field[mask].astype(np.float64)
    assert found.amount == pytest.approx(inside.sum() * VOXEL, abs=1e-9)
    assert found.volume == pytest.approx(mask.sum() * VOXEL)
    side = field[field < 0] if level < 0 else field[field > 0]
    assert found.share == pytest.approx(inside.sum() / side.sum(dtype=np.float64), abs=1e-9)
    squared = IsoLevels(field, VOXEL, "square").enclosed(level)
    assert squared.amount == pytest.approx((inside**2).sum() * VOXEL, rel=1e-6, abs=1e-9)


def test_levels_and_amounts_are_inverse(field: np.ndarray) -> None:
    levels = IsoLevels(field, VOXEL)
    for level in np.unique(field[field != 0]):
        amount = levels.enclosed(float(level)).amount
        assert levels.level_enclosing(amount, int(np.sign(level))) == level
    # An amount between two values: the level that holds it, and none farther out does.
    for amount in np.linspace(0.01, levels.total(), 7):
        level = levels.level_enclosing(amount)
        assert levels.enclosed(level).amount >= amount * (1 - 1e-8)
        assert levels.enclosed(np.nextafter(np.float32(level), np.float32(9))).amount < amount
    assert levels.level_enclosing(1e9) == field[field > 0].min()
    assert levels.level_enclosing(0.0) == field.max()
    assert levels.extent(-1) == (pytest.approx(0.01), pytest.approx(-field.min()))


def test_a_gaussian_encloses_what_its_closed_form_says() -> None:
    side, n, sigma = 8.0, 80, 0.9
    axis = (np.arange(n) / n - 0.5) * side
    squares = np.add.outer(np.add.outer(axis**2, axis**2), axis**2)
    density = 2.0 * np.exp(-squares / (2 * sigma**2)) / (2 * np.pi * sigma**2) ** 1.5
    levels = IsoLevels(density, (side / n) ** 3)
    radius = 1.3
    t = radius / sigma
    level = 2.0 * np.exp(-(t**2) / 2) / (2 * np.pi * sigma**2) ** 1.5
    found = levels.enclosed(level)
    # The share of a normal distribution within t standard deviations, in three dimensions; voxels
    # on the surface count in whole or not at all.
    assert found.amount == pytest.approx(2.0 * chi2.cdf(t**2, 3), rel=1e-2)
    assert found.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=1e-2)
    assert levels.level_enclosing(found.amount) == pytest.approx(level, rel=1e-2)


def test_a_sign_that_does_not_occur_encloses_nothing() -> None:
    levels = IsoLevels(np.ones((3, 3, 3), np.float32), VOXEL)
    assert levels.extent(-1) == (0.0, 0.0)
    assert levels.level_enclosing(-1.0, -1) == 0.0
    nothing = levels.enclosed(-0.1)
    assert (nothing.amount, nothing.share, nothing.volume) == (0.0, 0.0, 0.0)
