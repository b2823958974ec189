"""Record what a napari viewer shows, frame by frame, as a movie."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.encoder import check_path, open_encoder
from napari_eldyn.export.formats import FORMATS, check_request
from napari_eldyn.export.movie_settings import MovieSettings, sidecar_path, sidecar_text
from napari_eldyn.export.movie_source import MovieSource, movie_source
from napari_eldyn.export.studio import Studio, open_studio
from napari_eldyn.export.timeline import Moment, make_timeline

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Movie", "MovieProgress", "Recording", "preview", "record", "record_movie"]

_PATIENCE = 60.0  # seconds for the volumes of one step


@dataclass(frozen=True)
class Movie:
    """A recorded movie: file or folder, frames, width and height in pixels, frames per second."""

    path: Path
    n_frames: int
    size: tuple[int, int]
    fps: float
    note: str


@dataclass(frozen=True)
class MovieProgress:
    """How far a recording is.

    Parameters
    ----------
    done, total : int
        Frames recorded, and frames in all.
    stage : {"recording", "waiting", "finishing"}
        Whether frames are taken, volumes are still being decoded, or the file is completed.
    seconds_left : float or None
        Until the last frame; None while unknown.
    """

    done: int
    total: int
    stage: Literal["recording", "waiting", "finishing"]
    seconds_left: float | None


Recording = Generator[MovieProgress, None, Movie]
"""Records a frame whenever it is asked for the next progress; ``close()`` cancels it."""


def record(
    viewer: Viewer,
    path: str | Path,
    settings: MovieSettings,
    *,
    source: MovieSource | None = None,
    overwrite: bool = False,
) -> Recording:
    """Record a movie step by step, on the GUI thread.

    The caller asks for one step per turn of the event loop, so that the interface stays alive; no
    frame is dropped, however long drawing takes. The viewer is as it was after the end, an error,
    or ``close()``, which cancels and leaves nothing.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer whose window is on a screen.
    path : path-like
        The movie, or a folder for PNG frames; it appears when the last frame is on disk. A file
        with settings and provenance lies beside it: ``NAME.json``.
    settings : MovieSettings
        What the movie is made with.
    source : MovieSource, optional
        Default: the rollout of the viewer, or else its trajectory.
    overwrite : bool
        Replace what is there.

    Yields
    ------
    MovieProgress

    Returns
    -------
    Movie

    Raises
    ------
    EldynError
        If settings and viewer do not go together, the window gets closed, frames are being
        generated, ffmpeg is missing, or the disk is full.
    """
    path = Path(path)
    source = source or movie_source(viewer)
    movie_format = FORMATS[settings.format]
    check_request(movie_format, path, settings.size, settings.fps)
    check_path(movie_format, path, overwrite)
    timeline = make_timeline(settings, source.times)
    source.check()
    text = sidecar_text(settings, source.provenance())
    metadata = {"title": settings.title or path.stem, "comment": text}
    total = len(timeline.moments)
    pace: deque[float] = deque([time.perf_counter()], maxlen=30)
    with (
        open_studio(viewer, source, settings) as studio,
        open_encoder(
            path, settings.size, settings.fps,
            movie_format=movie_format, metadata=metadata, overwrite=overwrite,
        ) as encoder,
    ):  # fmt: skip
        last: tuple[Moment, NDArray[np.uint8]] | None = None
        for done, moment in enumerate(timeline.moments):
            if last is None or last[0] != moment:
                source.check()
                yield from _wait_for(studio, moment, done, total)
                last = moment, studio.picture(moment)
            encoder.write(last[1])
            pace.append(time.perf_counter())
            each = (pace[-1] - pace[0]) / (len(pace) - 1)
            yield MovieProgress(done + 1, total, "recording", each * (total - done - 1))
        while not encoder.end():
            yield MovieProgress(total, total, "finishing", None)
    write_whole(sidecar_path(path), text.encode())
    return Movie(path, total, settings.size, settings.fps, timeline.note)


def preview(
    viewer: Viewer,
    settings: MovieSettings,
    progress: float = 0.0,
    source: MovieSource | None = None,
) -> NDArray[np.uint8]:
    """Compose one frame without recording.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer whose window is on a screen.
    settings : MovieSettings
        What the movie is made with.
    progress : float
        Which frame: 0 is the first, 1 the last.
    source : MovieSource, optional
        Default: the rollout of the viewer, or else its trajectory.

    Returns
    -------
    ndarray, (height, width, 3) uint8

    Raises
    ------
    EldynError
        As `record`.
    """
    source = source or movie_source(viewer)
    moments = make_timeline(settings, source.times).moments
    moment = moments[round(progress * (len(moments) - 1))]
    source.check()
    with open_studio(viewer, source, settings) as studio:
        for news in _wait_for(studio, moment, 0, len(moments)):
            _turn(news)
        return studio.picture(moment)


def record_movie(
    viewer: Viewer,
    path: str | Path,
    settings: MovieSettings,
    *,
    source: MovieSource | None = None,
    progress: Callable[[MovieProgress], object] | None = None,
    stop: Callable[[], bool] | None = None,
    overwrite: bool = False,
) -> Movie | None:
    """Record a movie and run the event loop meanwhile, one turn for every frame.

    Parameters
    ----------
    viewer, path, settings, source, overwrite
        As for `record`.
    progress : callable, optional
        Called with a `MovieProgress`.
    stop : callable, optional
        Asked before every frame; recording is cancelled, leaving no file, once it returns True.

    Returns
    -------
    Movie or None
        None after a cancellation.

    Raises
    ------
    EldynError
        As `record`.
    """
    recording = record(viewer, path, settings, source=source, overwrite=overwrite)
    try:
        while stop is None or not stop():
            try:
                news = next(recording)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if progress is not None:
                progress(news)
            _turn(news)
        return None
    finally:
        recording.close()


def _turn(news: MovieProgress) -> None:
    """Run the event loop once."""
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    if news.stage != "recording":
        time.sleep(0.005)


def _wait_for(
    studio: Studio, moment: Moment, done: int, total: int
) -> Generator[MovieProgress, None, None]:
    """Go to a moment, and wait until the volumes of its step are there."""
    studio.go_to(moment)
    if studio.source.is_ready(moment.step):
        return
    deadline = time.monotonic() + _PATIENCE
    while not studio.source.is_ready(moment.step):
        if time.monotonic() > deadline:
            raise EldynError(
                f"the volumes of frame {moment.step} did not come within {_PATIENCE:.0f} s"
            )
        yield MovieProgress(done, total, "waiting", None)
        studio.source.check()
        studio.go_to(moment)  # someone may have moved the slider
    studio.go_to(moment, again=True)
