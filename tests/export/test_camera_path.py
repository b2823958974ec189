"""Where the camera is, against rotations worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from napari_eldyn.export.camera_path import camera_path, vertical_axis
from napari_eldyn.export.movie_settings import CameraKey, MovieSettings

START = CameraKey(at=0, view=(-1, 0, 0), up=(0, 0, 1), centre=(2, 2, 2), field=10, perspective=20)
PIVOT = (2.0, 2.0, 2.0)


def path(settings: MovieSettings, start: CameraKey = START):
    return camera_path(settings, start, (0.0, 0.0, 1.0), PIVOT)


def test_turntable_turns_about_the_axis_and_ends_where_it_began() -> None:
    at = path(MovieSettings(camera="turntable", turns=2))
    quarter, end = at(0.125), at(1.0)
    np.testing.assert_allclose(quarter.view, (0, -1, 0), atol=1e-12)
    for name in ("view", "up", "centre"):
        np.testing.assert_allclose(getattr(end, name), getattr(START, name), atol=1e-9)
    for moment in np.linspace(0, 1, 7):
        np.testing.assert_allclose(at(float(moment)).up, (0, 0, 1), atol=1e-12)
        np.testing.assert_allclose(at(float(moment)).centre, PIVOT)
    other_way = path(MovieSettings(camera="turntable", turns=-1))
    np.testing.assert_allclose(other_way(0.25).view, (0, 1, 0), atol=1e-12)


def test_a_centre_off_the_axis_goes_round_it() -> None:
    start = START.model_copy(update={"centre": (3.0, 2.0, 5.0)})
    half = path(MovieSettings(camera="turntable"), start)(0.5)
    np.testing.assert_allclose(half.centre, (1, 2, 5), atol=1e-12)


def test_key_frames_are_reached_and_between_them_the_arc_is_the_shortest() -> None:
    turn = Rotation.from_rotvec(np.radians(80) * np.array([0, 0.6, 0.8]))
    end = CameraKey(
        at=1,
        view=tuple(turn.apply(START.view)),
        up=tuple(turn.apply(START.up)),
        centre=(4, 2, 2),
        field=2.5,
    )
    at = path(MovieSettings(camera="keys", keys=(end, START)))  # in any order
    for key, moment in ((START, 0.0), (end, 1.0)):
        np.testing.assert_allclose(at(moment).view, key.view, atol=1e-9)
        np.testing.assert_allclose(at(moment).up, key.up, atol=1e-9)
        assert at(moment).field == pytest.approx(key.field)
    middle = at(0.5)
    half = Rotation.from_rotvec(turn.as_rotvec() / 2)
    np.testing.assert_allclose(middle.view, half.apply(START.view), atol=1e-9)
    np.testing.assert_allclose(middle.up, half.apply(START.up), atol=1e-9)
    np.testing.assert_allclose(middle.centre, (3, 2, 2))
    assert middle.field == pytest.approx(5.0), "zoom goes by factors"
    assert middle.perspective == pytest.approx(10.0)
    # Smooth: slow near the key frames, fastest between them.
    travelled = [np.linalg.norm(np.subtract(at(m).centre, START.centre)) for m in (0.02, 0.5, 0.52)]
    assert travelled[0] < 0.01
    assert travelled[2] - travelled[1] > 0.05


def test_before_the_first_and_after_the_last_key_the_camera_stands() -> None:
    keys = (
        START.model_copy(update={"at": 0.2}),
        START.model_copy(update={"at": 0.6, "field": 5.0}),
    )
    at = path(MovieSettings(camera="keys", keys=keys))
    assert [at(m).field for m in (0.0, 0.2, 0.6, 1.0)] == pytest.approx([10, 10, 5, 5])


def test_settings_refuse_what_does_not_go_together() -> None:
    with pytest.raises(ValidationError, match="two different moments"):
        MovieSettings(camera="keys", keys=(START, START))
    with pytest.raises(ValidationError, match="before the first"):
        MovieSettings(first=5, last=3)
    with pytest.raises(ValidationError, match="twice"):
        MovieSettings(plots=("divergence", "divergence"))


def test_the_vertical_axis_is_the_cell_vector_that_points_up() -> None:
    cell = [[5, 0, 0], [0, 5, 0], [1, 0, 5]]
    expected = np.array([1, 0, 5]) / np.sqrt(26)
    np.testing.assert_allclose(vertical_axis(cell, (0, 0, 1)), expected)
    np.testing.assert_allclose(vertical_axis(cell, (0.1, -0.9, 0)), (0, -1, 0))
