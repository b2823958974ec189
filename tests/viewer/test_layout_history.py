"""Layout changes are undone and done again: docks, sizes, tabs, panels, 2D and 3D."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import napari
import pytest
from live_session import Live
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.docking import close_dock, find_dock, find_docks, open_dock
from napari_eldyn.viewer.layout_history import LayoutHistory, layout_history_of

RIGHT = Qt.DockWidgetArea.RightDockWidgetArea
LEFT = Qt.DockWidgetArea.LeftDockWidgetArea


def settle(history: LayoutHistory, qtbot: QtBot) -> None:
    """Wait until all changes have been noted."""
    qtbot.wait(100)
    qtbot.waitUntil(lambda: history.is_settled, timeout=20_000)


class Bench:
    """A window with two docks, and its history after it has settled."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        open_dock(viewer, "Statistics")
        open_dock(viewer, "Rollout")
        self.settle()

    # Nothing of Qt is held: napari's fixture looks for what outlives the viewer.
    @property
    def window(self) -> QMainWindow:
        window = main_window(self.viewer)
        assert isinstance(window, QMainWindow)
        return window

    @property
    def history(self) -> LayoutHistory:
        history = layout_history_of(self.viewer)
        assert history is not None
        return history

    def settle(self) -> None:
        settle(self.history, self.qtbot)

    def dock(self, name: str) -> QDockWidget:
        found = find_dock(self.viewer, name)
        assert found is not None
        return found

    def area(self, name: str) -> Qt.DockWidgetArea:
        return self.window.dockWidgetArea(self.dock(name))

    def is_in_front(self, name: str) -> bool:
        return not self.dock(name).visibleRegion().isEmpty()


@pytest.fixture
def bench(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> Bench:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    return Bench(viewer, qtbot)


def test_opening_docks_at_once_is_one_step(bench: Bench) -> None:
    assert bench.history.undo_text.startswith("open ")
    bench.history.undo()
    bench.settle()
    assert find_docks(bench.viewer) == {}
    assert bench.history.undo_text == ""
    bench.history.redo()
    bench.settle()
    assert len(find_docks(bench.viewer)) >= 2
    assert bench.is_in_front("Rollout")
    assert bench.is_in_front("Statistics")


def test_a_moved_dock_goes_back(bench: Bench) -> None:
    bench.window.addDockWidget(LEFT, bench.dock("Statistics"))
    bench.settle()
    assert bench.history.undo_text == "move docks"
    bench.history.undo()
    bench.settle()
    assert bench.area("Statistics") == RIGHT
    assert bench.history.redo_text == "move docks"
    bench.history.redo()
    bench.settle()
    assert bench.area("Statistics") == LEFT


def test_a_floating_dock_goes_back(bench: Bench) -> None:
    bench.dock("Rollout").setFloating(True)
    bench.settle()
    bench.history.undo()
    bench.settle()
    assert not bench.dock("Rollout").isFloating()
    assert bench.area("Rollout") == LEFT


def test_a_size_goes_back(bench: Bench) -> None:
    before = bench.dock("Statistics").width()
    for width in (before + 20, before + 40, before + 60):  # as a drag of the handle does
        bench.window.resizeDocks([bench.dock("Statistics")], [width], Qt.Orientation.Horizontal)
    bench.settle()
    assert bench.dock("Statistics").width() >= before + 50
    bench.history.undo()
    bench.settle()
    assert abs(bench.dock("Statistics").width() - before) <= 2, "one drag is one step"


def test_the_tab_in_front_goes_back(bench: Bench) -> None:
    controls = bench.window.findChild(QDockWidget, "layer controls")
    assert controls is not None
    controls.raise_()
    bench.settle()
    assert not bench.is_in_front("Rollout")
    bench.history.undo()
    bench.settle()
    assert bench.is_in_front("Rollout")


@pytest.mark.parametrize("hidden", [False, True])
def test_a_closed_dock_comes_back(bench: Bench, hidden: bool) -> None:
    width = bench.dock("Statistics").width()
    if hidden:
        bench.dock("Statistics").hide()
    else:
        close_dock(bench.viewer, "Statistics")
        assert find_dock(bench.viewer, "Statistics") is None
    bench.settle()
    bench.history.undo()
    bench.settle()
    assert bench.is_in_front("Statistics")
    assert bench.area("Statistics") == RIGHT
    assert abs(bench.dock("Statistics").width() - width) <= 2


def test_another_change_ends_what_could_be_redone(bench: Bench) -> None:
    bench.dock("Rollout").setFloating(True)
    bench.settle()
    bench.history.undo()
    bench.settle()
    assert bench.history.redo_text
    bench.dock("Statistics").hide()
    bench.settle()
    assert bench.history.redo_text == ""
    bench.history.redo()  # nothing to do
    assert bench.dock("Statistics").isHidden()


def test_the_size_of_the_window_is_no_step(bench: Bench) -> None:
    before = bench.history.undo_text
    bench.window.resize(1100, 700)
    bench.settle()
    assert bench.history.undo_text == before
    bench.dock("Statistics").hide()
    bench.settle()
    bench.history.undo()
    bench.settle()
    assert (bench.window.width(), bench.window.height()) == (1100, 700)


@pytest.mark.parametrize("window_shown", [True])
def test_panels_and_dimensions_go_back(live: Live, qtbot: QtBot) -> None:
    open_dock(live.viewer, "Rollout")
    history = layout_history_of(live.viewer)
    assert history is not None
    settle(history, qtbot)
    panels = live.control.panels
    assert not panels.is_shown("reconstruction")
    panels.set_shown("reconstruction", True)
    settle(history, qtbot)
    assert history.undo_text == "show reconstruction"
    live.viewer.dims.ndisplay = 2
    settle(history, qtbot)
    assert history.undo_text == "2D view"
    history.undo()
    settle(history, qtbot)
    assert live.viewer.dims.ndisplay == 3
    assert panels.is_shown("reconstruction")
    history.undo()
    settle(history, qtbot)
    assert not panels.is_shown("reconstruction")
    history.redo()
    settle(history, qtbot)
    assert panels.is_shown("reconstruction")
    assert "reconstruction" in panels.layers


def test_a_closed_window_is_let_go(qtbot: QtBot) -> None:
    viewer = napari.Viewer(show=False)
    open_dock(viewer, "Rollout")
    qtbot.wait(600)
    history = layout_history_of(viewer)
    assert history is not None
    model, held = weakref.ref(viewer), weakref.ref(history)
    viewer.close()
    del viewer, history
    qtbot.wait(50)
    gc.collect()
    assert model() is None
    assert held() is None
