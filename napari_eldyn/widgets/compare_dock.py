"""The Compare dock: panels, offset, 2D or 3D, ensemble members, several rollouts in one plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_eldyn.figures.style import palette_on
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.widgets.compare_plot import ComparePlot
from napari_eldyn.widgets.member_box import MemberBox
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.panel_boxes import OffsetRow, PanelBoxes, ViewSwitch
from napari_eldyn.widgets.parts import least_size, scrolling
from napari_eldyn.widgets.rollout_list import RolloutList
from napari_eldyn.widgets.section import Section
from napari_eldyn.widgets.slice_mode import SliceMode

if TYPE_CHECKING:
    import napari

__all__ = ["CompareDock"]

_GROUP = "compare"


class CompareDock(QWidget):
    """A face of the viewer's panels, its ensemble and its shelf of rollouts.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        control = self.controller = controller_of(napari_viewer)
        self.boxes = PanelBoxes(control.panels)
        self.view = ViewSwitch(napari_viewer)
        self.offset = OffsetRow(control.panels)
        self.members = MemberBox(control)
        self.rollouts = RolloutList(control)
        self.plot = ComparePlot(control)
        self.messages = MessageArea()
        self.slices = SliceMode(napari_viewer, self)
        for source in (self.plot, self.slices):
            source.failed.connect(self._complain)
            source.done.connect(self._inform)
        control.failed.connect(self._complain)
        control.state_changed.connect(self._forget_messages)
        self.sections: dict[str, Section] = {}
        self._lay_out()
        napari_viewer.events.theme.connect(self._follow_theme)
        self._follow_theme()
        place_dock(napari_viewer, self, "left")

    def _lay_out(self) -> None:
        panels = QWidget()
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Offset", self.offset)
        column = QVBoxLayout(panels)
        column.setContentsMargins(6, 0, 6, 4)
        column.setSpacing(5)
        column.addWidget(self.boxes)
        column.addLayout(form)
        inside = self._inside = QWidget()
        whole = QVBoxLayout(inside)
        whole.setContentsMargins(2, 2, 2, 2)
        whole.setSpacing(3)
        folded = remembered(_GROUP).get("folded")
        for name, title, content, control in (
            ("panels", "Panels", panels, self.view),
            ("ensemble", "Ensemble", _indented(self.members), self.members.member),
            ("rollouts", "Rollouts", _indented(self.rollouts), self.rollouts.keep),
            ("plot", "Plot", _indented(self.plot), self.plot.controls),
        ):
            section = Section(title, content, control=control, stretch=name == "plot")
            self.sections[name] = section
            section.set_open(not (isinstance(folded, list) and name in folded))
            section.header.toggled.connect(self._remember_folded)
            whole.addWidget(section)
        whole.addStretch(0)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(0)
        outside.addWidget(scrolling(inside), 1)
        outside.addWidget(self.messages)  # outside of what scrolls: an error is always in sight

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Never cut the content at the side; it may be scrolled."""
        return least_size(self._inside)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height of the content: a dock below takes the rest."""
        return self._inside.sizeHint() + QSize(0, self.messages.sizeHint().height())

    def _remember_folded(self, _: bool) -> None:
        folded = [name for name, x in self.sections.items() if not x.header.isChecked()]
        remember(_GROUP, folded=folded)

    def session_state(self) -> dict[str, Any]:
        """Return what the plot of several rollouts shows, for a saved session."""
        return self.plot.choices()

    def restore_session_state(self, state: dict[str, Any]) -> None:
        """Take up what the plot showed, as far as it is possible."""
        self.plot.choose(state)

    def _follow_theme(self, event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        palette = palette_on(str(theme.background), str(theme.text))
        self.rollouts.set_palette(palette)
        self.plot.set_palette(palette)

    def _complain(self, text: str) -> None:
        self.messages.clear()
        self.messages.complain(text)

    def _inform(self, text: str) -> None:
        self.messages.clear()
        self.messages.inform(text)

    def _forget_messages(self, state: str) -> None:
        if state in ("running", "members", "loading"):
            self.messages.clear()


def _indented(widget: QWidget) -> QWidget:
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(6, 0, 6, 4)
    column.addWidget(widget)
    return holder
