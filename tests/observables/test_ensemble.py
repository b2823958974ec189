"""Scores of ensembles against scoringrules and against what is known of Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import scoringrules

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.ensemble import fair_crps, spread_skill


@pytest.mark.parametrize("m", [2, 3, 17])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fair_crps_is_that_of_scoringrules(m, dtype):
    rng = np.random.default_rng(m)
    members = rng.normal(0.3, 1.2, (m, 5, 6, 7)).astype(dtype)
    truth = rng.normal(size=(5, 6, 7)).astype(dtype)
    expected = scoringrules.crps_ensemble(
        truth.astype(np.float64), members.astype(np.float64), m_axis=0, estimator="fair"
    ).mean()
    assert fair_crps(members, truth) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_many_points_are_scored_in_chunks_alike():
    rng = np.random.default_rng(0)
    members = rng.normal(size=(3, 800_000)).astype(np.float32)
    truth = rng.normal(size=800_000).astype(np.float32)
    parts = [fair_crps(members[:, s], truth[s]) for s in (slice(400_000), slice(400_000, None))]
    assert fair_crps(members, truth) == pytest.approx(np.mean(parts), rel=1e-6)


@pytest.mark.parametrize("m", [2, 8])
def test_gaussian_ensemble_scores_the_gaussian_crps_whatever_its_size(m):
    # Truth and members from N(0, σ²): the CRPS is σ/√π, spread equals skill.
    rng = np.random.default_rng(1)
    sigma = 0.7
    members = rng.normal(0, sigma, (m, 400_000))
    truth = rng.normal(0, sigma, 400_000)
    assert fair_crps(members, truth) == pytest.approx(sigma / np.sqrt(np.pi), rel=5e-3)
    score = spread_skill(members, truth)
    assert score.ratio == pytest.approx(1, abs=5e-3)
    assert score.spread == pytest.approx(sigma * np.sqrt((m + 1) / m), rel=5e-3)


def test_a_shifted_gaussian_scores_as_its_closed_form():
    rng = np.random.default_rng(2)
    members = rng.normal(0.5, 1.5, (6, 300_000))
    truth = rng.normal(0, 1, 300_000)
    expected = scoringrules.crps_normal(truth, 0.5, 1.5).mean()
    assert fair_crps(members, truth) == pytest.approx(expected, rel=5e-3)
    score = spread_skill(members, truth)
    assert score.skill**2 == pytest.approx(1 + 0.25 + 1.5**2 / 6, rel=1e-2)
    assert score.spread**2 == pytest.approx(1.5**2 * 7 / 6, rel=1e-2)


def test_a_perfect_sharp_ensemble_scores_zero():
    truth = np.arange(4.0)
    members = np.broadcast_to(truth, (3, 4))
    assert fair_crps(members, truth) == pytest.approx(0, abs=1e-12)
    assert spread_skill(members, truth).spread == 0
    assert np.isnan(spread_skill(members, truth).ratio)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(EldynError, match="at least two members"):
        fair_crps(np.zeros((1, 4)), np.zeros(4))
    with pytest.raises(EldynError, match="no forecasts of a truth"):
        spread_skill(np.zeros((3, 5)), np.zeros(4))
    for bad in (np.nan, np.inf):
        with pytest.raises(EldynError, match="NaN"):
            fair_crps(np.array([[bad, 0], [-bad, 0]]), np.zeros(2))
