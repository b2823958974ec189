"""The sample session, as ``make demo`` opens it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import imageio.v3 as iio
import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_eldyn.demo import open_session, wait_until
from napari_eldyn.viewer.samples import sample_models

SCREENLESS = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}


def run_demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "napari_eldyn.demo", *arguments],
        env=SCREENLESS | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_without_a_screen_it_leaves_a_picture_and_a_movie(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = run_demo("--frames", "4", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "rollout.mp4",
        "rollout.mp4.json",
        "session.png",
    ]
    assert "Generated 4 frames" in done.stdout
    assert "frames/s" in done.stdout
    for name in ("rollout.mp4", "session.png"):
        assert str(out / name) in done.stdout
    picture = iio.imread(out / "session.png")
    with warnings.catch_warnings():  # imageio's reader leaves its pipes to the GC
        warnings.simplefilter("ignore", ResourceWarning)
        frames = iio.imread(out / "rollout.mp4", plugin="FFMPEG").astype(int)
        gc.collect()
    assert picture.shape[:2] == (800, 1280)
    assert frames.shape == (5, 720, 1280, 3), "the start frame and 4 generated ones"
    # The volumes on the left and the plots on the right change with every frame.
    for before, after in pairwise(frames):
        change = np.abs(after - before).max(axis=-1) > 24
        assert change[:, :640].sum() > 300
        assert change[:, 820:].sum() > 50


def test_no_screen_and_no_virtual_one(tmp_path: Path) -> None:
    done = run_demo("--out", str(tmp_path / "out"), PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("demo: there is no screen")
    assert "xvfb" in done.stderr
    assert "Traceback" not in done.stderr


def test_out_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_demo("--frames", "1", "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 1
    assert "the folder cannot be made" in done.stdout + done.stderr


def test_session_opens_ready_to_run(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    viewer = make_napari_viewer(show=True)
    session = open_session(viewer, 50)
    control = session.controller
    problems: list[str] = []
    control.failed.connect(problems.append)
    wait_until(
        lambda: control.state == "ready" and control.measured is not None,
        problems,
        lambda: control.state,
    )
    for _ in range(5):
        QApplication.processEvents()
    assert control.settings.n_frames == 50
    # The flagship, with its own sampler; the others are one choice away.
    model = control.model
    assert model is not None
    assert model.path == sample_models()[0]
    assert control.settings.sampler == model.default_sampler
    assert control.settings.evaluations == model.samplers[model.default_sampler]
    # Generated and reference, side by side, in 3D.
    assert viewer.canvas.grid.enabled
    assert viewer.dims.ndisplay == 3
    assert len(viewer.layers) == 2
    # Both docks are seen at once on a small laptop's screen, and leave most of it to the volumes.
    window = session.statistics.window()
    assert (window.width(), window.height()) == (1280, 800)
    docks = dict(viewer.window.dock_widgets)
    rollout = next(widget for name, widget in docks.items() if name.startswith("Rollout"))
    for widget in (rollout, session.statistics):
        assert widget.visibleRegion().boundingRect().height() > 400
    assert viewer.screenshot(flash=False).shape[1] > 500
    run = rollout.buttons["Run"]
    assert run.isEnabled()
    run.click()
    wait_until(lambda: len(control.generated_statistics) >= 2, problems, lambda: control.state)
    control.stop()
    wait_until(lambda: control.state == "ready", problems, lambda: control.state)


@pytest.mark.parametrize("option", ["--frames=0", "--unknown"])
def test_bad_options(option: str) -> None:
    assert run_demo(option).returncode == 2
