from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.alignment import align


def fields(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first, second = rng.gamma(2.0, size=(2, 6, 8, 5))
    return first, second + 0.7 * np.roll(first, (2, -3, 1), axis=(0, 1, 2))


def test_a_moved_field_is_found_and_agrees() -> None:
    field, _ = fields()
    found = align(field, np.roll(field, (-2, 3, 1), axis=(0, 1, 2)))
    assert found.shift == (-2, 3, 1)
    assert found.correlation == pytest.approx(1.0)
    assert found.nmae == pytest.approx(0.0, abs=1e-9)


def test_it_is_the_best_of_all_shifts() -> None:
    """Against numpy's correlation of every shift, one by one."""
    for seed in range(3):
        first, second = fields(seed)
        every = {
            shift: np.corrcoef(np.roll(first, shift, axis=(0, 1, 2)).ravel(), second.ravel())[0, 1]
            for shift in np.ndindex(first.shape)
        }
        best = max(every, key=lambda shift: every[shift])
        found = align(first, second)
        assert tuple(s % n for s, n in zip(found.shift, first.shape, strict=True)) == best
        assert found.correlation == pytest.approx(every[best])
        moved = np.roll(first, best, axis=(0, 1, 2))
        expected = 100 * np.abs(moved - second).sum() / second.sum()
        assert found.nmae == pytest.approx(expected)


def test_uniform_fields_have_no_correlation() -> None:
    field, _ = fields()
    assert align(np.full_like(field, 0.2), field).correlation == 0.0


def test_fields_that_cannot_be_aligned() -> None:
    field, _ = fields()
    with pytest.raises(EldynError, match="cannot be compared"):
        align(field[1:], field)
    field[0, 0, 0] = np.nan
    with pytest.raises(EldynError, match="NaN"):
        align(field, field)
