"""Time the .eldyn store against an array in memory: python tests/benchmarks/bench_store.py.

Prints best times, and ratios to the named baseline of the same run. Densities are smooth and
log-normal like liquid lithium's: (ln ρ + 2.9)/0.27 is a sum of Gaussian random plane waves.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_eldyn.density import DensityTrajectory, PeriodicGrid, StoreWriter, store_encoding


def smooth_densities(n: int, grid: PeriodicGrid) -> np.ndarray:
    rng = np.random.default_rng(0)
    decay = np.exp(-((np.linalg.norm(grid.wavevectors(), axis=-1) / 1.5) ** 2))
    frames = np.empty((n, *grid.shape), dtype=np.float32)
    for index in range(n):
        field = np.fft.irfftn(
            np.fft.rfftn(rng.normal(size=grid.shape)) * decay, s=grid.shape, axes=(0, 1, 2)
        )
        frames[index] = np.exp(-2.9 + 0.27 * field / field.std())
    return frames


def best_ms(action: Callable[[int], object], n: int) -> float:
    times = []
    for index in range(n):
        start = time.perf_counter()
        action(index)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def report(what: str, milliseconds: float, baseline: float, name: str) -> None:
    print(f"  {what:<44} {milliseconds:9.3f} ms   {milliseconds / baseline:8.2f} × {name}")


def bench_frames(points: int, folder: Path, n: int = 60) -> None:
    grid = PeriodicGrid(np.eye(3) * 8.66, (points,) * 3)
    array = smooth_densities(n, grid)
    memory = DensityTrajectory.from_array(array, grid, 4.0 * np.arange(n))
    order = np.random.default_rng(1).permutation(n)
    print(f"\n{points}³ points, {n} frames, random order (files in the page cache)")
    in_memory = best_ms(lambda k: memory[int(order[k])].copy(), n)
    report("read one frame: copy from an array in memory", in_memory, in_memory, "memory")
    raw = folder / f"raw{points}.npy"
    np.save(raw, array)

    def read_raw(k: int) -> np.ndarray:
        return np.array(np.load(raw, mmap_mode="r")[order[k]])

    report("read one frame: memory-mapped .npy", best_ms(read_raw, n), in_memory, "memory")
    for encoding in ("float32", "log16"):
        path = folder / f"{encoding}{points}.eldyn"
        start = time.perf_counter()
        memory.save(path, encoding=encoding)
        saving = 1e3 * (time.perf_counter() - start) / n
        stored = DensityTrajectory.open(path)
        reading = best_ms(lambda k, t=stored: t[int(order[k])], n)
        report(f"read one frame: .eldyn {encoding}", reading, in_memory, "memory")
        report(f"write one frame in a save: {encoding}", saving, in_memory, "memory")
        size = sum(file.stat().st_size for file in (path / "density").iterdir())
        error = store_encoding(path).relative_error
        print(
            f"  {'size on disk: ' + encoding:<44} {size / array.nbytes:9.3f} × float32 in memory, "
            f"relative error {error:.1e}"
        )
    with StoreWriter.create(folder / f"append{points}.eldyn", grid) as writer:
        appending = best_ms(lambda k: writer.append(array[k], float(k)), n)
    report("append one frame, crash-safe: log16", appending, in_memory, "memory")


def bench_opening(n_long: int, folder: Path) -> None:
    grid = PeriodicGrid(np.eye(3), (4, 4, 4))
    print(f"\nopening, 4³ points (metadata and times; no frame is read), {n_long:,} frames")
    rng = np.random.default_rng(2)
    baseline = 0.0
    for n in (60, n_long):
        array = rng.uniform(0.01, 0.1, (n, 4, 4, 4)).astype(np.float32)
        scalars = {"energy": rng.normal(size=n), "temperature": rng.normal(size=n)}
        path = folder / f"open{n}.eldyn"
        DensityTrajectory.from_array(
            array,
            grid,
            np.arange(float(n)),
            scalars=scalars,
            numbers=[3] * 32,
            positions=np.zeros((n, 32, 3)),
        ).save(path)
        opening = best_ms(lambda _, p=path: DensityTrajectory.open(p), 9)
        baseline = baseline or opening
        report(f"open {n:,} frames", opening, baseline, "60 frames")
        stored = DensityTrajectory.open(path)
        reading = best_ms(lambda k, t=stored, m=n: t[(k * 7919) % m], 50)
        report(f"read one of {n:,} frames", reading, baseline, "opening 60 frames")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000, help="length of the long store")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for points in (32, 48):
            bench_frames(points, Path(name))
        bench_opening(arguments.frames, Path(name))


if __name__ == "__main__":
    main()
