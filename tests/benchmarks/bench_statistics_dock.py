"""Cost on the GUI thread of live updates of the Statistics dock, plot by plot.

Run with a display (or under ``xvfb-run``): ``python tests/benchmarks/bench_statistics_dock.py``.
Times are medians of one update, Qt's painting of the window included, as processor time of the GUI
thread: on a busy machine it waits besides. The baseline, measured in the same run, is what a plain
matplotlib canvas does: draw the same plots whole.
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
from napari_eldyn.figures.rollout_plots import PLOTS, Yardstick
from napari_eldyn.observables.levels import levels_from_statistics
from napari_eldyn.observables.reference_series import ReferenceSeries
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.statistics import default_settings, measure
from napari_eldyn.observables.structure_factor import fourier_coefficients
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics
from napari_eldyn.widgets.statistics_dock import StatisticsDock

_UPDATES = 200
_STEP_FS = 4.0
_DEFAULT = ["distribution", "divergence", "structure_factor"]
_HISTORIES = (100, 10_000)
# Heights of the dock: one plot as high as in the default window, that window, a tall one.
_HEIGHT_ONE, _HEIGHT, _HEIGHT_ALL = 400, 735, 1785


def main() -> None:
    """Print milliseconds and ratios."""
    application = QApplication.instance() or QApplication([])
    rng = np.random.default_rng(0)
    grid = PeriodicGrid(8.66 * np.eye(3), (32, 32, 32))
    noise = rng.standard_normal((60, *grid.shape))
    frames = np.exp(-2.9 + 0.27 * noise).astype(np.float32)
    reference = DensityTrajectory.from_array(frames, grid, _STEP_FS * np.arange(len(frames)))
    settings = default_settings(reference, LogNormalisation(mean=-2.9, std=0.27))
    counted = trajectory_statistics(reference, settings)
    levels = levels_from_statistics(counted, counted[0], 0)
    series = ReferenceSeries(counted, settings, _STEP_FS)
    yardstick = Yardstick(settings, counted.pooled, levels, series)

    dock = StatisticsDock()
    dock.resize(360, _HEIGHT_ONE)
    dock.set_reference(yardstick)
    dock.show()
    application.processEvents()
    n = 0

    def add() -> None:
        nonlocal n
        frame = counted[n % len(counted)]
        dock.add_update(SimpleNamespace(index=n, time=_STEP_FS * n, statistics=frame))
        n += 1

    def live() -> None:
        add()
        dock.draw_now()
        application.processEvents()

    def show(names: list[str]) -> None:
        few, default = len(names) < 2, len(names) <= len(_DEFAULT)
        dock.resize(360, _HEIGHT_ONE if few else _HEIGHT if default else _HEIGHT_ALL)
        dock.restore_session_state({"open": names})
        application.processEvents()
        for _ in range(3):
            live()

    def idle() -> None:
        application.processEvents()

    print(f"{'':28s}" + "".join(f"{f'{h:,d} frames':>16s}" for h in _HISTORIES))
    rows: dict[str, list[float]] = {}
    redraws: dict[str, list[float]] = {}
    sets = {name: [name] for name in PLOTS} | {"default sections": _DEFAULT}
    sets |= {"all sections": [*PLOTS, "scores"]}
    for history in _HISTORIES:
        dock.hide()
        while n < history:
            add()
        dock.show()
        dock.set_time_range(0.0, _STEP_FS * (n + 20 * _UPDATES))
        for name, opened in sets.items():
            show(opened)
            repeats = _UPDATES if name.endswith("sections") else _UPDATES // 4
            rows.setdefault(name, []).append(_milliseconds(live, repeats))
            canvases = [c for c in dock.plots.canvases.values() if c.isVisible()]

            def full(canvases=canvases) -> None:
                add()
                dock.draw_now()
                for canvas in canvases:
                    canvas.draw()
                application.processEvents()

            redraws.setdefault(name, []).append(_milliseconds(full, 10))
        show([])
        rows.setdefault("all folded", []).append(_milliseconds(live, _UPDATES))
        dock.hide()
        application.processEvents()
        rows.setdefault("dock hidden", []).append(_milliseconds(live, _UPDATES))
        rows.setdefault("nothing (event loop only)", []).append(_milliseconds(idle, _UPDATES))
    for name, times in rows.items():
        print(f"{name:28s}" + "".join(f"{t:13.3f} ms" for t in times))
    print("\nfull redraw / update")
    for name, times in redraws.items():
        ratios = [f"{full / live:15.1f}x" for full, live in zip(times, rows[name], strict=True)]
        print(f"{name:28s}" + "".join(ratios))
    print("\nhidden / nothing, both with the event loop")
    ratio = zip(rows["dock hidden"], rows["nothing (event loop only)"], strict=True)
    print(f"{'':28s}" + "".join(f"{hidden / nothing:15.1f}x" for hidden, nothing in ratio))

    print("\nwhat a frame's statistics cost (worker thread)")
    density = frames[0]
    whole = _milliseconds(lambda: measure(density, settings), 50)
    coefficients = fourier_coefficients(density, grid).reshape(-1)
    waves = settings.waves
    picked = _milliseconds(lambda: coefficients[waves.indices].astype(np.complex64), 200)
    print(f"{'all of them':28s}{whole:13.2f} ms")
    print(f"{'of which wave amplitudes':28s}{picked:13.4f} ms, {8 * len(waves)} bytes per frame")
    print("\nbookkeeping of a frame, plots apart, and F(q,t) of 10,000 frames at once")
    history = RolloutHistory(settings, counted.pooled)
    start = time.thread_time()
    for k in range(10_000):
        history.add(k, _STEP_FS * k, counted[k % len(counted)])
    print(f"{'add':28s}{1e-1 * (time.thread_time() - start):13.4f} ms per frame")
    start = time.thread_time()
    lags = len(history.scattering.normalised[0])
    took = 1e3 * (time.thread_time() - start)
    print(f"{'F(q,t) of 10,000 frames':28s}{took:13.1f} ms ({lags} lags, {len(waves)} waves)")

    def grow() -> None:
        history.add(history.n, _STEP_FS * history.n, counted[history.n % len(counted)])
        _ = history.scattering.normalised

    print(f"{'F(q,t) of one more frame':28s}{_milliseconds(grow, 200):13.3f} ms")


def _milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median processor time of one call."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return 1e3 * statistics.median(times)


if __name__ == "__main__":
    main()
