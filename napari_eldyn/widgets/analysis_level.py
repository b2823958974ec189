"""Isosurfaces in the Analysis dock: a level, and what its surface encloses."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QSlider, QVBoxLayout, QWidget

from napari_eldyn.observables.isolevels import IsoLevels
from napari_eldyn.viewer.field_watch import Analysis
from napari_eldyn.viewer.isolevel_mesh import Mesh, isosurface_mesh
from napari_eldyn.viewer.isolevel_surface import IsoSurface
from napari_eldyn.viewer.plane_place import ShownCells, shown_cells
from napari_eldyn.viewer.shown_field import FieldValues, ShownField
from napari_eldyn.widgets.analysis_parts import (
    follow_switch,
    form,
    in_words,
    put,
    quantity_box,
    reading,
)

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["LevelSection"]

_SLIDER_STEPS = 1000
_FIRST_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class LevelsAndMesh:
    """What is found in a frame.

    Parameters
    ----------
    levels : IsoLevels
        The field sorted.
    level : float
        The level asked for, or the first one.
    mesh : Mesh or None
        Its surface, if wanted.
    """

    levels: IsoLevels
    level: float
    mesh: Mesh | None


class LevelSection(QWidget):
    """A level, what it encloses, and the surface in 3D; the level is kept while frames go by.

    Level and amount are two ways to say the same: who types one sees the other.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    changed = Signal()
    """Something else is wanted of the field."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._field: ShownField | None = None
        self._levels: IsoLevels | None = None
        self._exact = 0.0
        self._kept_level: float | None = None  # that of a session
        self._chosen: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self.surface = IsoSurface(viewer)
        self.in_3d = QCheckBox("In 3D")
        self.in_3d.setToolTip("Draw the surface among the volumes, negative ones in blue")
        self.side = QComboBox()
        self.side.addItem("positive", 1)
        self.side.addItem("negative", -1)
        self.side.setToolTip("Which side of zero is meant")
        self.level = quantity_box("", "Value on the surface", step=0.01, decimals=5)
        self.amount = quantity_box("", "Inside of the surface", step=0.1, decimals=4)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, _SLIDER_STEPS)
        self.slider.setToolTip("Share that the surface encloses, from 0.1 % to all")
        self.result = reading()
        self._fields = form()
        self._amount_label = QLabel("Encloses")
        self._side_label = QLabel("Side of zero")
        self._fields.addRow(self._side_label, self.side)
        self._fields.addRow("Level", self.level)
        self._fields.addRow(self._amount_label, self.amount)
        self._fields.addRow("", self.slider)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 6, 4)
        column.setSpacing(4)
        column.addLayout(self._fields)
        column.addWidget(self.result)
        self.level.valueChanged.connect(self._level_typed)
        self.amount.valueChanged.connect(self._amount_typed)
        self.slider.valueChanged.connect(self._slid)
        self.side.currentIndexChanged.connect(self._other_side)
        self.in_3d.toggled.connect(self.changed)

    @property
    def sign(self) -> int:
        """+1 or −1."""
        return int(self.side.currentData())

    # -- what is wanted -----------------------------------------------------------------------

    def analysis(self, field: ShownField) -> Analysis:
        """Return what sorts a field."""
        level = self._chosen.get(field.layer, self._kept_level)
        viewer = self._viewer
        flat = viewer.dims.ndisplay == 2 or viewer.canvas.grid.enabled
        follow_switch(self.in_3d, self.surface, flat)
        in_3d = self.in_3d.isChecked() and not flat
        cells = shown_cells(field.layer, field.grid) if in_3d else None
        return partial(_sort, field, level, cells)

    def take(self, field: ShownField, found: LevelsAndMesh) -> None:
        """Show what the level encloses in a field; the first level encloses half of it."""
        levels, before = found.levels, self._field
        self._kept_level = None
        self._field, self._levels = field, levels
        signed = levels.total(-1) != 0 and levels.total(1) != 0
        for widget in (self.side, self._side_label):
            widget.setVisible(signed)
        if not signed:
            self._put_side(levels.total(1) or levels.total(-1))
        if before is None or before.layer is not field.layer:
            self._name_units(field)
            self._choose(self._chosen.get(field.layer, found.level))
        self._show_amount()
        if found.mesh is not None and self.in_3d.isChecked():
            self.surface.show_mesh(self._name_of_surface(field, found.level), found.mesh)
        else:
            self.surface.remove()

    def clear(self, why: str = "") -> None:
        """Show nothing, and why."""
        self._field = self._levels = None
        self.result.setText(escape(why))
        self.surface.remove()

    def _name_units(self, field: ShownField) -> None:
        self.level.setSuffix(f" {field.short_unit}" if field.short_unit else "")
        self.amount.setSuffix(f" {field.integral_unit}" if field.integral_unit else "")

    # -- both ways ----------------------------------------------------------------------------

    def _level_typed(self, level: float) -> None:
        self._choose(level)
        self._show_amount()
        self.changed.emit()

    def _amount_typed(self, amount: float) -> None:
        if self._levels is not None:
            self._choose(self._levels.level_enclosing(amount, self.sign))
            self._show_amount(typed=True)
            self.changed.emit()

    def _slid(self, step: int) -> None:
        if self._levels is not None:
            self._amount_typed(step / _SLIDER_STEPS * self._levels.total(self.sign))
            put(self.amount, self._levels.enclosed(self.level_value).amount)

    def _other_side(self, _: int = 0) -> None:
        self._choose(self.sign * abs(self.level_value))
        self._show_amount()
        self.changed.emit()

    @property
    def level_value(self) -> float:
        """The level, as exactly as it was found."""
        exact = self._exact
        return exact if abs(exact - self.level.value()) < 0.51e-5 else self.level.value()

    def _choose(self, level: float) -> None:
        self._exact = level
        put(self.level, level)
        if self._field is not None:
            self._chosen[self._field.layer] = level
        if level * self.sign < 0:
            self._put_side(level)

    def _put_side(self, sign: float) -> None:
        was = self.side.blockSignals(True)
        self.side.setCurrentIndex(0 if sign >= 0 else 1)
        self.side.blockSignals(was)

    def _show_amount(self, typed: bool = False) -> None:
        levels, field = self._levels, self._field
        if levels is None or field is None:
            return
        found = levels.enclosed(self.level_value)
        if not typed:
            put(self.amount, found.amount)
        if not self.slider.isSliderDown():
            was = self.slider.blockSignals(True)
            self.slider.setValue(round(_SLIDER_STEPS * found.share))
            self.slider.blockSignals(was)
        self.result.setText(self._describe(field, levels))

    def _describe(self, field: ShownField, levels: IsoLevels) -> str:
        found, total = levels.enclosed(self.level_value), levels.total(self.sign)
        lines = [
            f"<b>{100 * found.share:.1f} %</b> of {in_words(total, field.integral_unit)}"
            f"{self._of_side(levels)}, in {in_words(found.volume, 'Å³')}"
        ]
        if field.caution:
            lines.append(field.caution)
        return "<br>".join(lines)

    def _of_side(self, levels: IsoLevels) -> str:
        signed = levels.total(-1) != 0 and levels.total(1) != 0
        return (" on the negative side" if self.sign < 0 else " on the positive side") * signed

    def _name_of_surface(self, field: ShownField, level: float) -> str:
        both = "±" if field.quantity.signed else ""
        size = abs(level) if both else level
        return f"Isosurface {both}{in_words(size, field.short_unit)}"

    # -- kept choices -------------------------------------------------------------------------

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as JSON can hold it."""
        return {"level": self.level_value, "in_3d": self.in_3d.isChecked()}

    def choose(self, choices: dict[str, Any]) -> None:
        """Take choices up, as far as they make sense."""
        level = choices.get("level")
        if isinstance(level, float) and level == level:
            self._kept_level = level
            self._chosen.clear()
            self._choose(level)
        if isinstance(choices.get("in_3d"), bool):
            self.in_3d.setChecked(choices["in_3d"])
        self.changed.emit()


def _sort(
    field: ShownField, level: float | None, cells: ShownCells | None, values: FieldValues
) -> LevelsAndMesh:
    """Sort a field and find the surface of a level in it (worker thread)."""
    levels = values.levels(field.weight)
    if level is None:
        sign = 1 if levels.total(1) != 0 else -1
        level = levels.level_enclosing(_FIRST_SHARE * levels.total(sign), sign)
    both = (level, -level) if field.quantity.signed else (level,)
    mesh = None if cells is None else isosurface_mesh(values.values, field.grid, both, cells)
    return LevelsAndMesh(levels, level, mesh)
