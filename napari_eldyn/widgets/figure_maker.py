"""Make figures for a dock: data on a thread, pictures and files in other processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.export.figures import FigureSources, collect_figure
from napari_eldyn.export.look import Look
from napari_eldyn.export.render_apart import render_apart
from napari_eldyn.figures.apart import draw_apart, save_apart
from napari_eldyn.figures.published import PublishedFigure
from napari_eldyn.viewer.worker import Job, explain_error, start_job

__all__ = ["FigureMaker"]


class _JobStages(Stages):
    """Stages of a job: they show on the dock and end when the job is stopped."""

    def __init__(self, job: Job[Any], tell: Callable[[str, int, int], None]) -> None:
        super().__init__(show=False)
        self._job, self._tell = job, tell

    def _report(self, name: str, done: int, total: int) -> None:
        self._job.check()
        self._tell(name, done, total)


class FigureMaker(QObject):
    """One figure at a time: collect, draw, save; what is under way can be cancelled.

    Parameters
    ----------
    parent : QObject
        Owner.
    pixels : int
        Width of the pictures.
    """

    made = Signal(object, bytes)
    """A `PublishedFigure` and its picture, a PNG."""
    saved = Signal(object)
    """Paths of the files."""
    failed = Signal(str)
    """What went wrong."""
    progressed = Signal(str, int, int)
    """What is being done, steps done, steps in all (0: not known)."""
    ended = Signal()
    """Whatever was under way is over."""

    def __init__(self, parent: QObject, pixels: int = 1000) -> None:
        super().__init__(parent)
        self._pixels = pixels
        self._job: Job[Any] | None = None
        self._then: Callable[[Any], None] | None = None
        self._closed = False

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return self._job is not None

    def collect(self, kind: str, sources: FigureSources, style: Any, **choices: Any) -> None:
        """Collect a figure that needs no volumes, and draw it."""

        def work(job: Job[Any]) -> tuple[PublishedFigure, bytes]:
            stages = _JobStages(job, self.progressed.emit)
            figure = collect_figure(kind, sources, style, stages, **choices)
            self.progressed.emit("drawing", 0, 0)
            return figure, draw_apart(figure, self._pixels, job.check)

        self._begin("Collect and draw a figure", work, self._tell_made)

    def render(
        self, kind: str, sources: FigureSources, style: Any, look: Look | None, **choices: Any
    ) -> None:
        """Render volumes in another process, and draw the figure."""

        def work(job: Job[Any]) -> tuple[PublishedFigure, bytes]:
            began: float | None = None

            def report(what: str, done: int, total: int) -> None:
                nonlocal began
                if what == "rendering":
                    began = began or time.monotonic()
                    if 1 < done < total:
                        left = (time.monotonic() - began) / (done - 1) * (total - done)
                        what = f"rendering, {left:.0f} s left"
                self.progressed.emit(what, done, total)

            figure = render_apart(
                kind, sources, style, look=look, check=job.check, report=report, **choices
            )
            self.progressed.emit("drawing", 0, 0)
            return figure, draw_apart(figure, self._pixels, job.check)

        self._begin("Render a figure", work, self._tell_made)

    def draw(self, figure: PublishedFigure) -> None:
        """Draw a figure whose data are there."""

        def work(job: Job[Any]) -> tuple[PublishedFigure, bytes]:
            self.progressed.emit("drawing", 0, 0)
            return figure, draw_apart(figure, self._pixels, job.check)

        self._begin("Draw a figure", work, self._tell_made)

    def save(self, figure: PublishedFigure, base: Path, formats: tuple[str, ...]) -> None:
        """Save a figure and its sidecar; earlier files of the name are replaced."""

        def work(job: Job[Any]) -> tuple[Path, ...]:
            self.progressed.emit("saving", 0, 0)
            return save_apart(figure, base, formats=formats, overwrite=True, check=job.check)

        self._begin("Save a figure", work, self.saved.emit)

    def cancel(self) -> None:
        """Give up what is under way."""
        if self._job is not None:
            self._job.stop()

    def close(self) -> None:
        """Give up what is under way for good."""
        self._closed = True
        job = self._job
        if job is not None:
            job.stop()
            job.wait(10.0)

    # -- jobs ---------------------------------------------------------------------------------

    def _begin(
        self, title: str, work: Callable[[Job[Any]], Any], then: Callable[[Any], None]
    ) -> None:
        self._job, self._then = Job(title, work), then
        start_job(self._job, self._finished)

    def _finished(self) -> None:
        job, then = self._job, self._then
        if job is None or not job.is_done or self._closed:
            return
        self._job = self._then = None
        if job.error is not None:
            self.failed.emit(explain_error(job.error))
        elif job.result is not None and then is not None:
            then(job.result)
        self.ended.emit()

    def _tell_made(self, result: tuple[PublishedFigure, bytes]) -> None:
        self.made.emit(*result)
