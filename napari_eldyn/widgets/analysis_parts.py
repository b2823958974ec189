"""Fields of the Analysis dock: numbers with units, Miller indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from napari_eldyn.viewer.own_surface import OwnSurface
from napari_eldyn.widgets.parts import spin

__all__ = [
    "MillerBox",
    "follow_switch",
    "form",
    "in_words",
    "miller_text",
    "pick_button",
    "put",
    "quantity_box",
    "reading",
    "set_choice",
    "set_number",
    "whole_numbers",
]

_LARGEST_INDEX = 20


def form() -> QFormLayout:
    """Return a compact form whose fields take the room there is."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(6)
    layout.setVerticalSpacing(4)
    return layout


def follow_switch(switch: QCheckBox, surface: OwnSurface, flat: bool) -> None:
    """Bring a switch "In 3D" in line with what can be shown, and with what someone took away."""
    if surface.was_taken_away:
        was = switch.blockSignals(True)
        switch.setChecked(False)
        switch.blockSignals(was)
        surface.remove()
    switch.setEnabled(not flat)


def quantity_box(unit: str, tip: str, *, step: float = 0.1, decimals: int = 2) -> QDoubleSpinBox:
    """Return a field for a number with a unit, reported once it has been typed in whole."""
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setSingleStep(step)
    box.setRange(-1e4, 1e4)
    box.setSuffix(f" {unit}" if unit else "")
    box.setToolTip(tip)
    box.setKeyboardTracking(False)
    box.setMinimumWidth(62)
    return box


def put(box: QDoubleSpinBox | QSpinBox, value: float) -> None:
    """Write a number into a field without telling anybody."""
    was = box.blockSignals(True)
    box.setValue(value)  # type: ignore[arg-type]
    box.blockSignals(was)


def reading() -> QLabel:
    """Return a place for results; text can be selected and copied."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label


def in_words(value: float, unit: str = "", digits: int = 4) -> str:
    """Write a number with its unit, with the sign that prints a minus."""
    size = abs(value)
    text = f"{value:.{digits}g}" if size == 0 or size >= 1e-4 else f"{value:.{digits - 1}e}"
    return f"{text} {unit}".strip().replace("-", "−")


def miller_text(indices: Sequence[int]) -> str:
    """Write Miller indices as crystallographers do: (1 1 0)."""
    return f"({' '.join(str(n) for n in indices)})".replace("-", "−")


def set_choice(box: QComboBox, data: Any) -> None:
    """Choose an entry by its data, if there is one."""
    place = box.findData(data)
    if place >= 0:
        box.setCurrentIndex(place)


def set_number(box: QDoubleSpinBox, value: Any) -> bool:
    """Write a number that a file had into a field without telling anybody; returns if it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return False
    put(box, value)
    return True


def whole_numbers(values: Any, count: int) -> list[int] | None:
    """Return whole numbers that a file had, None if they are not so many, or something else."""
    if not isinstance(values, list) or len(values) != count:
        return None
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in values):
        return None
    return values


def pick_button(tip: str) -> QToolButton:
    """Return a button that takes over what is selected on the canvas."""
    button = QToolButton()
    button.setText("Pick")
    button.setToolTip(tip)
    button.setAutoRaise(True)
    return button


class MillerBox(QWidget):
    """Three Miller indices."""

    changed = Signal()

    def __init__(self, indices: Sequence[int] = (0, 0, 1)) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.boxes: list[QSpinBox] = []
        for name, index in zip("hkl", indices, strict=True):
            box = spin(-_LARGEST_INDEX, _LARGEST_INDEX, f"Miller index {name}")
            box.setPrefix(f"{name} ")
            box.setValue(index)
            box.valueChanged.connect(self.changed)
            self.boxes.append(box)
            row.addWidget(box, 1)

    @property
    def indices(self) -> tuple[int, int, int]:
        """h, k, l."""
        h, k, m = (box.value() for box in self.boxes)
        return h, k, m

    def set_indices(self, indices: Sequence[int]) -> None:
        """Choose indices without telling anybody."""
        for box, index in zip(self.boxes, indices, strict=True):
            put(box, index)

    @property
    def text(self) -> str:
        """As crystallographers write them."""
        return miller_text(self.indices)
