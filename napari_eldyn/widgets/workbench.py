"""The entry "Workbench" of the Plugins menu: it opens all docks in their places."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_eldyn.viewer._compat import unwrap
from napari_eldyn.viewer.docking import open_workbench

if TYPE_CHECKING:
    import napari

__all__ = ["Workbench"]


class Workbench(QWidget):
    """Not a dock: napari's Plugins menu lists nothing else, so it goes as soon as it has come.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer = weakref.ref(unwrap(napari_viewer))

        def open_all() -> None:
            there = viewer()
            if there is not None:
                there.window.remove_dock_widget(self)
                open_workbench(there)
                self.deleteLater()

        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(open_all)
        timer.start(0)
