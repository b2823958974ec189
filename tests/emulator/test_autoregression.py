"""Linear autoregression of latents against processes whose matrices are known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.emulator.autoregression import LatentAutoregression
from napari_eldyn.exceptions import EldynError

A = np.array([[0.9, 0.2, 0.0], [-0.2, 0.9, 0.0], [0.0, 0.1, 0.5]])
Q = np.array([[0.3, 0.1, 0.0], [0.1, 0.4, 0.05], [0.0, 0.05, 0.2]])


def process(n, matrix, covariance, seed, mean=0.0):
    rng = np.random.default_rng(seed)
    noise = rng.multivariate_normal(np.zeros(len(matrix)), covariance, n)
    z = np.zeros((n, len(matrix)))
    for t in range(1, n):
        z[t] = matrix @ z[t - 1] + noise[t]
    return z + mean


def test_recovers_the_matrix_the_mean_and_the_noise():
    latents = process(40_000, A, Q, 0, mean=[1.0, -2.0, 3.0])
    fitted = LatentAutoregression.fit(latents)
    np.testing.assert_allclose(fitted.matrix, A, atol=0.02)
    np.testing.assert_allclose(fitted.noise_covariance, Q, atol=0.02)
    np.testing.assert_allclose(fitted.mean, [1.0, -2.0, 3.0], atol=0.15)
    assert fitted.spectral_radius == pytest.approx(max(abs(np.linalg.eigvals(A))), abs=0.01)


def test_samples_have_the_moments_of_the_process():
    fitted = LatentAutoregression.fit(process(40_000, A, Q, 1))
    start = np.tile([4.0, 0.0, -1.0], (20_000, 1))
    drawn = fitted.sample(start, 3, seed=3).astype(np.float64)
    mean, covariance = start[0], np.zeros((3, 3))
    for step in range(3):
        mean, covariance = A @ mean, A @ covariance @ A.T + Q
        np.testing.assert_allclose(drawn[step].mean(axis=0), mean, atol=0.12)
        np.testing.assert_allclose(np.cov(drawn[step].T), covariance, atol=0.05)
    np.testing.assert_array_equal(fitted.sample(start[:5], 2, 7), fitted.sample(start[:5], 2, 7))
    assert not np.array_equal(fitted.sample(start[:5], 2, 7), fitted.sample(start[:5], 2, 8))


def test_no_transition_is_taken_between_stretches():
    first, second = process(20_000, A, Q, 2), process(20_000, A, Q, 3)
    short = [z[i : i + 10] for z in (first, second) for i in range(0, 20_000, 10)]
    fitted = LatentAutoregression.fit(short)
    assert fitted.n_transitions == 4000 * 9
    np.testing.assert_allclose(fitted.matrix, A, atol=0.03)
    # Joined end to end, every tenth transition would be one of unrelated frames.
    rng = np.random.default_rng(0)
    joined = LatentAutoregression.fit(np.concatenate([short[i] for i in rng.permutation(4000)]))
    assert abs(joined.matrix - A).max() > 0.05


def test_latents_longer_than_the_trajectory_stay_stable_and_keep_their_size():
    # 3 hidden variables seen through 2 × 5³ numbers, with a little noise on each.
    rng = np.random.default_rng(4)
    hidden = process(120, A, Q, 5)
    seen = hidden @ rng.normal(size=(3, 250)) + 0.05 * rng.normal(size=(120, 250))
    latents = seen.reshape(120, 2, 5, 5, 5)
    fitted = LatentAutoregression.fit(latents)
    assert fitted.spectral_radius < 1
    drawn = fitted.sample(np.repeat(latents[-1:], 8, axis=0), 2000, seed=0)
    assert drawn.shape == (2000, 8, 2, 5, 5, 5)
    assert 0.7 < drawn[200:].std() / latents.std() < 1.4
    # One step ahead it beats persistence on frames that it has not seen.
    later = process(60, A, Q, 6) @ rng.normal(size=(3, 250))
    unseen = LatentAutoregression.fit(later[:40])
    step = later[40:-1] - unseen.mean
    error = later[41:] - unseen.mean - step @ unseen.matrix.T
    assert np.mean(error**2) < np.mean((later[41:] - later[40:-1]) ** 2)


def test_growing_latents_are_fitted_by_a_stable_matrix():
    latents = 1.1 ** np.arange(30)[:, None] * np.array([1.0, 2.0])
    fitted = LatentAutoregression.fit(latents)
    assert fitted.spectral_radius < 1
    assert np.isfinite(fitted.sample(latents[-1:], 500)).all()


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(EldynError, match="four transitions"):
        LatentAutoregression.fit(np.zeros((3, 2)))
    with pytest.raises(EldynError, match="do not vary"):
        LatentAutoregression.fit(np.ones((10, 2)))
    with pytest.raises(EldynError, match="different shapes"):
        LatentAutoregression.fit([np.zeros((9, 2)), np.zeros((9, 3))])
    with pytest.raises(EldynError, match="NaN"):
        LatentAutoregression.fit(np.full((9, 2), np.nan))
    fitted = LatentAutoregression.fit(process(50, A, Q, 0))
    with pytest.raises(EldynError, match="not \\(B, 3\\)"):
        fitted.sample(np.zeros((2, 4)), 1)
