"""Cost on the GUI thread of one live update of the Statistics dock, against a full redraw.

Run with a display (or under ``xvfb-run``): ``python tests/benchmarks/bench_statistics_dock.py``.
Both figures include Qt's painting of the window.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.observables.levels import reference_levels
from napari_eldyn.observables.statistics import default_settings, frame_statistics
from napari_eldyn.widgets.statistics_dock import StatisticsDock

_UPDATES = 300


def main() -> None:
    """Print milliseconds and ratios."""
    application = QApplication.instance() or QApplication([])
    rng = np.random.default_rng(0)
    grid = PeriodicGrid(8.66 * np.eye(3), (32, 32, 32))
    frames = np.exp(-2.9 + 0.27 * rng.standard_normal((24, *grid.shape))).astype(np.float32)
    reference = DensityTrajectory.from_array(frames, grid, 4.0 * np.arange(len(frames)))
    settings = default_settings(reference, LogNormalisation(mean=-2.9, std=0.27))
    levels = reference_levels(reference, settings)
    counted = [frame_statistics(frame, settings) for frame in frames]

    dock = StatisticsDock()
    dock.resize(400, 700)
    dock.set_reference(settings, levels.reference, levels)
    dock.set_time_range(0.0, 4.0 * _UPDATES)
    dock.show()
    application.processEvents()

    def add(number: int) -> None:
        update = SimpleNamespace(
            index=number, time=4.0 * number, statistics=counted[number % len(counted)]
        )
        dock.add_update(update)

    def live(number: int) -> None:
        add(number)
        dock.draw_now()
        application.processEvents()

    def full(number: int) -> None:
        dock.show_frame(number, counted[number % len(counted)])
        for canvas in dock.plots.canvases:
            canvas.draw()
        dock.draw_now()
        application.processEvents()

    for number in range(10):
        live(number)
    redraws = sum(canvas.full_redraws for canvas in dock.plots.canvases)
    blitted = _milliseconds(lambda k: live(10 + k), _UPDATES)
    redraws = sum(canvas.full_redraws for canvas in dock.plots.canvases) - redraws
    redrawn = _milliseconds(full, 30)
    dock.hide()
    application.processEvents()
    hidden = _milliseconds(lambda k: live(10 + _UPDATES + k), _UPDATES)

    print(f"live update, three plots and all numbers   {blitted:7.2f} ms")
    print(f"the same with a full redraw of the plots   {redrawn:7.2f} ms")
    print(f"the same while the dock is hidden          {hidden:7.2f} ms")
    print(f"full redraw / live update                  {redrawn / blitted:7.1f} x")
    print(f"full redraws in {_UPDATES} live updates           {redraws:7d}")


def _milliseconds(work: Callable[[int], None], repeats: int) -> float:
    """Median time of one call."""
    times = []
    for number in range(repeats):
        start = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


if __name__ == "__main__":
    main()
