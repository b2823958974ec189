"""A figure as a picture in a dock, at its true proportions; a click shows it large."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QMouseEvent, QPixmap
from qtpy.QtWidgets import QDialog, QLabel, QScrollArea, QSizePolicy, QVBoxLayout

__all__ = ["FigurePicture"]


class FigurePicture(QLabel):
    """The picture of a figure, as wide as the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.image = QImage()
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(100)
        self.clear_picture("Draw shows the figure here.")

    def show_picture(self, png: bytes, size: str) -> None:
        """Show a figure.

        Parameters
        ----------
        png : bytes
            The picture.
        size : str
            Of the figure in print, for the tooltip.
        """
        self.image = QImage.fromData(png)
        self.setToolTip(f"{size}. Click to enlarge.")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._fit()

    def clear_picture(self, text: str) -> None:
        """Show a text instead of a figure."""
        self.image = QImage()
        self.setPixmap(QPixmap())
        self.setText(text)
        self.setToolTip("The figure, once it is drawn")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setFixedHeight(60)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Keep the proportions."""
        super().resizeEvent(event)
        self._fit()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Enlarge."""
        if not self.image.isNull():
            self.enlarge()

    def enlarge(self) -> QDialog:
        """Open the picture in a window of its own; returns the window."""
        dialog = QDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Figure")
        picture = QLabel()
        picture.setPixmap(QPixmap.fromImage(self.image))
        scroll = QScrollArea()
        scroll.setWidget(picture)
        column = QVBoxLayout(dialog)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scroll)
        screen = dialog.screen()
        room = QSize(1200, 700) if screen is None else screen.availableGeometry().size() * 0.9
        dialog.resize((self.image.size() + QSize(20, 20)).boundedTo(room))
        dialog.show()
        return dialog

    def _fit(self) -> None:
        if self.image.isNull() or self.width() < 10:
            return
        ratio = self.devicePixelRatioF()
        wanted = round(self.width() * ratio)
        scaled = self.image.scaledToWidth(wanted, Qt.TransformationMode.SmoothTransformation)
        scaled.setDevicePixelRatio(ratio)
        self.setFixedHeight(round(scaled.height() / ratio))
        self.setPixmap(QPixmap.fromImage(scaled))
