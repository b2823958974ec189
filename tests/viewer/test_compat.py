from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from napari_eldyn.viewer import _compat
from napari_eldyn.viewer._compat import (
    is_shown,
    main_window,
    redraw_boxes,
    resized_canvas,
    show_overlay,
)
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.presentation import presentation_of


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    viewer = make_napari_viewer(show=True, ndisplay=3)
    viewer.add_image(np.ones((8, 8, 8), np.float32), contrast_limits=(0, 1))
    viewer.window.resize(800, 600)
    QApplication.processEvents()
    viewer.fit_to_view()
    viewer.scene.camera.zoom *= 0.6
    return viewer


def test_private_way_and_public_fallback_take_the_same_picture(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_screen, zoom = viewer.screenshot(flash=False).shape, viewer.scene.camera.zoom
    with resized_canvas(viewer, 640, 400) as grab:
        fast = grab()
    assert viewer.screenshot(flash=False).shape == on_screen
    monkeypatch.setattr(_compat, "_canvas", lambda viewer: None)
    with resized_canvas(viewer, 640, 400) as grab:
        slow = grab()
    assert viewer.screenshot(flash=False).shape == on_screen
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    assert fast.shape == slow.shape == (400, 640, 4)
    assert 0.02 < (fast > 128).mean() < 0.9
    assert np.abs(fast.astype(int) - slow).mean() < 1


def test_size_is_kept_against_the_windows_layout(viewer: napari.Viewer) -> None:
    with resized_canvas(viewer, 640, 400) as grab:
        grab()
        viewer.window.resize(900, 700)
        QApplication.processEvents()
        assert grab().shape == (400, 640, 4)


def test_boxes_follow_their_layers_to_other_panels(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def red_rows() -> list[int]:
        for _ in range(3):
            QApplication.processEvents()
        picture = viewer.screenshot(flash=False).astype(int)
        red = (picture[..., 0] > 200) & (picture[..., 1] < 60)
        middle = len(red) // 2
        return [int(half.sum()) for half in (red[:middle], red[middle:])]

    while len(viewer.layers) < 3:
        viewer.add_image(np.ones((8, 8, 8), np.float32) / 4, contrast_limits=(0, 1))
    for layer in viewer.layers:
        layer.bounding_box.line_color = "red"
        layer.bounding_box.points = False
        layer.bounding_box.visible = True
    viewer.canvas.grid.shape = (1, -1)
    viewer.canvas.grid.enabled = True
    viewer.fit_to_view(margin=0.2)
    red_rows()
    viewer.canvas.grid.shape = (-1, 2)
    viewer.fit_to_view(margin=0.2)
    redraw_boxes(viewer, viewer.layers)
    above, below = red_rows()
    assert above > 100
    assert below == pytest.approx(above / 2, rel=0.1)
    with monkeypatch.context() as patch:
        patch.setattr(_compat, "_canvas", lambda viewer: None)
        redraw_boxes(viewer, viewer.layers)
    assert red_rows() == [above, below], "without the private way it does no harm"


def test_is_shown(viewer: napari.Viewer) -> None:
    assert is_shown(viewer)
    viewer.window._qt_window.hide()
    assert not is_shown(viewer)
    viewer.close()
    assert not is_shown(viewer)


def test_canvas_holds_one_grid_of_panels_however_often_their_number_changes(
    viewer: napari.Viewer,
) -> None:
    presentation_of(viewer)
    viewer.canvas.grid.enabled = True
    QApplication.processEvents()
    held = viewer.window._qt_viewer.canvas.central_widget._widgets
    for _ in range(3):
        layer = viewer.add_image(np.ones((8, 8, 8), np.float32), contrast_limits=(0, 1))
        QApplication.processEvents()
        viewer.layers.remove(layer)
        QApplication.processEvents()
    assert sorted(type(widget).__name__ for widget in held) == ["Grid", "ViewBox"]


def test_hidden_layers_survive_other_numbers_of_panels(viewer: napari.Viewer) -> None:
    presentation_of(viewer)
    viewer.canvas.grid.enabled = True
    hidden = viewer.add_image(np.ones((8, 8, 8), np.float32), contrast_limits=(0, 1))
    QApplication.processEvents()
    hidden.visible = False
    for _ in range(3):
        viewer.add_image(np.ones((8, 8, 8), np.float32), contrast_limits=(0, 1))
        QApplication.processEvents()
        gc.collect()
    hidden.visible = True
    QApplication.processEvents()
    hidden.visible = False
    viewer.add_image(np.ones((8, 8, 8), np.float32), contrast_limits=(0, 1))
    gc.collect()
    viewer.layers.remove(hidden)
    QApplication.processEvents()


def test_docks_find_the_window_of_the_viewer_that_napari_hands_them(viewer: napari.Viewer) -> None:
    from napari.utils._proxies import PublicOnlyProxy

    window = main_window(PublicOnlyProxy(viewer))
    assert isinstance(window, QMainWindow)
    assert type(window) is type(main_window(viewer))


def test_overlay_of_panels_comes_back_with_more_of_them(viewer: napari.Viewer) -> None:
    from napari.components.overlays import TextOverlay

    viewer.canvas.grid.enabled = True
    viewer.canvas.overlays["unit"] = TextOverlay(text="e", position="top_right", gridded=True)
    overlay = viewer.canvas.overlays["unit"]
    overlay.visible = True
    QApplication.processEvents()
    overlay.visible = False
    viewer.add_image(np.ones((8, 8, 8), np.float32), contrast_limits=(0, 1))
    QApplication.processEvents()
    show_overlay(viewer, overlay)
    QApplication.processEvents()
    visuals = _compat._canvas(viewer)._viewer_overlay_to_visual[overlay]
    assert [visual.node.visible for visual in visuals] == [True, True]


def test_a_watch_of_the_window_does_not_keep_a_dock_alive(viewer: napari.Viewer) -> None:
    class Dock(QWidget):
        def cancel(self) -> None:
            pass

    dock = Dock()
    ClosingWatch(main_window(viewer), dock.cancel)
    left = weakref.ref(dock)
    del dock
    gc.collect()
    assert left() is None
