"""Histogram, moments and divergences against scipy and analytic Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.distribution import (
    histogram,
    jsd,
    moments,
    moments_from_power_sums,
    power_sums,
    scaled_jsd,
    uniform_edges,
)


def test_histogram_counts_every_value_once():
    values = np.array([-5.0, -1.0, -0.2, 0.0, 0.3, 1.0, 1.1, 7.0])
    result = histogram(values, [-1.0, 0.0, 1.0])
    assert result.counts.tolist() == [2, 3]
    assert (result.n_below, result.n_above) == (1, 2)
    assert result.probabilities == pytest.approx([3 / 8, 5 / 8])
    assert result.density == pytest.approx([2 / 8, 3 / 8])
    assert result.centres == pytest.approx([-0.5, 0.5])


def test_histogram_density_of_gaussian_is_its_density():
    rng = np.random.default_rng(1)
    result = histogram(rng.normal(size=400_000), np.linspace(-6, 6, 61))
    exact = np.diff(scipy.stats.norm.cdf(result.edges)) / 0.2
    # Four standard deviations of the counts.
    assert np.abs(result.density - exact).max() < 4 * np.sqrt(exact.max() / (400_000 * 0.2))


@pytest.mark.parametrize("edges", [[0.0], [1.0, 0.0], [0.0, 0.0, 1.0], [[0.0, 1.0]]])
def test_histogram_refuses_bad_edges(edges):
    with pytest.raises(EldynError, match="edges"):
        histogram([0.5], edges)


def test_histogram_refuses_nan_and_empty():
    with pytest.raises(EldynError, match="NaN"):
        histogram([0.5, np.nan], [0.0, 1.0])
    empty = histogram([], [0.0, 1.0])
    with pytest.raises(EldynError, match="empty"):
        _ = empty.probabilities


def test_uniform_edges_refuse_empty_range():
    assert uniform_edges(0.0, 2.0, 4, margin=0.5) == pytest.approx([-1.0, 0.0, 1.0, 2.0, 3.0])
    for low, high in [(1.0, 1.0), (0.0, np.nan), (0.0, np.inf)]:
        with pytest.raises(EldynError, match="range"):
            uniform_edges(low, high, 4)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_agree_with_scipy(offset):
    values = np.random.default_rng(2).gamma(2.0, size=20_000) + offset
    result = moments(values)
    assert result.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert result.std == pytest.approx(np.std(values), rel=1e-9)
    assert result.skew == pytest.approx(scipy.stats.skew(values), rel=1e-7)
    assert result.excess_kurtosis == pytest.approx(scipy.stats.kurtosis(values), rel=1e-7)
    assert (result.min, result.max) == (values.min(), values.max())


def test_power_sums_add_up_to_the_moments_of_the_union():
    first, second = np.random.default_rng(3).normal(0.3, 1.4, size=(2, 5_000))
    both = np.concatenate([first, second])
    pooled = moments_from_power_sums(power_sums(first) + power_sums(second), both.min(), both.max())
    assert pooled.mean == pytest.approx(both.mean(), rel=1e-12)
    assert pooled.std == pytest.approx(both.std(), rel=1e-12)
    assert pooled.skew == pytest.approx(scipy.stats.skew(both), abs=1e-10)
    assert pooled.excess_kurtosis == pytest.approx(scipy.stats.kurtosis(both), abs=1e-10)


def test_moments_of_a_constant_and_of_nothing():
    result = moments(np.full(10, 3.7))
    assert (result.mean, result.std, result.skew) == (pytest.approx(3.7), 0.0, 0.0)
    for bad in ([], [1.0, np.nan], [np.inf]):
        with pytest.raises(EldynError, match="finite"):
            moments(bad)


def test_jsd_of_two_gaussians_is_the_integral():
    p, q = scipy.stats.norm(0.0, 1.0), scipy.stats.norm(0.7, 1.3)

    def integrand(x):
        m = 0.5 * (p.pdf(x) + q.pdf(x))
        return 0.5 * (p.pdf(x) * np.log(p.pdf(x) / m) + q.pdf(x) * np.log(q.pdf(x) / m))

    exact, _ = scipy.integrate.quad(integrand, -12, 12, epsabs=1e-12)
    edges = np.linspace(-12, 12, 2401)
    binned = jsd(np.diff(p.cdf(edges)), np.diff(q.cdf(edges)))
    assert binned == pytest.approx(exact, rel=1e-4)
    assert scaled_jsd(np.diff(p.cdf(edges)), np.diff(q.cdf(edges))) == pytest.approx(
        2.8853900817779268 * exact, rel=1e-4
    )


@given(
    st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)), min_size=2, max_size=30).filter(
        lambda pairs: all(sum(weights) > 1e-3 for weights in zip(*pairs, strict=True))
    )
)
@settings(max_examples=100, deadline=None)
def test_jsd_agrees_with_scipy_is_symmetric_and_bounded(pairs):
    p, q = np.array(pairs).T
    value = jsd(p, q)
    with np.errstate(invalid="ignore"):  # scipy takes the root of a rounding error below zero
        theirs = np.nan_to_num(jensenshannon(p, q))
    assert value == pytest.approx(theirs**2, abs=1e-7)
    assert value == pytest.approx(jsd(q, p), abs=1e-15)
    assert 0.0 <= value <= np.log(2) + 1e-12
    assert 0.0 <= scaled_jsd(p, q) <= 2.0 + 1e-11


def test_jsd_limits_and_batches():
    p = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    assert jsd(p[0], p[0]) == 0.0
    assert jsd([1, 0], [0, 1]) == pytest.approx(np.log(2))
    assert scaled_jsd([1, 0], [0, 1]) == pytest.approx(2.0)
    q = np.array([0.2, 0.3, 0.5])
    batch = jsd(p, q)
    assert batch.shape == (2,)
    assert batch == pytest.approx([jensenshannon(row, q) ** 2 for row in p])


def test_per_bin_scale_is_the_sum_over_bins_and_depends_on_epsilon():
    p, q = np.array([0.25, 0.5, 0.25, 0.0]), np.array([0.3, 0.4, 0.2, 0.1])
    expected = 0.0
    for p_j, q_j in zip(p, q, strict=True):
        m_j = (p_j + q_j) / 2
        kl = (p_j * np.log(p_j / m_j) if p_j else 0.0) + q_j * np.log(q_j / m_j)
        expected += 0.5 * kl / (-(1 - q_j) * np.log(1 - q_j) + 1e-3)
    assert scaled_jsd(p, q, scale="per_bin", epsilon=1e-3) == pytest.approx(expected, rel=1e-12)
    assert scaled_jsd(q, q, scale="per_bin", epsilon=0.0) == 0.0
    # Weight where the reference has none: the unregularised form has no value.
    assert scaled_jsd(q, p, scale="per_bin", epsilon=0.0) == np.inf
    assert scaled_jsd(q, p, scale="per_bin") > scaled_jsd(q, p, scale="per_bin", epsilon=1e-3)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0, 0], [1, 0], "empty"),
        ([1, -1], [1, 0], "non-negative"),
        ([1, np.nan], [1, 0], "finite"),
        ([1, 0, 0], [1, 0], "3 and 2 bins"),
    ],
)
def test_divergences_refuse_what_is_no_distribution(p, q, message):
    for function in (jsd, scaled_jsd):
        with pytest.raises(EldynError, match=message):
            function(p, q)


def test_scaled_jsd_refuses_unknown_scale_and_negative_epsilon():
    with pytest.raises(EldynError, match="scale 'other'"):
        scaled_jsd([1, 0], [1, 0], scale="other")
    with pytest.raises(EldynError, match="negative"):
        scaled_jsd([1, 0], [1, 0], scale="per_bin", epsilon=-1.0)
