"""The Statistics dock of a viewer: fed by the viewer's rollout controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.reference_measure import MeasuredReference
from napari_eldyn.viewer.session import FrameUpdate, Session
from napari_eldyn.widgets.statistics_dock import StatisticsDock

if TYPE_CHECKING:
    import napari

__all__ = ["LiveStatistics"]


class LiveStatistics(StatisticsDock):
    """A `StatisticsDock` that follows the rollout of a viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        control = self.controller = controller_of(napari_viewer)
        self._measured: MeasuredReference | None = None
        self._reported = 0
        self._placed = False
        control.reference_ready.connect(self._take_reference)
        control.session_started.connect(self._start_over)
        control.updated.connect(self._take_update)
        control.frame_shown.connect(self._show_index)
        control.follow_changed.connect(self._follow)
        napari_viewer.events.theme.connect(self._follow_theme)
        self._colour = -1  # none yet
        control.shelf.changed.connect(self._follow_colour)
        self._follow_colour()
        self.set_provenance(self._origin)
        self.restore_session_state(remembered("statistics"))
        self.state_changed.connect(lambda state: remember("statistics", **state))
        if control.measured is not None and control.session is not None:
            self._take_reference(control.measured)
        place_dock(napari_viewer, self, "right")

    @property
    def n_frames(self) -> int:
        """Number of generated frames taken in."""
        return self._reported

    @property
    def shown_index(self) -> int | None:
        """Index in the rollout of the single frame shown."""
        return self._shown[0]

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Take half of the dock column when shown first: Qt gives a new dock its minimum."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            QTimer.singleShot(0, self._take_room)

    def _take_room(self) -> None:
        window, dock = self.window(), self.parentWidget()
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        if dock is not None and isinstance(window, QMainWindow):
            window.resizeDocks([dock], [window.height() // 2], Qt.Orientation.Vertical)

    def _take_reference(self, measured: MeasuredReference) -> None:
        """Draw the reference, then catch up with frames made while it was being measured."""
        self._measured = measured
        self.set_reference(measured.yardstick)
        self._reported = 0
        self._lay_out_time()
        self._catch_up()

    def _start_over(self, session: Session | None) -> None:
        self._reported = 0
        self.clear()
        known = self._measured
        if session is None or known is None or known.settings is not session.statistics_settings:
            self._measured = None

    def _take_update(self, update: FrameUpdate) -> None:
        if self._measured is not None:
            if self.controller.follow_live:
                self.follow_live()
            self._catch_up()

    def _catch_up(self) -> None:
        session = self.controller.session
        if session is None:
            return
        made = self.controller.generated_statistics
        for index in range(self._reported, len(made)):
            self.add_update(
                FrameUpdate(index, session.pairing.time(index + 1), made[index], 0.0, 0.0)
            )
        self._reported = len(made)

    def _lay_out_time(self) -> None:
        panels = self.controller.comparison
        if panels is not None:
            pairing = panels.pairing
            self.set_time_range(pairing.first_time, pairing.time(panels.n_steps))

    def _origin(self) -> dict[str, Any]:
        """Tell what the plots show, for files saved from them."""
        session = self.controller.session
        if session is None:
            return {}
        origin = session.rollout.origin.model_dump(
            mode="json", exclude={"start_latent", "normalisation"}
        )
        return {"generated frames": self._reported, **origin}

    def _show_index(self, index: int) -> None:
        control, measured = self.controller, self._measured
        session = control.session
        if measured is None or session is None:
            return
        made = control.generated_statistics
        if control.follow_live and control.state == "running":
            return
        frame = session.pairing.reference_frame(index)
        self.show_frame(
            index - 1 if 0 < index <= len(made) else None,
            made[index - 1] if 0 < index <= len(made) else None,
            None if frame is None else measured.statistics[frame],
        )

    def _follow(self, follow: bool) -> None:
        if follow:
            self.follow_live()

    def _follow_theme(self, event: object = None) -> None:
        theme = get_theme(self.viewer.theme)
        colours = {"background": str(theme.background), "text": str(theme.text)}
        self.set_theme(colours, self._colour)

    def _follow_colour(self) -> None:
        """Draw the rollout in the colour that it has in all lists and plots."""
        current = self.controller.shelf.current
        colour = 0 if current is None else current.colour
        if colour != self._colour:
            self._colour = colour
            self._follow_theme()
