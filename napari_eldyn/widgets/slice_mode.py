"""What comes and goes with 2D: the mid-plane on the canvas, and the strip of slices below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMainWindow

from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import dock_of
from napari_eldyn.viewer.presentation import presentation_of

if TYPE_CHECKING:
    import napari

    from napari_eldyn.widgets.slice_strip import SliceStrip

__all__ = ["SliceMode"]


class SliceMode(QObject):
    """Opens the strip when the viewer goes to 2D with a rollout, and closes it in 3D.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    parent : QObject
        Owner.
    """

    failed = Signal(str)
    done = Signal(str)

    def __init__(self, viewer: napari.viewer.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = unwrap(viewer)
        self._controller = controller_of(self._viewer)
        self.strip: SliceStrip | None = None
        # In the next turn of the event loop: a switch there and back does nothing.
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._follow)
        self._viewer.dims.events.ndisplay.connect(self._dimensions_changed)
        self._controller.session_started.connect(self._follow_soon)

    def _dimensions_changed(self, event: Any = None) -> None:
        if self._controller.comparison is not None:
            if self._viewer.dims.ndisplay == 2:
                self._go_to_the_middle()
            presentation_of(self._viewer).fit()
            self._follow_soon()

    def _follow_soon(self, _: object = None) -> None:
        self._later.start()

    def _follow(self) -> None:
        """Show the strip in 2D, hide it in 3D."""
        wanted = self._viewer.dims.ndisplay == 2 and self._controller.comparison is not None
        dock = None if self.strip is None else dock_of(self.strip)
        if dock is not None:
            dock.setVisible(wanted)
        elif wanted and not self._controller.is_closed:
            self._open()

    def _go_to_the_middle(self) -> None:
        dims, comparison = self._viewer.dims, self._controller.comparison
        if comparison is None:
            return
        first = dims.ndim - 3
        for axis in dims.not_displayed:
            if axis >= first:
                n = comparison.pairing.trajectory.grid.shape[axis - first]
                place, layer = axis - first + 1, comparison.reference
                dims.set_point(axis, layer.translate[place] + (n // 2) * layer.scale[place])

    def _open(self) -> None:
        from napari_eldyn.widgets.slice_strip import SliceStrip

        self.strip = SliceStrip(self._viewer)
        self.strip.failed.connect(self.failed)
        self.strip.done.connect(self.done)
        self.strip.destroyed.connect(self._gone)
        self._make_room()
        self._viewer.window.add_dock_widget(self.strip, name="Slices", area="bottom")

    def _make_room(self) -> None:
        """Let the columns of docks keep their height: the strip lies below the canvas alone."""
        window = main_window(self._viewer)
        if isinstance(window, QMainWindow):
            corner, area = Qt.Corner, Qt.DockWidgetArea
            window.setCorner(corner.BottomLeftCorner, area.LeftDockWidgetArea)
            window.setCorner(corner.BottomRightCorner, area.RightDockWidgetArea)

    def _gone(self) -> None:
        self.strip = None
