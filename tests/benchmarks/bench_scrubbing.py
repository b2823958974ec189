"""Scrubbing a long store in the window against an array in memory in plain napari.

Run with a display (or under ``xvfb-run``):

    python tests/benchmarks/bench_scrubbing.py [--frames 5000] [--points 48] [--long 100000]

A step moves the time slider by ``viewer.dims.set_current_step``; the array is drawn by napari
alone, in a window of the same size, with the same rendering, camera and scales. Both windows step
through the same frames in turns, first along and then in random order; ratios are medians of
those of the turns. The stores hold real frames of 32 drifting atoms; they repeat after a while,
as hard links to the same files, so that building them takes seconds.

Opening and memory are measured in processes of their own. Memory is what a process with the
store opened and stepped through holds more than one with an empty napari window.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_eldyn.density import DensityTrajectory, PeriodicGrid

CELL, ATOMS = 8.66, 32
STEPS_AFTER_OPENING = 200


def frames(n: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Densities (n, N, N, N) and positions (n, atoms, 3) of Gaussians that drift in a cube."""
    rng = np.random.default_rng(0)
    start, velocity = rng.uniform(0, CELL, (ATOMS, 3)), rng.normal(0, 0.02, (ATOMS, 3))
    nodes = np.arange(points) * CELL / points
    densities = np.empty((n, points, points, points), np.float32)
    positions = start + velocity * np.arange(n)[:, None, None]
    for index in range(n):
        # A product of one-dimensional Gaussians for each atom, summed by one matrix product.
        offset = nodes[None, :, None] - positions[index][:, None, :]
        offset -= CELL * np.rint(offset / CELL)
        x, y, z = np.moveaxis(np.exp(-(offset**2) / (2 * 0.6**2)), -1, 0)
        planes = (x[:, :, None] * y[:, None, :]).reshape(ATOMS, -1)
        densities[index] = 0.02 + 0.1 * (planes.T @ z).reshape((points,) * 3)
    return densities, positions


def build_store(path: Path, array: np.ndarray, positions: np.ndarray, n: int) -> None:
    """Write a store of `n` frames that repeat those of the array."""
    distinct = len(array)
    grid = PeriodicGrid(np.eye(3) * CELL, array.shape[1:])
    DensityTrajectory.from_array(
        array,
        grid,
        np.arange(float(distinct)),
        numbers=[3] * ATOMS,
        positions=positions,
        kind="pseudo",
    ).save(path)
    group = zarr.open_group(path, mode="r+")
    group["density"].resize((n, *array.shape[1:]))
    rows = np.arange(n) % distinct
    for name, values in (
        ("times", np.arange(float(n))),
        ("positions", group["positions"][:][rows]),
        ("density_range", group["density_range"][:][rows]),
    ):
        group[name].resize((n, *values.shape[1:]))
        group[name][:] = values
    for index in range(distinct, n):
        os.link(
            path / "density" / f"c.{index % distinct}.0.0.0",
            path / "density" / f"c.{index}.0.0.0",
        )
    group.attrs["n_frames"] = n


def resident() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def drawn(viewer: Any, seconds: float = 0.6) -> None:
    """Run the event loop for a while."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def measure_one(path: str) -> None:
    """Print MiB, and seconds to open a store for the first time and later; or to add an array."""
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(1000, 750)
    viewer.dims.ndisplay = 3
    drawn(viewer)
    memory = resident()
    array = np.random.default_rng(0).random((10, 48, 48, 48), np.float32)

    def add_array() -> None:
        viewer.add_image(array, contrast_limits=(0, 1), rendering="mip", multiscale=False)

    def open_store() -> None:
        viewer.open(path, plugin="napari-eldyn")

    open_one = add_array if path == "-" else open_store
    seconds = []
    for _ in range(3):
        viewer.layers.clear()
        drawn(viewer)
        began = time.perf_counter()
        open_one()
        seconds.append(time.perf_counter() - began)
        drawn(viewer)
        if path != "-" and len(seconds) == 1:
            rng = np.random.default_rng(1)
            n = viewer.layers[0].data.shape[0]
            for index in rng.integers(0, n, STEPS_AFTER_OPENING):
                viewer.dims.set_current_step(0, int(index))
            drawn(viewer)
            memory = resident()
    print(f"RESULT {memory:.1f} {seconds[0]:.3f} {min(seconds[1:]):.3f}", flush=True)
    os._exit(0)  # closing windows is not what is measured


def child(path: Path | str) -> tuple[float, float, float]:
    """MiB, and seconds to open for the first time and later, in a new process."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--one", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    memory, first, again = (float(word) for word in line.split()[1:])
    return memory, first, again


