"""One composed frame of a movie, before it is recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QDialog, QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

__all__ = ["MoviePreview"]


class MoviePreview(QDialog):
    """A frame as it will be, and a slider for its moment.

    Parameters
    ----------
    compose : callable
        ``compose(progress)`` returns the frame at a moment from 0 to 1, or None after a failure.
    parent : QWidget
        Over which it opens.
    """

    def __init__(
        self, compose: Callable[[float], NDArray[np.uint8] | None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Movie preview")
        self._compose = compose
        self._pixmap = QPixmap()
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setMinimumSize(QSize(320, 180))
        self.picture.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setTracking(False)
        self.slider.setToolTip("Moment of the movie in per cent")
        self.place = QLabel()
        self.place.setMinimumWidth(48)
        foot = QHBoxLayout()
        foot.addWidget(self.slider, 1)
        foot.addWidget(self.place)
        column = QVBoxLayout(self)
        column.addWidget(self.picture, 1)
        column.addLayout(foot)
        self.slider.valueChanged.connect(self.refresh)
        self.slider.sliderMoved.connect(lambda value: self.place.setText(f"{value} %"))
        self.resize(900, 580)

    def refresh(self) -> None:
        """Compose the frame anew."""
        value = self.slider.value()
        self.place.setText(f"{value} %")
        frame = self._compose(value / 100)
        if frame is None:
            return
        height, width = frame.shape[:2]
        image = QImage(
            np.ascontiguousarray(frame).tobytes(), width, height, 3 * width,
            QImage.Format.Format_RGB888,
        )  # fmt: skip
        self._pixmap = QPixmap.fromImage(image.copy())
        self.setWindowTitle(f"Movie preview, {width}×{height} pixels")
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Keep the whole frame in sight."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if not self._pixmap.isNull():
            self.picture.setPixmap(
                self._pixmap.scaled(
                    self.picture.size(),
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
