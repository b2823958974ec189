"""Slice planes in the Analysis dock: by Miller indices or through atoms, flat and in 3D."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures import style
from napari_eldyn.figures.plane_plot import PlaneMap, PlanePlot
from napari_eldyn.figures.single_plot import single_plot
from napari_eldyn.figures.style import COLUMN_WIDTH, DARK, LIGHT, Palette
from napari_eldyn.viewer.field_watch import Analysis
from napari_eldyn.viewer.plane_colours import plane_colours
from napari_eldyn.viewer.plane_cut import PlaneChoice, PlaneCut, cut_plane, plane_story, plane_table
from napari_eldyn.viewer.plane_place import ShownCells, shown_cells
from napari_eldyn.viewer.plane_surface import PlaneSurface, picture_of_plane
from napari_eldyn.viewer.shown_field import ShownField
from napari_eldyn.widgets.analysis_parts import (
    AtomBox,
    MillerBox,
    follow_switch,
    form,
    in_words,
    miller_text,
    put,
    quantity_box,
)
from napari_eldyn.widgets.parts import row
from napari_eldyn.widgets.plot_canvas import PlotCanvas
from napari_eldyn.widgets.plot_menu import COPY_DPI, PlotMenu, PlotMenuButton, PlotSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from napari import Viewer

__all__ = ["PlaneSection"]

_SLIDER_STEPS = 1000
_PRINT_SIZE = (COLUMN_WIDTH, 2.7)


class PlaneSection(QWidget):
    """The form of a plane, its flat map, and its picture in 3D.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    changed = Signal()
    """Another plane is wanted."""
    failed = Signal(str)
    """What went wrong with copying or saving."""
    done = Signal(str)
    """What was copied or saved."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._palette = DARK
        self.cut: PlaneCut | None = None
        self._centred_for: tuple[Any, ...] | None = None
        self.surface = PlaneSurface(viewer)
        self.kind = QComboBox()
        self.kind.addItem("Lattice plane (h k l)", "miller")
        self.kind.addItem("Plane through three atoms", "atoms")
        self.kind.setToolTip("How the plane is given")
        self.miller = MillerBox()
        self.atoms = [AtomBox(n, f"Atom {n} in the plane, counted from 1") for n in (1, 2, 3)]
        self.given = QStackedWidget()
        self.given.addWidget(self.miller)
        self.given.addWidget(row(*self.atoms))
        self.offset = quantity_box("Å", "", step=0.1, decimals=3)
        self.share = quantity_box("d", "", step=0.05, decimals=3)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _SLIDER_STEPS)
        self.slider.setToolTip("Move the plane through the cells shown")
        self.about = QLabel()
        self.in_3d = QCheckBox("In 3D")
        self.in_3d.setChecked(True)
        self.in_3d.setToolTip("Show the plane among the volumes, with the same colours")
        self.contours = QCheckBox("Contours")
        self.contours.setToolTip("Nine lines of equal value, in equal steps of the colour bar")
        self.own_range = QCheckBox("Own range")
        self.own_range.setToolTip(
            "Spread the colours over the values in the plane; otherwise they are those of the layer"
        )
        self.distance = quantity_box("Å", "Draw atoms at most this far from the plane", step=0.1)
        self.distance.setPrefix("± ")
        self.distance.setRange(0.0, 20.0)
        self.distance.setValue(0.5)
        self.canvas = PlotCanvas(partial(PlanePlot, live=True), DARK, self._feed)
        self.canvas.setMinimumSize(QSize(240, 250))
        self.menu = PlotMenu(self._source(), self)
        self.menu.failed.connect(self.failed)
        self.menu.done.connect(self.done)
        self.canvas.menu_wanted.connect(self.menu.pop_up)
        self.controls = row(self.in_3d, PlotMenuButton(self.menu))
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
        fields.addRow("Plane", self.kind)
        fields.addRow("", self.given)
        fields.addRow("Offset", place)
        fields.addRow("", self.slider)
        fields.addRow("Atoms", self.distance)
        fields.addRow("", row(self.contours, self.own_range))
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 6, 4)
        column.setSpacing(4)
        column.addLayout(fields)
        column.addWidget(self.about)
        column.addWidget(self.canvas, 1)

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self._choose_kind)
        self.miller.changed.connect(self._other_plane)
        for box in self.atoms:
            box.valueChanged.connect(self._other_plane)
        self.offset.valueChanged.connect(self._offset_changed)
        self.share.valueChanged.connect(self._share_changed)
        self.slider.valueChanged.connect(self._slid)
        self.distance.valueChanged.connect(self.changed)
        self.contours.toggled.connect(self._draw)
        self.own_range.toggled.connect(self._draw)
        self.in_3d.toggled.connect(self._draw)

    # -- what is wanted -----------------------------------------------------------------------

    def analysis(self, field: ShownField) -> Analysis:
        """Return what cuts the plane through a field."""
        self._offer_atoms(field.numbers)
        cells = shown_cells(field.layer, field.grid)
        return partial(cut_plane, field, self._choice(field, cells), cells)

    def _choice(self, field: ShownField, cells: ShownCells) -> PlaneChoice:
        offset: float | None = self.offset.value()
        if self.is_lattice_plane:
            # Another plane, or another cell, begins in the middle.
            of = (self.miller.indices, *np.round(cells.edges, 3).ravel())
            if of != self._centred_for:
                self._centred_for, offset = of, None
        first, second, third = self.atoms
        return PlaneChoice(
            self.miller.indices if self.is_lattice_plane else None,
            (first.index, second.index, third.index),
            f"{first.text_of_atom}–{second.text_of_atom}",
            offset,
            self.distance.value(),
        )

    @property
    def is_lattice_plane(self) -> bool:
        """Whether the plane is given by Miller indices."""
        return bool(self.kind.currentData() == "miller")

    def _offer_atoms(self, numbers: NDArray[np.int64] | None) -> None:
        known = [] if numbers is None else [int(n) for n in numbers]
        for box in self.atoms:
            box.set_atoms(known)
            box.setEnabled(len(known) >= 3)
        self.distance.setEnabled(bool(known))

    def _choose_kind(self, _: int = 0) -> None:
        self.given.setCurrentIndex(0 if self.is_lattice_plane else 1)
        self.share.setVisible(self.is_lattice_plane)
        self.offset.setToolTip(
            "Distance from the cell's origin, along the normal of the plane"
            if self.is_lattice_plane
            else "Distance from the three atoms, along the normal of their plane"
        )
        self._centred_for = None
        self._other_plane()

    def _other_plane(self, _: int = 0) -> None:
        if not self.is_lattice_plane:
            put(self.offset, 0.0)
        self.changed.emit()

    def _offset_changed(self, offset: float) -> None:
        self._follow_offset()
        self.changed.emit()

    def _share_changed(self, share: float) -> None:
        if self.cut is not None and self.cut.spacing is not None:
            self.offset.setValue(share * self.cut.spacing)

    def _slid(self, step: int) -> None:
        if self.cut is not None:
            low, high = self.cut.reach
            self.offset.setValue(low + (high - low) * step / _SLIDER_STEPS)

    def _follow_offset(self) -> None:
        """Bring share and slider to where the offset is."""
        if self.cut is None:
            return
        (low, high), offset = self.cut.reach, self.offset.value()
        if self.cut.spacing is not None:
            put(self.share, offset / self.cut.spacing)
        if not self.slider.isSliderDown():
            was = self.slider.blockSignals(True)
            self.slider.setValue(round(_SLIDER_STEPS * (offset - low) / max(high - low, 1e-9)))
            self.slider.blockSignals(was)

    # -- what is shown ------------------------------------------------------------------------

    def take(self, field: ShownField, cut: PlaneCut) -> None:
        """Show a plane."""
        self.cut = cut
        asked = cut.choice.offset
        if asked is None or abs(asked - self.offset.value()) < 1e-3:
            put(self.offset, cut.offset)  # nobody has chosen another one meanwhile
        self._follow_offset()
        self.about.setText(
            self._name_of_plane(cut)
            if cut.spacing is None
            else f"d{self.miller.text} = {in_words(cut.spacing, 'Å')}"
        )
        self._draw()

    def clear(self) -> None:
        """Show no plane."""
        self.cut = None
        self.about.setText("")
        self._draw()

    def set_palette(self, palette: Palette) -> None:
        """Draw in the colours of a theme."""
        self._palette = palette
        self.canvas.set_plot(partial(PlanePlot, live=True), palette)
        self._draw()

    def _draw(self, *_: Any) -> None:
        self.canvas.refresh()
        cut, viewer = self.cut, self._viewer
        flat = viewer.dims.ndisplay == 2 or viewer.canvas.grid.enabled
        follow_switch(self.in_3d, self.surface, flat)
        drawn = self._map(self._palette)
        if cut is None or drawn is None or flat or not self.in_3d.isChecked():
            self.surface.remove()
            return
        picture = picture_of_plane(cut.plane, cut.polygon, cut.box, drawn.rgba(), cut.cells.offset)
        self.surface.show_picture(self._name_of_plane(cut), picture)

    def _feed(self, plot: PlanePlot) -> None:
        plot.update(self._map(self._palette))

    def _map(self, palette: Palette) -> PlaneMap | None:
        cut = self.cut
        if cut is None:
            return None
        field = cut.field
        limits, colours = plane_colours(field.layer, palette.background)
        if self.own_range.isChecked():
            limits = _range_of(cut.values, field.quantity.signed)
        return PlaneMap(
            cut.plane,
            cut.polygon,
            cut.values,
            cut.box,
            limits,
            colours,
            field.quantity.title,
            field.short_unit,
            cut.atoms,
            field.numbers,
            self.contours.isChecked(),
            f"{field.name}, {self._name_of_plane(cut)}, {field.time}",
        )

    def _name_of_plane(self, cut: PlaneCut) -> str:
        if cut.choice.indices is not None:
            indices = miller_text(cut.choice.indices)
            return f"Plane {indices} at {in_words(cut.offset, 'Å')}"
        through = ", ".join(box.text_of_atom for box in self.atoms)
        moved = f" {cut.offset:+.3g} Å".replace("-", "−") if abs(cut.offset) > 5e-4 else ""
        return f"Plane of {through}{moved}"

    # -- copy and save ------------------------------------------------------------------------

    def _source(self) -> PlotSource:
        return PlotSource(
            title="Plane",
            picture=self._picture,
            figure=lambda: self._figure(LIGHT, _PRINT_SIZE, 100.0),
            table=lambda: plane_table(self._shown()),
            provenance=lambda: plane_story(self._shown(), self._name_of_plane(self._shown())),
        )

    def _shown(self) -> PlaneCut:
        if self.cut is None:
            raise EldynError("there is no plane to save")
        return self.cut

    def _figure(self, palette: Palette, size: tuple[float, float], dpi: float) -> Figure:
        self._shown()
        figure, plot = single_plot(PlanePlot, palette, size, dpi=dpi)
        with style.context(palette):
            plot.update(self._map(palette))
        return figure

    def _picture(self) -> Figure:
        width, height = self.canvas.figure.get_size_inches()
        figure = self._figure(self._palette, (float(width), float(height)), COPY_DPI)
        with style.context(self._palette):
            figure.canvas.draw()
        return figure

    # -- kept choices -------------------------------------------------------------------------

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as JSON can hold it."""
        return {
            "kind": self.kind.currentData(),
            "indices": list(self.miller.indices),
            "atoms": [box.value() for box in self.atoms],
            "offset": self.offset.value(),
            "distance": self.distance.value(),
            "in_3d": self.in_3d.isChecked(),
            "contours": self.contours.isChecked(),
            "own_range": self.own_range.isChecked(),
        }


def _range_of(values: NDArray[np.float32], signed: bool) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if signed and low < 0 < high:
        size = max(-low, high)
        return -size, size
    return (low, high) if high > low else (low, low + max(abs(low), 1e-6))
