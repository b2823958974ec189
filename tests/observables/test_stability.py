"""Drift, freezing and the noise floor: known answers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.observables import default_settings
from napari_eldyn.observables.comparison import compare
from napari_eldyn.observables.noise_floor import noise_floor


@pytest.fixture(scope="module")
def settings(reference, normalisation):
    return default_settings(reference, normalisation)


def stability(frames, reference, settings, step=4.0):
    trajectory = DensityTrajectory.from_array(
        np.asarray(frames, np.float32), reference.grid, step * np.arange(len(frames)), kind="pseudo"
    )
    return compare(trajectory, reference, settings).metrics["stability"]


def test_electrons_that_leak_are_measured_in_percent(reference, settings):
    leak = 1 - 0.0005 * np.arange(40)
    frames = np.stack(list(reference)) * leak[:, None, None, None]
    found = stability(frames, reference, settings)
    counts = np.array([reference.electrons(i) for i in range(40)])
    middle = np.arange(40).reshape(10, 4).mean(axis=1)
    line = scipy.stats.linregress(middle, (counts * leak).reshape(10, 4).mean(axis=1))
    expected = 100 * line.slope * 40 / counts.mean()
    assert found["electrons"]["fitted_change_percent"] == pytest.approx(expected, rel=1e-4)
    offsets = (counts * leak).reshape(10, 4).mean(axis=1) / counts.mean() - 1
    assert found["electrons"]["largest_offset_percent"] == pytest.approx(
        100 * np.abs(offsets).max(), rel=1e-4
    )


def test_a_rollout_that_blurs_drifts_and_real_data_do_not(reference, settings):
    stack = np.stack(list(reference))
    own = stability(stack, reference, settings)
    assert not any(trend["drifts"] for trend in own["trends"].values())
    assert own["frozen_frames"] == 0
    assert own["not_finite_frames"] == 0
    share = np.linspace(0, 1, 40)[:, None, None, None]
    mean = stack.mean(axis=0)
    blurred = stability((1 - share) * stack + share * mean, reference, settings)
    trends = blurred["trends"]
    assert all(trend["drifts"] for trend in trends.values())
    assert trends["sjsd"]["change"] > 0
    assert trends["step_ratio"]["change"] < 0
    assert trends["step_ratio"]["last"] < 0.1 < 0.9 < trends["step_ratio"]["first"]
    windows = blurred["windows"]
    assert windows[0]["sjsd"] < windows[-1]["sjsd"]
    assert (windows[-1]["first_frame"], windows[-1]["last_frame"]) == (36, 39)


def test_frames_that_stand_still_are_counted(reference, settings):
    stack = np.stack(list(reference))
    stack[10:15] = stack[10]
    assert stability(stack, reference, settings)["frozen_frames"] == 4
    # 7 fs do not go into the reference's 4 fs: nothing can be said.
    odd = stability(stack, reference, settings, step=4.037)
    assert odd["frozen_frames"] is None
    assert odd["trends"]["step_ratio"]["drifts"] is None


def test_the_noise_floor_is_the_expected_difference_of_halves():
    """Frames drawn independently: the floor, from either source, is the mean over many draws."""
    rng = np.random.default_rng(0)
    counts = np.array([6, 12, 8, 30, 50])
    n, draws = 64, 400
    # The variance of a shell's mean is inverse to the waves in it.
    series = 1 + rng.normal(size=(draws, n, 5)) / np.sqrt(counts)
    halves = series[:, : n // 2].mean(axis=1) / series[:, n // 2 :].mean(axis=1) - 1
    # Mean of |x| of a normal x whose variance is 4/n times that of one frame.
    expected = np.sqrt(2 / np.pi) * 2 / np.sqrt(n * counts)
    errors = series.std(axis=1, ddof=1) / np.sqrt(n) / series.mean(axis=1)
    for sources in (zip(halves, errors, strict=True), zip(halves)):
        floors = np.array([noise_floor(source[0], counts, *source[1:]) for source in sources])
        np.testing.assert_allclose(np.sqrt((floors**2).mean(axis=0)), expected, rtol=0.1)
    # A difference that vanishes by chance does not make the floor vanish.
    assert noise_floor([0.02, 0.0, 0.02], [8, 8, 8])[1] > 0.01
    assert np.isnan(noise_floor([0.02, np.nan, 0.02], [8, 8, 8])).tolist() == [False, True, False]


def test_errors_of_the_structure_factor_stand_beside_the_floor(generated, reference, settings):
    section = compare(generated, reference, settings).metrics["structure_factor"]
    # 40 frames of 4 fs are no four blocks: from the difference of the halves.
    assert "block bootstrap" not in section["noise_floor"]
    for kind in ("amplitude", "intensity"):
        part = section[kind]
        floor = noise_floor(part["half_against_half"], section["shell_counts"])
        np.testing.assert_allclose(part["noise_floor"], floor)
        np.testing.assert_allclose(part["noise_ratio"], np.abs(part["relative_difference"]) / floor)
    # The other way round there are enough blocks.
    other = compare(reference, generated, settings).metrics["structure_factor"]
    assert "block bootstrap" in other["noise_floor"]
