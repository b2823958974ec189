"""A place in a dock for hints, news and errors."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

__all__ = ["MessageArea"]

_ERROR_COLOUR = "#e2574c"  # readable on napari's dark and light themes


class MessageArea(QWidget):
    """The last error, in red, and below it news and a hint; text can be selected and copied.

    Errors and news stay until `clear`; a hint stays as long as it holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._news: list[str] = []
        self._hint = ""
        self._error_label = _label()
        self._error_label.setStyleSheet(f"color: {_ERROR_COLOUR};")
        self._plain_label = _label()
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 2, 8, 4)
        column.setSpacing(4)
        column.addWidget(self._error_label)
        column.addWidget(self._plain_label)

    def complain(self, text: str) -> None:
        """Show an error."""
        _fill(self._error_label, text)

    def inform(self, text: str) -> None:
        """Add news."""
        if text not in self._news:
            self._news.append(text)
            self._update()

    def set_hint(self, text: str) -> None:
        """Say what to do next."""
        if text != self._hint:
            self._hint = text
            self._update()

    def clear(self) -> None:
        """Forget errors and news."""
        self._news = []
        _fill(self._error_label, "")
        self._update()

    def text(self) -> str:
        """Everything shown."""
        texts = (self._error_label.text(), self._plain_label.text())
        return "\n".join(text for text in texts if text)

    def _update(self) -> None:
        _fill(self._plain_label, "\n".join(text for text in (*self._news, self._hint) if text))


def _label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.hide()
    return label


def _fill(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))
