from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from napari_eldyn.density import (
    DensityTrajectory,
    LogNormalisation,
    PeriodicGrid,
    backward_rate,
    central_rate,
    fit_normalisation,
)
from napari_eldyn.exceptions import EldynError

GRID = PeriodicGrid(np.eye(3) * 8.66, (8, 8, 8))


def trajectory(density: np.ndarray, step: float = 4.0) -> DensityTrajectory:
    return DensityTrajectory.from_array(density, GRID, step * np.arange(len(density)))


def test_fit_agrees_with_scipy_on_a_skewed_distribution() -> None:
    rng = np.random.default_rng(0)
    density = np.exp(-3.0 + 0.2 * rng.gumbel(size=(20, 8, 8, 8))).astype(np.float32)
    normalisation, report = fit_normalisation(trajectory(density))
    logarithm = np.log(density.astype(np.float64)).ravel()
    assert normalisation.mean == pytest.approx(logarithm.mean(), rel=1e-12)
    assert normalisation.std == pytest.approx(logarithm.std(), rel=1e-10)
    assert report.skew == pytest.approx(scipy.stats.skew(logarithm), rel=1e-9)
    assert report.excess_kurtosis == pytest.approx(scipy.stats.kurtosis(logarithm), rel=1e-9)
    assert report.skew == pytest.approx(1.14, abs=0.1)  # of the Gumbel distribution
    assert (report.minimum, report.maximum) == (density.min(), density.max())
    assert (report.n_values, report.n_clipped) == (density.size, 0)
    assert normalisation.n_frames == 20


def test_moments_do_not_cancel_far_from_zero() -> None:
    rng = np.random.default_rng(1)
    density = np.exp(-15.0 + 1e-3 * rng.normal(size=(6, 8, 8, 8)))
    normalisation, report = fit_normalisation(trajectory(density))
    logarithm = np.log(density.astype(np.float32).astype(np.float64)).ravel()
    assert normalisation.std == pytest.approx(logarithm.std(), rel=1e-8)
    assert report.excess_kurtosis == pytest.approx(scipy.stats.kurtosis(logarithm), abs=1e-6)


def test_normalised_training_data_is_standard_and_comes_back() -> None:
    rng = np.random.default_rng(2)
    density = np.exp(rng.normal(-2.9, 0.27, (10, 8, 8, 8))).astype(np.float32)
    normalisation, _ = fit_normalisation(trajectory(density))
    normalised, n_clipped = normalisation.normalise(density)
    assert n_clipped == 0
    assert normalised.mean() == pytest.approx(0.0, abs=1e-6)
    assert normalised.std() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(normalisation.denormalise(normalised), density, rtol=5e-7)
    assert normalised.dtype == normalisation.denormalise(normalised).dtype == np.float32


def test_rate_scale_of_a_sinusoid() -> None:
    """ln ρ = m + a sin(ωt + φ(r)): a central difference gives aω·sin(ωh)/(ωh)."""
    n, step, amplitude, omega = 400, 4.0, 0.3, 2 * np.pi / 200.0
    phase = np.random.default_rng(3).uniform(0, 2 * np.pi, GRID.shape)
    t = step * np.arange(n)
    logarithm = -3.0 + amplitude * np.sin(omega * t[:, None, None, None] + phase)
    normalisation, _ = fit_normalisation(trajectory(np.exp(logarithm)))
    assert normalisation.std == pytest.approx(amplitude / np.sqrt(2), rel=1e-3)
    expected = omega * np.sin(omega * step) / (omega * step)
    assert normalisation.rate_std == pytest.approx(expected, rel=1e-3)


def test_orders_of_the_differences() -> None:
    omega, t = 0.02, 35.0
    exact = omega * np.cos(omega * t)

    def errors(h: float) -> np.ndarray:
        now, previous, before, following = (
            np.array([np.sin(omega * time)]) for time in (t, t - h, t - 2 * h, t + h)
        )
        return np.abs(
            [
                central_rate(previous, following, h)[0] - exact,
                backward_rate(now, previous, h, before)[0] - exact,
                backward_rate(now, previous, h)[0] - exact,
            ]
        )

    # Halving the step divides the error by 4, 4 and 2.
    np.testing.assert_allclose(errors(2.0) / errors(1.0), [4.0, 4.0, 2.0], rtol=0.05)


def test_second_order_backward_rate_is_exact_for_parabolas() -> None:
    t = np.array([0.0, 4.0, 8.0])
    before, previous, now = 3.0 + 0.5 * t - 0.25 * t**2
    rate = backward_rate(np.array([now]), np.array([previous]), 4.0, np.array([before]))
    assert rate[0] == pytest.approx(0.5 - 0.5 * 8.0)


def test_values_that_are_not_positive_are_clipped_and_counted() -> None:
    density = np.full((4, 8, 8, 8), 0.05, dtype=np.float32)
    density *= np.random.default_rng(4).uniform(0.9, 1.1, density.shape).astype(np.float32)
    density[1, 0, 0, 0], density[2, 0, 0, 1], density[3, 0, 0, 2] = 0.0, -0.57, 1e-30
    normalisation, report = fit_normalisation(trajectory(density), floor=1e-6)
    assert (report.n_clipped, report.minimum) == (3, np.float32(-0.57))
    normalised, n_clipped = normalisation.normalise(density)
    assert n_clipped == 3
    assert np.all(np.isfinite(normalised))
    np.testing.assert_allclose(normalisation.denormalise(normalised)[2, 0, 0, 1], 1e-6, rtol=1e-5)


def test_nan_is_refused_and_named() -> None:
    density = np.full((4, 8, 8, 8), 0.05, dtype=np.float32)
    density[2, 1, 1, 1] = np.nan
    with pytest.raises(EldynError, match=r"frame 2 has 1 values of 512 that are NaN"):
        fit_normalisation(trajectory(density))
    with pytest.raises(EldynError, match="NaN"):
        LogNormalisation(mean=-3.0, std=0.3).normalise(density)
    density[2, 1, 1, 1] = np.inf
    with pytest.raises(EldynError, match="infinite"):
        LogNormalisation(mean=-3.0, std=0.3).normalise(density)


def test_data_without_spread_or_frames_is_refused() -> None:
    with pytest.raises(EldynError, match="no spread"):
        fit_normalisation(trajectory(np.full((4, 8, 8, 8), 0.05)))
    with pytest.raises(EldynError, match="no frames"):
        fit_normalisation(trajectory(np.zeros((0, 8, 8, 8))))


def test_unequal_steps_are_refused() -> None:
    density = np.random.default_rng(5).uniform(0.01, 0.1, (4, 8, 8, 8))
    uneven = DensityTrajectory.from_array(density, GRID, [0.0, 4.0, 8.0, 16.0])
    with pytest.raises(EldynError, match="not equally spaced"):
        fit_normalisation(uneven)


def test_two_frames_have_no_rate() -> None:
    density = np.random.default_rng(6).uniform(0.01, 0.1, (2, 8, 8, 8))
    normalisation, _ = fit_normalisation(trajectory(density))
    assert normalisation.rate_std is None


def test_progress_counts_frames() -> None:
    density = np.random.default_rng(7).uniform(0.01, 0.1, (3, 8, 8, 8))
    calls: list[tuple[int, int]] = []
    fit_normalisation(trajectory(density), progress=lambda done, n: calls.append((done, n)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_it_survives_json() -> None:
    normalisation = LogNormalisation(mean=-2.911, std=0.271, rate_std=0.04, n_frames=140)
    again = LogNormalisation.model_validate_json(normalisation.model_dump_json())
    assert again == normalisation
