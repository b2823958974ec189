"""Block bootstrap against the exact standard error of a correlated series."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.uncertainty import block_frames, block_means, bootstrap_error


def test_blocks_are_at_least_200_fs():
    assert block_frames(4.0) == 50
    assert block_frames(3.0) == 67
    assert block_frames(500.0) == 1


def test_block_means_join_the_rest_to_the_last_block():
    values = np.arange(11.0)
    assert block_means(values, 4) == pytest.approx([1.5, np.arange(4, 11).mean()])
    assert block_means(values, 20) == pytest.approx([5.0])
    table = np.stack([values, 2 * values], axis=1)
    assert block_means(table, 5)[:, 1] == pytest.approx(2 * block_means(values, 5))
    with pytest.raises(EldynError, match="at least one frame"):
        block_means([], 4)


def test_bootstrap_error_of_white_and_correlated_noise():
    rng = np.random.default_rng(3)
    n, decay = 40_000, 0.8
    noise = rng.normal(size=n)
    series = np.empty(n)
    series[0] = noise[0] / np.sqrt(1 - decay**2)
    for i in range(1, n):
        series[i] = decay * series[i - 1] + noise[i]
    # Exact for an AR(1) mean: sigma_noise / (1 - decay) / sqrt(n).
    exact = 1 / (1 - decay) / np.sqrt(n)
    estimated = bootstrap_error(block_means(series, 200))
    assert estimated == pytest.approx(exact, rel=0.2)
    assert bootstrap_error(block_means(noise, 200)) == pytest.approx(1 / np.sqrt(n), rel=0.2)


def test_bootstrap_error_of_a_statistic_and_too_few_blocks():
    means = np.random.default_rng(4).normal(10.0, 1.0, size=(400, 3))
    linear = bootstrap_error(means)
    squared = bootstrap_error(means, lambda average: average**2)
    assert squared == pytest.approx(2 * 10.0 * linear, rel=0.05)
    assert bootstrap_error(means[:3]) is None
