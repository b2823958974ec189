"""Movies of a rollout beside its reference: plots that grow, labels that fit, exact frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from live_session import Live

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.composition import Composition, FrameTexts, scale_length
from napari_eldyn.export.frame_layout import Box, lay_out
from napari_eldyn.export.movie import preview, record, record_movie
from napari_eldyn.export.movie_settings import MovieSettings, sidecar_path
from napari_eldyn.export.movie_source import movie_source
from napari_eldyn.figures.rollout_plots import PLOTS
from napari_eldyn.figures.style import DARK, LIGHT

from .movies import read_movie

SIZES = [(1280, 720), (1920, 1080), (1080, 1080)]


@pytest.fixture
def window_shown() -> bool:
    """Movies need a window on the screen."""
    return True


@pytest.fixture
def ran(live: Live) -> Live:
    """Six generated frames."""
    live.run_to_end()
    return live


def test_movie_shows_every_frame_with_plots_up_to_it(ran: Live, tmp_path: Path) -> None:
    settings = MovieSettings(size=(640, 360), format="png", plots=("divergence",), title="Liquid")
    assert record_movie(ran.viewer, tmp_path / "m", settings) is not None
    frames, _ = read_movie(tmp_path / "m")
    assert frames.shape == (7, 360, 640, 3), "the start frame and six generated ones"
    layout = lay_out(settings, has_names=True)
    place, plot = layout.volumes, layout.plots[0]
    for before, after in zip(frames[:-1].astype(int), frames[1:].astype(int), strict=True):
        change = np.abs(after - before).max(axis=-1) > 12
        assert change[place.top : place.bottom, place.left : place.right].sum() > 50
        assert change[plot.top : plot.bottom, plot.left : plot.right].sum() > 10
    # The same again after all volumes have left the cache: decoded and waited for.
    session = ran.control.session
    assert session is not None
    session.cache.clear()
    assert record_movie(ran.viewer, tmp_path / "n", settings) is not None
    again = read_movie(tmp_path / "n")[0].astype(int)
    distances = np.abs(again[:, None] - frames[None]).mean(axis=(2, 3, 4))
    assert np.argmin(distances, axis=1).tolist() == list(range(7))
    told = json.loads(sidecar_path(tmp_path / "m").read_text())
    assert told["movie"]["title"] == "Liquid"
    assert told["provenance"]["rollout"]["seed"] == ran.control.settings.seed
    assert told["provenance"]["rollout"]["model_sha256"]
    assert ran.failures == []


def test_plots_hold_the_frames_up_to_the_one_shown(ran: Live) -> None:
    source = movie_source(ran.viewer)
    settings = MovieSettings(size=(1280, 720), plots=("divergence", "electrons"))
    layout = lay_out(settings)
    composition = Composition(layout, DARK, plots=settings.plots, build=source.build)
    for step in (0, 1, 4, 6, 2):  # also back again
        source.show(composition.plots, step)
        for name in settings.plots:
            times = next(iter(composition.plots[name].table().values()))
            assert len(times) == step
        assert len(ran.control.generated_statistics) == 6


def test_no_recording_while_frames_are_generated(ran: Live, tmp_path: Path) -> None:
    ran.control.configure(n_frames=200)
    ran.control.run()
    ran.wait_state("running")
    with pytest.raises(EldynError, match=r"rollout is running\. Pause or stop it"):
        record_movie(ran.viewer, tmp_path / "m.mp4", MovieSettings(size=(320, 240), layout="none"))
    ran.control.stop()
    ran.wait_state("ready")
    # And one that begins in the middle ends the movie.
    recording = record(
        ran.viewer, tmp_path / "m.mp4", MovieSettings(size=(320, 240), layout="none")
    )
    for _ in range(3):
        next(recording)
    ran.control.run()
    ran.wait_state("running")
    with pytest.raises(EldynError, match="rollout is running"):
        list(recording)
    ran.control.stop()
    ran.wait_state("ready")
    assert list(tmp_path.iterdir()) == []


def overlap(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


@pytest.mark.parametrize("size", SIZES)
def test_nothing_overlaps_and_no_label_is_cut(ran: Live, size: tuple[int, int]) -> None:
    source = movie_source(ran.viewer)
    most = 4 if size[0] == size[1] else 6
    for layout_name, n_plots in [
        ("right", 1),
        ("right", 3),
        ("below", 3),
        ("none", 0),
        ("right", most),
    ]:
        for start in (0, 4) if n_plots == 3 else (0,):
            plots = (*PLOTS[start:], *PLOTS)[:n_plots]
            settings = MovieSettings(
                size=size, layout=layout_name, plots=plots, title="Liquid lithium at 800 K"
            )
            layout = lay_out(settings)
            parts = [layout.volumes, layout.title, layout.footer, layout.notes, layout.bars]
            boxes = [part for part in (*parts, *layout.plots) if part is not None]
            for number, box in enumerate(boxes):
                assert box.left >= 0
                assert box.top >= 0
                assert box.right <= size[0]
                assert box.bottom <= size[1]
                assert not any(overlap(box, other) for other in boxes[number + 1 :])
            if layout_name != "right" and size != SIZES[0]:
                continue  # drawing is what takes time
            composition = Composition(
                layout, (DARK, LIGHT)[start % 2], title=settings.title, plots=plots,
                build=source.build,
            )  # fmt: skip
            source.show(composition.plots, 6)
            volumes = np.zeros((layout.volumes.height, layout.volumes.width, 4), np.uint8)
            texts = FrameTexts("t = 12345 fs", "NMAE: generated 12.3 %", "warning", 40.0)
            assert composition.draw(volumes, texts).shape == (size[1], size[0], 3)
            check_labels(composition, layout.plots)


def check_labels(composition: Composition, places: tuple[Box, ...]) -> None:
    """Axis labels, ticks and titles of each plot lie in its place, everything in the frame."""
    width, height = composition.layout.size
    renderer = composition.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    drawn = [text for text in composition.figure.texts if text.get_text()]
    for artist in (*drawn, *composition.figure.axes):
        box = artist.get_tightbbox(renderer)
        assert box is not None
        assert box.x0 >= -1, artist
        assert box.x1 <= width + 1, artist
        assert box.y0 >= -1, artist
        assert box.y1 <= height + 1, artist
    for place, plot in zip(places, composition.plots.values(), strict=True):
        extent = plot.axes.get_tightbbox(renderer)
        assert extent is not None
        assert extent.x0 >= place.left - 2
        assert extent.x1 <= place.right + 6 * composition.layout.point
        assert height - extent.y1 >= place.top - 2
        assert height - extent.y0 <= place.bottom + 2


def test_too_many_plots_are_refused_with_how_many_fit() -> None:
    with pytest.raises(EldynError, match=r"7 plots do not fit beside the volumes\. Up to 6 fit"):
        lay_out(MovieSettings(plots=PLOTS))
    with pytest.raises(EldynError, match=r"6 plots do not fit beside"):
        lay_out(MovieSettings(plots=PLOTS[:6], size=(1080, 1080)))


def test_plots_before_any_frame_are_refused_with_the_reason(live: Live) -> None:
    with pytest.raises(EldynError, match="no frames have been generated yet"):
        preview(live.viewer, MovieSettings(size=(640, 360)))


@pytest.mark.parametrize(
    ("longest", "expected"), [(3.0, 2.0), (5.0, 5.0), (12.0, 10.0), (0.7, 0.5), (49.9, 20.0)]
)
def test_scale_bars_have_round_lengths(longest: float, expected: float) -> None:
    assert scale_length(longest) == pytest.approx(expected)
