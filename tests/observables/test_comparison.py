"""Comparison of a generated trajectory with a reference: known answers and bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables import default_settings
from napari_eldyn.observables.comparison import compare
from napari_eldyn.observables.errors import nmae
from napari_eldyn.observables.forecast import same_times


@pytest.fixture(scope="module")
def settings(reference, normalisation):
    return default_settings(reference, normalisation)


@pytest.fixture(scope="module")
def metrics(generated, reference, settings):
    return compare(generated, reference, settings, started_in_reference=True).metrics


def like(trajectory, values=None, **changes):
    fields = {"grid": trajectory.grid, "times": trajectory.times, "kind": trajectory.kind}
    fields.update(changes)
    values = np.stack(list(trajectory)) if values is None else values
    return DensityTrajectory.from_array(values, fields.pop("grid"), fields.pop("times"), **fields)


def test_metrics_are_plain_json(metrics):
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert metrics["units"]["jsd"].startswith("nats")


def test_the_same_trajectory_scores_perfectly(reference, settings):
    metrics = compare(reference, reference, settings, started_in_reference=True).metrics
    assert metrics["distribution"]["jsd"] == 0.0
    assert metrics["structure_factor"]["amplitude"]["difference_high_q"] == 0.0
    assert metrics["structure_factor"]["intensity"]["difference_smallest_q"] == 0.0
    assert metrics["step_size"]["ratio"] == pytest.approx(1.0)
    forecast = metrics["forecast"]
    assert forecast["nmae"] == [0.0] * len(forecast["lead"])
    assert forecast["lead"][:3] == [4.0, 8.0, 12.0]
    # The trivial forecasts are not perfect, and persistence gets worse.
    assert forecast["persistence_nmae"][0] == pytest.approx(nmae(reference[0], reference[1]))
    assert forecast["persistence_nmae"][-1] > forecast["persistence_nmae"][0]
    assert min(forecast["mean_field_nmae"]) > 0


def test_it_says_what_is_compared_with_what(metrics, generated, reference):
    assert metrics["compared"]["reference"]["n_frames"] == 40
    assert metrics["compared"]["reference"]["last_frame"] == 39
    assert metrics["compared"]["generated"]["first_time"] == 8.0
    assert metrics["compared"]["generated"]["timestep"] == 8.0
    assert "frames 0-19 against reference frames 20-39" in metrics["levels"]["noise"]["meaning"]
    forecast = metrics["forecast"]
    assert forecast["available"]
    for i, j, lead in zip(
        forecast["generated_frames"], forecast["reference_frames"], forecast["lead"], strict=True
    ):
        assert generated.times[i] == reference.times[j] == lead


def test_step_size_is_taken_over_equal_times(reference, settings):
    every_second = reference[::2]
    metrics = compare(every_second, reference, settings).metrics
    assert metrics["step_size"]["interval"] == 8.0
    assert metrics["step_size"]["ratio"] == pytest.approx(1.0, rel=0.05)


def test_frozen_and_shuffled_rollouts_are_found_out(reference, settings):
    frozen = like(reference, np.repeat(reference[7][None], 40, axis=0))
    result = compare(frozen, reference, settings, start_frame=7).metrics
    assert result["step_size"]["ratio"] == 0.0
    assert result["distribution"]["sjsd"] == pytest.approx(
        result["levels"]["persistence"]["sjsd"], rel=1e-9
    )
    order = np.random.default_rng(3).permutation(40)
    shuffled = like(reference, np.stack([reference[int(i)] for i in order]))
    result = compare(shuffled, reference, settings).metrics
    assert result["distribution"]["jsd"] == pytest.approx(0.0, abs=1e-12)
    assert result["step_size"]["ratio"] > 0.7 * result["step_size"]["ratio_unrelated_frames"]
    assert result["step_size"]["ratio_unrelated_frames"] > 1.5


def test_mean_field_prediction_scores_as_the_mean_field_level(reference, settings):
    mean = np.stack(list(reference)).mean(axis=0)
    steady = like(reference, np.repeat(mean[None], 40, axis=0))
    result = compare(steady, reference, settings).metrics
    assert result["distribution"]["sjsd"] == pytest.approx(
        result["levels"]["mean_field"]["sjsd"], rel=1e-2
    )


def test_electron_drift_and_extremes(reference, settings):
    growth = 1 + 0.001 * np.arange(40)
    grown = like(reference, np.stack(list(reference)) * growth[:, None, None, None])
    result = compare(grown, reference, settings).metrics
    real = result["electrons"]["reference"]
    # 0.1 % per 4 fs is 25 % per 0.1 ps, so 250 % per ps of about the mean count.
    slope = np.polyfit(reference.times / 1000, [reference.electrons(i) for i in range(40)], 1)[0]
    assert real["drift_per_ps"] == pytest.approx(slope, abs=1e-3)
    drift = result["electrons"]["generated"]["drift_per_ps"] - real["drift_per_ps"]
    assert drift == pytest.approx(0.25 * real["mean"], rel=0.05)
    stack = np.stack(list(reference))
    assert result["extremes"]["reference"] == {
        "minimum": pytest.approx(stack.min()),
        "maximum": pytest.approx(stack.max()),
    }
    windows = result["stability"]["windows"]
    assert [part["first_frame"] for part in windows] == list(range(0, 40, 4))
    assert windows[9]["electrons"] > windows[0]["electrons"]


def test_clipped_and_outlying_values_are_counted(reference, settings):
    values = np.stack(list(reference))
    values[0, 0, 0, 0] = -0.5
    values[1, 0, 0, 0] = 50.0
    result = compare(like(reference, values), reference, settings).metrics["distribution"]
    assert result["generated"]["n_clipped_to_floor"] == 1
    assert result["generated"]["n_below_range"] == 1
    assert result["generated"]["n_above_range"] == 1
    assert result["reference"]["n_clipped_to_floor"] == 0


def test_standard_errors_need_enough_time(metrics):
    # 120 frames of 8 fs are four blocks of 200 fs (and a rest); 40 frames of 4 fs are none.
    assert metrics["uncertainty"]["blocks"] == {"generated": 4, "reference": 1}
    errors = metrics["structure_factor"]["amplitude"]["generated_standard_error"]
    assert len(errors) == len(metrics["structure_factor"]["q"])
    assert min(errors) > 0
    assert metrics["structure_factor"]["amplitude"]["reference_standard_error"] is None
    assert metrics["distribution"]["sjsd_standard_error"] > 0


def test_unrelated_trajectories_get_no_forecast(generated, reference, settings):
    result = compare(generated, reference, settings).metrics["forecast"]
    assert result["available"] is False
    assert "did not start" in result["reason"]
    later = like(reference, times=reference.times + 1e6)
    result = compare(later, reference, settings, started_in_reference=True).metrics["forecast"]
    assert "shares its time" in result["reason"]


def test_uneven_or_single_frames_are_compared_without_steps(reference, settings):
    times = reference.times.copy()
    times[20:] += 1.7
    result = compare(like(reference, times=times), reference, settings).metrics
    assert result["step_size"]["ratio"] is None
    assert "no common" in result["step_size"]["reason"]
    assert result["compared"]["generated"]["timestep"] is None
    single = compare(reference[:1], reference, settings).metrics
    assert single["step_size"]["ratio"] is None
    assert single["electrons"]["generated"]["drift_per_ps"] is None


def test_progress_names_its_stages(reference, settings):
    stages = []
    compare(
        reference,
        reference,
        settings,
        started_in_reference=True,
        progress=lambda stage, done, total: stages.append((stage, done == total)),
    )
    assert [stage for stage, last in stages if last] == [
        "generated frames",
        "reference frames",
        "forecast errors",
    ]


def test_bad_pairs_are_refused(reference, settings):
    other = like(reference, grid=PeriodicGrid(reference.grid.cell * 1.01, reference.grid.shape))
    with pytest.raises(EldynError, match="different cells"):
        compare(other, reference, settings)
    with pytest.raises(EldynError, match=r"12×13×14 points.*12×12×12 points"):
        compare(reference, reference.resampled((12, 12, 12)), settings)
    with pytest.raises(EldynError, match=r"of kind 'pseudo'.*'all_electron'"):
        compare(reference, like(reference, kind="all_electron"), settings)
    with pytest.raises(EldynError, match="too short"):
        compare(reference, reference[:3], settings)
    with pytest.raises(EldynError, match="start frame 40"):
        compare(reference, reference, settings, start_frame=40)
    values = np.stack(list(reference))
    values[5, 0, 0, 0] = np.nan
    with pytest.raises(EldynError, match="frame 5"):
        compare(like(reference, values), reference, settings)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([4.0, 8.0, 12.0], [0.0, 4.0, 8.0], [(0, 1), (1, 2)]),
        ([10.0, 20.0], [0.0, 5.0, 10.0, 15.0, 20.0], [(0, 2), (1, 4)]),
        ([1.0, 2.0], [1.5, 2.5], []),
        ([3.0], [1.0, 2.0, 3.0], [(0, 2)]),
        ([1.0, 2.0], [2.0], [(1, 0)]),
    ],
)
def test_same_times_pairs_what_agrees(first, second, expected):
    ours, theirs = same_times(np.array(first), np.array(second))
    assert list(zip(ours.tolist(), theirs.tolist(), strict=True)) == expected
