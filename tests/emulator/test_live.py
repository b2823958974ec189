from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator, Rollout, live_rollout
from napari_eldyn.observables.statistics import (
    StatisticsSettings,
    default_settings,
    frame_statistics,
)


@pytest.fixture
def settings(model: Emulator, liquid: DensityTrajectory) -> StatisticsSettings:
    return default_settings(liquid, model.normalisation)


def test_updates_are_the_frames_of_the_rollout(
    model: Emulator, liquid: DensityTrajectory, settings: StatisticsSettings
) -> None:
    rollout = Rollout(model, liquid, 2, "ddim", 5)
    rollout.advance(2)
    updates = list(live_rollout(rollout, 3, settings))
    assert [update.index for update in updates] == [2, 3, 4]
    assert [update.time for update in updates] == list(rollout.times[2:])
    for update in updates:
        assert update.seconds > 0
        np.testing.assert_array_equal(update.density, rollout[update.index])
        expected = frame_statistics(rollout[update.index], settings)
        np.testing.assert_array_equal(update.statistics.counts, expected.counts)
        np.testing.assert_array_equal(update.statistics.amplitude, expected.amplitude)


def test_it_stops_when_asked(
    model: Emulator, liquid: DensityTrajectory, settings: StatisticsSettings
) -> None:
    rollout = Rollout(model, liquid, 2, "ddim", 5)
    indices = [
        update.index for update in live_rollout(rollout, 100, settings, lambda: len(rollout) >= 4)
    ]
    assert indices == [0, 1, 2, 3]
    assert len(rollout) == 4


def test_abandoning_the_iteration_keeps_its_frames(
    model: Emulator, liquid: DensityTrajectory, settings: StatisticsSettings
) -> None:
    rollout = Rollout(model, liquid, 2, "ddim", 5)
    for update in live_rollout(rollout, 100, settings):
        if update.index == 1:
            break
    assert len(rollout) == 2
    rollout.advance(1)
    assert len(rollout) == 3
