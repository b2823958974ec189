from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import napari
import numpy as np
import pytest
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.movie import Movie, record_movie

from .conftest import LEVELS, N_FRAMES
from .movies import read_movie


def centre_grey(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Brightness of the middle of the picture, 0 to 1."""
    height, width = frames.shape[1:3]
    middle = frames[:, height * 4 // 9 : height * 5 // 9, width * 4 // 9 : width * 5 // 9]
    return middle.mean(axis=(1, 2, 3)) / 255


def test_every_frame_once_in_order(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer, path, heard = brightness_viewer, tmp_path / "m.mp4", []
    viewer.dims.set_current_step(0, 3)
    zoom, on_screen = viewer.scene.camera.zoom, viewer.screenshot(flash=False).shape
    movie = record_movie(viewer, path, fps=25, size=(480, 320), progress=lambda *a: heard.append(a))
    assert movie == Movie(path, N_FRAMES, (480, 320), 25)
    frames, meta = read_movie(path)
    assert frames.shape == (N_FRAMES, 320, 480, 3)
    assert meta["fps"] == 25
    np.testing.assert_allclose(centre_grey(frames), LEVELS, atol=0.02)
    assert heard == [(k + 1, N_FRAMES) for k in range(N_FRAMES)]
    assert [p.name for p in tmp_path.iterdir()] == ["m.mp4"]
    assert viewer.dims.current_step[0] == 3
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    assert viewer.screenshot(flash=False).shape == on_screen


def test_chosen_frames_in_chosen_order(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    order = [7, 2, 2, 11, 0]
    movie = record_movie(brightness_viewer, tmp_path / "m.mp4", order, size=(320, 240))
    assert movie is not None
    frames, _ = read_movie(movie.path)
    np.testing.assert_allclose(centre_grey(frames), LEVELS[order], atol=0.02)


def test_picture_is_what_the_canvas_shows(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    # The cube covers the same part of a movie of any size as of the canvas.
    viewer = brightness_viewer
    viewer.scene.camera.zoom *= 0.5
    height, width = viewer.screenshot(flash=False).shape[:2]
    size = (width // 2 * 2, height // 2 * 2)
    covered = []
    for number, factor in enumerate((1, 2)):
        big = (size[0] * factor, size[1] * factor)
        movie = record_movie(viewer, tmp_path / f"{number}.mp4", [11], size=big)
        assert movie is not None
        covered.append((read_movie(movie.path)[0] > 128).mean())
    assert covered[0] > 0.05
    assert covered[1] == pytest.approx(covered[0], rel=0.03)


def test_whole_window_with_docks(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer = brightness_viewer
    label = QLabel()
    label.setMinimumSize(200, 200)
    viewer.window.add_dock_widget(label, name="plot", area="right")
    QApplication.processEvents()

    def colour(step: int) -> None:
        label.setStyleSheet(f"background: rgb(255, {20 * step}, 0)")

    before = viewer.window.geometry()
    movie = record_movie(
        viewer, tmp_path / "m.mp4", [1, 9], size=(1000, 700), window=True, on_frame=colour
    )
    assert movie is not None
    frames, _ = read_movie(movie.path)
    assert frames.shape == (2, 700, 1000, 3)
    for frame, step in zip(frames.astype(int), (1, 9), strict=True):
        distance = np.abs(frame - (255, 20 * step, 0)).max(axis=-1)
        assert (distance < 12).sum() > 200 * 150, "the dock does not show its frame"
        grey = np.abs(frame - round(255 * LEVELS[step])).max(axis=-1)
        assert (grey < 6).sum() > 5000, "the canvas does not show its frame"
    assert viewer.window.geometry() == before


def test_frames_stay_exact_while_something_moves_the_slider(
    brightness_viewer: napari.Viewer, tmp_path: Path
) -> None:
    timer = QTimer()
    timer.timeout.connect(lambda: brightness_viewer.dims.set_current_step(0, 5))
    timer.start(1)
    try:
        movie = record_movie(brightness_viewer, tmp_path / "m.mp4", size=(320, 240))
    finally:
        timer.stop()
    assert movie is not None
    np.testing.assert_allclose(centre_grey(read_movie(movie.path)[0]), LEVELS, atol=0.02)


def test_event_loop_turns_between_frames(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    turns: list[int] = []
    seen: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: turns.append(1))
    timer.start(0)
    try:
        record_movie(
            brightness_viewer,
            tmp_path / "m.mp4",
            size=(320, 240),
            on_frame=lambda step: seen.append(len(turns)),
        )
    finally:
        timer.stop()
    assert all(later > earlier for earlier, later in pairwise(seen))


def test_cancel_leaves_no_file(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    shown: list[int] = []
    movie = record_movie(
        brightness_viewer,
        tmp_path / "m.mp4",
        size=(320, 240),
        on_frame=shown.append,
        stop=lambda: len(shown) == 4,
    )
    assert movie is None
    assert shown == [0, 1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_closing_the_window_midway_is_told(
    brightness_viewer: napari.Viewer, tmp_path: Path
) -> None:
    def close(step: int) -> None:
        if step == 3:
            QTimer.singleShot(0, brightness_viewer.close)

    with pytest.raises(EldynError, match="window was closed"):
        record_movie(brightness_viewer, tmp_path / "m.mp4", size=(320, 240), on_frame=close)
    assert list(tmp_path.iterdir()) == []


def test_impossible_requests(brightness_viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer, path = brightness_viewer, tmp_path / "m.mp4"
    with pytest.raises(EldynError, match=r"frame 12 does not exist.*12 frames"):
        record_movie(viewer, path, [0, 12])
    with pytest.raises(EldynError, match="no frames"):
        record_movie(viewer, path, [])
    with pytest.raises(EldynError, match="even width"):
        record_movie(viewer, path, size=(321, 240))
    with pytest.raises(EldynError, match="existing folder"):
        record_movie(viewer, tmp_path / "no" / "m.mp4")
    with pytest.raises(EldynError, match="window cannot be 20×20 pixels"):
        record_movie(viewer, path, size=(20, 20), window=True)
    viewer.window._qt_window.hide()
    QApplication.processEvents()
    with pytest.raises(EldynError, match="on a screen"):
        record_movie(viewer, path)
    assert list(tmp_path.iterdir()) == []


def test_a_still_has_no_time_axis(
    make_napari_viewer: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True, ndisplay=3)
    viewer.add_image(np.ones((4, 4, 4), np.float32))
    with pytest.raises(EldynError, match="0 frames"):
        record_movie(viewer, tmp_path / "m.mp4", [0])
