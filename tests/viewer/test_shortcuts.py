"""Keys, pressed as a user presses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from live_session import Live
from napari.utils.action_manager import action_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QSpinBox, QWidget

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.docking import find_dock, open_dock
from napari_eldyn.viewer.layout_history import layout_history_of
from napari_eldyn.viewer.panel_kinds import PANELS
from napari_eldyn.viewer.shortcuts import MENU_KEYS, SHORTCUTS

pytestmark = pytest.mark.parametrize("window_shown", [True])
Key, No = Qt.Key, Qt.KeyboardModifier.NoModifier
Alt, Shift = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier
Control = Qt.KeyboardModifier.ControlModifier


def press(live: Live, key: Any, modifier: Any = No, on: QWidget | None = None) -> None:
    """Press a key on the canvas, or on a widget that then has the focus."""
    window = main_window(live.viewer)
    window.activateWindow()
    live.qtbot.waitUntil(lambda: QApplication.activeWindow() is window)
    if on is None:
        on = live.viewer.window._qt_viewer.canvas.native
    on.setFocus()
    QTest.keyClick(on, key, modifier)


def settle(live: Live) -> None:
    history = layout_history_of(live.viewer)
    assert history is not None
    live.qtbot.wait(100)
    live.wait(lambda: history.is_settled)


def test_space_runs_pauses_and_resumes(live: Live) -> None:
    live.control.configure(n_frames=200)
    press(live, Key.Key_Space)
    live.wait(lambda: live.n_frames >= 2)
    assert live.control.state == "running"
    press(live, Key.Key_Space)
    live.wait_state("paused")
    made = live.n_frames
    assert made < 200
    press(live, Key.Key_Space)
    live.wait(lambda: live.n_frames > made)
    press(live, Key.Key_Escape)
    live.wait_state("ready")


def test_s_generates_one_frame(live: Live) -> None:
    press(live, Key.Key_S)
    live.wait(lambda: live.n_frames == 1)
    live.wait_state("ready")


def test_arrows_home_and_end_go_through_time(live: Live) -> None:
    live.run_to_end()
    index = lambda: live.control.comparison.index  # noqa: E731
    live.wait(lambda: index() == 6)
    for key, modifier, expected in (
        (Key.Key_Left, No, 5),
        (Key.Key_Left, No, 4),
        (Key.Key_Right, No, 5),
        (Key.Key_Home, No, 0),
        (Key.Key_Right, Shift, 6),
        (Key.Key_Left, Shift, 0),
        (Key.Key_End, No, 6),
        (Key.Key_Right, No, 6),
    ):
        press(live, key, modifier)
        assert index() == expected
    live.qtbot.wait(200)
    assert live.n_frames == 6, "the last arrow generates nothing"


def test_home_and_end_of_a_trajectory_alone(bare: Live) -> None:
    bare.control.set_reference(None)
    press(bare, Key.Key_End)
    assert bare.viewer.dims.current_step[0] == 11
    press(bare, Key.Key_Home)
    assert bare.viewer.dims.current_step[0] == 0


def test_l_follows_the_newest_frame(live: Live) -> None:
    live.control.configure(n_frames=400)
    press(live, Key.Key_Space)
    live.wait(lambda: live.control.comparison is not None and live.control.comparison.index >= 2)
    press(live, Key.Key_Left)
    assert not live.control.follow_live
    press(live, Key.Key_L)
    assert live.control.follow_live
    press(live, Key.Key_Escape)
    live.wait_state("ready")


def test_f_fits_and_d_turns_back(live: Live) -> None:
    camera = live.viewer.scene.camera
    zoom, direction = camera.zoom, np.array(camera.view_direction)
    camera.zoom, camera.angles = 3 * zoom, (10, 20, 30)
    press(live, Key.Key_F)
    assert camera.zoom < 2 * zoom
    assert not np.allclose(camera.view_direction, direction, atol=0.05)
    press(live, Key.Key_D)
    np.testing.assert_allclose(camera.view_direction, direction, atol=1e-3)


def test_alt_and_a_number_toggle_panels(live: Live) -> None:
    panels = live.control.panels
    number = PANELS.index("reconstruction")
    key = [Key.Key_1, Key.Key_2, Key.Key_3, Key.Key_4, Key.Key_5, Key.Key_6, Key.Key_7][number]
    press(live, key, Alt)
    assert panels.is_shown("reconstruction")
    press(live, key, Alt)
    assert not panels.is_shown("reconstruction")
    press(live, Key.Key_7, Alt)  # no ensemble
    assert not panels.is_shown("std")


@pytest.mark.parametrize(("key", "modifier"), [(Key.Key_F1, No), (Key.Key_Question, Shift)])
def test_help_opens_over_the_window(live: Live, key: Any, modifier: Any) -> None:
    from napari_eldyn.widgets.help import HelpDialog

    press(live, key, modifier)
    window = main_window(live.viewer)
    live.wait(lambda: window.findChild(HelpDialog) is not None)
    dialog = window.findChild(HelpDialog)
    assert dialog.isVisible()
    assert dialog.width() <= 1280
    assert dialog.height() <= 800
    dialog.close()


def test_undo_of_layout_changes_by_key(live: Live) -> None:
    open_dock(live.viewer, "Rollout")
    settle(live)
    dock = find_dock(live.viewer, "Rollout")
    assert dock is not None
    dock.setFloating(True)
    settle(live)
    press(live, Key.Key_Z, Control | Alt)
    settle(live)
    assert not dock.isFloating()
    press(live, Key.Key_Z, Control | Alt | Shift)
    settle(live)
    assert dock.isFloating()


def test_typing_in_a_field_is_only_typing(live: Live) -> None:
    rollout = open_dock(live.viewer, "Rollout")
    live.qtbot.wait(200)
    live.run_to_end()
    live.wait(lambda: live.control.comparison.index == 6)
    field = rollout.form.n_frames
    assert isinstance(field, QSpinBox)
    field.setFocus()
    field.selectAll()
    for key in (Key.Key_S, Key.Key_Space, Key.Key_L, Key.Key_F, Key.Key_D, Key.Key_Home):
        press(live, key, on=field)
    for key in (Key.Key_Left, Key.Key_End, Key.Key_Escape):
        press(live, key, on=field)
    live.qtbot.wait(100)
    assert live.n_frames == 6
    assert live.control.comparison.index == 6
    assert live.control.state == "ready"
    assert live.control.follow_live


def test_enter_in_a_field_gives_the_keyboard_back(live: Live) -> None:
    rollout = open_dock(live.viewer, "Rollout")
    live.qtbot.wait(200)
    field = rollout.form.n_frames
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "9")
    press(live, Key.Key_Return, on=field)
    assert live.control.n_frames == 9
    assert not field.hasFocus()
    live.control.configure(n_frames=6)


def test_a_click_on_a_button_leaves_the_keyboard_to_the_canvas(live: Live) -> None:
    rollout = open_dock(live.viewer, "Rollout")
    live.qtbot.wait(200)
    canvas = live.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    live.qtbot.mouseClick(rollout.buttons["Step"], Qt.MouseButton.LeftButton)
    live.wait(lambda: live.n_frames == 1)
    live.wait_state("ready")
    focus = QApplication.focusWidget()
    assert focus is not rollout.buttons["Step"]
    assert focus is None or not rollout.isAncestorOf(focus)


def test_the_wheel_scrolls_the_dock_and_changes_no_number(live: Live) -> None:
    from qtpy.QtCore import QPoint, QPointF
    from qtpy.QtGui import QWheelEvent

    rollout = open_dock(live.viewer, "Rollout")
    live.qtbot.wait(200)
    field = rollout.form.n_frames
    main_window(live.viewer).setFocus()
    before = field.value()
    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(field.mapToGlobal(QPoint(5, 5))),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        No,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, event)
    assert field.value() == before


def test_space_still_moves_the_camera_while_a_layer_is_moved(live: Live) -> None:
    layer = live.viewer.layers.selection.active
    layer.mode = "transform"
    canvas = live.viewer.window._qt_viewer.canvas.native
    QTest.keyPress(canvas, Key.Key_Space)
    assert layer.mode == "pan_zoom"
    QTest.keyRelease(canvas, Key.Key_Space)
    assert layer.mode == "transform"
    assert live.control.state == "ready"


def test_nothing_of_napari_is_taken_but_space(live: Live) -> None:
    """Menu keys of ours are no keys of napari's viewer, its image layers or its menus."""
    theirs = {
        str(binding)
        for name, shortcuts in action_manager._shortcuts.items()
        if not name.startswith(("napari:activate_labels", "napari:activate_points"))
        for binding in shortcuts
    }
    ours = {str(key) for key in live.viewer.keymap}
    image = type(live.viewer.layers[0]).class_keymap
    assert not {str(key) for key in image} & ours
    window = main_window(live.viewer)
    menu_keys = [
        action.shortcut().toString()
        for action in window.findChildren(type(window.menuBar().actions()[0]))
        if not action.shortcut().isEmpty()
    ]
    assert len(theirs) > 10
    for key in MENU_KEYS.values():
        assert menu_keys.count(key) == 1, key


def test_the_help_lists_every_key_that_is_bound(live: Live) -> None:
    listed = " ".join(shortcut.keys for shortcut in SHORTCUTS)
    names = {"Escape": "Esc", "Left": "←", "Right": "→", "Shift+Left": "←", "Shift+Right": "→"}
    for key in live.viewer.keymap:
        name = str(key)
        assert names.get(name, name) in listed, name
    for key in MENU_KEYS.values():
        assert key in listed
