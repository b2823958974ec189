"""Make figures for a dock: data on a thread, volumes step by step, drawing in another process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.figures import FigureSources, collect_figure, render_figure
from napari_eldyn.export.render import Look, open_studio
from napari_eldyn.figures.apart import draw_apart, save_apart
from napari_eldyn.figures.published import PublishedFigure
from napari_eldyn.viewer.worker import Job, explain_error, start_job

__all__ = ["FigureMaker"]

Steps = Generator[tuple[int, int], None, PublishedFigure]


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
        self._steps: Steps | None = None
        self._studio = ExitStack()
        self._began = 0.0
        self._closed = False

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return self._job is not None or self._steps is not None

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
        """Draw volumes, one at a turn of the event loop, and then the figure."""
        self._began = time.monotonic()
        try:
            studio = self._studio.enter_context(open_studio())
            self._steps = render_figure(kind, sources, style, studio, look=look, **choices)
        except EldynError as error:
            self._studio.close()
            self.failed.emit(str(error))
            self.ended.emit()
            return
        self.progressed.emit("rendering", 0, 0)
        QTimer.singleShot(0, self._step)

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
        if self._steps is not None:
            self._end_rendering()
            self.ended.emit()
        elif self._job is not None:
            self._job.stop()

    def close(self) -> None:
        """Give up what is under way for good."""
        self._closed = True
        job = self._job
        if self._steps is not None:
            self._end_rendering()
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

    # -- volumes ------------------------------------------------------------------------------

    def _step(self) -> None:
        if self._steps is None or self._closed:
            return
        try:
            done, total = next(self._steps)
        except StopIteration as end:
            self._end_rendering()
            self.draw(end.value)
        except Exception as error:
            self._end_rendering()
            self.failed.emit(explain_error(error))
            self.ended.emit()
        else:
            seconds = (time.monotonic() - self._began) / done * (total - done)
            left = f"rendering, {seconds:.0f} s left" if done < total else "rendering"
            self.progressed.emit(left, done, total)
            QTimer.singleShot(0, partial(FigureMaker._step, self))

    def _end_rendering(self) -> None:
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()
        self._studio.close()