def measure_opening(short: Path, long: Path, n: int, n_long: int) -> None:
    """Print how long opening takes, and what it costs."""
    repeats = 3
    results = [(child("-"), child(short), child(long)) for _ in range(repeats)]
    empty, opened, opened_long = (
        np.median([result[which] for result in results], axis=0) for which in range(3)
    )
    print(f"\nopening in a window (medians of {repeats} processes)")
    for name, row in ((f"{n:,} frames", opened), (f"{n_long:,} frames", opened_long)):
        print(
            f"  {name:<16} {row[2]:6.2f} s   (first use of the plugin {row[1]:.2f} s)   "
            f"{row[0] - empty[0]:+6.0f} MiB over an empty napari of {empty[0]:.0f} MiB, "
            f"after {STEPS_AFTER_OPENING} random steps"
        )
    print(
        f"  {n_long:,} frames open in {opened_long[2] / opened[2]:.2f} × the time of {n:,}, which "
        f"is {opened[2] / empty[2]:.2f} × that of adding an array of 10 frames to plain napari"
    )


class Scrubber:
    """One window to step through."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer

    def turn(self, indices: np.ndarray, painted: bool) -> float:
        """Return the median milliseconds of steps to these frames."""
        from qtpy.QtWidgets import QApplication

        durations = []
        for index in indices:
            began = time.perf_counter()
            self.viewer.dims.set_current_step(0, int(index))
            if painted:
                QApplication.processEvents()
            durations.append(1000.0 * (time.perf_counter() - began))
        QApplication.processEvents()
        return statistics.median(durations)


def compare(plain: Scrubber, ours: Scrubber, n: int, what: str, painted: bool) -> None:
    """Print the time of a step in turns of both windows."""
    turns, length = (8, 5) if painted else (16, 15)
    rng = np.random.default_rng(2)
    results: dict[str, list[tuple[float, float]]] = {}
    for order in ("along", "random"):
        for turn in range(turns):
            begin = (turn * 37) % (n - length)
            indices = begin + np.arange(length) if order == "along" else rng.integers(0, n, length)
            pair = (plain, ours) if turn % 2 else (ours, plain)
            times = {one: one.turn(indices, painted) for one in pair}
            results.setdefault(order, []).append((times[plain], times[ours]))
    how = "with painting" if painted else "without painting"
    for order, pairs in results.items():
        ratio = statistics.median(b / a for a, b in pairs)
        memory, store = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(
            f"  {what + ', ' + how + ', ' + order:<58} {store:7.1f} ms   in memory "
            f"{memory:7.1f} ms   {ratio:5.2f} × in memory"
        )


def measure_steps(path: Path, array: np.ndarray) -> None:
    """Print the time of steps, without and with the structure."""
    import napari

    from napari_eldyn.viewer.structure import PARTS, structure_of

    viewer = napari.Viewer()
    viewer.window.resize(1000, 750)
    layer, *_ = viewer.open(path, plugin="napari-eldyn")
    drawn(viewer)
    shown = [part for part in PARTS if structure_of(viewer).is_shown(part)]
    other = napari.Viewer()
    other.window.resize(1000, 750)
    other.add_image(
        array,
        scale=layer.scale,
        contrast_limits=tuple(layer.contrast_limits),
        colormap="inferno",
        rendering="mip",
        interpolation3d="linear",
        multiscale=False,
    )
    other.dims.ndisplay = 3
    drawn(other)
    for name in ("perspective", "angles", "center", "zoom"):
        setattr(other.scene.camera, name, getattr(viewer.scene.camera, name))
    drawn(other)
    sizes = [tuple(one.canvas.size) for one in (viewer, other)]
    print(f"\none step of the slider (canvases of {sizes[0]} and {sizes[1]} pixels)")
    ours, plain = Scrubber(viewer), Scrubber(other)

    def both(what: str) -> None:
        for painted in (False, True):
            compare(plain, ours, len(array), what, painted)

    for part in shown:
        structure_of(viewer).set_shown(part, False)
    drawn(viewer)
    both("density alone")
    for part in shown:
        structure_of(viewer).set_shown(part, True)
    drawn(viewer)
    both(f"with {' and '.join(shown)}")
    sys.stdout.flush()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--points", type=int, default=48)
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--distinct", type=int, default=250, help="frames that differ")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--steps", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure_one(arguments.one)
    distinct = min(arguments.distinct, arguments.frames)
    array, positions = frames(distinct, arguments.points)
    if arguments.steps:
        measure_steps(Path(arguments.steps), array)
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        paths = [Path(name) / f"{which}.eldyn" for which in ("short", "long")]
        for path, n in zip(paths, (arguments.frames, arguments.long), strict=True):
            build_store(path, array, positions, n)
        print(
            f"{arguments.points}³ points, {ATOMS} atoms, {distinct} frames that differ; "
            f"stores built in {time.perf_counter() - began:.0f} s"
        )
        measure_opening(*paths, arguments.frames, arguments.long)
        sys.stdout.flush()
        # In a process of its own, so that this one can remove the stores.
        command = [sys.executable, "-W", "ignore", __file__, "--steps", str(paths[0])]
        command += ["--points", str(arguments.points), "--distinct", str(distinct)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
