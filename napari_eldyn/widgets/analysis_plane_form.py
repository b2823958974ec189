"""The fields that say which plane is wanted, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.viewer.plane_cut import PlaneChoice, PlaneCut
from napari_eldyn.viewer.plane_place import ShownCells
from napari_eldyn.viewer.shown_field import ShownField
from napari_eldyn.widgets.analysis_parts import (
    MillerBox,
    form,
    in_words,
    miller_text,
    pick_button,
    put,
    quantity_box,
    reading,
    set_choice,
    set_number,
    whole_numbers,
)
from napari_eldyn.widgets.atom_box import AtomBox
from napari_eldyn.widgets.parts import row

__all__ = ["PlaneForm"]

_SLIDER_STEPS = 1000


class PlaneForm(QWidget):
    """Miller indices or three atoms, the offset in three ways, and switches."""

    changed = Signal()
    """Another plane is wanted."""
    pick_wanted = Signal()
    """The atoms selected on the canvas are wanted."""
    look_changed = Signal()
    """The plane is to be drawn in another way."""

    def __init__(self) -> None:
        super().__init__()
        self._cut: PlaneCut | None = None
        self._centred_for: tuple[Any, ...] | None = None
        self._keep_offset = False  # that of a session
        self.kind = QComboBox()
        self.kind.addItem("Lattice plane (h k l)", "miller")
        self.kind.addItem("Plane through three atoms", "atoms")
        self.kind.setToolTip("How the plane is given")
        self.miller = MillerBox()
        self.atoms = [AtomBox(n, f"Atom {n} in the plane, counted from 1") for n in (1, 2, 3)]
        self._given = QStackedWidget()
        self._given.addWidget(self.miller)
        self.pick = pick_button(
            "Take the three atoms that are selected in the layer 'atoms' (its tool: select points)"
        )
        self._given.addWidget(row(*self.atoms))
        self.offset = quantity_box("Å", "", step=0.1, decimals=3)
        self.share = quantity_box("d", "", step=0.05, decimals=3)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _SLIDER_STEPS)
        self.slider.setToolTip("Move the plane through the cells shown")
        self.distance = quantity_box("Å", "Draw atoms at most this far from the plane", step=0.1)
        self.distance.setPrefix("± ")
        self.distance.setRange(0.0, 20.0)
        self.distance.setValue(0.5)
        self.contours = QCheckBox("Contours")
        self.contours.setToolTip("Eight lines of equal value, in equal steps of the colour bar")
        self.own_range = QCheckBox("Own range")
        self.own_range.setToolTip(
            "Spread the colours over the values in the plane; otherwise they are those of the layer"
        )
        self.in_3d = QCheckBox("In 3D")
        self.in_3d.setToolTip("Show the plane among the volumes, with the same colours")
        self.about = reading()
        self._lay_out()
        self._connect()
        self._choose_kind()

    def _lay_out(self) -> None:
        place = QWidget()
        line = QHBoxLayout(place)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.offset, 1)
        line.addWidget(self.share, 1)
        fields = form()
        fields.addRow("Plane", row(self.kind, self.pick))
        fields.addRow("", self._given)
        fields.addRow("Offset", place)
        fields.addRow("", self.slider)
        fields.addRow("Atoms", self.distance)
        fields.addRow("", row(self.contours, self.own_range))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(fields)
        column.addWidget(self.about)

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self._choose_kind)
        self.miller.changed.connect(self._other_plane)
        for box in self.atoms:
            box.valueChanged.connect(self._other_plane)
        self.pick.clicked.connect(self.pick_wanted)
        self.offset.valueChanged.connect(self._offset_changed)
        self.share.valueChanged.connect(self._share_changed)
        self.slider.valueChanged.connect(self._slid)
        self.distance.valueChanged.connect(self.changed)
        for switch in self._switches().values():
            switch.toggled.connect(self.look_changed)

    @property
    def is_lattice_plane(self) -> bool:
        """Whether the plane is given by Miller indices."""
        return bool(self.kind.currentData() == "miller")

    def choice(self, field: ShownField, cells: ShownCells) -> PlaneChoice:
        """Return which plane of a field is wanted; another plane, or cell, begins in the middle."""
        self._offer_atoms(field)
        offset: float | None = self.offset.value()
        if self.is_lattice_plane:
            of = (self.miller.indices, *np.round(cells.edges, 3).ravel())
            if of != self._centred_for:
                offset = offset if self._keep_offset else None
                self._centred_for, self._keep_offset = of, False
        first, second, third = self.atoms
        return PlaneChoice(
            self.miller.indices if self.is_lattice_plane else None,
            (first.index, second.index, third.index),
            f"{first.text_of_atom}–{second.text_of_atom}",
            offset,
            self.distance.value(),
        )

    def take_atoms(self, atoms: Sequence[int]) -> None:
        """Choose three atoms by their indices."""
        for box, atom in zip(self.atoms, atoms, strict=True):
            box.want(atom + 1)
        self._other_plane()

    def follow(self, cut: PlaneCut | None, why: str = "") -> None:
        """Show where the plane is and between which ends it can move, or why there is none."""
        self._cut = cut
        if cut is None:
            self.about.setText(escape(why))
            return
        asked = cut.choice.offset
        if asked is None or abs(asked - self.offset.value()) < 1e-3:
            put(self.offset, cut.offset)  # nobody has chosen another one meanwhile
        self._follow_offset()
        self.about.setText(
            self.name_of(cut)
            if cut.choice.indices is None or cut.spacing is None
            else f"d{miller_text(cut.choice.indices)} = {in_words(cut.spacing, 'Å')}"
        )

    def name_of(self, cut: PlaneCut) -> str:
        """Say which plane it is."""
        if cut.choice.indices is not None:
            return f"Plane {miller_text(cut.choice.indices)} at {in_words(cut.offset, 'Å')}"
        through = ", ".join(box.text_of_atom for box in self.atoms)
        moved = f" {cut.offset:+.3g} Å".replace("-", "−") if abs(cut.offset) > 5e-4 else ""
        return f"Plane of {through}{moved}"

    # -- what is typed ------------------------------------------------------------------------

    def _offer_atoms(self, field: ShownField) -> None:
        known = [] if field.numbers is None else [int(n) for n in field.numbers]
        for box in self.atoms:
            box.set_atoms(known)
            box.setEnabled(len(known) >= 3)
        self.distance.setEnabled(bool(known))

    def _choose_kind(self, _: int = 0) -> None:
        self._given.setCurrentIndex(0 if self.is_lattice_plane else 1)
        self.share.setVisible(self.is_lattice_plane)
        self.pick.setVisible(not self.is_lattice_plane)
        self.offset.setToolTip(
            "Distance from the cell's origin, along the normal of the plane"
            if self.is_lattice_plane
            else "Distance from the three atoms, along the normal of their plane"
        )
        self.share.setToolTip("The same in distances d between lattice planes (h k l)")
        self._centred_for = None
        self._other_plane()

    def _other_plane(self, _: int = 0) -> None:
        if not self.is_lattice_plane:
            put(self.offset, 0.0)
        self.changed.emit()

    def _offset_changed(self, _: float) -> None:
        self._follow_offset()
        self.changed.emit()

    def _share_changed(self, share: float) -> None:
        if self._cut is not None and self._cut.spacing is not None:
            self.offset.setValue(share * self._cut.spacing)

    def _slid(self, step: int) -> None:
        if self._cut is not None:
            low, high = self._cut.reach
            self.offset.setValue(low + (high - low) * step / _SLIDER_STEPS)

    def _follow_offset(self) -> None:
        """Bring share and slider to where the offset is."""
        if self._cut is None:
            return
        (low, high), offset = self._cut.reach, self.offset.value()
        if self._cut.spacing is not None:
            put(self.share, offset / self._cut.spacing)
        if not self.slider.isSliderDown():
            was = self.slider.blockSignals(True)
            self.slider.setValue(round(_SLIDER_STEPS * (offset - low) / max(high - low, 1e-9)))
            self.slider.blockSignals(was)

    # -- kept choices -------------------------------------------------------------------------

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as JSON can hold it."""
        return {
            "kind": self.kind.currentData(),
            "indices": list(self.miller.indices),
            "atoms": [box.value() for box in self.atoms],
            "offset": self.offset.value(),
            "distance": self.distance.value(),
            **{name: switch.isChecked() for name, switch in self._switches().items()},
        }

    def choose(self, choices: dict[str, Any]) -> None:
        """Take choices up, as far as they make sense."""
        set_choice(self.kind, choices.get("kind"))
        indices = whole_numbers(choices.get("indices"), 3)
        if indices is not None and any(indices):
            self.miller.set_indices(indices)
        atoms = whole_numbers(choices.get("atoms"), 3)
        if atoms is not None:
            for box, number in zip(self.atoms, atoms, strict=True):
                box.want(number)
        set_number(self.distance, choices.get("distance"))
        self._keep_offset = set_number(self.offset, choices.get("offset"))
        self._centred_for = None
        for name, switch in self._switches().items():
            if isinstance(choices.get(name), bool):
                switch.setChecked(choices[name])
        self.changed.emit()

    def _switches(self) -> dict[str, QCheckBox]:
        return {"in_3d": self.in_3d, "contours": self.contours, "own_range": self.own_range}
