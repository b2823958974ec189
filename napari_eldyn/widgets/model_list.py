"""The list of models in the Rollout dock: those that come with the package, and files."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_eldyn.viewer.samples import sample_models, sample_title

__all__ = ["ModelList"]

_BROWSE = "browse"  # data of the entry that opens a file dialog


class ModelList(QComboBox):
    """Sample models under their own names, then files that were opened, then "browse …"."""

    chosen = Signal(Path)
    """The user chose a model."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("Trained model (.safetensors)")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)  # a column of docks is narrow
        self.addItem("choose …", None)
        self.addItem("browse …", _BROWSE)
        for path in sample_models():
            self._insert(path)
        self._shown = 0
        self.setCurrentIndex(0)
        self.activated.connect(self._choose)

    def add_model(self, path: Path) -> None:
        """List a model file if it is not listed yet, and select it, without loading it."""
        # Not findData: Qt does not always find equal Python objects.
        listed = [self.itemData(index) for index in range(self.count())]
        self._shown = listed.index(path) if path in listed else self._insert(path)
        self.setCurrentIndex(self._shown)

    def path(self) -> Path | None:
        """Return the file that is selected."""
        data = self.currentData()
        return data if isinstance(data, Path) else None

    def _insert(self, path: Path) -> int:
        index = self.count() - 1  # before "browse"
        self.insertItem(index, sample_title(path), path)
        return index

    def _choose(self) -> None:
        if self.currentData() == _BROWSE:
            name, _ = QFileDialog.getOpenFileName(
                self, "Open a model", filter="Models (*.safetensors);;All files (*)"
            )
            if name:
                self.add_model(Path(name))
            else:
                self.setCurrentIndex(self._shown)
                return
        path = self.path()
        if path is not None:
            self._shown = self.currentIndex()
            self.chosen.emit(path)
