"""The sample session: real liquid lithium, a trained model, ready to run.

``python -m napari_eldyn.demo`` opens it in napari. Without a display it runs the same session on
a virtual one, and leaves a picture of the window and a movie.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from napari_eldyn.exceptions import EldynError, run_command
from napari_eldyn.export.screen import (
    continue_on_virtual_screen,
    has_screen,
    on_virtual_screen,
)

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.export.movie import MovieProgress
    from napari_eldyn.viewer.controller import RolloutController
    from napari_eldyn.viewer.session import FrameUpdate
    from napari_eldyn.widgets.live_statistics import LiveStatistics

__all__ = ["DemoSession", "main", "open_session", "run_and_record", "wait_until"]

_PLUGIN = "napari-eldyn"
_WINDOW = (1280, 800)  # a small laptop's screen
_TITLE = "napari-eldyn: liquid lithium"
_START_FRAME = 2  # the first with two earlier frames, from which the model gets its start rate
_FPS = 10.0
_PATIENCE = 120.0  # seconds without a new frame or state


def main() -> None:
    """Run the demo; what goes wrong ends in one message and exit code 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(_demo)
    run_command(app, "demo")


def _demo(
    frames: Annotated[
        int, typer.Option(min=1, help="Frames to generate; one frame is one model step.")
    ] = 50,
    out: Annotated[
        Path, typer.Option(help="Folder for session.png and rollout.mp4 of a run without a screen.")
    ] = Path("demo_output"),
    headless: Annotated[
        bool,
        typer.Option("--headless", help="Run on a virtual screen, even if there is a real one."),
    ] = False,
) -> None:
    """Open the sample session in napari: electron density of liquid lithium, a trained model.

    Without a screen the same session runs for some frames on a virtual one, and leaves a picture
    of the window and a movie.
    """
    if on_virtual_screen():
        run_and_record(frames, out)
    elif headless or not has_screen():
        _continue_on_virtual_screen(frames, out)
    else:
        _show(frames)


def _continue_on_virtual_screen(frames: int, out: Path) -> None:
    print(f"No screen in use: running the session for {frames} frames on a virtual one", flush=True)
    command = [sys.executable, "-m", "napari_eldyn.demo"]
    command += ["--frames", str(frames), "--out", str(out)]
    continue_on_virtual_screen(command, _WINDOW)


def _show(frames: int) -> None:
    import napari

    viewer = napari.Viewer(title=_TITLE)
    open_session(viewer, frames, _comfortable_size())
    napari.run()


def _comfortable_size() -> tuple[int, int]:
    """Width and height in logical pixels: large, with room for a title bar on small screens."""
    from qtpy.QtWidgets import QApplication

    screen = QApplication.primaryScreen()
    if screen is None:
        return _WINDOW
    free = screen.availableGeometry()
    return min(1600, free.width()), min(1000, free.height() - 40)


@dataclass(frozen=True)
class DemoSession:
    """The sample session in a viewer: its controller and its Statistics dock."""

    controller: RolloutController
    statistics: LiveStatistics


def open_session(viewer: Viewer, frames: int, size: tuple[int, int] = _WINDOW) -> DemoSession:
    """Fill a viewer with the sample session: trajectory, docks, trained model.

    Loading goes on in the background; the controller's state becomes ``ready``.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty viewer.
    frames : int
        Frames that Run generates.
    size : tuple of int
        Width and height of the window in logical pixels.

    Raises
    ------
    EldynError
        If the sample data are missing.
    """
    from napari_eldyn.viewer.samples import sample_directory, sample_models

    models = sample_models()
    if not models:
        raise EldynError(
            "there is no trained model",
            path=sample_directory() / "models",
            remedy="Clone the repository again, or train one with eldyn-train.",
        )
    layers = viewer.open_sample(_PLUGIN, "li32")
    if not layers:
        raise EldynError("the sample trajectory cannot be opened", path=sample_directory())
    session = _open_docks(viewer, size)
    session.controller.configure(n_frames=frames, start_frame=_START_FRAME)
    session.controller.set_reference(layers[0])
    session.controller.set_model(models[0])
    return session


