"""Which step each frame of a movie shows, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.movie_settings import MovieSettings
from napari_eldyn.export.timeline import make_timeline

TIMES = 100 + 4.0 * np.arange(11)  # 100, 104, … 140 fs


def steps(**changes: object) -> list[int]:
    settings = MovieSettings.model_validate({"fps": 10, **changes})
    return [moment.step for moment in make_timeline(settings, TIMES).moments]


def note(**changes: object) -> str:
    return make_timeline(MovieSettings.model_validate({"fps": 10, **changes}), TIMES).note


def test_every_frame_once() -> None:
    assert steps() == list(range(11))
    assert steps(first=3, last=5) == [3, 4, 5]
    assert note() == "Every frame is shown once."
    assert note(speed=40) == "Every frame is shown once."
    assert make_timeline(MovieSettings(fps=10), TIMES).seconds == pytest.approx(1.1)


def test_speed_in_femtoseconds_per_second() -> None:
    # 10 frames/s at 20 fs/s: 2 fs a frame; halfway between two steps the earlier one is shown.
    assert steps(speed=20, last=2) == [0, 0, 1, 1, 2]
    # 100 fs/s: 10 fs a frame: 100, 110 (halfway), 120, 130 (halfway), 140.
    assert steps(speed=100) == [0, 2, 5, 7, 10]
    assert "6 of 11 frames are left out" in note(speed=100)
    assert note(speed=20) == "Each frame is shown 1 to 2 times: the time runs slowly."
    assert note(speed=16, last=2) == "Each frame is shown 2 times: the time runs slowly."


def test_unequal_steps_of_time_are_shown_when_they_happen() -> None:
    settings = MovieSettings(fps=1, speed=1)
    shown = [m.step for m in make_timeline(settings, [0, 1, 5]).moments]
    assert shown == [0, 1, 1, 1, 2, 2]


def test_holds_and_frozen_time() -> None:
    settings = MovieSettings(fps=10, hold_start=0.2, hold_end=0.3, last=4)
    moments = make_timeline(settings, TIMES).moments
    assert [m.step for m in moments] == [0, 0, 0, 1, 2, 3, 4, 4, 4, 4]
    assert [m.progress for m in moments] == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    frozen = make_timeline(MovieSettings(fps=10, frozen=0.5, first=7), TIMES)
    assert [m.step for m in frozen.moments] == [7] * 5
    np.testing.assert_allclose([m.progress for m in frozen.moments], [0, 0.25, 0.5, 0.75, 1])
    assert frozen.note == "Frame 7 at 128 fs is shown throughout."


def test_steps_that_do_not_exist() -> None:
    with pytest.raises(EldynError, match=r"frame 11 does not exist.*11 frames"):
        steps(last=11)
    with pytest.raises(EldynError, match="frame 30"):
        steps(first=30)
    with pytest.raises(EldynError, match="no frames"):
        make_timeline(MovieSettings(), [])
