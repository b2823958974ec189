"""Counts in the Analysis dock: electrons in a sphere, or in a layer between lattice planes."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.observables.planes import spacing
from napari_eldyn.viewer.field_watch import Analysis
from napari_eldyn.viewer.plane_place import shown_cells
from napari_eldyn.viewer.region_count import (
    Count,
    LayerChoice,
    SphereChoice,
    count_in_layer,
    count_in_sphere,
)
from napari_eldyn.viewer.region_pick import selected_atoms
from napari_eldyn.viewer.region_surface import RegionSurface, layer_data, sphere_data
from napari_eldyn.viewer.shown_field import ShownField
from napari_eldyn.widgets.analysis_parts import (
    MillerBox,
    follow_switch,
    form,
    in_words,
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

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["CountSection"]


class CountSection(QWidget):
    """The form of a region, how much is in it, and the region in 3D.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    changed = Signal()
    """Another region is wanted."""
    failed = Signal(str)
    """Why no atom was taken."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layer_of: tuple[int, int, int] | None = None
        self.surface = RegionSurface(viewer)
        self.in_3d = QCheckBox("In 3D")
        self.in_3d.setToolTip("Show the region among the volumes")
        self.kind = QComboBox()
        for title, name in (
            ("Sphere around an atom", "atom"),
            ("Sphere around a point", "point"),
            ("Layer between lattice planes", "layer"),
        ):
            self.kind.addItem(title, name)
        self.kind.setToolTip("Where to count")
        self.atom = AtomBox(1, "Atom in the centre, counted from 1")
        self.pick = pick_button("Take the atom that is selected in the layer 'atoms'")
        self.point = [
            quantity_box("Å", f"Centre along {name}, in the coordinates of the file")
            for name in "xyz"
        ]
        self.radius = quantity_box("Å", "Radius of the sphere")
        self.radius.setRange(0.0, 100.0)
        self.radius.setValue(1.5)
        self.miller = MillerBox()
        self.start, self.end = (
            quantity_box("Å", f"{name} plane: distance from the cell's origin along its normal")
            for name in ("Lower", "Upper")
        )
        self.result = reading()
        self.result.setObjectName("count")
        self._lay_out()
        self.kind.currentIndexChanged.connect(self._choose_kind)
        self.miller.changed.connect(self._other_layer)
        self.atom.valueChanged.connect(self.changed)
        self.pick.clicked.connect(self._pick)
        for box in (*self.point, self.radius, self.start, self.end):
            box.valueChanged.connect(self.changed)
        self.in_3d.toggled.connect(self.changed)
        self._choose_kind()

    def _lay_out(self) -> None:
        self._pages = QStackedWidget()
        self._pages.addWidget(row(self.atom, self.pick))
        self._pages.addWidget(row(*self.point))
        self._pages.addWidget(self.miller)
        self._sizes = QStackedWidget()
        self._sizes.addWidget(self.radius)
        self._sizes.addWidget(row(self.start, self.end))
        fields = form()
        fields.addRow("Region", self.kind)
        fields.addRow("At", self._pages)
        fields.addRow("Size", self._sizes)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 6, 4)
        column.setSpacing(4)
        column.addLayout(fields)
        column.addWidget(self.result)

    def _choose_kind(self, _: int = 0) -> None:
        place = self.kind.currentIndex()
        self._pages.setCurrentIndex(place)
        self._sizes.setCurrentIndex(1 if self.kind.currentData() == "layer" else 0)
        self.changed.emit()

    def _pick(self) -> None:
        atoms = selected_atoms(self._viewer)
        if len(atoms) == 1:
            self.atom.want(atoms[0] + 1)
            self.changed.emit()
        else:
            n = f"{len(atoms)} are" if atoms else "none is"
            self.failed.emit(f"Select one atom in the layer 'atoms'; {n} selected.")

    def _other_layer(self) -> None:
        self._layer_of = None
        self.changed.emit()

    # -- what is wanted -----------------------------------------------------------------------

    def analysis(self, field: ShownField) -> Analysis:
        """Return what counts in a field."""
        numbers = field.numbers
        self.atom.set_atoms([] if numbers is None else [int(n) for n in numbers])
        if self.kind.currentData() == "layer":
            return partial(count_in_layer, field, self._layer(field))
        return partial(count_in_sphere, field, self._sphere())

    def _sphere(self) -> SphereChoice:
        x, y, z = (box.value() for box in self.point)
        atom = self.atom.index if self.kind.currentData() == "atom" else None
        return SphereChoice(atom, (x, y, z), self.radius.value())

    def _layer(self, field: ShownField) -> LayerChoice:
        indices = self.miller.indices
        if self._layer_of != indices and any(indices):
            self._layer_of = indices  # other planes begin with the lower half
            put(self.start, 0.0)
            put(self.end, 0.5 * spacing(field.grid, indices))
        return LayerChoice(indices, self.start.value(), self.end.value())

    # -- what is found ------------------------------------------------------------------------

    def take(self, field: ShownField, count: Count) -> None:
        """Show how much is in the region."""
        volume = in_words(count.volume, "Å³")
        amount = in_words(count.value, field.integral_unit, 5)
        mean = in_words(count.value / count.volume if count.volume else 0.0, field.short_unit)
        if field.weight == "square":
            lines = [f"<b>{amount}</b> in {volume}", count.place]
        elif field.is_density:
            lines = [f"<b>{amount}</b> in {volume}", f"mean {mean}, {count.place}"]
        else:
            lines = [f"<b>Mean {mean}</b> in {volume}", f"integral {amount}, {count.place}"]
        lines.append(f"of {in_words(count.total, field.integral_unit, 5)} in the cell")
        self.result.setText("<br>".join([*lines, *filter(None, (count.note, field.caution))]))
        viewer = self._viewer
        flat = viewer.dims.ndisplay == 2 or viewer.canvas.grid.enabled
        follow_switch(self.in_3d, self.surface, flat)
        if flat or not self.in_3d.isChecked():
            self.surface.remove()
            return
        cells = shown_cells(field.layer, field.grid)
        if count.centre is None:
            data = layer_data(self._layer(field), field.grid, cells)
        else:
            data = sphere_data(count.centre, self.radius.value(), field.grid, cells)
        if data is None:
            self.surface.remove()
        else:
            self.surface.show("Counted region", data)

    def clear(self, why: str = "") -> None:
        """Show nothing, and why."""
        self.result.setText(escape(why))
        self.surface.remove()

    # -- kept choices -------------------------------------------------------------------------

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as JSON can hold it."""
        return {
            "kind": self.kind.currentData(),
            "atom": self.atom.value(),
            "indices": list(self.miller.indices),
            "in_3d": self.in_3d.isChecked(),
            **{name: box.value() for name, box in self._numbers().items()},
        }

    def choose(self, choices: dict[str, Any]) -> None:
        """Take choices up, as far as they make sense."""
        set_choice(self.kind, choices.get("kind"))
        atom = whole_numbers([choices.get("atom")], 1)
        if atom is not None:
            self.atom.want(atom[0])
        indices = whole_numbers(choices.get("indices"), 3)
        if indices is not None and any(indices):
            self.miller.set_indices(indices)
            self._layer_of = self.miller.indices
        for name, box in self._numbers().items():
            set_number(box, choices.get(name))
        if isinstance(choices.get("in_3d"), bool):
            self.in_3d.setChecked(choices["in_3d"])
        self.changed.emit()

    def _numbers(self) -> dict[str, QDoubleSpinBox]:
        x, y, z = self.point
        return {
            "x": x,
            "y": y,
            "z": z,
            "radius": self.radius,
            "lower": self.start,
            "upper": self.end,
        }
