"""Asks what a file leaves open and the user knows: a cell, a unit, a data set, a time step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.density.cell_text import parse_cell
from napari_eldyn.density.formats.density_units import UNITS
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.exceptions import EldynError, MissingInformationError

__all__ = ["OptionQuestion"]

_TITLES = {
    "cell": "Cell",
    "unit": "Unit of the values",
    "timestep": "Time between frames",
    "dataset": "Data set",
    "kind": "Kind of density",
}


class OptionQuestion(QDialog):
    """Asks for one option of a file; `answered` gives the options with the answer.

    Parameters
    ----------
    error : MissingInformationError
        What is missing.
    parent : QWidget, optional
        The window.
    """

    def __init__(self, error: MissingInformationError, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.option = error.option
        name = error.path.name if error.path is not None else "This file"
        self.setWindowTitle(f"Open {name}")
        layout = QVBoxLayout(self)
        problem = QLabel(f"{name}: {error.problem}.")
        problem.setWordWrap(True)
        layout.addWidget(problem)
        title = QLabel(_TITLES.get(error.option, error.option))
        layout.addWidget(title)
        self.field = self._make_field(error)
        title.setBuddy(self.field)
        layout.addWidget(self.field)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        layout.addWidget(self.hint)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout.addWidget(self.buttons)
        self.setMinimumWidth(420)
        self._check()

    def _make_field(self, error: MissingInformationError) -> QWidget:
        choices = error.choices or {"unit": UNITS, "kind": get_args(DensityKind)}.get(self.option)
        if choices:
            box = QComboBox()
            box.addItems([str(choice) for choice in choices])
            return box
        if self.option == "timestep":
            spin = QDoubleSpinBox()
            spin.setRange(1e-4, 1e6)
            spin.setDecimals(4)
            spin.setValue(1.0)
            spin.setSuffix(" fs")
            return spin
        line = QLineEdit()
        line.textChanged.connect(self._check)
        if self.option == "cell":
            line.setPlaceholderText("a   or   a b c   or   a b c α β γ   or nine components")
        return line

    def _check(self, _text: str = "") -> None:
        """Say what the answer means, and whether it is one."""
        answer, hint = self._answer()
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        if button is not None:
            button.setEnabled(answer is not None)

    def _answer(self) -> tuple[Any, str]:
        """Return the answer, None without one, and a remark on it."""
        if isinstance(self.field, QComboBox):
            return self.field.currentText(), ""
        if isinstance(self.field, QDoubleSpinBox):
            return self.field.value(), ""
        assert isinstance(self.field, QLineEdit)
        text = self.field.text().strip()
        if self.option != "cell":
            return text or None, ""
        if not text:
            return None, "Lengths in Å, angles in °; or the vectors a, b and c one after the other."
        try:
            cell = parse_cell(text)
        except EldynError as error:
            return None, f"{error.problem}."
        rows = (" ".join(f"{value:g}" for value in np.round(row, 4) + 0.0) for row in cell)
        volume = abs(float(np.linalg.det(cell)))
        return cell, f"({');  ('.join(rows)}) Å;  volume {volume:.4g} Å³"

    def answered(self, options: OpenOptions) -> OpenOptions:
        """Return the options with what has been answered."""
        answer, _ = self._answer()
        return replace(options, **{self.option: answer})
