"""Movies of a trajectory: every frame once, exact, and the viewer as it was."""

from __future__ import annotations

import json
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
from napari_eldyn.export.canvas import grab_volumes
from napari_eldyn.export.frame_layout import lay_out
from napari_eldyn.export.movie import Movie, MovieProgress, preview, record, record_movie
from napari_eldyn.export.movie_settings import MovieSettings, read_settings, sidecar_path

from .conftest import LEVELS, N_FRAMES
from .movies import read_movie

PLAIN = MovieSettings(layout="none", size=(320, 240), fps=10)
EXACT = PLAIN.model_copy(update={"format": "png"})


def centre_grey(frames: NDArray[np.uint8], settings: MovieSettings = PLAIN) -> NDArray[np.float64]:
    """Brightness of the middle of the volumes, 0 to 1."""
    place = lay_out(settings).volumes
    rows = slice(place.top + place.height * 4 // 9, place.top + place.height * 5 // 9)
    columns = slice(place.left + place.width * 4 // 9, place.left + place.width * 5 // 9)
    middle = frames[:, rows, columns]
    return np.asarray(middle.mean(axis=(1, 2, 3)) / 255)


@pytest.mark.parametrize(
    ("name", "movie_format"),
    [
        ("m.mp4", "h264"),
        ("m.webm", "vp9"),
        ("m.webm", "av1"),
        ("m.mov", "prores"),
        ("m.gif", "gif"),
        ("frames", "png"),
    ],
)
def test_every_frame_once_in_order_in_every_format(
    density_viewer: napari.Viewer, tmp_path: Path, name: str, movie_format: str
) -> None:
    viewer, path = density_viewer, tmp_path / name
    viewer.dims.set_current_step(0, 3)
    QApplication.processEvents()
    before = viewer.screenshot(flash=False)
    heard: list[MovieProgress] = []
    settings = PLAIN.model_copy(update={"format": movie_format, "title": "Grey"})
    movie = record_movie(viewer, path, settings, progress=heard.append)
    assert movie == Movie(path, N_FRAMES, (320, 240), 10, "Every frame is shown once.")
    frames, meta = read_movie(path)
    assert frames.shape == (N_FRAMES, 240, 320, 3)
    assert meta["codec"] == movie_format
    assert meta.get("fps", 10) == pytest.approx(10)
    np.testing.assert_allclose(centre_grey(frames, settings), LEVELS, atol=0.02)
    taken = [(news.done, news.total) for news in heard if news.stage == "recording"]
    assert taken == [(k + 1, N_FRAMES) for k in range(N_FRAMES)]
    assert heard[N_FRAMES - 2].seconds_left is not None
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, f"{name}.json"]
    assert read_settings(sidecar_path(path)) == settings
    origin = json.loads(sidecar_path(path).read_text())["provenance"]
    assert origin["frames"] == N_FRAMES
    assert "napari" in origin["versions"]
    assert viewer.dims.current_step[0] == 3
    QApplication.processEvents()
    np.testing.assert_array_equal(viewer.screenshot(flash=False), before)


def test_volumes_look_as_in_the_window(
    open_density: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    viewer = open_density(rng.random((2, 8, 8, 8)))
    viewer.scene.camera.zoom *= 0.7
    size = (500, 380)
    record_movie(viewer, tmp_path / "f", EXACT.model_copy(update={"size": size}))
    frame = read_movie(tmp_path / "f")[0][1]
    place = lay_out(EXACT.model_copy(update={"size": size})).volumes
    picture = frame[place.top : place.bottom, place.left : place.right].astype(int)
    # The same by napari's own means: no overlays, and the zoom of the shorter side.
    viewer.dims.set_current_step(0, 1)
    for overlay in viewer.canvas.overlays.values():
        overlay.visible = False
    viewer.layers[0].colorbar.visible = False
    height, width = viewer.canvas.size
    viewer.scene.camera.zoom *= min(place.width, place.height) / min(width, height)
    for _ in range(2):  # napari's first one is drawn before the camera knows the new size
        shot = viewer.screenshot(size=(place.height, place.width), flash=False)[..., :3]
    assert (shot.max(axis=-1) > 60).mean() > 0.1
    assert np.abs(picture - shot).mean() < 0.5
    assert (np.abs(picture - shot).max(axis=-1) > 12).mean() < 5e-3


def test_steps_between_and_at_a_speed(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    settings = EXACT.model_copy(update={"first": 2, "last": 8, "speed": 40.0, "hold_end": 0.2})
    movie = record_movie(density_viewer, tmp_path / "m", settings)
    assert movie is not None
    assert movie.note == "3 of 7 frames are left out: the time runs too fast to show all."
    shown = centre_grey(read_movie(movie.path)[0], settings)
    # 4 fs a frame are two steps; the last picture stands for two frames more.
    np.testing.assert_allclose(shown, LEVELS[[2, 4, 6, 8, 8, 8]], atol=0.01)


def test_unequal_times_are_told_as_they_are(
    open_density: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    times = np.array([0.0, 1.0, 5.0, 6.0])
    viewer = open_density(np.broadcast_to(LEVELS[:4, None, None, None], (4, 8, 8, 8)), times=times)
    movie = record_movie(viewer, tmp_path / "m", EXACT.model_copy(update={"fps": 1, "speed": 1}))
    assert movie is not None
    shown = centre_grey(read_movie(movie.path)[0], EXACT)
    np.testing.assert_allclose(shown, LEVELS[[0, 1, 1, 1, 2, 2, 3]], atol=0.01)


def test_whole_window_with_docks(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer = density_viewer
    label = QLabel()
    label.setMinimumSize(200, 200)
    viewer.window.add_dock_widget(label, name="plot", area="right")
    viewer.dims.events.current_step.connect(
        lambda: label.setStyleSheet(f"background: rgb(255, {20 * viewer.dims.current_step[0]}, 0)")
    )
    QApplication.processEvents()
    before = viewer.window.geometry()
    settings = MovieSettings(layout="window", size=(1000, 700), format="png", first=1, last=9)
    assert record_movie(viewer, tmp_path / "m", settings) is not None
    frames, _ = read_movie(tmp_path / "m")
    assert frames.shape == (9, 700, 1000, 3)
    for frame, step in zip(frames[[0, 8]].astype(int), (1, 9), strict=True):
        distance = np.abs(frame - (255, 20 * step, 0)).max(axis=-1)
        assert (distance < 12).sum() > 200 * 150, "the dock does not show its frame"
        grey = np.abs(frame - round(255 * LEVELS[step])).max(axis=-1)
        assert (grey < 6).sum() > 5000, "the canvas does not show its frame"
    assert viewer.window.geometry() == before
    with pytest.raises(EldynError, match="window cannot be 20×20 pixels"):
        record_movie(viewer, tmp_path / "n", settings.model_copy(update={"size": (20, 20)}))


def test_frames_stay_exact_while_something_moves_slider_and_camera(
    density_viewer: napari.Viewer, tmp_path: Path
) -> None:
    viewer = density_viewer

    def disturb() -> None:
        viewer.dims.set_current_step(0, 5)
        viewer.scene.camera.zoom = 1.0

    zoom = viewer.scene.camera.zoom
    timer = QTimer()
    timer.timeout.connect(disturb)
    timer.start(1)
    try:
        movie = record_movie(viewer, tmp_path / "m", EXACT)
    finally:
        timer.stop()
    assert movie is not None
    np.testing.assert_allclose(centre_grey(read_movie(movie.path)[0], EXACT), LEVELS, atol=0.01)
    assert viewer.scene.camera.zoom == pytest.approx(zoom)


def test_event_loop_turns_between_frames(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    turns: list[int] = []
    seen: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: turns.append(1))
    timer.start(0)
    try:
        record_movie(
            density_viewer, tmp_path / "m", EXACT, progress=lambda news: seen.append(len(turns))
        )
    finally:
        timer.stop()
    assert all(later > earlier for earlier, later in pairwise(seen))


@pytest.mark.parametrize("name", ["m.mp4", "m.gif", "frames"])
def test_cancel_leaves_nothing_and_the_view_as_it_was(
    density_viewer: napari.Viewer, tmp_path: Path, name: str
) -> None:
    viewer = density_viewer
    movie_format = {"m.mp4": "h264", "m.gif": "gif", "frames": "png"}[name]
    settings = PLAIN.model_copy(
        update={"format": movie_format, "camera": "turntable", "slices": "cut"}
    )
    before = viewer.screenshot(flash=False)
    recording = record(viewer, tmp_path / name, settings)
    for _ in range(4):
        next(recording)
        QApplication.processEvents()
    recording.close()
    assert list(tmp_path.iterdir()) == []
    QApplication.processEvents()
    np.testing.assert_array_equal(viewer.screenshot(flash=False), before)
    assert len(viewer.layers[0].experimental_clipping_planes) == 0
    heard: list[MovieProgress] = []
    stopped = record_movie(
        viewer, tmp_path / name, settings, progress=heard.append, stop=lambda: len(heard) == 3
    )
    assert stopped is None
    assert list(tmp_path.iterdir()) == []


def test_closing_the_window_midway_is_told(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    def close(news: MovieProgress) -> None:
        if news.done == 3:
            QTimer.singleShot(0, density_viewer.close)

    with pytest.raises(EldynError, match="window was closed"):
        record_movie(density_viewer, tmp_path / "m.mp4", PLAIN, progress=close)
    assert list(tmp_path.iterdir()) == []


def test_impossible_requests(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer, path = density_viewer, tmp_path / "m.mp4"

    def attempt(**changes: object) -> None:
        record_movie(viewer, path, MovieSettings.model_validate({"layout": "none", **changes}))

    with pytest.raises(EldynError, match=r"frame 12 does not exist.*12 frames"):
        attempt(last=12)
    with pytest.raises(EldynError, match=r"even width.*Choose 322×240"):
        attempt(size=(321, 240))
    with pytest.raises(EldynError, match=r"GIF.*not written as '.mp4'"):
        attempt(format="gif")
    with pytest.raises(EldynError, match=r"plots cannot be shown: .*there is no rollout"):
        attempt(layout="right")
    with pytest.raises(EldynError, match="does not exist"):
        record_movie(viewer, tmp_path / "no" / "m.mp4", PLAIN)
    viewer.dims.ndisplay = 2
    with pytest.raises(EldynError, match="need the 3D view"):
        attempt(camera="turntable")
    viewer.window._qt_window.hide()
    QApplication.processEvents()
    with pytest.raises(EldynError, match="on a screen"):
        attempt()
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_record(
    make_napari_viewer: Callable[..., napari.Viewer], tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True, ndisplay=3)
    viewer.add_image(np.ones((4, 4, 4), np.float32))
    with pytest.raises(EldynError, match="nothing to make a movie of"):
        record_movie(viewer, tmp_path / "m.mp4", PLAIN)


def test_two_dimensions(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    viewer = density_viewer
    viewer.dims.ndisplay = 2
    QApplication.processEvents()
    viewer.fit_to_view()
    movie = record_movie(viewer, tmp_path / "m", EXACT)
    assert movie is not None
    np.testing.assert_allclose(centre_grey(read_movie(movie.path)[0], EXACT), LEVELS, atol=0.01)
    assert viewer.dims.ndisplay == 2


def test_preview_is_a_frame_of_the_movie(density_viewer: napari.Viewer, tmp_path: Path) -> None:
    settings = EXACT.model_copy(update={"theme": "light", "title": "As it will be"})
    shown = preview(density_viewer, settings, progress=0.5)
    record_movie(density_viewer, tmp_path / "m", settings)
    frames, _ = read_movie(tmp_path / "m")
    np.testing.assert_array_equal(frames[round(0.5 * (N_FRAMES - 1))], shown)
    assert tuple(shown[0, 0]) == (255, 255, 255)


def test_raw_volumes_of_the_window_are_those_of_the_movie(
    density_viewer: napari.Viewer,
) -> None:
    place = lay_out(EXACT).volumes
    shown = preview(density_viewer, EXACT)
    raw = grab_volumes(density_viewer, (place.width, place.height))[..., :3]
    np.testing.assert_array_equal(shown[place.top : place.bottom, place.left : place.right], raw)
