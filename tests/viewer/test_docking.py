"""Docks come to lie where they belong, and where the user left them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
import pytest
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.docking import (
    DOCKS,
    close_dock,
    find_dock,
    find_docks,
    open_dock,
    open_workbench,
    reset_layout,
)
from napari_eldyn.viewer.preferences import remembered

MakeViewer = Callable[..., napari.Viewer]
LEFT, RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea


@pytest.fixture
def viewer(make_napari_viewer: MakeViewer, qtbot: QtBot) -> napari.Viewer:
    """An empty viewer on the screen of a small laptop."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    settle(qtbot)
    return viewer


def settle(qtbot: QtBot) -> None:
    qtbot.wait(200)


def window_of(viewer: napari.Viewer) -> QMainWindow:
    window = main_window(viewer)
    assert isinstance(window, QMainWindow)
    return window


def dock(viewer: napari.Viewer, name: str) -> QDockWidget:
    found = find_dock(viewer, name)
    assert found is not None
    return found


def tabs(viewer: napari.Viewer, area: Any) -> list[str]:
    """Titles of the tabs in an area."""
    window = window_of(viewer)
    for bar in window.findChildren(QTabBar):
        titles = [bar.tabText(place) for place in range(bar.count())]
        docks = [d for d in window.findChildren(QDockWidget) if d.windowTitle() in titles]
        if bar.isVisible() and docks and window.dockWidgetArea(docks[0]) == area:
            return titles
    return []


def test_the_workbench_puts_all_docks_into_their_places(
    viewer: napari.Viewer, qtbot: QtBot
) -> None:
    contents = open_workbench(viewer)
    settle(qtbot)
    assert set(contents) == set(DOCKS) == set(find_docks(viewer))
    window = window_of(viewer)
    assert (window.width(), window.height()) == (1280, 800), "nothing makes it grow"
    bar = next(bar for bar in window.findChildren(QTabBar) if bar.isVisible() and bar.count() == 5)
    needed = sum(bar.fontMetrics().horizontalAdvance(bar.tabText(i)) + 12 for i in range(5))
    assert needed <= bar.width(), "no title is shortened"
    assert tabs(viewer, LEFT) == ["controls", "Rollout", "Compare", "Movie", "Figures"]
    assert window.dockWidgetArea(dock(viewer, "Statistics")) == RIGHT
    for name in ("Rollout", "Statistics"):
        assert contents[name].visibleRegion().boundingRect().height() > 400, "in front"
    assert dock(viewer, "Rollout").width() <= 330
    assert dock(viewer, "Statistics").width() <= 380
    assert viewer.screenshot(flash=False).shape[1] > 500, "most of it is for the volumes"


@pytest.mark.parametrize(("name", "area"), [("Rollout", LEFT), ("Statistics", RIGHT)])
def test_a_dock_from_the_plugins_menu_goes_to_its_place(
    viewer: napari.Viewer, qtbot: QtBot, name: str, area: Any
) -> None:
    entry = plugins_entry(viewer, name)
    entry.trigger()
    settle(qtbot)
    placed = dock(viewer, name)
    assert window_of(viewer).dockWidgetArea(placed) == area
    qtbot.waitUntil(lambda: placed.visibleRegion().boundingRect().height() > 400)
    entry.trigger()  # hides it
    settle(qtbot)
    assert placed.isHidden()
    assert open_dock(viewer, name) is placed.widget(), "the same, not another one"
    assert not placed.isHidden()


def plugins_entry(viewer: napari.Viewer, title: str) -> Any:
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    for entry in menu.actions():
        if entry.menu() is not None and "density" in entry.text():
            return next(x for x in entry.menu().actions() if x.text() == title)
    raise AssertionError("no submenu of the plugin")


def test_the_plugins_menu_opens_the_workbench(viewer: napari.Viewer, qtbot: QtBot) -> None:
    plugins_entry(viewer, "Workbench").trigger()
    qtbot.waitUntil(lambda: len(find_docks(viewer)) == len(DOCKS))
    settle(qtbot)
    titles = [d.windowTitle() for d in window_of(viewer).findChildren(QDockWidget)]
    assert not any("Workbench" in title for title in titles), "it is no dock itself"
    assert not dock(viewer, "Rollout").isHidden()


def test_where_the_user_put_a_dock_earlier_it_goes_again(
    viewer: napari.Viewer, qtbot: QtBot
) -> None:
    get_settings().application.plugin_widget_positions["Rollout (napari-eldyn)"] = "right"
    viewer.window.add_plugin_dock_widget("napari-eldyn", "Rollout")
    settle(qtbot)
    assert window_of(viewer).dockWidgetArea(dock(viewer, "Rollout")) == RIGHT


def test_reset_brings_docks_back(viewer: napari.Viewer, qtbot: QtBot) -> None:
    open_workbench(viewer)
    close_dock(viewer, "Movie")
    dock(viewer, "Rollout").setFloating(True)
    window_of(viewer).addDockWidget(LEFT, dock(viewer, "Statistics"))
    settle(qtbot)
    reset_layout(viewer)
    settle(qtbot)
    assert set(tabs(viewer, LEFT)) == {"controls", "Rollout", "Compare", "Figures"}
    assert window_of(viewer).dockWidgetArea(dock(viewer, "Statistics")) == RIGHT
    assert not dock(viewer, "Rollout").isFloating()
    assert find_dock(viewer, "Movie") is None, "what was closed stays closed"


def test_the_next_workbench_looks_like_the_last(
    make_napari_viewer: MakeViewer, qtbot: QtBot
) -> None:
    first = make_napari_viewer(show=True)
    first.window.resize(1280, 800)
    open_workbench(first)
    settle(qtbot)
    window = window_of(first)
    window.addDockWidget(RIGHT, dock(first, "Compare"))
    settle(qtbot)
    window.resizeDocks([dock(first, "Statistics")], [420], Qt.Orientation.Horizontal)
    settle(qtbot)
    width = dock(first, "Statistics").width()
    assert width > 400
    first.close()
    assert remembered("layout")["state"]
    second = make_napari_viewer(show=True)
    second.window.resize(1280, 800)
    open_workbench(second)
    settle(qtbot)
    assert window_of(second).dockWidgetArea(dock(second, "Compare")) == RIGHT
    assert abs(dock(second, "Statistics").width() - width) <= 2
