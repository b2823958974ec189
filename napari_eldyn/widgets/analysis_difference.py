"""Differences in the Analysis dock: of two layers, and of every frame to the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer._compat import main_window
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.difference import difference, difference_to_mean, mean_frame
from napari_eldyn.viewer.layers import layer_trajectory, trajectory_layer
from napari_eldyn.viewer.worker import Job, explain_error, start_job
from napari_eldyn.widgets.analysis_parts import form
from napari_eldyn.widgets.parts import row

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["DifferenceSection"]

_LOOK_MS = 100  # between looks at the progress
_PATIENCE_S = 10.0


class DifferenceSection(QWidget):
    """Makes new layers: this one minus another, or minus its mean over all frames.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    failed = Signal(str)
    done = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layer: Any | None = None
        self._job: Job[NDArray[np.float64]] | None = None
        self._progress = (0, 1)
        self._is_closed = False
        self._averaged: tuple[Any, DensityTrajectory] | None = None
        self.other = QComboBox()
        self.other.setToolTip("What is subtracted, frame by frame at equal times")
        self.other.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.subtract = QPushButton("Subtract")
        self.subtract.setToolTip("Add a layer with the difference; the grids must be equal")
        self.to_mean = QPushButton("Subtract the mean over frames")
        self.to_mean.setToolTip(
            "Average all frames of the layer, one at a time, and add a layer with every frame "
            "minus their mean"
        )
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Give the averaging up; no layer is added")
        self._busy = row(self.bar, self.cancel)
        self._busy.hide()
        fields = form()
        fields.addRow("Minus", row(self.other, self.subtract))
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 6, 4)
        column.setSpacing(4)
        column.addLayout(fields)
        column.addWidget(self.to_mean)
        column.addWidget(self._busy)
        self.subtract.clicked.connect(self._subtract)
        self.to_mean.clicked.connect(self._average)
        self.cancel.clicked.connect(self._cancel)
        self._look = QTimer(self)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._show_progress)
        window = main_window(viewer)
        if window is not None:
            ClosingWatch(window, self.close_down)

    @property
    def is_busy(self) -> bool:
        """Whether a mean is being taken."""
        return self._job is not None

    def offer(self, layer: Any | None, others: list[Any]) -> None:
        """Say which layer is analysed, and which there are."""
        self._layer = layer if layer is not None and layer_trajectory(layer) is not None else None
        before = self.other.currentData()
        self.other.clear()
        for other in others:
            if other is not layer and layer_trajectory(other) is not None:
                self.other.addItem(other.name, other)
        self.other.setCurrentIndex(max(0, self.other.findData(before)))
        self._update_enabled()

    def _update_enabled(self) -> None:
        trajectory = None if self._layer is None else layer_trajectory(self._layer)
        self.subtract.setEnabled(trajectory is not None and self.other.count() > 0)
        self.other.setEnabled(self.other.count() > 0)
        many = trajectory is not None and len(trajectory) > 1
        self.to_mean.setEnabled(many and not self.is_busy)
        self._busy.setVisible(self.is_busy)

    # -- two layers ---------------------------------------------------------------------------

    def _subtract(self) -> None:
        first, second = self._layer, self.other.currentData()
        if first is None or second is None:
            return
        a, b = layer_trajectory(first), layer_trajectory(second)
        assert a is not None
        assert b is not None
        try:
            made = difference(a, b)
            name = f"{first.name} − {second.name}"
            self._add(made, name, (first, second))
        except EldynError as error:
            self.failed.emit(_with_layer_names(str(error), a, b, first.name, second.name))
        else:
            self.done.emit(f"Added '{name}': {len(made)} frames, {made.unit or 'no unit'}.")

    # -- the mean -----------------------------------------------------------------------------

    def _average(self) -> None:
        layer = self._layer
        trajectory = None if layer is None else layer_trajectory(layer)
        if layer is None or trajectory is None or self.is_busy:
            return
        self._averaged = layer, trajectory
        self._progress = 0, len(trajectory)

        def work(job: Job[NDArray[np.float64]]) -> NDArray[np.float64]:
            def report(done: int, n: int) -> None:
                self._progress = done, n
                job.check()

            return mean_frame(trajectory, report)

        self._job = Job(f"Average {layer.name}", work)
        start_job(self._job, self._finished)
        self._show_progress()
        self._look.start()
        self._update_enabled()

    def _show_progress(self) -> None:
        done, n = self._progress
        self.bar.setRange(0, n)
        self.bar.setValue(done)
        self.bar.setFormat(f"{done} of {n} frames")

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.stop()

    def _finished(self) -> None:
        job, averaged = self._job, self._averaged
        if job is None or not job.is_done or averaged is None:
            return
        self._job = self._averaged = None
        self._look.stop()
        self._update_enabled()
        layer, trajectory = averaged
        if job.error is not None:
            self.failed.emit(explain_error(job.error))
            return
        if job.result is None or job.should_stop():
            self.done.emit("The averaging was given up.")
            return
        made = difference_to_mean(trajectory, job.result)
        name = f"{layer.name} − mean"
        try:
            self._add(made, name, (layer,))
        except EldynError as error:
            self.failed.emit(str(error))
        else:
            self.done.emit(f"Added '{name}': every frame minus the mean of {len(made)}.")

    def _add(self, made: DensityTrajectory, name: str, sources: tuple[Any, ...]) -> None:
        """Add a layer; in one picture it takes the place of what it is made of."""
        from napari.layers import Layer

        data, keywords, kind = trajectory_layer(made)
        self._viewer.add_layer(Layer.create(data, keywords | {"name": name}, kind))
        if not self._viewer.canvas.grid.enabled:
            for layer in sources:
                layer.visible = False

    def close_down(self) -> None:
        """Give up what is under way; called when the window or the dock closes."""
        if self._is_closed:
            return
        self._is_closed = True
        job, self._job = self._job, None
        self._look.stop()
        if job is not None:
            job.stop()
            job.wait(_PATIENCE_S)


def _with_layer_names(
    text: str, a: DensityTrajectory, b: DensityTrajectory, first: str, second: str
) -> str:
    """Name layers as the window does, where their files have other names."""
    return text.replace(f"'{a.name}'", f"'{first}'", 1).replace(f"'{b.name}'", f"'{second}'")
