"""The rollouts of the window that stand in a figure."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.shelf import ShelvedRollout

__all__ = ["FigureRollouts"]


class FigureRollouts(QListWidget):
    """A list with a tick for each rollout on the shelf; new ones are ticked.

    Parameters
    ----------
    controller : RolloutController
        That of the viewer.
    """

    changed = Signal()
    """There are other rollouts, or other ticks."""

    def __init__(self, controller: RolloutController) -> None:
        super().__init__()
        self._shelf = controller.shelf
        self._hidden: set[int] = set()
        self.setToolTip("Rollouts of this window; those ticked are in the figure")
        self.setFixedHeight(64)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemChanged.connect(self._ticked)
        self._shelf.changed.connect(self._fill)
        self._fill()

    @property
    def chosen(self) -> list[ShelvedRollout]:
        """The rollouts ticked, in the order of their colours in the Statistics dock."""
        shown = [one for one in self._shelf.rollouts if id(one) not in self._hidden]
        return sorted(shown, key=lambda one: one.colour)

    def _fill(self) -> None:
        shelved = self._shelf.rollouts
        self._hidden &= {id(one) for one in shelved}
        self.blockSignals(True)
        self.clear()
        for one in shelved:
            item = QListWidgetItem(one.label or "generated")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            hidden = id(one) in self._hidden
            item.setCheckState(Qt.CheckState.Unchecked if hidden else Qt.CheckState.Checked)
            item.setToolTip(one.description)
            self.addItem(item)
        if not shelved:
            item = QListWidgetItem("none yet: run one in the Rollout dock")
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.addItem(item)
        self.blockSignals(False)
        self.changed.emit()

    def _ticked(self, item: QListWidgetItem) -> None:
        one = self._shelf.rollouts[self.row(item)]
        if item.checkState() == Qt.CheckState.Checked:
            self._hidden.discard(id(one))
        else:
            self._hidden.add(id(one))
        self.changed.emit()
