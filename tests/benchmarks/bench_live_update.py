"""Cost of one live update on the GUI thread, against ``layer.data = volume``.

Run with a display (or under ``xvfb-run``):

    python tests/benchmarks/bench_live_update.py [--points 48] [--frames 100]

One live update moves the time slider of the two preallocated panels to the newest frame (both
panels are sliced, the text is set). Painting is the same for both and is left out of the first
figures; the second figures include it. The third measures a real run: the longest time that
the event loop did not come round, and what the worker loses by the window's being drawn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from liquid import gaussian_liquid, untrained_model

from napari_eldyn.viewer.controller import RolloutController, controller_of


def timed(action: Callable[[int], None], repeats: int) -> float:
    """Median milliseconds of an action."""
    durations = []
    for number in range(repeats):
        began = time.perf_counter()
        action(number)
        durations.append(1000.0 * (time.perf_counter() - began))
    return statistics.median(durations)


def wait(condition: Callable[[], bool]) -> None:
    """Run the event loop until something is so."""
    while not condition():
        QApplication.processEvents()
        time.sleep(0.002)


def compare_updates(control: RolloutController, n_frames: int, viewer: napari.Viewer) -> None:
    """Print the cost of showing the newest frame, and of the baseline."""
    panels, session = control.comparison, control.session
    assert panels is not None
    assert session is not None
    volumes = [np.array(session.cache.get(1 + k % n_frames)) for k in range(8)]
    single = napari.layers.Image(volumes[0], contrast_limits=(0.0, 0.15), multiscale=False)

    def live(number: int) -> None:
        panels.go_to(1 + number % n_frames)

    def baseline(number: int) -> None:
        single.data = volumes[number % len(volumes)]

    def painted(action: Callable[[int], None]) -> Callable[[int], None]:
        def both(number: int) -> None:
            action(number)
            QApplication.processEvents()

        return both

    update = timed(live, 60)
    update_painted = timed(painted(live), 30)
    control.shut_down()
    viewer.layers.clear()
    viewer.canvas.grid.enabled = False
    viewer.add_layer(single)
    QApplication.processEvents()
    base = timed(baseline, 60)
    base_painted = timed(painted(baseline), 30)
    print(f"layer.data = volume, one panel    {base:8.2f} ms   (with painting {base_painted:.1f})")
    print(
        f"live update, two panels and text  {update:8.2f} ms   (with painting {update_painted:.1f})"
    )
    print(f"ratio                             {update / base:8.2f}      ", end="")
    print(f"(with painting {update_painted / base_painted:.2f})")


def measure_run(control: RolloutController, n_frames: int) -> None:
    """Print how the window and the worker get on with each other during a run."""
    session = control.session
    assert session is not None
    gaps: list[float] = []
    last = [time.perf_counter()]

    def beat() -> None:
        now = time.perf_counter()
        gaps.append(1000.0 * (now - last[0]))
        last[0] = now

    clock = QTimer()
    clock.setInterval(5)
    clock.timeout.connect(beat)
    clock.start()
    updates: list[float] = []
    control.updated.connect(lambda update: updates.append(update.seconds))
    began = time.perf_counter()
    control.run()
    wait(lambda: control.state == "ready")
    seconds = time.perf_counter() - began
    clock.stop()
    while_drawn = statistics.median(updates)

    fresh = type(session)(session.model, session.pairing.trajectory, session.settings)
    alone: list[float] = []
    fresh.advance(
        min(n_frames, 30), lambda u: alone.append(u.seconds), lambda: False, lambda: False
    )
    print(f"run of {n_frames} frames: {n_frames / seconds:.1f} frames/s in the window")
    print(
        f"event loop: longest gap {max(gaps):.0f} ms, 95 % under {np.quantile(gaps, 0.95):.0f} ms"
    )
    print(
        f"one frame on the worker: {1000 * while_drawn:.1f} ms while drawn, "
        f"{1000 * statistics.median(alone):.1f} ms alone, "
        f"ratio {while_drawn / statistics.median(alone):.2f}"
    )


def main() -> None:
    """Print milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=48)
    parser.add_argument("--frames", type=int, default=60)
    arguments = parser.parse_args()
    liquid = gaussian_liquid(40, points=arguments.points)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    control = controller_of(viewer)
    failures: list[str] = []
    control.failed.connect(failures.append)
    with tempfile.TemporaryDirectory() as folder:
        model = untrained_model(Path(folder) / "model.safetensors", liquid)
        control.configure(n_frames=arguments.frames)
        control.set_reference(liquid)
        control.set_model(model, "cpu")
        wait(lambda: bool(failures) or (control.state == "ready" and control.measured is not None))
    if failures:
        sys.exit(failures[0])
    print(f"grid {arguments.points}³, window 1280 × 800")
    measure_run(control, arguments.frames)
    compare_updates(control, arguments.frames, viewer)
    viewer.close()


if __name__ == "__main__":
    main()
