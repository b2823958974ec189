"""Our menu in a viewer's menu bar: docks, panels, undo of layout changes, help."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtGui import QAction, QKeySequence  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu

from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import (
    DOCKS,
    find_dock,
    open_dock,
    open_workbench,
    reset_layout,
)
from napari_eldyn.viewer.layout_history import layout_history_of
from napari_eldyn.viewer.panel_kinds import PANELS
from napari_eldyn.viewer.saving import save_selected
from napari_eldyn.viewer.session_commands import open_rollout, open_session, save_session
from napari_eldyn.viewer.shortcuts import MENU_KEYS

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["add_menu", "density_menu", "show_help"]

_NAME = "eldyn_menu"


def show_help() -> None:
    """Open the help, a command of the manifest."""
    from npe2 import PluginManager

    PluginManager.instance().commands.execute("napari-eldyn.help")


def density_menu(viewer: Viewer) -> QMenu | None:
    """Return our menu in a viewer's menu bar, or None if it has none (yet)."""
    window = main_window(unwrap(viewer))
    menu = None if window is None else window.findChild(QMenu, _NAME)
    return menu if isinstance(menu, QMenu) else None


def add_menu(viewer: Viewer) -> None:
    """Add our menu before Help, and an entry in Help.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window.
    """
    window = main_window(viewer)
    bar = window.menuBar()
    menu = QMenu("&Density", window)
    menu.setObjectName(_NAME)
    menu.setToolTipsVisible(True)
    before = next((entry for entry in bar.actions() if "Help" in entry.text()), None)
    bar.insertMenu(before, menu)
    _Entries(viewer, menu)
    _add_help_entry(viewer, window)


class _Entries(QObject):
    """Fills the menu, and keeps it true whenever it opens."""

    def __init__(self, viewer: Viewer, menu: QMenu) -> None:
        super().__init__(menu)
        self._viewer = weakref.ref(viewer)
        self._menu = menu
        self._add(
            menu,
            "Workbench",
            "Open all docks in their places",
            lambda viewer: open_workbench(viewer),
        )
        self._docks = {
            name: self._add(
                menu,
                name,
                f"Show or hide the {name} dock",
                partial(_toggle_dock, name=name),
                checkable=True,
            )
            for name in DOCKS
        }
        menu.addSeparator()
        panels = QMenu("Panels", menu)
        menu.addMenu(panels)
        panels.setToolTipsVisible(True)
        self._panels = {
            name: self._add(
                panels,
                name.capitalize() if name != "std" else "Standard deviation",
                "",
                partial(_toggle_panel, name=name),
                key=MENU_KEYS[name],
                checkable=True,
            )
            for name in PANELS
        }
        menu.addSeparator()
        for title, tip, action in (
            (
                "Save trajectory …",
                "Save the selected trajectory or rollout as .eldyn, cube, CHGCAR, XSF or NPZ",
                save_selected,
            ),
            ("Open rollout …", "Take up a stored rollout (.eldyn) where it ended", open_rollout),
            ("Open session …", "Open a saved session (.eldynsession) in this window", open_session),
            (
                "Save session …",
                "Save trajectories, rollouts, view and docks of this window",
                save_session,
            ),
        ):
            self._add(menu, title, tip, action)
        menu.addSeparator()
        self._undo = self._add(
            menu,
            "Undo layout change",
            "Take back the last change of docks, panels or 2D/3D",
            lambda viewer: _history(viewer).undo(),
            key=MENU_KEYS["undo"],
        )
        self._redo = self._add(
            menu,
            "Redo layout change",
            "Do again what was undone",
            lambda viewer: _history(viewer).redo(),
            key=MENU_KEYS["redo"],
        )
        self._add(
            menu,
            "Reset layout",
            "Put open docks back into their places, at their first sizes",
            reset_layout,
        )
        menu.addSeparator()
        self._add(
            menu,
            "Shortcuts and help",
            "Keys, the three journeys, units",
            lambda viewer: show_help(),
            key=MENU_KEYS["help"],
        )
        menu.aboutToShow.connect(self._update)
        panels.aboutToShow.connect(self._update_panels)

    def _add(
        self,
        menu: QMenu,
        title: str,
        tip: str,
        action: Callable[[Any], Any],
        *,
        key: str = "",
        checkable: bool = False,
    ) -> QAction:
        entry = QAction(title, menu)
        menu.addAction(entry)
        entry.setToolTip(tip)
        entry.setStatusTip(tip)
        entry.setCheckable(checkable)
        if key:
            entry.setShortcut(QKeySequence(key))

        def act(_checked: bool = False) -> None:
            viewer = self._viewer()
            if viewer is not None:
                action(viewer)

        entry.triggered.connect(act)
        return entry

    def _update(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        for name, entry in self._docks.items():
            dock = find_dock(viewer, name)
            entry.setChecked(dock is not None and not dock.isHidden())
        history = _history(viewer)
        history.settle()
        for entry, title, text in (
            (self._undo, "Undo", history.undo_text),
            (self._redo, "Redo", history.redo_text),
        ):
            entry.setText(f"{title}: {text}" if text else f"{title} layout change")

    def _update_panels(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        panels = controller_of(viewer).panels
        for name, entry in self._panels.items():
            shown = panels.is_shown(name)
            why_not = "" if shown else panels.why_not(name)
            entry.setChecked(shown)
            entry.setToolTip(why_not or f"Show or hide the panel {name}")


def _history(viewer: Viewer) -> Any:
    return layout_history_of(viewer)


def _toggle_dock(viewer: Viewer, name: str) -> None:
    dock = find_dock(viewer, name)
    if dock is not None and not dock.isHidden():
        dock.hide()
    else:
        open_dock(viewer, name)


def _toggle_panel(viewer: Viewer, name: str) -> None:
    panels = controller_of(viewer).panels
    shown = panels.is_shown(name)
    why_not = "" if shown else panels.why_not(name)
    if why_not:
        viewer.status = why_not
    else:
        panels.set_shown(name, not shown)


def _add_help_entry(viewer: Viewer, window: Any) -> None:
    menu = viewer.window.help_menu
    entry = QAction("Electron density dynamics: shortcuts and help", window)
    entry.triggered.connect(lambda _checked=False: show_help())
    first = menu.actions()[0] if menu.actions() else None
    menu.insertAction(first, entry)
    menu.insertSeparator(first)
