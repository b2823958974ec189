"""Scores and F(q,t) of a growing rollout against scipy and a direct double loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from napari_eldyn.density import PeriodicGrid
from napari_eldyn.observables.distribution import normal_quantiles
from napari_eldyn.observables.reference_series import ReferenceSeries
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.scattering import density_modes, intermediate_scattering
from napari_eldyn.observables.scattering.growing import GrowingScattering
from napari_eldyn.observables.scattering.waves import density_waves
from napari_eldyn.observables.statistics import combine, default_settings
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

HALF_LN2 = 0.5 * np.log(2)


@pytest.fixture(scope="module")
def settings(reference, normalisation):
    return default_settings(reference, normalisation, bins=48)


@pytest.fixture(scope="module")
def frames(generated, settings):
    return trajectory_statistics(generated, settings)


@pytest.fixture(scope="module")
def pooled(reference, settings):
    return trajectory_statistics(reference, settings).pooled


def scaled(p, q):
    return jensenshannon(p, q) ** 2 / HALF_LN2


@pytest.mark.parametrize("look", [0, 1, 7, 50])
def test_divergences_are_scipys_however_often_one_looks(frames, settings, pooled, look):
    history = RolloutHistory(settings, pooled)
    for k in range(300):  # more than are judged together
        history.add(k, 8.0 * k, frames[k % 100])
        if look and k % look == 0:
            _ = history.running_sjsd
    q = pooled.probabilities
    for k in (0, 99, 255, 256, 299):
        assert history.frame_sjsd[k] == pytest.approx(scaled(frames[k % 100].probabilities, q))
        so_far = combine([frames[i % 100] for i in range(k + 1)], settings)
        assert history.running_sjsd[k] == pytest.approx(scaled(so_far.probabilities, q))
    np.testing.assert_allclose(history.frame_jsd, HALF_LN2 * history.frame_sjsd)
    assert history.running.n_frames == history.n == 300
    assert history.running.electrons == pytest.approx(history.electrons.mean())
    assert history.running.minimum == history.minimum.min()
    assert history.running.maximum == history.maximum.max()


def test_frames_are_found_by_their_index(frames, settings, pooled):
    history = RolloutHistory(settings, pooled)
    for index in (3, 4, 9):
        history.add(index, 8.0 * index, frames[index])
    assert history.time_of(9) == 72.0
    assert history.position_of(9) == 2
    assert history.index_at(-1) == 9
    assert history.time_of(5) is None
    assert history.position_of(12) is None


def test_kept_amplitudes_are_those_of_a_direct_sum(generated, settings, frames):
    waves, grid = settings.waves, generated.grid
    nodes = np.stack(np.meshgrid(*(np.arange(n) / n for n in grid.shape), indexing="ij"), axis=-1)
    density = generated[5].astype(float)
    for k in range(0, len(waves), 3):
        phase = np.exp(-2j * np.pi * (nodes @ waves.h[k]))
        direct = (density * phase).sum() * grid.voxel_volume
        assert abs(frames[5].modes[k] - direct) < 1e-5 * frames[5].electrons
        length = np.linalg.norm(2 * np.pi * np.linalg.inv(grid.cell) @ waves.h[k])
        assert waves.lengths[k] == pytest.approx(length)
    assert waves.lengths.max() <= 2.6


def direct_scattering(modes, starts, members, electrons, lags):
    """F(q,t) pair by pair, as the definition says."""
    values = np.zeros((len(starts), lags))
    for lag in range(lags):
        for first in range(len(modes) - lag):
            product = (modes[first + lag] * modes[first].conj()).real
            for shell, (start, n) in enumerate(zip(starts, members, strict=True)):
                values[shell, lag] += product[start : start + n].mean()
        values[:, lag] /= len(modes) - lag
    return values / electrons


@pytest.mark.parametrize("look", [1, 5, 23, 1000])
def test_growing_scattering_is_the_direct_sum_over_pairs(frames, settings, look):
    waves = settings.waves
    growing = GrowingScattering(waves)
    for k in range(60):
        growing.add(8.0 * k, frames[k].modes, frames[k].electrons)
        if (k + 1) % look == 0:
            _ = growing.values
    modes = np.array([frame.modes for frame in frames[:60]], dtype=complex)
    electrons = np.mean([frame.electrons for frame in frames[:60]])
    exact = direct_scattering(modes, waves.starts, waves.members, electrons, 25)
    np.testing.assert_allclose(growing.values[:, :25], exact, atol=2e-6 * exact.max())
    np.testing.assert_allclose(
        growing.normalised[:, :25], exact / exact[:, :1], atol=5e-6 * np.abs(exact).max()
        / exact[:, 0].min()
    )  # fmt: skip
    assert growing.origins[:25].tolist() == list(range(60, 35, -1))
    assert growing.lag[:3].tolist() == [0.0, 8.0, 16.0]
    assert growing.lag[-1] <= 500.0


def test_long_rollouts_lose_no_pair(frames, settings):
    """More frames than lags and than one block of the transform."""
    many = [frames[k % 100].modes for k in range(1300)]
    at_once, one_by_one = GrowingScattering(settings.waves), GrowingScattering(settings.waves)
    for k, modes in enumerate(many):
        at_once.add(8.0 * k, modes, 40.0)
        one_by_one.add(8.0 * k, modes, 40.0)
        _ = one_by_one.origins
    np.testing.assert_allclose(at_once.normalised, one_by_one.normalised, atol=1e-5)
    assert at_once.origins.tolist() == list(range(1300, 1300 - len(at_once.lag), -1))


def test_no_pair_reaches_across_a_gap(frames, settings):
    growing = GrowingScattering(settings.waves)
    times = [*(8.0 * np.arange(10)), *(8.0 * np.arange(20, 26))]
    for time, frame in zip(times, frames, strict=False):
        growing.add(time, frame.modes, frame.electrons)
    assert growing.origins[:11].tolist() == [16, 14, 12, 10, 8, 6, 4, 3, 2, 1, 0]
    assert np.isnan(growing.values[0, 10])


def test_reference_has_the_same_estimator(reference, generated, settings, frames):
    history = RolloutHistory.of(frames, generated.times, settings, frames.pooled)
    whole = intermediate_scattering(density_modes(generated), 400.0)
    series = ReferenceSeries(frames, settings, generated.timestep)
    lags = len(whole.lag)
    for found in (history.scattering, series.scattering):
        np.testing.assert_allclose(found.normalised[:, :lags], whole.normalised, atol=1e-5)
        np.testing.assert_allclose(found.lag[:lags], whole.lag)
    np.testing.assert_allclose(settings.waves.q, whole.q)
    np.testing.assert_array_equal(settings.waves.counts, whole.counts)


def test_reference_without_equal_steps_has_no_scattering(settings, frames):
    assert ReferenceSeries(frames, settings, None).scattering is None
    assert ReferenceSeries(frames[:1], settings, 8.0).scattering is None


def test_large_cells_keep_a_bounded_choice_from_every_shell():
    grid = PeriodicGrid(25.0 * np.eye(3), (64, 64, 64))
    waves, again = density_waves(grid), density_waves(grid)
    assert len(waves) <= 4 * len(waves.q)
    assert waves.members.min() >= 1
    assert np.all(np.diff(waves.q) > 0)
    np.testing.assert_array_equal(waves.h, again.h)
    # h and −h, and 24 of each of the six numbers of (1, 2, 3): all counted though not all kept.
    shell = int(np.argmin(np.abs(waves.q - 2 * np.pi / 25 * np.sqrt(14))))
    assert waves.counts[shell] == 48
    assert waves.members[shell] < 24


def test_tiny_cells_keep_their_longest_waves():
    waves = density_waves(PeriodicGrid(2.0 * np.eye(3), (8, 8, 8)))
    assert waves.q.tolist() == pytest.approx([np.pi])
    assert waves.counts.tolist() == [6]


def test_normal_quantiles_are_those_of_sorted_values():
    from scipy.stats import norm

    values = np.random.default_rng(3).standard_t(5, 20_001)
    edges = np.linspace(-4, 4, 41)
    counts, _ = np.histogram(values, edges)
    below, above = int((values < -4).sum()), int((values > 4).sum())
    ranks = np.searchsorted(np.sort(values), edges)
    np.testing.assert_allclose(
        normal_quantiles(counts, below, above), norm.ppf(ranks / len(values)), atol=1e-9
    )


def test_normal_quantiles_resolve_both_tails():
    counts = np.array([1, 10**15, 1])
    low, high = normal_quantiles(counts)[1:3]
    assert low == pytest.approx(-high)
    assert high == pytest.approx(7.9413, abs=1e-3)  # Φ⁻¹(1 − 1e-15)
    assert np.isnan(normal_quantiles(counts)[[0, -1]]).all()
