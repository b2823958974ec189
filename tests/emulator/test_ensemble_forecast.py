"""Forecast ensembles of a real, untrained model, against scores worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scoringrules
from liquid import gaussian_liquid

from napari_eldyn.emulator import Emulator
from napari_eldyn.emulator.ensemble_forecast import ensemble_forecast
from napari_eldyn.emulator.trajectory_latents import encode_trajectory
from napari_eldyn.exceptions import EldynError

SETTINGS = {"members": 5, "starts": 3, "max_lead_fs": 24.0, "evaluations": 4}


@pytest.fixture(scope="module")
def model(model_path):
    return Emulator.load(model_path)


@pytest.fixture(scope="module")
def reference():
    return gaussian_liquid(20, seed=5)


@pytest.fixture(scope="module")
def forecast(model, reference):
    return ensemble_forecast(model, reference, training=[gaussian_liquid(30)], **SETTINGS)


def test_scores_every_step_from_frames_spread_over_the_reference(forecast, reference):
    np.testing.assert_allclose(forecast.lead, 4.0 * np.arange(1, 7))
    assert forecast.start_frames.tolist() == [2, 8, 13]
    assert list(forecast.scores) == [
        "model",
        "latent autoregression",
        "persistence",
        "autoencoder",
        "climatology",
        "mean field",
    ]
    for scores in forecast.scores.values():
        assert scores.crps_by_start.shape == (3, 6)
        assert np.isfinite(scores.crps).all()
        assert np.isfinite(scores.skill).all()
    assert forecast.climatology_source == "training"


def test_persistence_is_the_error_of_the_start_frame(forecast, model, reference):
    scores = forecast.scores["persistence"]
    fields = [model.normalisation.normalise(frame)[0].astype(float) for frame in reference]
    for i, start in enumerate(forecast.start_frames):
        for k in range(6):
            expected = np.abs(fields[start] - fields[start + k + 1]).mean()
            assert scores.crps_by_start[i, k] == pytest.approx(expected, rel=1e-5)
    squares = [np.mean((fields[s] - fields[s + 6]) ** 2) for s in forecast.start_frames]
    assert scores.skill[5] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-5)
    assert scores.ratio is None


def test_the_model_is_scored_on_members_that_its_sampler_makes(forecast, model, reference):
    # The members again, step by step from their seeds.
    latents = np.repeat(model.encode(reference, 8)[None], 5, axis=0)
    crps = []
    for step in (1, 2):
        rng = np.random.default_rng((0, 1, step))
        noise = rng.standard_normal((5, *latents.shape), dtype=np.float32)
        latents = model.step(latents, noise, "ddim")
        members = model.decode_states(latents)[:, 0]
        truth = model.normalisation.normalise(reference[8 + step])[0]
        crps.append(
            scoringrules.crps_ensemble(
                truth.astype(float), members.astype(float), m_axis=0, estimator="fair"
            ).mean()
        )
    np.testing.assert_allclose(forecast.scores["model"].crps_by_start[1, :2], crps, rtol=1e-4)


def test_the_same_seed_gives_the_same_scores_whatever_leads_are_asked_for(
    forecast, model, reference
):
    again = ensemble_forecast(
        model, reference, training=[gaussian_liquid(30)], **SETTINGS, max_leads=3
    )
    np.testing.assert_allclose(again.lead, [4, 8, 24])
    chosen = [0, 1, 5]
    for name in ("model", "latent autoregression"):
        np.testing.assert_allclose(
            again.scores[name].crps_by_start,
            forecast.scores[name].crps_by_start[:, chosen],
            rtol=1e-4,
        )
    other = ensemble_forecast(model, reference, **SETTINGS, max_leads=3, seed=1)
    assert not np.allclose(other.scores["model"].crps, again.scores["model"].crps, rtol=1e-4)


def test_without_training_frames_there_is_no_autoregression(model, reference):
    forecast = ensemble_forecast(model, reference, **SETTINGS)
    assert "latent autoregression" not in forecast.scores
    assert forecast.climatology_source == "reference"


def test_climatology_of_the_process_itself_is_honest(model):
    # Atoms in a fixed arrangement, seen from random places: members and truth are alike.
    rng = np.random.default_rng(0)
    still = gaussian_liquid(3, seed=1)
    moved = [np.roll(still[0], rng.integers(16, size=3), axis=(0, 1, 2)) for _ in range(60)]
    trajectory = type(still).from_array(
        np.array(moved), still.grid, 4.0 * np.arange(60), kind="pseudo"
    )
    settings = SETTINGS | {"members": 12, "starts": 12}
    scores = ensemble_forecast(model, trajectory, training=[trajectory], **settings).scores
    ratio = scores["climatology"].ratio
    assert ratio is not None
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    # A constant errs by the standard deviation of the field.
    spread = model.normalisation.normalise(still[0])[0].std()
    np.testing.assert_allclose(scores["mean field"].skill, spread, rtol=1e-3)


def test_all_frames_are_encoded_one_stretch_for_each_first_frame(strided_model_path, reference):
    model = Emulator.load(strided_model_path)
    seen = []
    stretches = encode_trajectory(model, reference, lambda *done: seen.append(done))
    assert [len(stretch) for stretch in stretches] == [10, 10]
    np.testing.assert_allclose(stretches[1][3], model.encode(reference, 7), rtol=1e-4, atol=1e-5)
    assert seen[-1] == (20, 20)


def test_progress_counts_to_the_end_and_can_stop_it(model, reference):
    seen = []
    ensemble_forecast(
        model,
        reference,
        training=[gaussian_liquid(12)],
        **SETTINGS,
        progress=lambda *done: seen.append(done),
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (30, 30)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensemble_forecast(model, reference, **SETTINGS, progress=stop)


def test_what_cannot_be_forecast_is_refused(model, reference):
    with pytest.raises(EldynError, match="holds no forecast"):
        ensemble_forecast(model, reference[:3], **SETTINGS)
    with pytest.raises(EldynError, match="1 members"):
        ensemble_forecast(model, reference, members=1)
    with pytest.raises(EldynError, match="no sampler"):
        ensemble_forecast(model, reference, sampler="dim")
