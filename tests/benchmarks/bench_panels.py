"""Cost on the GUI thread of the third panel and of the aligned view, against the two panels.

Run with a display (or under ``xvfb-run``):

    python tests/benchmarks/bench_panels.py [--points 32]

One update moves the time slider to a frame that has been generated, reconstructed and aligned:
all panels are sliced, the text is set; painting is left out. The work itself is done on other
threads; the last lines tell what one frame of it takes there.
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
from qtpy.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from liquid import gaussian_liquid, untrained_model

from napari_eldyn.emulator.reconstructed_frame import reconstruct_frame
from napari_eldyn.observables.alignment import align
from napari_eldyn.viewer.controller import RolloutController, controller_of

N_FRAMES = 12


def median_ms(action: Callable[[int], object], repeats: int) -> float:
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


def settle(seconds: float) -> None:
    """Run the event loop for a while."""
    end = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > end)


def update_ms(control: RolloutController) -> float:
    """Milliseconds to show another frame, once everything about it is known."""
    panels = control.comparison
    assert panels is not None
    for index in range(N_FRAMES + 1):
        panels.go_to(index)
        settle(0.3)
    return median_ms(lambda number: panels.go_to(number % (N_FRAMES + 1)), 60)


def main() -> None:
    """Print milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=32)
    points = parser.parse_args().points
    liquid = gaussian_liquid(N_FRAMES + 4, points=points)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    control = controller_of(viewer)
    failures: list[str] = []
    control.failed.connect(failures.append)
    before = control.panels.shows_reconstruction
    control.panels.shows_reconstruction = False
    with tempfile.TemporaryDirectory() as folder:
        model = untrained_model(Path(folder) / "model.safetensors", liquid)
        control.configure(n_frames=N_FRAMES)
        control.set_reference(liquid)
        control.set_model(model, "cpu")
        wait(lambda: bool(failures) or (control.state == "ready" and control.measured is not None))
    control.run()
    wait(lambda: bool(failures) or control.state == "ready")
    if failures:
        sys.exit(failures[0])
    session = control.session
    assert session is not None
    print(f"grid {points}³, window 1280 × 800; one update of the panels on the GUI thread")
    base = update_ms(control)
    print(f"generated, reference              {base:8.2f} ms   baseline")
    control.panels.aligned = True
    aligned = update_ms(control)
    print(f"the same, aligned                 {aligned:8.2f} ms   ratio {aligned / base:.2f}")
    control.panels.aligned = False
    control.panels.shows_reconstruction = True
    three = update_ms(control)
    print(f"with the reconstruction           {three:8.2f} ms   ratio {three / base:.2f}")
    control.panels.shows_reconstruction = False
    hidden = update_ms(control)
    print(f"hidden again                      {hidden:8.2f} ms   ratio {hidden / base:.2f}")
    emulator, generated = session.rollout.model, session.rollout[3]
    encode = median_ms(lambda _: reconstruct_frame(emulator, liquid, 4), 10)
    shift = median_ms(lambda _: align(generated, liquid[4]), 10)
    print(f"on a thread, one frame: reconstructed in {encode:.1f} ms, aligned in {shift:.1f} ms")
    control.panels.shows_reconstruction = before
    viewer.close()


if __name__ == "__main__":
    main()
