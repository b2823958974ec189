"""How many cells are shown, and where their content lies: spin boxes and sliders."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.viewer.cell_box import VECTOR_NAMES
from napari_eldyn.viewer.cell_view import MOST_TILES, CellView
from napari_eldyn.viewer.structure import Structure
from napari_eldyn.viewer.structure_pick import AtomPicking
from napari_eldyn.widgets.atom_box import AtomBox
from napari_eldyn.widgets.parts import spin

__all__ = ["ShiftBox", "TilingRow"]


class TilingRow(QWidget):
    """Cells along a, b and c.

    Parameters
    ----------
    view : CellView
        The viewer's.
    """

    def __init__(self, view: CellView) -> None:
        super().__init__()
        self._view = view
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.boxes: list[QSpinBox] = []
        for name in VECTOR_NAMES:
            box = spin(1, MOST_TILES, f"Cells shown along {name}: density, atoms, bonds and box")
            box.setStyleSheet("QSpinBox { min-width: 24px; }")  # napari's style asks for 70
            box.valueChanged.connect(self._changed)
            row.addWidget(QLabel(name))
            row.addWidget(box, 1)
            self.boxes.append(box)
        view.changed.connect(self._update)
        self._update()

    def _changed(self, _: int) -> None:
        self._view.tiling = [box.value() for box in self.boxes]

    def _update(self) -> None:
        for box, count in zip(self.boxes, self._view.tiling, strict=True):
            box.blockSignals(True)
            box.setValue(count)
            box.blockSignals(False)


class ShiftBox(QWidget):
    """A slider for each cell vector, in whole grid points, and ways to centre on an atom.

    Parameters
    ----------
    view : CellView
        The viewer's.
    structure : Structure
        The viewer's.
    picking : AtomPicking
        The viewer's.
    """

    def __init__(self, view: CellView, structure: Structure, picking: AtomPicking) -> None:
        super().__init__()
        self._view, self._structure, self._picking = view, structure, picking
        self.sliders: list[QSlider] = []
        self.values: list[QLabel] = []
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        widest = "0.000  (10.00 Å)"
        for place, name in enumerate(VECTOR_NAMES):
            slider, value = QSlider(Qt.Orientation.Horizontal), QLabel()
            slider.setToolTip(
                f"Move density and atoms along {name}, in fractions of it; snapped to grid points"
            )
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            value.setMinimumWidth(value.fontMetrics().horizontalAdvance(widest))
            slider.valueChanged.connect(self._moved)
            grid.addWidget(QLabel(name), place, 0)
            grid.addWidget(slider, place, 1)
            grid.addWidget(value, place, 2)
            self.sliders.append(slider)
            self.values.append(value)
        self.atom = AtomBox(1, "An atom, counted from 1")
        self.centre = QPushButton("Centre")
        self.centre.setToolTip("Move this atom to the middle of what is shown")
        self.pick = QPushButton("Pick")
        self.pick.setToolTip("Click on an atom in the canvas: it comes to the middle")
        self.pick.setCheckable(True)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Take the shift back")
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for widget, share in ((self.atom, 2), (self.centre, 1), (self.pick, 1)):
            buttons.addWidget(widget, share)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(grid)
        column.addLayout(buttons)
        self.centre.clicked.connect(lambda: structure.centre_on_atom(self.atom.index))
        self.pick.toggled.connect(picking.set_on)
        self.reset.clicked.connect(self._reset)
        picking.changed.connect(self.pick.setChecked)
        picking.picked.connect(self._picked)
        view.changed.connect(self.update_values)
        structure.changed.connect(self.update_values)
        self.update_values()

    def _moved(self, _: int) -> None:
        trajectory = self._structure.trajectory
        if trajectory is not None:
            shape = trajectory.grid.shape
            self._view.fraction = [
                slider.value() / points for slider, points in zip(self.sliders, shape, strict=True)
            ]

    def _reset(self) -> None:
        self._view.fraction = (0.0, 0.0, 0.0)

    def _picked(self, atom: int) -> None:
        self.atom.want(atom + 1)
        self._structure.centre_on_atom(atom)

    def update_values(self) -> None:
        """Show the shift as it is, and offer what is possible."""
        trajectory, structure = self._structure.trajectory, self._structure
        has_atoms = structure.has_atoms
        for widget in (self.atom, self.centre, self.pick):
            widget.setEnabled(has_atoms)
        for slider in (*self.sliders, self.reset):
            slider.setEnabled(trajectory is not None)
        if has_atoms and trajectory is not None and trajectory.numbers is not None:
            self.atom.set_atoms(trajectory.numbers.tolist())
        if trajectory is None:
            for value in self.values:
                value.setText("")
            return
        grid = trajectory.grid
        lengths = np.linalg.norm(grid.voxel_vectors, axis=1)
        shift = self._view.shift_on(grid.shape)
        for slider, value, at, points, length in zip(
            self.sliders, self.values, shift, grid.shape, lengths, strict=True
        ):
            slider.blockSignals(True)
            slider.setRange(0, points - 1)
            slider.setValue(at)
            slider.blockSignals(False)
            value.setText(f"{at / points:.3f}  ({at * length:.2f} Å)")
