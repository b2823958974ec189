"""Where the plugin's docks belong in a viewer's window, and how they get there.

Left, as tabs: layer controls, Rollout, Compare, Movie, Figures. Right: Statistics. Below the
canvas: what is shown in 2D only.
"""

from __future__ import annotations

import base64
import binascii
import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QByteArray
from qtpy.QtWidgets import QApplication, QDockWidget, QWidget

from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.dock_columns import (
    AREAS,
    DOCKS,
    LAYER_DOCKS,
    is_ours,
    put_dock,
    size_columns,
    soon,
)
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.taming import tame

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "DOCKS",
    "close_dock",
    "dock_of",
    "find_dock",
    "find_docks",
    "open_dock",
    "open_workbench",
    "place_dock",
    "remember_layout",
    "reset_layout",
    "restore_state",
    "saved_state",
]

_PLUGIN = "napari-eldyn"
_GROUP = "layout"  # of remembered choices


def place_dock(viewer: Viewer, widget: QWidget, area: str) -> None:
    """Put a dock where it belongs as soon as napari has docked it.

    Each dock of the plugin calls this at the end of its ``__init__``. Where the user put the dock
    in an earlier session, it stays.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer that it will be docked in.
    widget : QWidget
        The content of the dock.
    area : str
        ``left`` (a tab beside the layer controls), ``right``, or ``bottom``.

    Raises
    ------
    ValueError
        If there is no such area.
    """
    from napari_eldyn.viewer.workbench import equip

    if area not in AREAS:
        raise ValueError(f"no area {area!r}; there are {', '.join(AREAS)}")
    viewer = unwrap(viewer)
    equip(viewer)
    tame(widget, viewer)
    widget.setProperty("eldyn_area", area)
    moved = _user_areas()  # before napari notes where it puts the dock now
    of_viewer, of_widget = weakref.ref(viewer), weakref.ref(widget)

    def place() -> None:
        viewer, widget = of_viewer(), of_widget()
        dock = None if viewer is None or widget is None else dock_of(widget)
        window = None if viewer is None else main_window(viewer)  # none once it is closed
        if window is None or dock is None or dock.property("eldyn_placed"):
            return
        if moved.get(dock.objectName(), area) == area:
            put_dock(window, dock, area)
        _finish(dock)
        dock.show()
        dock.raise_()

    soon(widget, place)


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget is in, or None."""
    parent: Any = widget
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent if isinstance(parent, QDockWidget) else None


def find_dock(viewer: Viewer, name: str) -> QDockWidget | None:
    """Return one of the plugin's docks by its name in `DOCKS`, or None if it is not there."""
    window = main_window(viewer)
    if window is not None:
        # napari's menu and its API give the same dock different names: "Rollout (...)".
        for dock in window.findChildren(QDockWidget):
            if dock.objectName().startswith(f"{name} (") and is_ours(dock):
                found: QDockWidget = dock
                return found
    return None


def find_docks(viewer: Viewer) -> dict[str, QDockWidget]:
    """Return the plugin's docks that are there, shown or hidden, by their names in `DOCKS`."""
    found = ((name, find_dock(viewer, name)) for name in DOCKS)
    return {name: dock for name, dock in found if dock is not None}


def open_dock(viewer: Viewer, name: str) -> QWidget:
    """Show a dock in its place, in front; made if it is not there yet.

    Parameters
    ----------
    viewer : napari.Viewer
        Where.
    name : str
        One of `DOCKS`.

    Returns
    -------
    QWidget
        The content of the dock.
    """
    viewer = unwrap(viewer)
    dock = find_dock(viewer, name)
    if dock is None:
        dock = _make_dock(viewer, name)
    dock.show()
    dock.raise_()
    content = dock.widget()
    assert content is not None
    return content


def close_dock(viewer: Viewer, name: str) -> None:
    """Close a dock for good, as the cross in its title does; nothing if it is not there."""
    dock = find_dock(viewer, name)
    if dock is not None:
        viewer.window.remove_dock_widget(dock)


