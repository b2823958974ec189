"""A place in a dock for hints, news and errors."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

__all__ = ["MessageArea"]

_ERROR = "color: #e2574c;"


class MessageArea(QLabel):
    """Shows the last error, else the last news, else a hint; empty otherwise. Text can be copied.

    An error stays until `clear`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._error = self._news = self._hint = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)

    def complain(self, text: str) -> None:
        """Show an error."""
        self._error = text
        self._update()

    def inform(self, text: str) -> None:
        """Show news."""
        self._news = text
        self._update()

    def set_hint(self, text: str) -> None:
        """Show what to do next while there is nothing else to say."""
        self._hint = text
        self._update()

    def clear(self) -> None:
        """Forget errors and news."""
        self._error = self._news = ""
        self._update()

    def _update(self) -> None:
        self.setText("\n".join(text for text in (self._error, self._news, self._hint) if text))
        self.setStyleSheet(_ERROR if self._error else "")
        self.setVisible(bool(self.text()))
