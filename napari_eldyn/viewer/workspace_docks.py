"""Docks as a saved session keeps them: which are there, how they lie, and what they hold.

A dock's widget that has choices of its own offers two methods: ``session_state() -> dict`` (what
JSON can hold) and ``restore_session_state(dict)``, which leaves out what it does not understand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from qtpy.QtWidgets import QApplication

from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.docking import (
    DOCKS,
    close_dock,
    find_docks,
    open_dock,
    restore_state,
    saved_state,
)
from napari_eldyn.viewer.workspace_record import DockRecord

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["KeepsState", "docks_of", "lay_out_docks", "open_docks", "restore_contents"]


@runtime_checkable
class KeepsState(Protocol):
    """A dock whose choices a session keeps."""

    def session_state(self) -> dict[str, Any]:
        """Return the choices, as JSON can hold them."""

    def restore_session_state(self, state: dict[str, Any]) -> None:
        """Take choices over; those that make no sense (any more) are left out."""


def docks_of(viewer: Viewer) -> DockRecord | None:
    """Record the docks of a window, or None without a window."""
    window = main_window(viewer)
    if window is None:
        return None
    docks = find_docks(viewer)
    contents: dict[str, dict[str, Any]] = {}
    for name, dock in docks.items():
        content = dock.widget()
        if isinstance(content, KeepsState):
            contents[name] = json.loads(json.dumps(content.session_state(), allow_nan=False))
    return DockRecord(
        open=list(docks),
        state=saved_state(viewer),
        size=(window.width(), window.height()),
        contents=contents,
    )


def open_docks(viewer: Viewer, record: DockRecord) -> None:
    """Open the docks that were open, and close those of the plugin that were not."""
    for name in find_docks(viewer):
        if name not in record.open:
            close_dock(viewer, name)
    for name in record.open:
        if name in DOCKS:
            open_dock(viewer, name)


def lay_out_docks(viewer: Viewer, record: DockRecord) -> None:
    """Give window and docks their sizes and places."""
    window = main_window(viewer)
    if window is None:
        return
    screen = window.screen()
    width, height = record.size
    if screen is not None:
        free = screen.availableGeometry()
        width, height = min(width, free.width()), min(height, free.height())
    if not (window.isMaximized() or window.isFullScreen()):
        window.resize(width, height)
    QApplication.processEvents()  # tabs come into being, columns take their first sizes
    restore_state(viewer, record.state)
    QApplication.processEvents()


def restore_contents(viewer: Viewer, record: DockRecord) -> None:
    """Give the docks their choices."""
    for name, dock in find_docks(viewer).items():
        content = dock.widget()
        if name in record.contents and isinstance(content, KeepsState):
            content.restore_session_state(record.contents[name])
