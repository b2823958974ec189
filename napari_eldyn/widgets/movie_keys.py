"""Camera key frames of a movie: add the present view, go to one, remove one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.export.camera_path import aim, look
from napari_eldyn.export.movie_settings import CameraKey

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["CameraKeys"]

_SAME = 0.005  # moments closer than this are one


class CameraKeys(QWidget):
    """A table of camera key frames, ordered by their moments.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose camera is looked at.
    moment_shown : callable
        Returns the moment of the movie, from 0 to 1, at which the step shown appears; None if
        the movie does not tell.
    """

    changed = Signal()
    """The key frames are other ones."""

    def __init__(self, viewer: Viewer, moment_shown: Callable[[], float | None]) -> None:
        super().__init__()
        self._viewer, self._moment_shown = viewer, moment_shown
        self._keys: list[CameraKey] = []
        self._filling = False
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["At (%)", "Shows (Å)"])
        self.table.setToolTip(
            "Camera key frames: the moment in per cent of the movie (double click to change it), "
            "and the length in Å that a panel shows"
        )
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header, rows = self.table.horizontalHeader(), self.table.verticalHeader()
        assert header is not None
        assert rows is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        rows.hide()
        rows.setDefaultSectionSize(24)
        self.table.setMinimumHeight(110)
        self.table.setMaximumHeight(130)
        self.add = self._button("Add view", "Add the present view as a key frame")
        self.go = self._button("Go to", "Bring the camera to the chosen key frame")
        self.remove = self._button("Remove", "Remove the chosen key frame")
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.add, self.go, self.remove):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.table)
        column.addLayout(buttons)
        self.add.clicked.connect(self.add_view)
        self.go.clicked.connect(self.go_to_chosen)
        self.remove.clicked.connect(self.remove_chosen)
        self.table.itemChanged.connect(self._edited)
        self.table.itemSelectionChanged.connect(self._update_buttons)
        self._update_buttons()

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        return button

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Let the table be narrow."""
        return QSize(180, super().minimumSizeHint().height())

    @property
    def keys(self) -> tuple[CameraKey, ...]:
        """The key frames in order."""
        return tuple(self._keys)

    def set_keys(self, keys: tuple[CameraKey, ...]) -> None:
        """Show other key frames."""
        self._keys = sorted(keys, key=lambda key: key.at)
        self._fill()

    def add_view(self) -> None:
        """Add the present view; one at the same moment is replaced."""
        at = self._free_moment()
        self._keys = [key for key in self._keys if abs(key.at - at) > _SAME]
        self._keys.append(look(self._viewer, at))
        self._keys.sort(key=lambda key: key.at)
        self._fill()
        self.table.selectRow(next(i for i, key in enumerate(self._keys) if key.at == at))
        self.changed.emit()

    def go_to_chosen(self) -> None:
        """Bring the camera to the chosen key frame."""
        row = self.table.currentRow()
        if 0 <= row < len(self._keys):
            aim(self._viewer, self._keys[row])

    def remove_chosen(self) -> None:
        """Remove the chosen key frame."""
        row = self.table.currentRow()
        if 0 <= row < len(self._keys):
            del self._keys[row]
            self._fill()
            self.changed.emit()

    def _free_moment(self) -> float:
        """Give the moment for a new key frame: of the step shown, or after those there are."""
        moment = self._moment_shown()
        if moment is not None:
            return round(moment, 3)
        if not self._keys:
            return 0.0
        if self._keys[-1].at < 1.0:
            return 1.0
        moments = [key.at for key in self._keys]
        if len(moments) == 1:
            return 0.0
        gaps = [b - a for a, b in pairwise(moments)]
        widest = gaps.index(max(gaps))
        return round((moments[widest] + moments[widest + 1]) / 2, 3)

    def _fill(self) -> None:
        self._filling = True
        self.table.setRowCount(len(self._keys))
        for row, key in enumerate(self._keys):
            at = QTableWidgetItem(f"{100 * key.at:g}")
            shows = QTableWidgetItem(f"{key.field:.3g}")
            shows.setFlags(shows.flags() & ~Qt.ItemFlag.ItemIsEditable)
            for column, item in enumerate((at, shows)):
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, item)
        self._filling = False
        self._update_buttons()

    def _edited(self, item: QTableWidgetItem) -> None:
        """Take a moment that was typed in; anything but 0 … 100 is put back."""
        if self._filling or item.column() != 0:
            return
        key = self._keys[item.row()]
        try:
            at = float(item.text().replace("%", "").replace(",", ".")) / 100
        except ValueError:
            at = key.at
        if 0 <= at <= 1:
            self._keys[item.row()] = key.model_copy(update={"at": at})
            self._keys.sort(key=lambda key: key.at)
        self._fill()
        self.changed.emit()

    def _update_buttons(self) -> None:
        chosen = bool(self.table.selectedItems())
        self.go.setEnabled(chosen)
        self.remove.setEnabled(chosen)
