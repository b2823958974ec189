"""Time per movie frame of 1280 × 720, against napari-animation and ``viewer.screenshot``.

Run with a display (or under ``xvfb-run``):

    python tests/benchmarks/bench_export.py [--frames 24] [--rounds 3]

All record the same frames of the sample session, generated beside reference, as H.264; the plain
screenshots are not encoded. napari-animation records the canvas at its size on the screen, so the
window is given the size at which the canvas is the movie's. Rounds alternate; medians are shown.
Times are those of whole movies, from the first to the file on disk; the last lines tell what passes
from one frame to the next, without making ready and the encoder's end.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_eldyn.demo import open_session, wait_until
from napari_eldyn.export.canvas import volume_canvas
from napari_eldyn.export.movie import MovieProgress, record_movie
from napari_eldyn.export.movie_settings import MovieSettings
from napari_eldyn.viewer.docking import find_docks

WIDTH, HEIGHT = 1280, 720


def ready(viewer: napari.Viewer, frames: int) -> None:
    """Open the sample session, and generate frames."""
    control = open_session(viewer, frames).controller
    problems: list[str] = []
    control.failed.connect(problems.append)

    def wait() -> None:
        wait_until(
            lambda: control.state == "ready" and control.measured is not None,
            problems,
            lambda: (control.state, len(control.generated_statistics)),
        )

    wait()
    control.run()
    wait()


def fill_canvas(viewer: napari.Viewer) -> None:
    """Give the canvas on the screen the size of the movie; docks are hidden."""
    for dock in find_docks(viewer).values():
        dock.hide()
    for name in ("_qt_viewer",):
        qt_viewer = getattr(viewer.window, name)
        qt_viewer.dockLayerList.hide()
        qt_viewer.dockLayerControls.hide()
    for _ in range(8):
        QApplication.processEvents()
        height, width = viewer.screenshot(flash=False).shape[:2]
        if (width, height) == (WIDTH, HEIGHT):
            return
        window = viewer.window._qt_window
        window.resize(window.width() + WIDTH - width, window.height() + HEIGHT - height)
    print(f"the canvas on the screen is {width} × {height}, not {WIDTH} × {HEIGHT}")


def ours(
    viewer: napari.Viewer, folder: Path, layout: str, frames: int, drawn: list[float]
) -> float:
    """Seconds per frame of ours; `drawn` gets those from one frame to the next."""
    settings = MovieSettings(size=(WIDTH, HEIGHT), layout=layout, last=frames - 1)
    stamps: dict[int, float] = {}

    def note(progress: MovieProgress) -> None:
        stamps.setdefault(progress.done, time.perf_counter())

    began = time.perf_counter()
    record_movie(viewer, folder / f"{layout}.mp4", settings, progress=note, overwrite=True)
    seconds = (time.perf_counter() - began) / frames
    moments = [stamps[done] for done in sorted(stamps) if done > 0]
    drawn.append(statistics.median(b - a for a, b in pairwise(moments)))
    return seconds


def theirs(viewer: napari.Viewer, folder: Path, frames: int) -> float:
    """Seconds per frame of napari-animation, from key frames at both ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads a deprecated attribute at every frame
        from napari_animation import Animation

        animation = Animation(viewer)
        viewer.dims.set_current_step(0, 0)
        animation.capture_keyframe()
        viewer.dims.set_current_step(0, frames - 1)
        animation.capture_keyframe(steps=frames - 1)
        began = time.perf_counter()
        animation.animate(folder / "animation.mp4", fps=20)
        seconds = (time.perf_counter() - began) / frames
        del animation
        gc.collect()
    return seconds


def screenshots(viewer: napari.Viewer, frames: int, *, sized: bool) -> float:
    """Seconds per frame of plain screenshots, of a given size or as on the screen."""
    began = time.perf_counter()
    for frame in range(frames):
        viewer.dims.set_current_step(0, frame)
        if sized:
            viewer.screenshot(size=(HEIGHT, WIDTH), flash=False)
        else:
            viewer.screenshot(flash=False)
    return (time.perf_counter() - began) / frames


def render(viewer: napari.Viewer, frames: int) -> float:
    """Seconds per picture of the volumes alone, as figures are made of."""
    with volume_canvas(viewer, (WIDTH, HEIGHT)) as grab:
        grab()
        began = time.perf_counter()
        for frame in range(frames):
            viewer.dims.set_current_step(0, frame)
            grab()
        return (time.perf_counter() - began) / frames


def main() -> None:
    """Print milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    frames = arguments.frames
    viewer = napari.Viewer(show=True)
    ready(viewer, frames)
    fill_canvas(viewer)
    screenshots(viewer, 2, sized=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways: dict[str, Callable[[], float]] = {
            "viewer.screenshot(size=(720, 1280))": lambda: screenshots(viewer, frames, sized=True),
            "viewer.screenshot() as on the screen": lambda: screenshots(
                viewer, frames, sized=False
            ),
            "napari-animation, canvas": lambda: theirs(viewer, folder, frames),
            "ours, canvas only": lambda: ours(viewer, folder, "none", frames, bare),
            "ours, canvas and two plots": lambda: ours(viewer, folder, "right", frames, full),
            "ours, volumes of a figure": lambda: render(viewer, frames),
        }
        bare: list[float] = []
        full: list[float] = []
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way, measure in ways.items():
                times[way].append(measure())
    viewer.close()
    times["ours, canvas only: frame to frame"] = bare
    times["ours, with plots: frame to frame"] = full
    medians = {way: statistics.median(values) for way, values in times.items()}
    plain, animation = (medians[way] for way in list(ways)[0:3:2])
    print(f"{WIDTH} × {HEIGHT}, {frames} frames, {arguments.rounds} rounds", file=sys.stdout)
    print(f"{'':38} ms per frame   to screenshot(size)   to napari-animation")
    for way, seconds in medians.items():
        print(f"{way:38} {1e3 * seconds:8.0f} {seconds / plain:17.2f} {seconds / animation:20.2f}")


if __name__ == "__main__":
    main()
