"""Memory and file size of kept rollouts: latents and statistics against volumes.

Run with: xvfb-run -a python tests/benchmarks/bench_kept_rollouts.py

Eight rollouts of the sample model are made and kept in a window. The first line compares what
one holds with its volumes; the second the process before and after the last six; the third the
session's file with the volumes of all, and the time to open it with that of making them again.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("NAPARI_CONFIG", "")

import napari
import psutil
from qtpy.QtTest import QTest

from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.samples import sample_models, sample_trajectory
from napari_eldyn.viewer.workspace import open_workspace, save_workspace

ROLLOUTS, WARM, FRAMES = 8, 2, 40


def wait(condition: Callable[[], bool], seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        QTest.qWait(20)


def main() -> None:
    viewer = napari.Viewer()
    (layer,) = viewer.open(sample_trajectory(), plugin="napari-eldyn")
    control = controller_of(viewer)
    control.failed.connect(print)
    control.configure(n_frames=FRAMES, start_frame=2)
    control.set_reference(layer)
    control.set_model(sample_models()[-1], "cpu")
    wait(lambda: control.state == "ready" and control.measured is not None)
    control.configure(sampler="ddim", evaluations=4)
    memory: list[float] = []
    process = psutil.Process()
    began = time.perf_counter()
    for seed in range(ROLLOUTS):
        control.configure(seed=seed)
        wait(lambda: control.state == "ready" and not control.needs_reset)
        control.run()
        wait(lambda: control.state == "ready" and len(control.generated_statistics) == FRAMES)
        control.keep()
        memory.append(process.memory_info().rss)
    made = time.perf_counter() - began
    kept = control.shelf.kept[0]
    volumes = FRAMES * 4 * kept.session.pairing.trajectory.grid.n_points
    print(
        f"A kept rollout of {FRAMES} frames holds {kept.n_bytes / 2**20:.2f} MiB: "
        f"{kept.n_bytes / volumes:.3f} × its volumes ({volumes / 2**20:.1f} MiB)"
    )
    print(
        f"Process with {WARM} rollouts {memory[WARM - 1] / 2**20:.0f} MiB, with {ROLLOUTS} "
        f"{memory[-1] / 2**20:.0f} MiB: {memory[-1] / memory[WARM - 1]:.3f} ×"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.eldynsession"
        began = time.perf_counter()
        save_workspace(viewer, path)
        saved = time.perf_counter() - began
        size = path.stat().st_size
        began = time.perf_counter()
        open_workspace(viewer, path)
        opened = time.perf_counter() - began
    print(
        f"Session with all {ROLLOUTS}: {size / 2**20:.1f} MiB, "
        f"{size / (ROLLOUTS * volumes):.3f} × their volumes; "
        f"saved in {saved:.2f} s, opened in {opened:.2f} s: {opened / made:.3f} × the time of "
        f"making them ({made:.0f} s)"
    )
    viewer.close()


if __name__ == "__main__":
    main()
