"""Turntable, key frames and slices in real pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_eldyn.export.camera_path import aim, look
from napari_eldyn.export.frame_layout import lay_out
from napari_eldyn.export.movie import preview, record_movie
from napari_eldyn.export.movie_settings import MovieSettings

from .conftest import SHEARED
from .movies import read_movie

STILL = MovieSettings(layout="none", size=(320, 240), fps=10, format="png", frozen=0.9)
N = 16


def marked() -> np.ndarray:
    """One frame, empty but for a bright block off the middle."""
    frames = np.zeros((1, N, N, N))
    frames[0, 2:5, 10:14, 7:9] = 1.0
    return frames


def ramp(axis: int) -> np.ndarray:
    """One frame whose density tells how far along an axis a voxel lies."""
    values = (np.arange(N) + 1) / (N + 1)
    shape = [1, 1, 1]
    shape[axis] = N
    return np.broadcast_to(values.reshape(shape), (1, N, N, N)).copy()


def volumes(frame: np.ndarray) -> np.ndarray:
    place = lay_out(STILL).volumes
    return frame[place.top : place.bottom, place.left : place.right]


def test_turntable_ends_where_it_began_and_never_cuts_the_cell(
    open_density: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    viewer = open_density(marked())
    viewer.scene.camera.perspective = 30
    viewer.fit_to_view(margin=0.15)
    movie = record_movie(viewer, tmp_path / "m", STILL.model_copy(update={"camera": "turntable"}))
    assert movie is not None
    frames = read_movie(movie.path)[0].astype(int)
    assert len(frames) == 9
    assert (np.abs(frames[-1] - frames[0]).max(axis=-1) > 8).mean() < 1e-3
    for frame in frames[1:-1]:
        assert (np.abs(frame - frames[0]).max(axis=-1) > 60).sum() > 50, "it does not turn"
    # The outline of the cell reaches the edge of no picture.
    background = frames[0][2, 2]
    for frame in frames:
        picture = volumes(frame)
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (picture.max(axis=-1) > 60).mean() > 0.02
        assert np.abs(edge - background).max() < 8


def test_key_frames_begin_and_end_with_their_views(
    open_density: Callable[..., napari.Viewer],
) -> None:
    viewer = open_density(marked())
    first = look(viewer, 0.0)
    viewer.scene.camera.set_view_direction((0, -1, -0.2), (0, 0, 1))
    viewer.scene.camera.zoom *= 1.4
    viewer.scene.camera.center = (1.0, 2.0, 2.5)
    last = look(viewer, 1.0)
    views = []
    for key in (first, last):
        aim(viewer, key)
        views.append(preview(viewer, STILL))
    aim(viewer, first)
    settings = STILL.model_copy(update={"camera": "keys", "keys": (first, last)})
    for progress, expected in zip((0.0, 1.0), views, strict=True):
        shown = preview(viewer, settings, progress).astype(int)
        assert (np.abs(shown - expected).max(axis=-1) > 8).mean() < 2e-3
    assert (views[0] != views[1]).mean() > 0.02
    assert look(viewer).field == pytest.approx(first.field)


@pytest.mark.parametrize("cell", [np.eye(3) * 4.0, SHEARED], ids=["cubic", "sheared"])
def test_slices_move_through_the_cell(
    open_density: Callable[..., napari.Viewer], cell: np.ndarray
) -> None:
    viewer = open_density(ramp(2), cell=cell)
    layer = viewer.layers[0]
    layer.bounding_box.visible = False
    plane = STILL.model_copy(update={"slices": "plane", "slice_thickness": 0.01, "names": False})
    # The camera looks down on c from above: what is cut off in front is what lies higher.
    cut = plane.model_copy(update={"slices": "cut"})
    for progress in (0.25, 0.5, 0.75):
        level = progress * N / (N + 1)  # halfway between two layers of voxels
        seen = volumes(preview(viewer, plane, progress)).max() / 255
        assert seen == pytest.approx(level, abs=1.5 / N)
        kept = volumes(preview(viewer, cut, progress))
        assert kept.max() / 255 == pytest.approx(level, abs=1.5 / N)
        assert (kept > 10).mean() > 0.02
    assert layer.depiction == "volume"
    assert len(layer.experimental_clipping_planes) == 0
    along_a = cut.model_copy(update={"slice_axis": "a"})
    QApplication.processEvents()
    assert volumes(preview(viewer, along_a, 0.5)).max() / 255 > 0.9, "all of c is kept"
