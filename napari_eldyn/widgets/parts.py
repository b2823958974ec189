"""Small parts that docks are put together from."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QWidget,
)

__all__ = ["least_size", "note", "row", "scrolling", "set_note", "spin"]


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


class _Scrolling(QScrollArea):
    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Tell the dock when its content needs another width: Qt's own area keeps it to itself."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def scrolling(content: QWidget) -> QScrollArea:
    """Return an area in which the content of a dock scrolls up and down, never sideways."""
    area = _Scrolling()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area


def least_size(content: QWidget, height: int = 200) -> QSize:
    """Return the least size of a dock whose content scrolls, so that nothing is cut at the side."""
    style = content.style()
    assert style is not None
    bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
    gap = style.pixelMetric(QStyle.PixelMetric.PM_ScrollView_ScrollBarSpacing)
    # The area keeps a pixel more for its bar than the style tells.
    return QSize(content.minimumSizeHint().width() + max(gap, 0) + bar + 1, height)
