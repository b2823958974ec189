"""Small parts that docks are put together from."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QWidget

__all__ = ["note", "row", "set_note", "spin"]


def spin(low: int, high: int, tip: str) -> QSpinBox:
    """Return a spin box that reports a number once it has been typed in whole."""
    box = QSpinBox()
    box.setRange(low, high)
    box.setToolTip(tip)
    box.setKeyboardTracking(False)
    return box


def note() -> QLabel:
    """Return a remark at the end of a row, absent while it is empty."""
    label = QLabel()
    label.hide()
    return label


def set_note(label: QLabel, text: str) -> None:
    """Write a remark."""
    label.setText(text)
    label.setVisible(bool(text))


def row(*widgets: QWidget) -> QWidget:
    """Put widgets side by side; the first takes the room that is left."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if place == 0 else 0)
    holder.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return holder