def open_workbench(viewer: Viewer, front: str = "Rollout") -> dict[str, QWidget]:
    """Open all docks of the plugin in their places, or as they were when a window last closed.

    Parameters
    ----------
    viewer : napari.Viewer
        Where.
    front : str
        The tab in front in the left column.

    Returns
    -------
    dict
        The contents of the docks by name.
    """
    viewer = unwrap(viewer)
    fresh = not find_docks(viewer)
    contents = {name: open_dock(viewer, name) for name in DOCKS}
    QApplication.processEvents()  # the tabs come into being
    last = remembered(_GROUP).get("state")
    if fresh and isinstance(last, str) and restore_state(viewer, last):
        for name in DOCKS:  # some may have been closed
            contents[name] = open_dock(viewer, name)
    elif fresh:
        size_columns(main_window(viewer))
    open_dock(viewer, front)
    return contents


def reset_layout(viewer: Viewer) -> None:
    """Put the docks that are open back into their places, at their first sizes."""
    viewer = unwrap(viewer)
    window = main_window(viewer)
    if window is None:
        return
    docks = {name: dock for name, dock in find_docks(viewer).items() if not dock.isHidden()}
    ours = [dock for dock in window.findChildren(QDockWidget) if is_ours(dock)]
    others = [dock for dock in ours if not dock.isHidden() and dock not in docks.values()]
    for dock in (*docks.values(), *others):
        dock.setFloating(False)
        window.removeDockWidget(dock)  # all of them, or they would lie on each other as they do
    for name in LAYER_DOCKS:
        dock = window.findChild(QDockWidget, name)
        if dock is not None:
            dock.setFloating(False)
            window.addDockWidget(AREAS["left"], dock)
            dock.show()
    for dock in (*docks.values(), *others):
        content = dock.widget()
        assert content is not None
        put_dock(window, dock, content.property("eldyn_area"))
        dock.show()
    QApplication.processEvents()
    size_columns(window)
    for dock in list(docks.values())[:1]:
        dock.raise_()


def saved_state(viewer: Viewer) -> str:
    """Return areas, sizes, tabs and visibility of all docks of the window as text."""
    window = main_window(viewer)
    if window is None:
        return ""
    return base64.b64encode(window.saveState().data()).decode("ascii")


def restore_state(viewer: Viewer, state: str) -> bool:
    """Lay docks out as they were; those that are not there are left out.

    Parameters
    ----------
    viewer : napari.Viewer
        Where.
    state : str
        Of `saved_state`.

    Returns
    -------
    bool
        Whether it could be done.
    """
    window = main_window(viewer)
    try:
        data = base64.b64decode(state.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return False
    return window is not None and bool(window.restoreState(QByteArray(data)))


def remember_layout(viewer: Viewer) -> None:
    """Remember the layout for the next `open_workbench` when the window closes."""
    window = main_window(viewer)
    if window is None:
        return
    of_viewer = weakref.ref(viewer)

    def keep() -> None:
        viewer = of_viewer()
        if viewer is not None and find_docks(viewer):
            remember(_GROUP, state=saved_state(viewer))

    ClosingWatch(window, keep)


def _make_dock(viewer: Viewer, name: str) -> QDockWidget:
    area = DOCKS[name]
    dock: QDockWidget = viewer.window.add_plugin_dock_widget(_PLUGIN, name)[0]
    put_dock(main_window(viewer), dock, area)
    _finish(dock)
    return dock


def _finish(dock: QDockWidget) -> None:
    """Give a dock a title that fits a tab, and leave it alone from now on."""
    dock.setWindowTitle(dock.objectName().partition(" (")[0])
    dock.setProperty("eldyn_placed", True)


def _user_areas() -> dict[str, str]:
    """Areas in which the user left docks in an earlier session, by the docks' names."""
    from napari.settings import get_settings

    return dict(get_settings().application.plugin_widget_positions)
