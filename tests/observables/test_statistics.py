"""Statistics of frames and trajectories against numpy, scipy and the single functions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables import (
    RunningStatistics,
    StatisticsSettings,
    combine,
    default_settings,
    frame_statistics,
    jsd,
    reference_levels,
    scaled_jsd,
    shells,
    structure_factor,
    trajectory_statistics,
)
from napari_eldyn.observables.distribution import uniform_edges


@pytest.fixture(scope="module")
def settings(reference, normalisation):
    return default_settings(reference, normalisation)


def normalised(values, normalisation):
    return (np.log(values.astype(np.float64)) - normalisation.mean) / normalisation.std


def test_default_settings_cover_the_data(reference, normalisation, settings):
    values = normalised(np.stack(list(reference)), normalisation)
    assert len(settings.edges) == 129
    span = values.max() - values.min()
    assert settings.edges[0] == pytest.approx(values.min() - 0.1 * span, abs=1e-4)
    assert settings.edges[-1] == pytest.approx(values.max() + 0.1 * span, abs=1e-4)
    assert settings.grid.matches(reference.grid)
    assert np.all(np.diff(settings.centres) > 0)


def test_frame_statistics_agree_with_numpy_and_scipy(reference, normalisation, settings):
    density = reference[3]
    result = frame_statistics(density, settings)
    values = normalised(density, normalisation).ravel()
    expected, _ = np.histogram(values, settings.edges)
    # A value within rounding of an edge may fall on its other side.
    assert np.abs(result.counts - expected).sum() <= 4
    assert result.counts.sum() == density.size
    assert (result.n_below, result.n_above, result.n_clipped) == (0, 0, 0)
    assert result.moments.mean == pytest.approx(values.mean(), abs=1e-5)
    assert result.moments.std == pytest.approx(values.std(), rel=1e-5)
    assert result.moments.skew == pytest.approx(scipy.stats.skew(values), abs=1e-4)
    assert result.moments.excess_kurtosis == pytest.approx(scipy.stats.kurtosis(values), abs=1e-4)
    assert result.moments.max == pytest.approx(values.max(), abs=1e-5)
    assert result.electrons == pytest.approx(reference.electrons(3), rel=1e-5)
    assert (result.minimum, result.maximum) == (density.min(), density.max())
    amplitude, intensity = structure_factor(density, settings.shells)
    assert np.array_equal(result.amplitude, amplitude)
    assert np.array_equal(result.intensity, intensity)


def test_values_outside_the_bins_are_counted_in_the_end_bins(reference, normalisation):
    narrow = StatisticsSettings(normalisation, uniform_edges(-1.0, 1.5, 20), shells(reference.grid))
    density = reference[0]
    values = normalised(density, normalisation)
    result = frame_statistics(density, narrow)
    below, above = np.count_nonzero(values < -1.0), np.count_nonzero(values > 1.5)
    assert below > 50
    assert above > 20
    assert (result.n_below, result.n_above) == (below, above)
    assert result.counts.sum() + below + above == density.size
    assert result.probabilities.sum() == pytest.approx(1.0)
    assert result.probabilities[0] == pytest.approx((result.counts[0] + below) / density.size)


def test_non_positive_voxels_are_clipped_and_counted(reference, settings):
    density = reference[0].copy()
    density[0, 0, :3] = [0.0, -0.01, -1e-12]
    result = frame_statistics(density, settings)
    assert result.n_clipped == 3
    assert result.n_below == 3
    assert result.counts.sum() == density.size - 3
    assert result.minimum == pytest.approx(-0.01)


def test_bad_frames_are_refused(reference, settings):
    density = reference[0].copy()
    density[1, 2, 3] = np.inf
    with pytest.raises(EldynError, match="NaN or inf"):
        frame_statistics(density, settings)
    with pytest.raises(EldynError, match="does not fit"):
        frame_statistics(density[:, :, :-1], settings)
    with pytest.raises(EldynError, match="electrons"):
        frame_statistics(-np.abs(reference[0]), settings)


def test_settings_refuse_unequal_bins(reference, normalisation):
    with pytest.raises(EldynError, match="equally wide"):
        StatisticsSettings(normalisation, np.array([0.0, 1.0, 3.0]), shells(reference.grid))


def test_running_statistics_pool_frames(reference, normalisation, settings):
    running = RunningStatistics(settings)
    with pytest.raises(EldynError, match="no frame"):
        _ = running.amplitude
    frames = [frame_statistics(density, settings) for density in reference]
    for frame in frames[:10]:
        running.add(frame)
    snapshot = running.copy()
    for frame in frames[10:]:
        running.add(frame)
    values = normalised(np.stack(list(reference)), normalisation)
    assert running.n_frames == 40
    assert running.counts.sum() == values.size
    assert running.probabilities.sum() == pytest.approx(1.0)
    widths = np.diff(settings.edges)
    assert (running.density * widths).sum() == pytest.approx(1.0)
    assert running.moments.std == pytest.approx(values.std(), rel=1e-5)
    assert running.moments.min == pytest.approx(values.min(), abs=1e-5)
    assert running.amplitude == pytest.approx(np.mean([f.amplitude for f in frames], axis=0))
    assert running.intensity == pytest.approx(np.mean([f.intensity for f in frames], axis=0))
    assert running.electrons == pytest.approx(np.mean([f.electrons for f in frames]))
    # The copy did not follow.
    assert snapshot.n_frames == 10
    assert snapshot.counts.sum() == 10 * reference[0].size
    assert snapshot.amplitude == pytest.approx(np.mean([f.amplitude for f in frames[:10]], axis=0))


def test_running_statistics_refuse_other_bins(reference, normalisation, settings):
    other = default_settings(reference, normalisation, bins=64)
    with pytest.raises(EldynError, match="other bins"):
        RunningStatistics(settings).add(frame_statistics(reference[0], other))


def test_trajectory_statistics_in_one_pass(reference, normalisation, settings):
    calls = []
    result = trajectory_statistics(
        reference, settings, lambda done, total: calls.append((done, total)), 5, 15, lag=2
    )
    assert calls == [(i, 10) for i in range(1, 11)]
    assert len(result) == 10
    assert result.first == 5
    assert result[0].electrons == pytest.approx(reference.electrons(5), rel=1e-5)
    stack = np.stack([reference[i] for i in range(5, 15)]).astype(np.float64)
    assert result.mean_density == pytest.approx(stack.mean(axis=0), rel=1e-6)
    values = normalised(stack, normalisation)
    steps = np.sqrt(((values[2:] - values[:-2]) ** 2).mean(axis=(1, 2, 3)))
    assert result.steps == pytest.approx(steps, rel=1e-4)
    assert result.pooled.n_frames == 10
    assert result.amplitude.shape == (10, len(settings.shells))
    assert combine(result, settings).counts.tolist() == result.pooled.counts.tolist()


def test_trajectory_statistics_name_the_bad_frame(reference, settings):
    values = np.stack([reference[i] for i in range(4)])
    values[2, 0, 0, 0] = np.nan
    broken = DensityTrajectory.from_array(
        values, reference.grid, 4.0 * np.arange(4), path="somewhere/run.eldyn"
    )
    with pytest.raises(EldynError, match=r"run\.eldyn: frame 2 has 1 values"):
        trajectory_statistics(broken, settings)


def test_trajectory_statistics_refuse_other_grids_and_nothing(reference, settings):
    with pytest.raises(EldynError, match="grid"):
        trajectory_statistics(reference.resampled((12, 12, 12)), settings)
    with pytest.raises(EldynError, match="no frame"):
        trajectory_statistics(reference, settings, start=100)
    with pytest.raises(EldynError, match="lag"):
        trajectory_statistics(reference, settings, lag=0)


def test_a_pass_ends_when_progress_raises(reference, settings):
    def cancel(done, total):
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        trajectory_statistics(reference, settings, cancel)


def test_reference_levels_are_what_they_say(reference, settings):
    levels = reference_levels(reference, settings, start_frame=-1)
    probabilities = [frame_statistics(density, settings).probabilities for density in reference]
    pooled = np.mean(probabilities, axis=0)
    halves = np.mean(probabilities[:20], axis=0), np.mean(probabilities[20:], axis=0)
    assert levels.start_frame == 39
    assert levels.noise.jsd == pytest.approx(jsd(*halves), rel=1e-9)
    assert levels.noise.sjsd == pytest.approx(scaled_jsd(*halves), rel=1e-9)
    assert levels.persistence.sjsd == pytest.approx(scaled_jsd(probabilities[39], pooled), rel=1e-9)
    mean = frame_statistics(np.stack(list(reference)).mean(axis=0), settings)
    assert levels.mean_field.sjsd == pytest.approx(scaled_jsd(mean.probabilities, pooled), rel=1e-2)
    assert levels.frame_sjsd == pytest.approx(
        [scaled_jsd(p, pooled) for p in probabilities], rel=1e-9
    )
    first, second = (half.amplitude for half in levels.halves)
    assert levels.noise.amplitude_difference == pytest.approx(first / second - 1, rel=1e-9)
    assert levels.persistence.intensity_difference == pytest.approx(
        frame_statistics(reference[39], settings).intensity / levels.reference.intensity - 1
    )
    # Averaging wipes the structure out; the data agree with themselves best.
    assert np.all(levels.mean_field.amplitude_difference[:4] < -0.2)
    assert levels.noise.sjsd < levels.persistence.sjsd < levels.mean_field.sjsd


def test_reference_levels_refuse_short_references_and_missing_frames(reference, settings):
    with pytest.raises(EldynError, match="too short: 3 frames"):
        reference_levels(reference[:3], settings)
    with pytest.raises(EldynError, match="start frame 40"):
        reference_levels(reference, settings, start_frame=40)
