"""Pictures of the volumes alone."""

from __future__ import annotations

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.canvas import grab_volumes, panel_size, volume_canvas
from napari_eldyn.export.projection import extent_corners, project

from .conftest import LEVELS


def test_equals_a_screenshot_of_the_same_size_without_overlays(
    brightness_viewer: napari.Viewer,
) -> None:
    viewer = brightness_viewer
    viewer.scene.camera.angles = (10, 30, 50)
    before = viewer.screenshot(flash=False)
    size = (before.shape[1] * 3 // 2, before.shape[0] * 3 // 2)
    for overlay in viewer.canvas.overlays.values():
        overlay.visible = False
    zoom = viewer.scene.camera.zoom
    viewer.scene.camera.zoom *= 1.5
    expected = viewer.screenshot(size=size[::-1], flash=False)
    viewer.scene.camera.zoom = zoom
    viewer.canvas.overlays.scale_bar.visible = True
    picture = grab_volumes(viewer, size)
    assert picture.shape == (size[1], size[0], 4)
    assert viewer.canvas.overlays.scale_bar.visible
    viewer.canvas.overlays.scale_bar.visible = False
    difference = np.abs(picture.astype(int) - expected)
    assert (difference.max(axis=-1) > 8).mean() < 2e-3
    assert (expected[..., :3] > 30).any(axis=-1).mean() > 0.05
    QApplication.processEvents()
    np.testing.assert_array_equal(viewer.screenshot(flash=False), before)


def test_background_and_transparency(brightness_viewer: napari.Viewer) -> None:
    viewer = brightness_viewer
    viewer.dims.set_current_step(0, 6)
    on_blue = grab_volumes(viewer, (300, 200), background="#0000ff", boxes=False)
    clear = grab_volumes(viewer, (300, 200), transparent=True, boxes=False)
    assert tuple(on_blue[2, 2]) == (0, 0, 255, 255)
    assert clear[2, 2, 3] == 0
    assert clear[100, 150, 3] == 255
    np.testing.assert_allclose(clear[100, 150, :3] / 255, LEVELS[6], atol=0.02)
    covered = clear[..., 3] == 255
    np.testing.assert_allclose(clear[covered].astype(int), on_blue[covered], atol=2)


def test_zoom_follows_the_shorter_side_of_a_panel(brightness_viewer: napari.Viewer) -> None:
    viewer = brightness_viewer
    viewer.add_image(np.zeros((8, 8, 8), np.float32), contrast_limits=(0, 1))
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 2)
    QApplication.processEvents()
    viewer.fit_to_view()
    zoom = viewer.scene.camera.zoom
    height, width = viewer.screenshot(flash=False).shape[:2]
    with volume_canvas(viewer, (1200, 400)) as grab:
        grab()
        expected = zoom * min(1200 / 2, 400) / min(width / 2, height)
        assert viewer.scene.camera.zoom == pytest.approx(expected, rel=1e-3)
    assert viewer.scene.camera.zoom == pytest.approx(zoom)


def test_impossible_sizes_and_windows(brightness_viewer: napari.Viewer) -> None:
    viewer = brightness_viewer
    with pytest.raises(EldynError, match=r"too large for OpenGL.*up to \d+ pixels a side"):
        grab_volumes(viewer, (200_000, 100))
    with pytest.raises(EldynError, match="0×10 pixels"):
        grab_volumes(viewer, (0, 10))
    viewer.window._qt_window.hide()
    QApplication.processEvents()
    with pytest.raises(EldynError, match="on a screen"):
        grab_volumes(viewer, (10, 10))


def test_a_whole_cell_stays_whole(brightness_viewer: napari.Viewer) -> None:
    # In a square panel the same perspective brings the near corners further out.
    viewer = brightness_viewer
    viewer.window.resize(500, 900)
    QApplication.processEvents()
    viewer.scene.camera.perspective = 40
    viewer.scene.camera.angles = (15, 40, 30)
    viewer.fit_to_view(margin=0.05)
    with volume_canvas(viewer, (400, 400)) as grab:
        grab()
        corners = project(viewer, extent_corners(viewer), panel_size(viewer))
        assert np.abs(corners).max() <= 200
        assert np.abs(corners).max() > 180