def _open_docks(viewer: Viewer, size: tuple[int, int]) -> DemoSession:
    """All docks in their places, Rollout and Statistics in front."""
    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.docking import open_workbench
    from napari_eldyn.widgets.live_statistics import LiveStatistics

    viewer.window.resize(*size)
    statistics = open_workbench(viewer)["Statistics"]
    assert isinstance(statistics, LiveStatistics)
    return DemoSession(controller_of(viewer), statistics)


def run_and_record(frames: int, out: Path) -> None:
    """Run the sample session in a window of its own, and record it.

    Parameters
    ----------
    frames : int
        Frames to generate.
    out : Path
        Folder, made if needed, for ``session.png`` and ``rollout.mp4``; files of these names are
        replaced.

    Raises
    ------
    EldynError
        If anything of the session fails, or the folder cannot be written.
    """
    import napari

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EldynError(f"the folder cannot be made ({error.strerror})", path=out) from error
    started = time.perf_counter()
    viewer = napari.Viewer(title=_TITLE)
    try:
        session = open_session(viewer, frames)
        control = session.controller
        problems: list[str] = []
        control.failed.connect(problems.append)
        wait_until(
            lambda: control.state == "ready" and control.measured is not None,
            problems,
            lambda: control.state,
        )
        print(f"Session ready after {time.perf_counter() - started:.1f} s", flush=True)
        _generate(control, frames, problems)
        drawn = time.monotonic() + 0.5  # the plots follow the volumes a little later
        wait_until(lambda: time.monotonic() > drawn, problems, lambda: control.state)
        _save_picture(viewer, out / "session.png")
        print(f"Picture of the session: {out / 'session.png'}", flush=True)
        _record(viewer, out / "rollout.mp4")
        print(f"Movie of the rollout: {out / 'rollout.mp4'}", flush=True)
    finally:
        viewer.close()


def _generate(control: RolloutController, frames: int, problems: list[str]) -> None:
    """Press Run and wait for the end, as a person at the window would."""
    updates: list[FrameUpdate] = []
    with tqdm(total=frames, desc="Rollout", unit="frame") as bar:
        control.updated.connect(updates.append)
        control.updated.connect(lambda update: bar.update())
        begun = time.perf_counter()
        control.run()
        wait_until(
            lambda: len(updates) == frames and control.state == "ready",
            problems,
            lambda: len(updates),
        )
    seconds = updates[-1].finished_at - begun
    settings, model = control.settings, control.model
    assert model is not None
    print(
        f"Generated {frames} frames with {model.emulator.name} on {model.device} "
        f"({settings.sampler}, {settings.evaluations} evaluations) in {seconds:.1f} s: "
        f"{frames / seconds:.1f} frames/s while drawing them",
        flush=True,
    )


def _record(viewer: Viewer, path: Path) -> None:
    """Record the rollout beside its reference, with plots that grow, as the Movie dock does."""
    from napari_eldyn.export.movie import record_movie
    from napari_eldyn.export.movie_settings import MovieSettings

    settings = MovieSettings(fps=_FPS, title="Liquid lithium at 800 K, generated and by AIMD")
    with tqdm(desc="Movie", unit="frame") as bar:

        def show(progress: MovieProgress) -> None:
            bar.total = progress.total
            bar.update(progress.done - bar.n)

        record_movie(viewer, path, settings, progress=show, overwrite=True)


def _save_picture(viewer: Viewer, path: Path) -> None:
    from imageio.v3 import imwrite

    partial = path.with_name(path.name + ".partial")
    try:
        imwrite(partial, viewer.screenshot(canvas_only=False, flash=False), extension=".png")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise EldynError(f"the picture cannot be written ({error.strerror})", path=path) from error


def wait_until(
    condition: Callable[[], bool], problems: list[str], progress: Callable[[], object]
) -> None:
    """Run the event loop until something is so.

    Parameters
    ----------
    condition : callable
        What to wait for.
    problems : list of str
        Where messages of failures arrive.
    progress : callable
        Returns something that changes as long as things go on.

    Raises
    ------
    EldynError
        At the first problem, or if nothing has changed for two minutes.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    last, deadline = progress(), time.monotonic() + _PATIENCE
    while not condition():
        if problems:
            raise EldynError(problems[0])
        if progress() != last:
            last, deadline = progress(), time.monotonic() + _PATIENCE
        if time.monotonic() > deadline:
            raise EldynError(f"the session came to a standstill ({last}) for {_PATIENCE:.0f} s")
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()


if __name__ == "__main__":
    main()
