"""Cost of a movie frame of 1280 × 720, against ``viewer.screenshot(size=...)`` for each frame.

Run with a display (or under ``xvfb-run``): python tests/benchmarks/bench_movie.py [--frames 12]

The movie's frames are drawn on the window too and encoded as H.264; the baseline is neither.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_eldyn.export.movie import record_movie

SIZE = (1280, 720)


def main() -> None:
    """Print both costs and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=12)
    frames = parser.parse_args().frames
    viewer = napari.Viewer(ndisplay=3)
    data = np.random.default_rng(0).random((frames, 48, 48, 48), np.float32)
    for _ in range(2):
        viewer.add_image(data, contrast_limits=(0, 1))
    viewer.canvas.grid.enabled = True
    viewer.window.resize(1280, 800)
    QApplication.processEvents()
    viewer.fit_to_view()
    viewer.screenshot(size=SIZE[::-1], flash=False)

    began = time.perf_counter()
    for frame in range(frames):
        viewer.dims.set_current_step(0, frame)
        viewer.screenshot(size=SIZE[::-1], flash=False)
    each = (time.perf_counter() - began) / frames
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        record_movie(viewer, Path(folder) / "movie.mp4", size=SIZE)
        movie = (time.perf_counter() - began) / frames
    viewer.close()
    print(f"screenshot(size=...) per frame, baseline  {1e3 * each:7.0f} ms")
    print(f"record_movie per frame, encoded           {1e3 * movie:7.0f} ms")
    print(f"ratio                                     {movie / each:7.2f}")


if __name__ == "__main__":
    main()
