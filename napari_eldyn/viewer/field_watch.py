"""Analyses of the frame looked at, on a thread, that never hold up who scrubs."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.shown_field import (
    FieldValues,
    ShownField,
    analysed_layers,
    shown_field,
)
from napari_eldyn.viewer.worker import Job, explain_error, start_job

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Analyses", "Analysis", "FieldWatch"]

Analysis = Callable[[FieldValues], Any]
"""Works on the values of one frame (worker thread)."""

Analyses = Callable[[ShownField], Mapping[str, Analysis]]
"""Says what is wanted of a field, by name (GUI thread)."""

_INTERVAL_MS = 40
_MOST_MS = 400
_SHARE = 2  # rests twice as long as it worked: scrubbing comes first
_PATIENCE_S = 10.0


@dataclass(frozen=True, eq=False)
class _Done:
    field: ShownField
    results: dict[str, Any]
    seconds: float
    values: FieldValues | None


class _Life:
    """Whether a Qt object is still there."""

    def __init__(self) -> None:
        self.is_over = False

    def end(self, _: Any = None) -> None:
        self.is_over = True


class FieldWatch(QObject):
    """Has analyses made of what the chosen layer shows; of many frames only the newest.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    parent : QObject
        Owner.
    analyses : callable
        Says what is wanted.
    is_wanted : callable
        Whether anybody looks; if not, nothing is done until `schedule` is called again.
    """

    layers_changed = Signal()
    """There are other layers to choose from, or another one is chosen."""
    done = Signal(object, object)
    """A `ShownField`, and the results by name; an `EldynError` in place of one that failed."""
    nothing = Signal(str)
    """There is no field to analyse, and why."""

    def __init__(
        self,
        viewer: Viewer,
        parent: QObject,
        analyses: Analyses,
        is_wanted: Callable[[], bool],
    ) -> None:
        super().__init__(parent)
        viewer = unwrap(viewer)
        self._viewer = weakref.ref(viewer)
        self._analyses, self._is_wanted = analyses, is_wanted
        self._layer: weakref.ref[Any] | None = None
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._job: Job[_Done] | None = None
        self._again = False
        self._life = _Life()
        self.destroyed.connect(self._life.end)  # napari's events may come later than that
        self._kept: tuple[Any, FieldValues] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self._begin)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._layers_changed)
        viewer.layers.selection.events.active.connect(self._active_changed)
        viewer.dims.events.current_step.connect(self.schedule)
        window = main_window(viewer)
        if window is not None:
            ClosingWatch(window, self.close)
        self._active_changed()

    # -- which layer --------------------------------------------------------------------------

    @property
    def layer(self) -> Any | None:
        """The layer chosen: the one selected last, or else the uppermost one."""
        viewer = self._viewer()
        if viewer is None:
            return None
        there = analysed_layers(viewer)
        chosen = None if self._layer is None else self._layer()
        if chosen in there:
            return chosen
        return next((layer for layer in there if layer.visible), there[0] if there else None)

    def layers(self) -> list[Any]:
        """Layers to choose from, the uppermost first."""
        viewer = self._viewer()
        return [] if viewer is None else analysed_layers(viewer)

    def choose(self, layer: Any) -> None:
        """Analyse another layer."""
        if layer is not self.layer:
            self._layer = weakref.ref(layer)
            self._tell_layers()

    def field(self) -> ShownField | None:
        """Return what the layer shows now, if anything."""
        viewer, layer = self._viewer(), self.layer
        return None if viewer is None or layer is None else shown_field(viewer, layer)

    def _active_changed(self, event: Any = None) -> None:
        if self._life.is_over:
            return
        viewer = self._viewer()
        active = None if viewer is None else viewer.layers.selection.active
        if viewer is not None and active in analysed_layers(viewer):
            self._layer = weakref.ref(active)
        self._tell_layers()

    def _layers_changed(self, event: Any = None) -> None:
        if self._life.is_over:
            return
        self._kept = None  # a trajectory that has gone may leave its id to another one
        self._tell_layers()

    def _tell_layers(self) -> None:
        for layer in self.layers():
            if layer not in self._watched:
                self._watched.add(layer)
                layer.events.set_data.connect(self.schedule)
                for event in (layer.events.name, layer.events.contrast_limits):
                    event.connect(self.schedule)
                layer.events.colormap.connect(self.schedule)
        self.layers_changed.emit()
        self.schedule()

    # -- the work -----------------------------------------------------------------------------

    def schedule(self, event: Any = None) -> None:
        """Bring the analyses up to date soon, if anybody looks."""
        if self._life.is_over:
            return
        if not self._timer.isActive() and self._is_wanted():
            self._timer.start()

    def close(self) -> None:
        """Forget everything, and wait for the thread; called when the window closes."""
        if self._life.is_over:
            return
        self._life.end()
        self._timer.stop()
        self._kept = None
        job, self._job = self._job, None
        if job is not None:
            job.stop()
            job.wait(_PATIENCE_S)

    @property
    def is_busy(self) -> bool:
        """Whether something is still to come."""
        return self._job is not None or self._timer.isActive()

    def _begin(self) -> None:
        if self._life.is_over or not self._is_wanted():
            return
        if self._job is not None:
            self._again = True
            return
        field = self.field()
        if field is None:
            layer = self.layer
            self.nothing.emit(
                "Open a density trajectory to analyse it."
                if layer is None
                else f"{layer.name} has no frame at this time."
            )
            return
        analyses = dict(self._analyses(field))
        kept = self._kept
        values = kept[1] if kept is not None and kept[0] == field.key is not None else None
        self._again = False
        self._job = Job("Analyse frame", lambda job: _work(field, analyses, values))
        start_job(self._job, self._finished, brief=True)

    def _finished(self) -> None:
        job = self._job
        if job is None or not job.is_done:
            return
        self._job = None
        began = time.perf_counter()
        if job.error is not None:
            self.nothing.emit(explain_error(job.error))
            seconds = 0.0
        else:
            done = job.result
            assert done is not None
            if done.field.key is not None and done.values is not None:
                self._kept = done.field.key, done.values
            self.done.emit(done.field, done.results)
            seconds = done.seconds + time.perf_counter() - began
        rest = round(1000 * _SHARE * seconds)
        self._timer.setInterval(min(max(_INTERVAL_MS, rest), _MOST_MS))
        if self._again:
            self.schedule()


def _work(field: ShownField, analyses: Mapping[str, Analysis], values: FieldValues | None) -> _Done:
    began = time.perf_counter()
    results: dict[str, Any] = {}
    if values is None:
        try:
            values = FieldValues(field.load(), field.grid)
        except EldynError as error:
            failed = dict.fromkeys(analyses, error)
            return _Done(field, failed, time.perf_counter() - began, None)
    for name, analysis in analyses.items():
        try:
            results[name] = analysis(values)
        except EldynError as error:
            results[name] = error
    return _Done(field, results, time.perf_counter() - began, values)
