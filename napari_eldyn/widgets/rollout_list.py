"""The rollouts of a window that can be compared: which are drawn, which are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtGui import QColor, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.figures.compared_plots import line_look
from napari_eldyn.figures.style import DARK, Palette
from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.shelf import ShelvedRollout

__all__ = ["RolloutList"]

_SWATCH = (26, 12)


class RolloutList(QWidget):
    """One row for each rollout: its line, whether it is drawn, and what can be done with it.

    Parameters
    ----------
    controller : RolloutController
        That of the viewer.
    """

    def __init__(self, controller: RolloutController) -> None:
        super().__init__()
        self.controller = controller
        self._palette = DARK
        self.rows: dict[int, _Row] = {}
        self.hint = QLabel("Rollouts appear here when they have frames.")
        self.hint.setWordWrap(True)
        self.keep = QPushButton("Keep this rollout")
        self.keep.setToolTip(
            "Keep the present rollout when it is reset or another model, sampler or seed is "
            "chosen, so that others can be compared with it (latents and statistics stay in "
            "memory; save it in the Rollout dock to have it on disk)"
        )
        self.keep.clicked.connect(controller.keep)
        self._rows_layout = QVBoxLayout()
        self._rows_layout.setContentsMargins(0, 0, 0, 0)
        self._rows_layout.setSpacing(2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._rows_layout)
        column.addWidget(self.hint)
        column.addWidget(self.keep)
        controller.shelf.changed.connect(self._fill)
        controller.state_changed.connect(self._update)
        controller.updated.connect(self._update)
        self._fill()

    def set_palette(self, palette: Palette) -> None:
        """Draw the swatches in the colours of a theme."""
        self._palette = palette
        self._fill()

    def _fill(self) -> None:
        rollouts: Sequence[ShelvedRollout] = self.controller.shelf.rollouts
        if [id(rollout) for rollout in rollouts] != list(self.rows):
            for row in self.rows.values():
                self._rows_layout.removeWidget(row)
                row.hide()
                row.deleteLater()
            self.rows = {id(rollout): _Row(self.controller, rollout) for rollout in rollouts}
            for row in self.rows.values():
                self._rows_layout.addWidget(row)
        for row in self.rows.values():
            row.update_from(self._palette)
        self.hint.setVisible(not rollouts)
        self._update()

    def _update(self, _: object = None) -> None:
        current = self.controller.shelf.current
        can_keep = current is not None and self.controller.has_frames and not current.is_kept
        self.keep.setEnabled(can_keep)
        free = self.controller.state in ("ready", "paused", "idle")
        for row in self.rows.values():
            row.show_it.setEnabled(free)


class _Row(QWidget):
    def __init__(self, controller: RolloutController, rollout: ShelvedRollout) -> None:
        super().__init__()
        self._rollout = rollout
        self.visible = QCheckBox()
        self.visible.setToolTip("Draw this rollout in the plot of the Compare dock")
        self.visible.toggled.connect(lambda on: setattr(rollout, "visible", on))
        self.swatch = QLabel()
        self.swatch.setFixedSize(*_SWATCH)
        self.label = QLabel()
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.label.setWordWrap(True)
        self.show_it = QToolButton()
        self.show_it.setText("Show")
        self.show_it.setToolTip("Show this rollout in the panels, and go on with it")
        self.show_it.clicked.connect(lambda: controller.take_up(rollout))
        self.remove = QToolButton()
        self.remove.setText("✕")
        self.remove.setToolTip("Let go of this rollout")
        self.remove.clicked.connect(lambda: controller.shelf.remove(rollout))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(5)
        for widget in (self.visible, self.swatch, self.label, self.show_it, self.remove):
            line.addWidget(widget, 1 if widget is self.label else 0)

    def update_from(self, palette: Palette) -> None:
        rollout = self._rollout
        self.visible.setChecked(rollout.visible)
        self.swatch.setPixmap(_line(*line_look(rollout.colour, palette)))
        frames = len(rollout.statistics)
        text = rollout.label + (" (current)" if rollout.is_current else "")
        self.label.setText(text)
        self.label.setToolTip(f"{rollout.description}: {frames} frames")
        self.show_it.setVisible(not rollout.is_current)
        self.remove.setVisible(rollout.is_kept)
        self.remove.setToolTip(
            "Do not keep this rollout" if rollout.is_current else "Let go of this rollout"
        )


def _line(colour: str, dashes: Any) -> QPixmap:
    """Draw the line that stands for a rollout in plots."""
    pixmap = QPixmap(*_SWATCH)
    pixmap.fill(QColor(0, 0, 0, 0))
    pen = QPen(QColor(colour), 3)
    if not isinstance(dashes, str):
        pen.setDashPattern([float(length) for length in dashes[1]])
    painter = QPainter(pixmap)
    painter.setPen(pen)
    painter.drawLine(0, _SWATCH[1] // 2, _SWATCH[0], _SWATCH[1] // 2)
    painter.end()
    return pixmap
