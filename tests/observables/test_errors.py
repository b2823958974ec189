"""Voxel errors, and alignment against a search over every shift."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.errors import aligned_nmae, best_shift, mse, nmae


def test_nmae_and_mse_by_hand():
    prediction, reference = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 1.0], [4.0, 4.0]])
    assert nmae(prediction, reference) == pytest.approx(30.0)
    assert mse(prediction, reference) == pytest.approx(0.75)
    assert nmae(reference, reference) == 0.0


def test_nmae_of_float32_frames_is_summed_in_double_precision():
    reference = np.full((64, 64, 64), 0.05, dtype=np.float32)
    prediction = reference * np.float32(1.01)
    assert nmae(prediction, reference) == pytest.approx(1.0, rel=1e-5)


def test_best_shift_undoes_a_roll():
    field = np.random.default_rng(1).random((8, 9, 10))
    for shift in [(0, 0, 0), (3, -4, 5), (-3, 2, -1), (4, 0, 0)]:
        moved = np.roll(field, [-s for s in shift], axis=(0, 1, 2))
        assert best_shift(moved, field) == shift
        assert aligned_nmae(moved, field) == (pytest.approx(0.0, abs=1e-12), shift)


def test_best_shift_is_the_least_squares_shift_of_all():
    first, second = np.random.default_rng(2).random((2, 5, 4, 6))
    errors = {
        shift: mse(np.roll(first, shift, axis=(0, 1, 2)), second)
        for shift in itertools.product(range(5), range(4), range(6))
    }
    best = min(errors, key=errors.get)
    assert tuple(s % n for s, n in zip(best_shift(first, second), first.shape, strict=True)) == best


@pytest.mark.parametrize("function", [nmae, mse, best_shift, aligned_nmae])
def test_errors_refuse_other_shapes_and_nan(function):
    field = np.ones((4, 4, 4))
    with pytest.raises(EldynError, match="cannot be compared"):
        function(field, np.ones((4, 4, 5)))
    broken = field.copy()
    broken[0, 0, 0] = np.nan
    for pair in ((broken, field), (field, broken)):
        with pytest.raises(EldynError, match="NaN"):
            function(*pair)


def test_nmae_of_nothing_and_alignment_of_a_plane_are_refused():
    with pytest.raises(EldynError, match="zero everywhere"):
        nmae(np.ones(3), np.zeros(3))
    with pytest.raises(EldynError, match="three dimensions"):
        best_shift(np.ones((3, 3)), np.ones((3, 3)))
