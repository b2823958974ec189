"""The Analysis dock: planes, isosurface levels, counts and differences of the frame looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.style import palette_on
from napari_eldyn.viewer._compat import unwrap
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.field_watch import Analysis, FieldWatch
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.shown_field import ShownField
from napari_eldyn.widgets.analysis_count import CountSection
from napari_eldyn.widgets.analysis_difference import DifferenceSection
from napari_eldyn.widgets.analysis_level import LevelSection
from napari_eldyn.widgets.analysis_parts import form
from napari_eldyn.widgets.analysis_plane import PlaneSection
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.parts import least_size, scrolling
from napari_eldyn.widgets.section import Section

if TYPE_CHECKING:
    import napari

__all__ = ["AnalysisDock"]

_GROUP = "analysis"


class AnalysisDock(QWidget):
    """Analyses of what one layer shows; they follow the slider while the dock is visible.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = unwrap(napari_viewer)
        self.layer = QComboBox()
        self.layer.setToolTip("Which layer is analysed; selecting one in the list does the same")
        self.layer.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plane = PlaneSection(self.viewer)
        self.level = LevelSection(self.viewer)
        self.count = CountSection(self.viewer)
        self.difference = DifferenceSection(self.viewer)
        self.parts: dict[str, PlaneSection | LevelSection | CountSection] = {
            "plane": self.plane,
            "level": self.level,
            "count": self.count,
        }
        self.messages = MessageArea()
        self.sections: dict[str, Section] = {}
        self._lay_out()
        self.watch = FieldWatch(self.viewer, self, self._analyses, self._is_wanted)
        self.watch.done.connect(self._take)
        self.watch.nothing.connect(self._take_nothing)
        self.watch.layers_changed.connect(self._list_layers)
        self.layer.activated.connect(self._choose_layer)
        for part in self.parts.values():
            part.changed.connect(self.watch.schedule)
        for source in (self.plane, self.count, self.difference):
            source.failed.connect(self._complain)
        for source in (self.plane, self.difference):
            source.done.connect(self._inform)
        self.viewer.events.theme.connect(self._follow_theme)
        self.viewer.dims.events.ndisplay.connect(self.watch.schedule)
        self.viewer.canvas.grid.events.enabled.connect(self._clear_the_grid)
        self._follow_theme()
        self._list_layers()
        place_dock(napari_viewer, self, "right")

    def _lay_out(self) -> None:
        inside = self._inside = QWidget()
        whole = QVBoxLayout(inside)
        whole.setContentsMargins(2, 2, 2, 2)
        whole.setSpacing(3)
        fields = form()
        fields.setContentsMargins(6, 2, 6, 2)
        fields.addRow("Layer", self.layer)
        whole.addLayout(fields)
        folded = remembered(_GROUP).get("folded")
        contents: tuple[tuple[str, str, QWidget, QWidget | None], ...] = (
            ("plane", "Plane", self.plane, self.plane.controls),
            ("level", "Isosurface", self.level, self.level.in_3d),
            ("count", "Count", self.count, self.count.in_3d),
            ("difference", "Difference", self.difference, None),
        )
        for name, title, content, control in contents:
            section = Section(title, content, control=control, stretch=name == "plane")
            self.sections[name] = section
            section.set_open(not (isinstance(folded, list) and name in folded))
            section.header.toggled.connect(self._folded)
            whole.addWidget(section, 1 if name == "plane" else 0)
        whole.addStretch(0)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(0)
        outside.addWidget(scrolling(inside), 1)
        outside.addWidget(self.messages)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        return least_size(self._inside)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height of the content."""
        return self._inside.sizeHint() + QSize(0, self.messages.sizeHint().height())

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what was missed while hidden."""
        super().showEvent(event)
        self.watch.schedule()

    def event(self, event: QEvent | None) -> bool:
        """Leave nothing behind on the canvas when napari lets go of the dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.watch.close()
            self.difference.close_down()
            self._remove_surfaces()
        return super().event(event)

    def _remove_surfaces(self) -> None:
        for part in self.parts.values():
            part.surface.remove()

    # -- layers -------------------------------------------------------------------------------

    def _list_layers(self) -> None:
        self.layer.clear()
        for layer in self.watch.layers():
            self.layer.addItem(layer.name, layer)
        chosen = self.watch.layer
        self.layer.setCurrentIndex(-1 if chosen is None else self.watch.layers().index(chosen))
        self.layer.setEnabled(self.layer.count() > 1)
        self.difference.offer(chosen, self.watch.layers())

    def _choose_layer(self, place: int) -> None:
        self.watch.choose(self.layer.itemData(place))

    # -- analyses -----------------------------------------------------------------------------

    def _analyses(self, field: ShownField) -> Mapping[str, Analysis]:
        return {
            name: part.analysis(field)
            for name, part in self.parts.items()
            if part.surface.is_there
            or (self.isVisible() and self.sections[name].header.isChecked())
        }

    def _is_wanted(self) -> bool:
        """Whether anybody sees results; a surface must not be left behind by the slider."""
        return self.isVisible() or any(part.surface.is_there for part in self.parts.values())

    def _clear_the_grid(self, event: Any = None) -> None:
        """Take surfaces away at once where each layer has a panel of its own."""
        if self.viewer.canvas.grid.enabled:
            self._remove_surfaces()
        self.watch.schedule()

    def _take(self, field: ShownField, results: Mapping[str, Any]) -> None:
        self.messages.clear()
        self.messages.set_hint("")
        problems = [x for x in results.values() if isinstance(x, EldynError)]
        unreadable = len(problems) == len(results) and len(set(map(id, problems))) == 1
        for name, result in results.items():
            part = self.parts[name]
            if not isinstance(result, EldynError):
                part.take(field, result)
            elif unreadable:
                part.clear()
            else:
                part.clear(str(result))  # it stands where the result would
        if unreadable:
            self.messages.complain(str(problems[0]))

    def _take_nothing(self, why: str) -> None:
        for part in self.parts.values():
            part.clear()
        self.messages.clear()
        self.messages.set_hint(why)

    def _folded(self, _: bool) -> None:
        folded = [name for name, x in self.sections.items() if not x.header.isChecked()]
        remember(_GROUP, folded=folded)
        self.watch.schedule()

    # -- sessions -----------------------------------------------------------------------------

    def session_state(self) -> dict[str, Any]:
        """Return all choices, for a saved session."""
        chosen = self.watch.layer
        state: dict[str, Any] = {name: part.choices() for name, part in self.parts.items()}
        return state | {"layer": None if chosen is None else chosen.name}

    def restore_session_state(self, state: dict[str, Any]) -> None:
        """Take choices up, as far as they make sense."""
        for layer in self.watch.layers():
            if layer.name == state.get("layer"):
                self.watch.choose(layer)
        for name, part in self.parts.items():
            if isinstance(state.get(name), dict):
                part.choose(state[name])

    # -- the window ---------------------------------------------------------------------------

    def _follow_theme(self, event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.plane.set_palette(palette_on(str(theme.background), str(theme.text)))

    def _complain(self, text: str) -> None:
        self.messages.clear()
        self.messages.complain(text)

    def _inform(self, text: str) -> None:
        self.messages.clear()
        self.messages.inform(text)
