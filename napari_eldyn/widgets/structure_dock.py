"""The Structure dock: what is drawn of cell and atoms, cells shown, shift, and their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QVBoxLayout, QWidget

from napari_eldyn.viewer.cell_view import cell_view_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.layers import shown_electrons
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.structure import PARTS, structure_of
from napari_eldyn.viewer.structure_pick import AtomPicking
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.parts import least_size, scrolling
from napari_eldyn.widgets.section import Section
from napari_eldyn.widgets.structure_cells import ShiftBox, TilingRow
from napari_eldyn.widgets.structure_numbers import StructureNumbers, structure_numbers

if TYPE_CHECKING:
    import napari

__all__ = ["StructureDock"]

_GROUP = "structure_dock"
_TITLES = {"cell": "Cell and a, b, c", "atoms": "Atoms", "bonds": "Bonds"}
_TIPS = {
    "cell": "Edges of the cells shown, and the lattice vectors by their names",
    "atoms": "Atoms in Jmol's colours, sized by their covalent radii",
    "bonds": "Between atoms no farther apart than 1.15 times the sum of their covalent radii "
    "(Cordero et al. 2008); halves at the boundary belong to atoms of the next cell",
}
_NUMBERS_MS = 120  # after the last step: scrubbing comes first


class StructureDock(QWidget):
    """A face of the viewer's structure and its cell view.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.structure = structure_of(napari_viewer)
        self.view = cell_view_of(napari_viewer)
        self.picking = AtomPicking(napari_viewer, self.structure, self)
        self.boxes = {part: QCheckBox(_TITLES[part]) for part in PARTS}
        self.wrapped = QCheckBox("Wrap into cell")
        self.tiling = TilingRow(self.view)
        self.shift = ShiftBox(self.view, self.structure, self.picking)
        self.numbers = StructureNumbers()
        self.messages = MessageArea()
        self._lay_out()
        self._connect()
        self._update()
        place_dock(napari_viewer, self, "right")

    def _lay_out(self) -> None:
        shown = QWidget()
        grid = QGridLayout(shown)
        grid.setContentsMargins(6, 0, 6, 4)
        grid.setVerticalSpacing(3)
        for place, (part, box) in enumerate(self.boxes.items()):
            box.setToolTip(_TIPS[part])
            grid.addWidget(box, place // 2, place % 2)
        self.wrapped.setToolTip(
            "Draw all atoms inside of the cell. Otherwise they lie as in the file, so that paths "
            "are not broken at the boundary."
        )
        grid.addWidget(self.wrapped, 1, 1)
        inside = self._inside = QWidget()
        whole = QVBoxLayout(inside)
        whole.setContentsMargins(2, 2, 2, 2)
        whole.setSpacing(4)
        self.sections: dict[str, Section] = {}
        folded = remembered(_GROUP).get("folded")
        for name, title, content, control in (
            ("show", "Show", shown, None),
            ("cells", "Cells", _indented(self.tiling), None),
            ("shift", "Shift", _indented(self.shift), self.shift.reset),
            ("numbers", "Numbers", self.numbers, None),
        ):
            section = Section(title, content, control=control)
            section.set_open(not (isinstance(folded, list) and name in folded))
            section.header.toggled.connect(self._remember_folded)
            self.sections[name] = section
            whole.addWidget(section)
        whole.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(scrolling(inside), 1)
        column.addWidget(self.messages)

    def _connect(self) -> None:
        structure = self.structure
        for part, box in self.boxes.items():
            box.toggled.connect(lambda on, part=part: structure.set_shown(part, on))
        self.wrapped.toggled.connect(self._wrap)
        structure.changed.connect(self._update)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_NUMBERS_MS)
        self._later.timeout.connect(self._show_numbers)
        structure.moved.connect(self._numbers_later)
        self.viewer.canvas.grid.events.enabled.connect(self._update)
        self.picking.changed.connect(self._update)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        return least_size(self._inside)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height of the content."""
        return self._inside.sizeHint() + QSize(0, self.messages.sizeHint().height())

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Bring up to date what was missed while hidden."""
        super().showEvent(event)
        self._update()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Wait no longer for a click on an atom."""
        super().hideEvent(event)
        self.picking.set_on(False)

    def session_state(self) -> dict[str, Any]:
        """Return what is shown of the structure, and where, for a saved session."""
        structure = self.structure
        return {
            **{part: structure.is_shown(part) for part in PARTS},
            "wrapped": structure.wrapped,
            "tiling": list(self.view.tiling),
            "fraction": list(self.view.fraction),
        }

    def restore_session_state(self, state: dict[str, Any]) -> None:
        """Take up what was shown, as far as it makes sense."""
        for part in PARTS:
            if isinstance(state.get(part), bool):
                self.structure.set_shown(part, state[part])
        if isinstance(state.get("wrapped"), bool):
            self.structure.wrapped = state["wrapped"]
        try:
            self.view.show(state["tiling"], state["fraction"])
        except (KeyError, TypeError, ValueError):
            return  # written by hand, or by another version

    # -- what it shows ------------------------------------------------------------------------

    def _wrap(self, wrapped: bool) -> None:
        self.structure.wrapped = wrapped

    def _remember_folded(self, _: bool) -> None:
        folded = [name for name, x in self.sections.items() if not x.header.isChecked()]
        remember(_GROUP, folded=folded)

    def _numbers_later(self) -> None:
        if self.isVisible():
            self._later.start()

    def _update(self, event: Any = None) -> None:
        structure = self.structure
        for part, box in self.boxes.items():
            box.blockSignals(True)
            box.setChecked(structure.is_shown(part))
            box.blockSignals(False)
            possible = structure.trajectory is not None if part == "cell" else structure.has_atoms
            box.setEnabled(possible)
        self.wrapped.blockSignals(True)
        self.wrapped.setChecked(structure.wrapped)
        self.wrapped.blockSignals(False)
        self.wrapped.setEnabled(structure.has_atoms)
        self.tiling.setEnabled(structure.trajectory is not None)
        waits = self.picking.is_on
        self.messages.set_hint("Click on an atom in the canvas." if waits else structure.hint)
        self._show_numbers()

    def _show_numbers(self) -> None:
        structure, layer = self.structure, self.structure.layer
        trajectory, frame = structure.trajectory, structure.frame
        if trajectory is None or not self.isVisible():
            self.numbers.show_numbers({})
            return
        electrons = None if frame is None else shown_electrons(layer, frame)
        self.numbers.show_numbers(structure_numbers(trajectory, electrons))


def _indented(widget: QWidget) -> QWidget:
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(6, 0, 6, 4)
    column.addWidget(widget)
    return holder
