"""A long live run in the real window: speed, longest stall of the event loop, memory.

Run with a display (or under ``xvfb-run``):

    python tests/benchmarks/bench_long_run.py [--frames 1000] [--model spatial_li32] [--explain]

The sample session runs with every dock of the plugin open. Meanwhile the Statistics dock is
hidden and shown again, and someone looks back with the time slider and follows again. The baseline
is the same rollout without a window: generated, decoded and measured on a thread.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import napari
import psutil
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QDockWidget, QWidget

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from heartbeat import Heartbeat, stalls_explained

from napari_eldyn.demo import open_session
from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.docking import open_workbench
from napari_eldyn.viewer.samples import sample_directory
from napari_eldyn.viewer.session import Session

TARGET_MS = 200.0
LOOKS = 6  # times that someone looks back, and hides and shows the statistics, in a run


def wait(condition: Callable[[], object], turn_ms: int = 20) -> None:
    """Run the event loop until something is so."""
    while not condition():
        loop = QEventLoop()
        QTimer.singleShot(turn_ms, loop.quit)
        loop.exec()


def memory() -> tuple[float, float]:
    """Resident and unshared memory of this process [MB]."""
    gc.collect()
    full = psutil.Process().memory_full_info()
    return full.rss / 1e6, full.uss / 1e6


def without_window(control: RolloutController, n_frames: int) -> float:
    """Seconds per frame of a fresh rollout, on a thread, with the event loop going round."""
    session = control.session
    assert session is not None
    settings = session.statistics_settings
    fresh = Session(session.model, session.pairing.trajectory, session.settings, settings)
    seconds: list[float] = []

    def work() -> None:
        began = time.perf_counter()
        fresh.advance(n_frames, lambda _: None, lambda: False, lambda: False)
        seconds.append((time.perf_counter() - began) / n_frames)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return seconds[0]


class Visitor:
    """Does now and then what a person does during a long run."""

    def __init__(self, control: RolloutController, statistics: QWidget, beat: Heartbeat) -> None:
        self._control, self._beat = control, beat
        dock: QWidget | None = statistics
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        assert dock is not None
        self._dock = dock
        self.n_looks = 0

    def look(self) -> None:
        """One step of the round: back, follow, hide, show."""
        control, panels = self._control, self._control.comparison
        if control.state != "running" or panels is None:
            return
        step = self.n_looks % 4
        self.n_looks += 1
        self._beat.label = ("look back", "follow again", "statistics hidden", "shown again")[step]
        if step == 0:
            panels.go_to(len(control.generated_statistics) // 3)
        elif step == 1:
            control.follow_live = True
        elif step == 2:
            self._dock.hide()
        else:
            self._dock.show()
        QTimer.singleShot(1000, self._leave)

    def _leave(self) -> None:
        self._beat.label = ""


def run(control: RolloutController, statistics: QWidget, n_frames: int, beat: Heartbeat) -> float:
    """Seconds of the run."""
    visitor = Visitor(control, statistics, beat)
    every = max(1, n_frames // (4 * LOOKS))
    arrived = [0]

    def count(_: object) -> None:
        arrived[0] += 1
        if arrived[0] % every == 0:
            visitor.look()
        if arrived[0] % 1000 == 0:
            print(
                f"  {arrived[0]} frames, longest stall {1e3 * beat.longest:.0f} ms, "
                f"{psutil.Process().memory_info().rss / 1e6:.0f} MB",
                flush=True,
            )

    control.updated.connect(count)
    began = time.perf_counter()
    beat.start()
    control.run()
    wait(lambda: control.state == "ready" and arrived[0] == n_frames)
    seconds = time.perf_counter() - began
    beat.stop()
    control.updated.disconnect(count)
    return seconds


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--model", default="spatial_li32", help="name of a sample model")
    parser.add_argument("--sampler", default="", help="default: the model's own")
    parser.add_argument("--evaluations", type=int, default=0)
    parser.add_argument("--panels", nargs="*", default=[], help="more panels to be shown")
    parser.add_argument("--explain", action="store_true", help="print what was done in stalls")
    arguments = parser.parse_args()
    n_frames = arguments.frames
    viewer = napari.Viewer(show=True)
    opened = open_session(viewer, n_frames)
    control = opened.controller
    failures: list[str] = []
    control.failed.connect(failures.append)
    docks = open_workbench(viewer)
    wait(lambda: failures or (control.state == "ready" and control.measured is not None))
    control.set_model(sample_directory() / "models" / f"{arguments.model}.safetensors", "cpu")
    wait(lambda: failures or control.state != "ready")
    wait(lambda: failures or control.state == "ready")
    if arguments.sampler:
        control.configure(sampler=arguments.sampler, evaluations=arguments.evaluations)
        wait(lambda: failures or (control.state == "ready" and not control.needs_reset))
    for name in arguments.panels:
        control.panels.set_shown(name, True)
    settled = time.monotonic() + 2.0
    wait(lambda: failures or (time.monotonic() > settled and control.measured is not None))
    if failures:
        sys.exit(failures[0])
    model, settings = control.model, control.settings
    assert model is not None
    print(
        f"{model.emulator.name}, {settings.sampler} with {settings.evaluations} evaluations, on "
        f"{model.device}; {n_frames} frames; docks: {', '.join(docks)}",
        flush=True,
    )
    alone = [without_window(control, max(20, n_frames // 40))]
    before = memory()
    beat = Heartbeat()
    with ExitStack() as stack:
        stalls = None
        if arguments.explain:
            stalls = stack.enter_context(stalls_explained(beat, 0.08))
        seconds = run(control, docks["Statistics"], n_frames, beat)
    after = memory()
    session = control.session
    assert session is not None
    held = len(session.cache) * session.rollout.start_density.nbytes / 1e6
    alone.append(without_window(control, max(20, n_frames // 40)))
    each, base = seconds / n_frames, sum(alone) / len(alone)
    print(f"without a window (baseline)    {1 / base:8.1f} frames/s")
    print(f"live in the window             {1 / each:8.1f} frames/s   ratio {base / each:.2f}")
    print(f"event loop, longest stall      {1e3 * beat.longest:8.0f} ms   ({beat.explain()})")
    print(f"event loop, 99.9 % of the time {1e3 * beat.quantile(0.999):8.0f} ms")
    print(f"event loop, 99 % of the time   {1e3 * beat.quantile(0.99):8.0f} ms")
    over, own = (beat.over(TARGET_MS / 1e3, own=own) for own in (False, True))
    print(
        f"stalls over {TARGET_MS:.0f} ms             {over:8d}      ({own} if a processor is free)"
    )
    for label, gap in beat.labels.items():
        print(f"  longest {label or 'just running':20}  {1e3 * gap:8.0f} ms")
    print(f"memory at start and end        {before[0]:.0f} → {after[0]:.0f} MB resident, ", end="")
    print(f"{before[1]:.0f} → {after[1]:.0f} MB unshared; frame cache {held:.0f} MB")
    if stalls:
        for text, count in stalls.most_common(12):
            print(f"-- {count} samples of 20 ms\n{text}")
    viewer.close()
    sys.exit(failures[0] if failures else 0)


if __name__ == "__main__":
    main()
