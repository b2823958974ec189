"""A line that offers something to do, until it is done or waved off."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

__all__ = ["Offer"]


class Offer(QWidget):
    """A text, a button that does it, and a cross; absent while there is nothing to offer."""

    def __init__(self) -> None:
        super().__init__()
        self._action: Callable[[], None] | None = None
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.button = QPushButton()
        self.button.setToolTip("Do what is offered")
        self.dismiss = QToolButton()
        self.dismiss.setText("✕")
        self.dismiss.setAutoRaise(True)
        self.dismiss.setToolTip("No, thanks")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 2)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button)
        layout.addWidget(self.dismiss)
        self.button.clicked.connect(self._accept)
        self.dismiss.clicked.connect(self.withdraw)
        self.hide()

    def make(self, text: str, button: str, tip: str, action: Callable[[], None]) -> None:
        """Offer something, in place of what was offered before."""
        self.label.setText(text)
        self.button.setText(button)
        self.button.setToolTip(tip)
        self._action = action
        self.show()

    def withdraw(self) -> None:
        """Offer nothing."""
        self._action = None
        self.hide()

    def _accept(self) -> None:
        action = self._action
        self.withdraw()
        if action is not None:
            action()
