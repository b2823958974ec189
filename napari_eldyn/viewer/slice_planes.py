"""Planes through the volumes of panels, cut out on a thread and kept."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.worker import Job, explain_error, start_job

__all__ = ["PlaneKey", "SlicePlanes"]

Plane = npt.NDArray[np.float32]
PlaneKey = tuple[str, int, int, int]
"""Panel, index of the comparison, axis (0, 1, 2) across the plane, grid point on it."""

_MOST = 4096
_TURN_S = 0.1  # of work between two pictures


class SlicePlanes(QObject):
    """Planes by panel, index, axis and grid point; those wanted are worked out in their order.

    Parameters
    ----------
    parent : QObject
        Owner.
    maker : callable
        ``maker(panel)`` returns what makes the panel's volume at an index on a thread.
    """

    made = Signal()
    """There are new planes."""
    failed = Signal(str)

    def __init__(
        self, parent: QObject, maker: Callable[[str], Callable[[int], npt.NDArray[Any] | None]]
    ) -> None:
        super().__init__(parent)
        self._maker = maker
        self._planes: OrderedDict[PlaneKey, Plane | None] = OrderedDict()
        self._wanted: list[PlaneKey] = []
        self._generation = 0
        self._job: Job[tuple[int, dict[PlaneKey, Plane | None]]] | None = None

    def get(self, key: PlaneKey) -> Plane | None:
        """Return a plane, or None if there is none (yet)."""
        return self._planes.get(key)

    def want(self, keys: Sequence[PlaneKey]) -> None:
        """Have planes made, the first ones first, instead of those wanted before."""
        self._wanted = [key for key in keys if key not in self._planes]
        if self._job is None:
            self._begin()

    def forget(self) -> None:
        """Drop all planes: the volumes are other ones now."""
        self._planes.clear()
        self._wanted = []
        self._generation += 1

    def close(self) -> Job[Any] | None:
        """Forget everything; return the job under way, if any."""
        self.forget()
        job, self._job = self._job, None
        return job

    def _begin(self) -> None:
        if not self._wanted:
            return
        keys, generation = list(self._wanted), self._generation
        makers = {panel: self._maker(panel) for panel in {key[0] for key in keys}}

        def work(job: Job[Any]) -> tuple[int, dict[PlaneKey, Plane | None]]:
            planes: dict[PlaneKey, Plane | None] = {}
            end = time.perf_counter() + _TURN_S
            for panel, index, axis, point in keys:
                planes[panel, index, axis, point] = _plane(makers[panel], index, axis, point)
                if job.should_stop() or time.perf_counter() > end:
                    break
            return generation, planes

        self._job = Job("Cut slices", work)
        start_job(self._job, self._finished, brief=True)

    def _finished(self) -> None:
        job = self._job
        if job is None or not job.is_done:
            return
        self._job = None
        if job.error is not None:
            self._wanted = []
            self.failed.emit(explain_error(job.error))
        elif job.result is not None and job.result[0] == self._generation:
            self._planes.update(job.result[1])
            while len(self._planes) > _MOST:
                self._planes.popitem(last=False)
            self._wanted = [key for key in self._wanted if key not in self._planes]
            self.made.emit()
        if self._job is None:
            self._begin()


def _plane(
    make: Callable[[int], npt.NDArray[Any] | None], index: int, axis: int, point: int
) -> Plane | None:
    try:
        volume = make(index)
    except EldynError:
        return None  # the canvas says what is wrong with the frame
    return None if volume is None else np.array(np.take(volume, point, axis=axis), np.float32)
