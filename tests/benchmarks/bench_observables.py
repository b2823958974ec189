"""Cost of the statistics of one live frame, against plain numpy in the same run.

Run: python tests/benchmarks/bench_observables.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from napari_eldyn.density import LogNormalisation, PeriodicGrid
from napari_eldyn.observables import StatisticsSettings, frame_statistics, shells
from napari_eldyn.observables.distribution import uniform_edges

MEAN, STD = -2.91, 0.27


def median_ms(function: Callable[[], object], repeats: int = 15) -> float:
    function()
    durations = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        durations.append(time.perf_counter() - began)
    return 1e3 * float(np.median(durations))


def compare(points: int) -> None:
    grid = PeriodicGrid(8.66 * np.eye(3), (points,) * 3)
    settings = StatisticsSettings(
        LogNormalisation(mean=MEAN, std=STD), uniform_edges(-6.0, 6.0, 128), shells(grid)
    )
    rng = np.random.default_rng(0)
    density = rng.lognormal(MEAN, STD, size=grid.shape).astype(np.float32)
    # The obvious way: full complex FFT, np.histogram over shells and values.
    indices = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in grid.shape), indexing="ij"))
    lengths = np.sqrt((indices**2).sum(axis=0)) * 2 * np.pi / 8.66
    edges = np.arange(0.5, 2 * points) * settings.shells.width

    def plain() -> np.ndarray:
        np.histogram((np.log(density) - MEAN) / STD, settings.edges)
        amplitude = np.abs(np.fft.fftn(density)) * grid.voxel_volume
        sums, _ = np.histogram(lengths, edges, weights=amplitude)
        counts, _ = np.histogram(lengths, edges)
        return sums[counts > 0] / counts[counts > 0]

    ours, theirs = median_ms(lambda: frame_statistics(density, settings)), median_ms(plain)
    print(
        f"frame statistics, {points}³: {ours:.2f} ms; plain numpy (histogram and amplitude "
        f"only) {theirs:.2f} ms; ratio {theirs / ours:.1f}"
    )


if __name__ == "__main__":
    for points in (32, 48):
        compare(points)
