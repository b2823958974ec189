"""Record what a napari viewer shows, frame by frame, as a movie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.encoder import open_encoder
from napari_eldyn.viewer._compat import is_shown, resized_canvas

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Movie", "record_movie"]

Grab = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Movie:
    """A recorded movie: file, number of frames, width and height in pixels, frames per second."""

    path: Path
    n_frames: int
    size: tuple[int, int]
    fps: float


def record_movie(
    viewer: Viewer,
    path: str | Path,
    frames: Sequence[int] | None = None,
    *,
    fps: float = 20.0,
    size: tuple[int, int] | None = None,
    window: bool = False,
    on_frame: Callable[[int], None] | None = None,
    progress: Callable[[int, int], object] | None = None,
    stop: Callable[[], bool] | None = None,
    overwrite: bool = False,
) -> Movie | None:
    """Step a viewer through frames and record each of them once.

    Every frame has a turn of the Qt event loop of its own, so the interface stays alive and no
    frame is dropped, however long drawing takes. Call this on the GUI thread.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer whose window is on a screen.
    path : path-like
        The movie, ``NAME.mp4``; it appears when the last frame is on disk.
    frames : sequence of int, optional
        Steps of the time axis (axis 0) in the order shown. Default: all of them.
    fps : float
        Frames per second of the movie.
    size : tuple of int, optional
        Width and height in pixels, both even. Default: the size on the screen, made even.
    window : bool
        Record the whole window with its docks instead of the canvas alone.
    on_frame : callable, optional
        Called with the step after the viewer has gone to it and before the picture is taken: the
        place to bring plots to the same frame.
    progress : callable, optional
        Called with the number of frames recorded and their total.
    stop : callable, optional
        Asked before every frame; recording is cancelled, leaving no file, once it returns True.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Movie or None
        None after a cancellation.

    Raises
    ------
    EldynError
        If the frames, the size or the path are impossible, the window is not on a screen or gets
        closed, ffmpeg is missing, or the disk is full.
    """
    path = Path(path)
    steps = _checked_steps(viewer, path, frames)
    if not is_shown(viewer):
        raise EldynError(
            "a movie needs the napari window on a screen", remedy="Open the viewer with show=True."
        )
    shown_before = viewer.dims.current_step[0]
    with (
        _camera_ready(viewer, path, size, window) as (grab, movie_size),
        open_encoder(path, movie_size, fps, overwrite=overwrite) as encoder,
    ):
        for done, step in enumerate(steps):
            if stop is not None and stop():
                encoder.discard()
                break
            _go_to(viewer, path, step, on_frame)
            encoder.write(_fitted(grab(), movie_size, path))
            if progress is not None:
                progress(done + 1, len(steps))
    viewer.dims.set_current_step(0, shown_before)
    return Movie(path, len(steps), movie_size, fps) if encoder.n_frames == len(steps) else None


def _checked_steps(viewer: Viewer, path: Path, frames: Sequence[int] | None) -> list[int]:
    n_steps = int(viewer.dims.nsteps[0]) if viewer.dims.ndim > viewer.dims.ndisplay else 0
    steps = list(range(n_steps) if frames is None else frames)
    outside = [step for step in steps if not 0 <= step < n_steps]
    if outside or not steps:
        what = f"frame {outside[0]} does not exist" if outside else "there are no frames to record"
        raise EldynError(
            what, path=path, remedy=f"The viewer's time axis has {n_steps} frames, from 0 on."
        )
    return steps


def _go_to(viewer: Viewer, path: Path, step: int, on_frame: Callable[[int], None] | None) -> None:
    from qtpy.QtWidgets import QApplication

    viewer.dims.set_current_step(0, step)
    if on_frame is not None:
        on_frame(step)
    QApplication.processEvents()
    if not is_shown(viewer):
        raise EldynError("the window was closed before the movie was finished", path=path)
    if viewer.dims.current_step[0] != step:  # playback or a live run moved the slider
        viewer.dims.set_current_step(0, step)


def _camera_ready(
    viewer: Viewer, path: Path, size: tuple[int, int] | None, window: bool
) -> AbstractContextManager[tuple[Grab, tuple[int, int]]]:
    return (_window_camera if window else _canvas_camera)(viewer, path, size)


@contextmanager
def _canvas_camera(
    viewer: Viewer, path: Path, size: tuple[int, int] | None
) -> Iterator[tuple[Grab, tuple[int, int]]]:
    if size is None:
        height, width = viewer.screenshot(canvas_only=True, flash=False).shape[:2]
        size = (width // 2 * 2, height // 2 * 2)
    with resized_canvas(viewer, *size) as grab:
        yield grab, size


@contextmanager
def _window_camera(
    viewer: Viewer, path: Path, size: tuple[int, int] | None
) -> Iterator[tuple[Grab, tuple[int, int]]]:
    def grab() -> NDArray[np.uint8]:
        return viewer.screenshot(canvas_only=False, flash=False)  # type: ignore[no-any-return]

    height, width = grab().shape[:2]
    if size is None or size == (width, height):
        yield grab, (width // 2 * 2, height // 2 * 2)
        return
    x, y, *before = viewer.window.geometry()
    scale = width / before[0]  # device pixels per logical pixel
    try:
        _resize_window(viewer, path, size, scale, grab)
        yield grab, size
    finally:
        if is_shown(viewer):
            viewer.window.set_geometry(x, y, *before)


def _resize_window(
    viewer: Viewer, path: Path, size: tuple[int, int], scale: float, grab: Grab
) -> None:
    from qtpy.QtWidgets import QApplication

    viewer.window.resize(round(size[0] / scale), round(size[1] / scale))
    deadline = time.monotonic() + 1.0  # window managers resize when it suits them
    while True:
        QApplication.processEvents()
        height, width = grab().shape[:2]
        if abs(width - size[0]) < 2 and abs(height - size[1]) < 2:
            return
        if time.monotonic() > deadline:
            raise EldynError(
                f"the window cannot be {size[0]}×{size[1]} pixels; it stayed {width}×{height}",
                path=path,
                remedy="Choose a larger size, or close docks.",
            )


def _fitted(picture: NDArray[np.uint8], size: tuple[int, int], path: Path) -> NDArray[np.uint8]:
    """RGB of exactly ``size``; fractional screen scales may give a pixel more or less."""
    width, height = size
    rgb = picture[:height, :width, :3]
    missing = (height - rgb.shape[0], width - rgb.shape[1])
    if max(missing) > 1 or max(picture.shape[0] - height, picture.shape[1] - width) > 1:
        raise EldynError(
            "the window changed its size while the movie was recorded",
            path=path,
            remedy="Record again and leave the window as it is.",
        )
    return np.pad(rgb, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
