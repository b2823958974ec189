"""The Movie dock in a real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import napari
import numpy as np
import pytest
from live_session import Live
from qtpy.QtWidgets import QApplication, QComboBox

from napari_eldyn.export.movie_settings import read_settings, sidecar_path
from napari_eldyn.viewer.docking import open_dock
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.widgets.movie_dock import MovieDock


@pytest.fixture
def window_shown() -> bool:
    """Movies need a window on the screen."""
    return True


@pytest.fixture
def dock(live: Live) -> MovieDock:
    """The dock of a viewer with a rollout of four frames."""
    live.control.configure(n_frames=4)
    live.run_to_end()
    remember("movie", settings={}, folder="")
    dock = open_dock(live.viewer, "Movie")
    assert isinstance(dock, MovieDock)
    pick(dock.form.format, "png")
    dock.form.n_columns.setValue(640)
    dock.form.n_rows.setValue(360)
    dock.look_again()
    return dock


def pick(combo: QComboBox, data: object) -> None:
    place = combo.findData(data)
    assert place >= 0
    combo.setCurrentIndex(place)


def n_pictures(folder: Path) -> int:
    return len(list(folder.glob("*.png")))


def test_records_cancels_and_leaves_the_view(live: Live, dock: MovieDock, tmp_path: Path) -> None:
    viewer = live.viewer
    assert "5 frames, 0.25 s, about" in dock.estimate.text()
    assert "Every frame is shown once." in dock.estimate.text()
    before = viewer.screenshot(flash=False)
    dock.record(tmp_path / "a")
    assert dock.is_recording
    assert dock.record_button.text() == "Cancel"
    assert not dock.form.isEnabled()
    live.wait(lambda: dock.bar.value() >= 2)
    assert "/ 5 frames" in dock.progress.text()
    dock.record_button.click()
    assert not dock.is_recording
    assert "no file was left" in dock.messages.text()
    assert list(tmp_path.iterdir()) == []
    dock.record(tmp_path / "a")
    live.wait(lambda: not dock.is_recording)
    assert n_pictures(tmp_path / "a") == 5
    assert iio.imread(tmp_path / "a" / "frame_000000.png").shape == (360, 640, 3)
    assert "5 frames" in dock.messages.text()
    assert dock.form.isEnabled()
    assert read_settings(sidecar_path(tmp_path / "a")).plots == ("divergence", "structure_factor")
    QApplication.processEvents()
    after = viewer.screenshot(flash=False)
    assert (np.abs(after.astype(int) - before).max(axis=-1) > 30).mean() < 0.01
    # What is there is not replaced unasked, and the reason is told.
    dock.record(tmp_path / "a")
    live.wait(lambda: not dock.is_recording)
    assert "exists already" in dock.messages.text()


def test_refuses_while_frames_are_generated(live: Live, dock: MovieDock, tmp_path: Path) -> None:
    live.control.configure(n_frames=300)
    live.control.run()
    live.wait_state("running")
    dock.record(tmp_path / "a")
    live.wait(lambda: not dock.is_recording)
    assert "the rollout is running. Pause or stop it" in dock.messages.text()
    live.control.stop()
    live.wait_state("ready")
    assert list(tmp_path.iterdir()) == []


def test_camera_key_frames(live: Live, dock: MovieDock) -> None:
    camera, keys = live.viewer.scene.camera, dock.form.keys
    pick(dock.form.camera, "keys")
    dock.look_again()
    assert "two different moments" in dock.estimate.text()
    live.viewer.dims.set_point(0, dock.form._times[0])
    keys.add.click()
    first = tuple(camera.view_direction)
    camera.set_view_direction((0, -1, 0), (0, 0, 1))
    live.viewer.dims.set_point(0, dock.form._times[-1])
    keys.add.click()
    assert [key.at for key in keys.keys] == [0, 1]
    assert dock.form.settings().keys == keys.keys
    keys.table.selectRow(0)
    keys.go.click()
    np.testing.assert_allclose(camera.view_direction, first, atol=1e-6)
    item = keys.table.item(1, 0)
    assert item is not None
    item.setText("60")
    assert [key.at for key in keys.keys] == [0, 0.6]
    keys.table.selectRow(1)
    keys.remove.click()
    assert [key.at for key in keys.keys] == [0]


def test_preview_shows_the_frame(dock: MovieDock) -> None:
    dock.preview_button.click()
    dialog = dock._dialog
    assert dialog is not None
    assert dialog.isVisible()
    assert "640×360" in dialog.windowTitle()
    assert not dialog.picture.pixmap().isNull()
    first = dialog.picture.pixmap().toImage()
    dialog.slider.setValue(100)
    assert dialog.picture.pixmap().toImage() != first
    dialog.close()


def test_choices_are_remembered_and_checked(
    make_napari_viewer: Callable[..., napari.Viewer], liquid_path: Path
) -> None:
    remember("movie", settings={"fps": 12.5, "camera": "turntable", "turns": 2.0, "title": "T"})
    viewer = make_napari_viewer()
    viewer.open(liquid_path, plugin="napari-eldyn")
    dock = open_dock(viewer, "Movie")
    assert isinstance(dock, MovieDock)
    settings = dock.form.settings()
    assert (settings.fps, settings.camera, settings.turns, settings.title) == (
        12.5, "turntable", 2.0, "T",
    )  # fmt: skip
    dock.form.fps.setValue(30)
    assert remembered("movie")["settings"]["fps"] == 30
    # A trajectory alone has no plots, and the dock says why.
    assert "there is no rollout" in dock.form.why_no_plots.text()
    assert dock.form.last.maximum() == 11
    assert "t = 100 to 144 fs" in dock.form.times.text()
    assert dock.minimumSizeHint().width() <= 320
    # Own sizes show their boxes; usual ones go by name.
    assert dock.form._size_row.isHidden()
    pick(dock.form.preset, "Own size")
    assert not dock.form._size_row.isHidden()
    assert dock.form.n_columns.value() == 1280
    remember("movie", settings={"fps": "fast", "nonsense": 1})
    dock._restore()
    assert dock.form.settings().fps == 20
    for widget in (dock.form.speed, dock.form.turns, dock.form.slice_from, dock.form.thickness):
        assert widget.toolTip()


def test_nothing_to_record(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Movie")
    assert isinstance(dock, MovieDock)
    assert not dock.record_button.isEnabled()
    assert "nothing to make a movie of" in dock.messages.text()
