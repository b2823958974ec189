"""Cost of a movie frame of 1280 × 720, as ratios to ``viewer.screenshot(size=...)``.

Run with a display (or under ``xvfb-run``):
``python tests/benchmarks/bench_movie.py [--frames 12]``

The sample rollout stands beside its reference: two volumes of 40³ points. The baseline steps
napari's slider and calls ``viewer.screenshot(size=(720, 1280))``, which gives volumes alone. A
movie's frames are composed (volumes, plots, texts) and encoded as H.264; what composing and
plots cost is told apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_eldyn.demo import open_session, wait_until
from napari_eldyn.export.composition import Composition, FrameTexts
from napari_eldyn.export.encoder import open_encoder
from napari_eldyn.export.formats import FORMATS
from napari_eldyn.export.frame_layout import lay_out
from napari_eldyn.export.movie import record_movie
from napari_eldyn.export.movie_settings import MovieSettings
from napari_eldyn.export.movie_source import movie_source
from napari_eldyn.figures.style import DARK

SIZE = (1280, 720)
PLOTS = ("distribution", "divergence", "structure_factor")


def main() -> None:
    """Print the costs and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=12)
    frames = parser.parse_args().frames
    viewer = napari.Viewer()
    control = open_session(viewer, frames).controller
    problems: list[str] = []
    control.failed.connect(problems.append)

    def wait(condition: Callable[[], Any]) -> None:
        wait_until(condition, problems, lambda: len(control.generated_statistics))

    wait(lambda: control.state == "ready" and control.measured is not None)
    control.run()
    wait(lambda: len(control.generated_statistics) == frames and control.state == "ready")
    for name in ("Statistics", "Rollout"):  # docks cost the same with and without a movie
        for dock_name, dock in dict(viewer.window.dock_widgets).items():
            if dock_name.startswith(name):
                viewer.window.remove_dock_widget(dock)
    QApplication.processEvents()

    def baseline() -> None:
        for step in range(frames + 1):
            viewer.dims.set_point(viewer.dims.ndim - 4, control.comparison.pairing.time(step))
            viewer.screenshot(size=SIZE[::-1], flash=False)

    each = timed(baseline, frames + 1)
    print(f"viewer.screenshot(size=...), baseline        {1e3 * each:7.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        for title, changes in (
            ("volumes and texts", {"layout": "none"}),
            ("volumes, texts and 3 plots", {"plots": PLOTS}),
            ("the same on a turntable", {"plots": PLOTS, "camera": "turntable"}),
        ):
            settings = MovieSettings.model_validate({"size": SIZE, **changes})
            path = Path(folder) / f"{title}.mp4"
            cost = timed(lambda s=settings, p=path: record_movie(viewer, p, s), frames + 1)
            print(f"movie frame, {title:30s} {1e3 * cost:8.0f} ms   {cost / each:5.2f} of it")
        compose, encode = parts(viewer, frames, Path(folder))
    viewer.close()
    print(f"  of which composing with 3 plots             {1e3 * compose:7.0f} ms   "
          f"{compose / each:5.2f} of it")  # fmt: skip
    print(f"  of which handing over to H.264              {1e3 * encode:7.0f} ms   "
          f"{encode / each:5.2f} of it")  # fmt: skip


def parts(viewer: napari.Viewer, frames: int, folder: Path) -> tuple[float, float]:
    """Seconds per frame for composing with plots, and for encoding, without a viewer."""
    source = movie_source(viewer)
    settings = MovieSettings(size=SIZE, plots=PLOTS)
    layout = lay_out(settings)
    composition = Composition(layout, DARK, plots=PLOTS, build=source.build)
    rng = np.random.default_rng(0)
    shape = (layout.volumes.height, layout.volumes.width, 4)
    volumes = rng.integers(0, 255, shape, np.uint8)
    texts = FrameTexts("t = 600 fs", "remark", "", 40.0)
    source.show(composition.plots, 0)
    picture = composition.draw(volumes, texts)

    def compose() -> None:
        for step in range(frames + 1):
            source.show(composition.plots, step)
            composition.draw(volumes, texts)

    composed = timed(compose, frames + 1)
    with open_encoder(folder / "e.mp4", SIZE, 20, movie_format=FORMATS["h264"]) as encoder:
        encoded = timed(lambda: [encoder.write(picture) for _ in range(frames)], frames)
    return composed, encoded


def timed(action: Callable[[], object], n: int) -> float:
    """Seconds for each of n."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) / n


if __name__ == "__main__":
    main()
