"""Learn that a viewer's window closes, after napari's own question and before Qt deletes it."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from weakref import WeakMethod

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

__all__ = ["ClosingWatch"]


class ClosingWatch(QObject):
    """Calls a function once when a window has been closed.

    Parameters
    ----------
    window : QWidget
        The main window. A close event alone does not tell: the user may answer napari's question
        with "no". An accepted one hides the window.
    on_closed : callable
        Called on the GUI thread. A bound method does not keep its object alive.
    """

    def __init__(self, window: QWidget, on_closed: Callable[[], None]) -> None:
        super().__init__(window)  # and no other reference: it would keep the window alive
        self._on_closed: Callable[[], Callable[[], None] | None] | None = (
            WeakMethod(on_closed) if isinstance(on_closed, MethodType) else lambda: on_closed
        )
        self._closing = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Watch for close and hide events; let them all pass."""
        if event is not None and isinstance(watched, QWidget):
            if event.type() == QEvent.Type.Close:
                self._closing = True
                if not watched.isVisible():
                    self._finish(watched)
            elif event.type() == QEvent.Type.Hide and self._closing:
                self._finish(watched)
            elif event.type() == QEvent.Type.WindowActivate:
                self._closing = False
        return False

    def _finish(self, window: QWidget) -> None:
        if self._on_closed is not None:
            on_closed, self._on_closed = self._on_closed(), None
            window.removeEventFilter(self)
            if on_closed is not None:
                on_closed()
