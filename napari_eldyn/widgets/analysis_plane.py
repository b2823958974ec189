"""Slice planes in the Analysis dock: a form, a flat map with axes in Å, a picture in 3D."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures import style
from napari_eldyn.figures.plane_plot import PlaneMap, PlanePlot
from napari_eldyn.figures.single_plot import single_plot
from napari_eldyn.figures.style import COLUMN_WIDTH, DARK, LIGHT, Palette
from napari_eldyn.viewer.field_watch import Analysis
from napari_eldyn.viewer.plane_colours import plane_colours
from napari_eldyn.viewer.plane_cut import PlaneCut, cut_plane, plane_story, plane_table
from napari_eldyn.viewer.plane_place import shown_cells
from napari_eldyn.viewer.plane_surface import PlaneSurface, picture_of_plane
from napari_eldyn.viewer.region_pick import selected_atoms
from napari_eldyn.viewer.shown_field import ShownField
from napari_eldyn.widgets.analysis_parts import follow_switch
from napari_eldyn.widgets.analysis_plane_form import PlaneForm
from napari_eldyn.widgets.parts import row
from napari_eldyn.widgets.plot_canvas import PlotCanvas
from napari_eldyn.widgets.plot_menu import COPY_DPI, PlotMenu, PlotMenuButton, PlotSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from napari import Viewer

__all__ = ["PlaneSection"]

_PRINT_SIZE = (COLUMN_WIDTH, 2.7)
_LEAST_MAP = (240, 250)


class PlaneSection(QWidget):
    """The form of a plane, its map, and its picture in 3D.

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
        self.surface = PlaneSurface(viewer)
        self.form = PlaneForm()
        self.canvas = PlotCanvas(partial(PlanePlot, live=True), DARK, self._feed)
        self.canvas.setMinimumSize(QSize(*_LEAST_MAP))
        self.menu = PlotMenu(self._source(), self)
        self.controls = row(self.form.in_3d, PlotMenuButton(self.menu))
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 6, 4)
        column.setSpacing(4)
        column.addWidget(self.form)
        column.addWidget(self.canvas, 1)
        self.menu.failed.connect(self.failed)
        self.menu.done.connect(self.done)
        self.canvas.menu_wanted.connect(self.menu.pop_up)
        self.form.changed.connect(self.changed)
        self.form.pick_wanted.connect(self._pick)
        self.form.look_changed.connect(self._draw)

    def analysis(self, field: ShownField) -> Analysis:
        """Return what cuts the plane through a field."""
        cells = shown_cells(field.layer, field.grid)
        return partial(cut_plane, field, self.form.choice(field, cells), cells)

    def take(self, field: ShownField, cut: PlaneCut) -> None:
        """Show a plane."""
        self.cut = cut
        self.form.follow(cut)
        self._draw()

    def clear(self, why: str = "") -> None:
        """Show no plane, and why."""
        self.cut = None
        self.form.follow(None, why)
        self._draw()

    def _pick(self) -> None:
        atoms = selected_atoms(self._viewer)
        if len(atoms) == 3:
            self.form.take_atoms(atoms)
        else:
            n = f"{len(atoms)} are" if len(atoms) != 1 else "one is"
            self.failed.emit(f"Select three atoms in the layer 'atoms'; {n} selected.")

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as JSON can hold it."""
        return self.form.choices()

    def choose(self, choices: dict[str, Any]) -> None:
        """Take choices up, as far as they make sense."""
        self.form.choose(choices)

    def set_palette(self, palette: Palette) -> None:
        """Draw in the colours of a theme."""
        self._palette = palette
        self.canvas.set_plot(partial(PlanePlot, live=True), palette)
        self._draw()

    # -- drawing ------------------------------------------------------------------------------

    def _draw(self) -> None:
        self.canvas.refresh()
        cut, viewer = self.cut, self._viewer
        flat = viewer.dims.ndisplay == 2 or viewer.canvas.grid.enabled
        follow_switch(self.form.in_3d, self.surface, flat)
        canvas = to_hex(viewer.canvas.background_color)
        drawn = self._map(replace(self._palette, background=canvas))
        if cut is None or drawn is None or flat or not self.form.in_3d.isChecked():
            self.surface.remove()
            return
        picture = picture_of_plane(cut.plane, cut.polygon, cut.box, drawn.rgba(), cut.cells.offset)
        self.surface.show_picture(self.form.name_of(cut), picture)

    def _feed(self, plot: PlanePlot) -> None:
        plot.update(self._map(self._palette))

    def _map(self, palette: Palette) -> PlaneMap | None:
        cut = self.cut
        if cut is None:
            return None
        field = cut.field
        limits, colours = plane_colours(field.layer, palette.background)
        if self.form.own_range.isChecked():
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
            self.form.contours.isChecked(),
            ", ".join(filter(None, (field.name, self.form.name_of(cut), field.time))),
        )

    # -- copy and save ------------------------------------------------------------------------

    def _source(self) -> PlotSource:
        return PlotSource(
            title="Plane",
            picture=self._picture,
            figure=lambda: self._figure(LIGHT, _PRINT_SIZE, 100.0),
            table=lambda: plane_table(self._shown()),
            provenance=lambda: plane_story(self._shown(), self.form.name_of(self._shown())),
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


def _range_of(values: NDArray[np.float32], signed: bool) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if signed and low < 0 < high:
        size = max(-low, high)
        return -size, size
    return (low, high) if high > low else (low, low + max(abs(low), 1e-6))
