"""Controls of docks that leave the keyboard to the viewer, and the mouse wheel to the dock."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QWidget

from napari_eldyn.viewer._compat import main_window

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["tame"]

_DONE = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def tame(widget: QWidget, viewer: Viewer) -> None:
    """Make the controls in a widget good neighbours of the canvas.

    A click on a button or a list does not take the keyboard away from the canvas, so that its
    shortcuts go on working; Tab still reaches them. Enter and Escape in a field give the keyboard
    back. The wheel scrolls the dock, and changes a number or a choice only where one is typing.

    Parameters
    ----------
    widget : QWidget
        Content of a dock; what is added to it later is not affected.
    viewer : napari.Viewer
        Held weakly.
    """
    watch = _Watch(widget, viewer)
    for button in widget.findChildren(QAbstractButton):
        if button.focusPolicy() != Qt.FocusPolicy.NoFocus:
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    for box in widget.findChildren(QComboBox):
        box.setFocusPolicy(
            Qt.FocusPolicy.StrongFocus if box.isEditable() else Qt.FocusPolicy.TabFocus
        )
        box.installEventFilter(watch)
    for field in widget.findChildren(QAbstractSpinBox):
        field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        field.installEventFilter(watch)
    for line in widget.findChildren(QLineEdit):
        line.installEventFilter(watch)


class _Watch(QObject):
    def __init__(self, parent: QWidget, viewer: Viewer) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Pass the wheel on; give the keyboard back after Enter and Escape."""
        if event is None or not isinstance(watched, QWidget):
            return False
        kind = event.type()
        if kind == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        if (
            isinstance(event, QKeyEvent)
            and isinstance(watched, QAbstractSpinBox | QLineEdit)
            and watched.hasFocus()
        ):
            if kind == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape:
                self._leave()
                return True  # or it would stop a run as well
            if kind == QEvent.Type.KeyRelease and event.key() in _DONE:
                self._leave()
        return False

    def _leave(self) -> None:
        viewer = self._viewer()
        window = None if viewer is None else main_window(viewer)
        if window is not None:
            window.setFocus()  # it hands keys to the canvas
