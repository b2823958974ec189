"""Cost on the GUI thread of one to seven panels and of the slices, against two panels.

Run with a display (or under ``xvfb-run``):

    python tests/benchmarks/bench_panels.py [--points 32]

One update moves the time slider to a frame that has been generated, reconstructed, aligned and
averaged: all panels are sliced, the text is set; painting is left out. The work itself is done on
other threads; the last lines tell what one frame of it takes there.
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
from liquid import gaussian_liquid, untrained_spatial_model

from napari_eldyn.emulator.reconstructed_frame import reconstruct_frame
from napari_eldyn.observables.alignment import align
from napari_eldyn.viewer.controller import RolloutController, controller_of
from napari_eldyn.viewer.panels import PANELS
from napari_eldyn.widgets.slice_mode import SliceMode

N_FRAMES = 12


def median_ms(action: Callable[[int], object], repeats: int) -> float:
    """Median milliseconds that an action computes on this thread, whatever else is running."""
    durations = []
    for number in range(repeats):
        began = time.thread_time()
        action(number)
        durations.append(1000.0 * (time.thread_time() - began))
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


def show(control: RolloutController, names: tuple[str, ...]) -> None:
    """Show these panels and no others."""
    for name in PANELS:
        if name in names:
            control.panels.set_shown(name, True)
    for name in PANELS:
        if name not in names:
            control.panels.set_shown(name, False)


def print_strip(viewer: napari.Viewer, control: RolloutController, base: float) -> None:
    """Print what drawing the strip of slices takes, at most eight times a second."""
    mode = SliceMode(viewer, control)
    viewer.dims.ndisplay = 2
    wait(lambda: mode.strip is not None and mode.strip.isVisible())
    settle(2.0)
    strip = mode.strip
    assert strip is not None
    took = median_ms(lambda _: strip.draw_now(), 15)
    name = f"strip of 2 × {len(strip.indices)} slices"
    print(f"{name:36s}{took:8.2f} ms   ratio {took / base:.2f}")


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
    with tempfile.TemporaryDirectory() as folder:
        model = untrained_spatial_model(Path(folder) / "model.safetensors", liquid)
        control.configure(n_frames=N_FRAMES, evaluations=2)
        control.set_reference(liquid)
        control.set_model(model, "cpu")
        wait(lambda: bool(failures) or (control.state == "ready" and control.measured is not None))
    control.run()
    wait(lambda: bool(failures) or control.state == "ready")
    control.run_members(1)
    wait(lambda: bool(failures) or len(control.panels.members) == 2)
    if failures:
        sys.exit(failures[0])
    session = control.session
    assert session is not None
    print(f"grid {points}³, window 1280 × 800; one update of the panels on the GUI thread")
    show(control, PANELS[:2])
    base = update_ms(control)
    print(f"{'2 panels: generated, reference':36s}{base:8.2f} ms   baseline")
    for n_panels in (1, 3, 4, 5, 7):
        show(control, PANELS[:n_panels])
        took = update_ms(control)
        last = f"with {PANELS[n_panels - 1]}" if n_panels > 1 else PANELS[0]
        name = f"{n_panels} panel{'s' if n_panels > 1 else ''}, {last}"
        print(f"{name:36s}{took:8.2f} ms   ratio {took / base:.2f}")
    show(control, PANELS[:2])
    hidden = update_ms(control)
    print(f"{'2 panels again, the others hidden':36s}{hidden:8.2f} ms   ratio {hidden / base:.2f}")
    print_strip(viewer, control, base)
    emulator, generated = session.rollout.model, session.rollout[3]
    encode = median_ms(lambda _: reconstruct_frame(emulator, liquid, 4), 10)
    shift = median_ms(lambda _: align(generated, liquid[4]), 10)
    print(f"on a thread, one frame: reconstructed in {encode:.1f} ms, aligned in {shift:.1f} ms")
    viewer.close()


if __name__ == "__main__":
    main()
