"""The columns of docks at the sides of a window: who stands where, and how wide they are."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

__all__ = ["AREAS", "DOCKS", "LAYER_DOCKS", "is_ours", "put_dock", "size_columns", "soon"]

DOCKS = {
    "Rollout": "left",
    "Compare": "left",
    "Movie": "left",
    "Figures": "left",
    "Structure": "right",
    "Analysis": "right",
    "Statistics": "right",
}
"""Areas of the docks in the manifest, in the order of their tabs."""

AREAS = {
    "left": Qt.DockWidgetArea.LeftDockWidgetArea,
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
_WIDTHS = {"left": 310, "right": 360}
_STRIP_HEIGHT = 190
LAYER_DOCKS = ("layer controls", "layer list")


def soon(owner: QObject, action: Callable[[], None]) -> None:
    """Act in the next turn of the event loop, if the owner is still there."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(action)
    timer.timeout.connect(timer.deleteLater)
    timer.start(0)


def put_dock(window: QMainWindow, dock: QDockWidget, area: str) -> None:
    """Put a dock into its column, as a tab on what is there, with the column's first width."""
    anchor = _anchor(window, dock, area)
    crowded = anchor is not None and is_ours(anchor)
    dock.setFloating(False)
    window.addDockWidget(AREAS[area], dock)
    if anchor is not None:
        window.tabifyDockWidget(anchor, dock)
        if not is_ours(anchor):
            anchor.setWindowTitle("controls")  # five tabs fit the column only with short names
    if not crowded:
        of_window, of_dock = weakref.ref(window), weakref.ref(dock)  # it may be closed before

        def size() -> None:
            window, dock = of_window(), of_dock()
            if window is not None and dock is not None:
                _size_column(window, dock, area)

        soon(dock, size)


def _anchor(window: QMainWindow, dock: QDockWidget, area: str) -> QDockWidget | None:
    """Return the dock to lie on: the last of ours before it in the column, or layer controls."""
    ranks = list(DOCKS)

    def rank(other: QDockWidget) -> int:
        name = other.objectName().partition(" (")[0]
        return ranks.index(name) if name in ranks and is_ours(other) else -1

    fitting = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and not other.isFloating()
        and not other.isHidden()
        and window.dockWidgetArea(other) == AREAS[area]
        and (is_ours(other) or (area == "left" and other.objectName() == LAYER_DOCKS[0]))
    ]
    return max(fitting, key=rank, default=None)


def is_ours(dock: QDockWidget) -> bool:
    """Whether a dock holds a widget of this plugin."""
    content = dock.widget()
    return content is not None and content.property("eldyn_area") is not None


def size_columns(window: QMainWindow) -> None:
    """Give all columns with docks of ours their first sizes."""
    for area in AREAS:
        dock = next(
            (
                dock
                for dock in window.findChildren(QDockWidget)
                if is_ours(dock)
                and not dock.isHidden()
                and not dock.isFloating()
                and window.dockWidgetArea(dock) == AREAS[area]
            ),
            None,
        )
        if dock is not None:
            _size_column(window, dock, area)


def _size_column(window: QMainWindow, dock: QDockWidget, area: str) -> None:
    """Give a column its width, and in the left one the layer list a quarter of the height."""
    if dock.isFloating():
        return
    layout = window.layout()
    if layout is not None:
        layout.activate()  # what was just docked has its place from now on
    if area == "bottom":
        window.resizeDocks([dock], [_STRIP_HEIGHT], Qt.Orientation.Vertical)
        return
    window.resizeDocks([dock], [_WIDTHS[area]], Qt.Orientation.Horizontal)
    layers = window.findChild(QDockWidget, LAYER_DOCKS[1])
    if area == "left" and layers is not None:
        window.resizeDocks([dock, layers], [3, 1], Qt.Orientation.Vertical)
