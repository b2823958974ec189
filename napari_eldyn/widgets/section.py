"""A titled part of a dock that folds away."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

__all__ = ["Section"]


class Section(QWidget):
    """A header with an arrow and, at its right, an optional control; below it the content.

    Parameters
    ----------
    title : str
        Text of the header.
    content : QWidget
        What folds away.
    control : QWidget, optional
        Small widget at the right end of the header, such as a check box.
    stretch : bool
        Whether the content takes up spare height.
    """

    def __init__(
        self,
        title: str,
        content: QWidget,
        *,
        control: QWidget | None = None,
        stretch: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.content = content
        self._control = control
        self.header = QToolButton()
        self.header.setText(title)
        self.header.setToolTip("Fold or unfold")
        self.header.setCheckable(True)
        self.header.setChecked(True)
        self.header.setAutoRaise(True)
        self.header.setArrowType(Qt.ArrowType.DownArrow)
        self.header.setIconSize(QSize(8, 8))
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setStyleSheet(
            "QToolButton, QToolButton:checked, QToolButton:hover "
            "{ border: none; background: transparent; font-weight: bold; padding: 1px; }"
        )
        row = QHBoxLayout()
        row.setContentsMargins(2, 0, 4, 0)
        row.addWidget(self.header)
        row.addStretch(1)
        if control is not None:
            row.addWidget(control)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addLayout(row)
        column.addWidget(content, 1)
        self._stretch = stretch
        self.header.toggled.connect(self.set_open)
        self.set_open(True)

    def set_open(self, is_open: bool) -> None:
        """Unfold or fold the content."""
        self.header.setChecked(is_open)
        self.header.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.content.setVisible(is_open)
        if self._control is not None:
            self._control.setVisible(is_open)
        grows = self._stretch and is_open
        policy = QSizePolicy.Policy.Expanding if grows else QSizePolicy.Policy.Maximum
        self.setSizePolicy(QSizePolicy.Policy.Preferred, policy)
