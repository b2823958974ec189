"""Undo and redo for what the user does to the layout of a window.

That is docks (moved, closed, opened, floated, resized, brought to the front), panels switched on
and off, and 2D or 3D. Sizes of the window itself are the window manager's.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import (
    close_dock,
    find_docks,
    open_dock,
    restore_state,
    saved_state,
)
from napari_eldyn.viewer.panel_kinds import PANELS

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Layout", "LayoutHistory", "layout_history_of"]

_SETTLE_MS = 400  # a drag of a splitter, or several docks opened at once, are one step
_MOST = 100


@dataclass(frozen=True)
class Layout:
    """What can be undone: docks that are there, their places, panels shown, 2D or 3D."""

    docks: frozenset[str]
    state: str
    panels: frozenset[str] | None
    n_displayed: int

    def changed_since(self, before: Layout) -> str:
        """Say in a few words what has changed; empty if nothing has."""
        if before.docks - self.docks:
            return f"close {_listed(before.docks - self.docks)}"
        if self.docks - before.docks:
            return f"open {_listed(self.docks - before.docks)}"
        if self.n_displayed != before.n_displayed:
            return f"{self.n_displayed}D view"
        if self.panels is not None and before.panels is not None:
            if self.panels - before.panels:
                return f"show {_listed(self.panels - before.panels)}"
            if before.panels - self.panels:
                return f"hide {_listed(before.panels - self.panels)}"
        return "move docks" if self.state != before.state else ""


class LayoutHistory(QObject):
    """Notes the layouts of a window, and goes back and forth between them.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    window : QMainWindow
        Its window; the history ends with it.
    """

    changed = Signal()
    """What can be undone or redone has changed."""

    def __init__(self, viewer: Viewer, window: QMainWindow) -> None:
        super().__init__(window)
        self._viewer = weakref.ref(viewer)
        self._control = weakref.ref(controller_of(viewer))
        self._window = window
        self._watched: weakref.WeakSet[QDockWidget] = weakref.WeakSet()
        self._panels_watched = False
        self._past: list[Layout] = []
        self._future: list[Layout] = []
        self._size = window.size()
        self._amends = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.timeout.connect(self._changes_ended)
        window.installEventFilter(self)
        viewer.dims.events.ndisplay.connect(self._note)
        self._watch_new()
        self._now = self._layout()

    @property
    def is_settled(self) -> bool:
        """Whether all changes have been noted."""
        return not self._timer.isActive()

    @property
    def undo_text(self) -> str:
        """What `undo` would take back, in a few words; empty if nothing."""
        return self._now.changed_since(self._past[-1]) if self._past else ""

    @property
    def redo_text(self) -> str:
        """What `redo` would do again; empty if nothing."""
        return self._future[-1].changed_since(self._now) if self._future else ""

    def undo(self) -> None:
        """Go back to the layout before the last change."""
        self.settle()
        if self._past:
            self._future.append(self._now)
            self._apply(self._past.pop())

    def redo(self) -> None:
        """Go on to the layout that was undone."""
        self.settle()
        if self._future:
            self._past.append(self._now)
            self._apply(self._future.pop())

    def settle(self) -> None:
        """Note the layout as it is now; done by itself a moment after a change."""
        self._timer.stop()
        self._watch_new()
        now = self._layout()
        size = self._window.size()
        if now == self._now:
            self._amends, self._size = False, size
            return
        only_resized = size != self._size and replace(now, state=self._now.state) == self._now
        if not self._amends and not only_resized:
            self._past = [*self._past, self._now][-_MOST:]
            self._future = []
        self._now, self._size, self._amends = now, size, False
        self.changed.emit()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Note when docks come or change their size; let all events pass."""
        if event is not None:
            kind = event.type()
            if kind == QEvent.Type.ChildAdded or (
                kind == QEvent.Type.Resize and isinstance(watched, QWidget) and watched.isVisible()
            ):
                self._note()
        return False

    def _note(self, event: object = None) -> None:
        self._timer.start()

    def _changes_ended(self) -> None:
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._timer.start()  # a drag that rests for a moment
        else:
            self.settle()

    def _watch_new(self) -> None:
        for dock in self._window.findChildren(QDockWidget):
            if dock not in self._watched:
                self._watched.add(dock)
                dock.installEventFilter(self)
                dock.visibilityChanged.connect(self._note)
                dock.dockLocationChanged.connect(self._note)
                dock.topLevelChanged.connect(self._note)
                dock.destroyed.connect(self._note)
        panels = self._panels()
        if panels is not None and not self._panels_watched:
            self._panels_watched = True
            panels.shown_changed.connect(self._note)

    def _panels(self) -> Any:
        control = self._control()
        return None if control is None or control.is_closed else control.panels

    def _layout(self) -> Layout:
        viewer = self._viewer()
        if viewer is None:
            return self._now
        panels = self._panels()
        shown = None if panels is None else [name for name in PANELS if panels.is_shown(name)]
        return Layout(
            docks=frozenset(find_docks(viewer)),
            state=saved_state(viewer),
            panels=None if shown is None else frozenset(shown),
            n_displayed=viewer.dims.ndisplay,
        )

    def _apply(self, layout: Layout) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        present = frozenset(find_docks(viewer))
        self._window.setUpdatesEnabled(False)
        try:
            for name in sorted(present - layout.docks):
                close_dock(viewer, name)
            for name in sorted(layout.docks - present):
                open_dock(viewer, name)
            viewer.dims.ndisplay = layout.n_displayed
            panels = self._panels()
            if panels is not None and layout.panels is not None:
                for name in PANELS:
                    wanted = name in layout.panels
                    if panels.is_shown(name) != wanted and not (wanted and panels.why_not(name)):
                        panels.set_shown(name, wanted)
            restore_state(viewer, layout.state)
        finally:
            self._window.setUpdatesEnabled(True)
        self._now, self._amends = layout, True
        self._note()  # what follows from it (sizes, tabs) belongs to it
        self.changed.emit()


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def layout_history_of(viewer: Viewer) -> LayoutHistory | None:
    """Return the history of a viewer's window, made at the first call; None without a window."""
    window = main_window(unwrap(viewer))
    if window is None:
        return None
    history = window.findChild(LayoutHistory)
    return LayoutHistory(unwrap(viewer), window) if history is None else history
