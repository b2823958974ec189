"""Any subset of the panels, what they show, and what the canvas says of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from liquid import gaussian_liquid, untrained_spatial_model
from live_session import Live
from napari.layers import Image

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.observables.errors import best_shift
from napari_eldyn.viewer.arrangement import bar_height, best_columns, picture_size
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.panels import PANELS, RolloutPanels
from napari_eldyn.viewer.preferences import remember, remembered

ROUNDING = {"rtol": 1e-4, "atol": 1e-4}
LIQUID = gaussian_liquid(12)
START = 2

shown = pytest.mark.parametrize("window_shown", [True], ids=["shown"])


def percent(volume: np.ndarray, reference: np.ndarray) -> float:
    return float(100 * np.abs(volume - reference).sum() / np.abs(reference).sum())


def warning(live: Live) -> str:
    overlay = live.viewer.canvas.overlays["density_warning"]
    return str(overlay.text) if overlay.visible else ""


def use(live: Live, model_path: Path) -> None:
    live.control.set_model(model_path, "cpu")
    live.wait(lambda: live.control.model is not None and live.control.model.path == model_path)
    live.wait_state("ready")


def drawn(layer: Image) -> np.ndarray:
    """What is on the canvas."""
    return np.squeeze(np.asarray(layer._slice.image.raw))


@shown
def test_the_reconstruction_stands_beside_the_reference(
    live: Live, spatial_model_path: Path
) -> None:
    live.control.configure(n_frames=12)
    use(live, spatial_model_path)
    panels, comparison = live.control.panels, live.control.comparison
    assert comparison is not None
    assert list(panels.layers) == ["generated", "reference"], "it must not cost anything unasked"
    session = live.control.session
    assert session is not None
    threads: list[int] = []
    hook = session.rollout.model.networks.encoder.register_forward_hook(
        lambda *_: threads.append(threading.get_ident())
    )
    comparison.go_to(3)
    panels.set_shown("reconstruction", True)
    layer, reference = panels.layers["reconstruction"], comparison.reference
    layers = live.viewer.layers
    assert list(layers) == [panels.layers["generated"], reference, layer]
    assert layer.name == "reconstruction"
    assert layer.bounding_box.visible
    assert layer.name_overlay.visible
    live.wait(lambda: bool(drawn(layer).any()))
    model, stored = Emulator.load(spatial_model_path), comparison.pairing.trajectory
    expected = model.decode(model.encode(stored, START + 3))
    assert np.abs(expected - model.decode(model.encode(stored, START + 4))).max() > 1e-4
    np.testing.assert_allclose(drawn(layer), expected, rtol=1e-4)
    assert f"reconstruction {percent(expected, stored[START + 3]):.3g} %" in live.text
    reference.contrast_limits = (0.02, 0.09)
    assert list(layer.contrast_limits) == [0.02, 0.09]
    # It follows the slider; what was asked for last is what is seen at last.
    for index in (1, 5, 2, 9):
        live.viewer.dims.set_point(0, comparison.pairing.time(index))
    expected = model.decode(model.encode(stored, START + 9))
    live.wait(lambda: np.allclose(drawn(layer), expected, rtol=1e-4))
    comparison.go_to(10)
    assert "reference ends" in live.text
    assert "reconstruct" not in live.text
    assert not drawn(layer).any()
    assert threading.get_ident() not in threads, "never on the GUI thread"
    panels.set_shown("reconstruction", False)
    assert list(layers) == [panels.layers["generated"], reference]
    live.qtbot.wait(200)  # for one that was under way
    threads.clear()
    for index in (4, 6, 8):
        comparison.go_to(index)
    live.qtbot.wait(200)
    hook.remove()
    assert threads == [], "hidden, it must not cost anything"
    assert not live.failures


def test_panels_are_remembered_and_survive_reset_and_another_model(
    bare: Live, model_path: Path, spatial_model_path: Path
) -> None:
    control = bare.control
    control.configure(n_frames=3, start_frame=START)
    control.set_reference(bare.viewer.layers[0])
    control.panels.set_shown("reconstruction", True)
    names = ["generated", "reference", "reconstruction"]
    assert remembered("compare")["panels"] == names
    use(bare, model_path)
    bare.wait(lambda: "NMAE" in bare.text)
    first = bare.text
    bare.run_to_end()
    control.reset()
    bare.wait(lambda: bare.n_frames == 0 and control.state == "ready")
    assert list(control.panels.layers) == names
    assert "NMAE" in bare.text, "encoded once, it is there at once"
    use(bare, spatial_model_path)
    assert list(control.panels.layers) == names
    bare.wait(lambda: "reconstruction" in bare.text and "%" in bare.text)
    assert bare.text != first
    control.panels.set_shown("reconstruction", False)
    assert remembered("compare")["panels"] == names[:2]
    assert not bare.failures


def test_what_is_remembered_is_checked(bare: Live) -> None:
    for found, expected in (
        (["std", "nonsense", "difference"], {"difference"}),
        ([], {"generated", "reference"}),
        ("generated", {"generated", "reference"}),
    ):
        remember("compare", panels=found)
        panels = RolloutPanels(bare.control)
        assert {name for name in PANELS if panels.is_shown(name)} == expected


@shown
def test_any_subset_stands_in_one_grid(live: Live) -> None:
    live.run_to_end()
    panels, viewer = live.control.panels, live.viewer
    heard: list[tuple[str, bool]] = []
    panels.shown_changed.connect(lambda *news: heard.append(news))
    grid, layers = viewer.canvas.grid, viewer.layers
    for wanted in (
        ("reference",),
        ("generated", "reconstruction"),
        ("reconstruction", "aligned"),
        ("generated", "reference", "reconstruction", "aligned"),
        ("aligned",),
    ):
        for name in PANELS:  # shown first: one has to stay
            if name in wanted:
                panels.set_shown(name, True)
        for name in PANELS:
            if name not in wanted:
                panels.set_shown(name, False)
        assert tuple(panels.layers) == wanted
        places = [grid.position(layers.index(x), layers) for x in panels.layers.values()]
        assert len(set(places)) == len(wanted), "each has a place of its own"
        assert places == sorted(places), "they stand in their order"
        assert (-1, -1) not in places
        assert all(news == (news[0], news[0] in wanted) for news in heard[-1:])
    panels.set_shown("aligned", False)
    assert list(panels.layers) == ["aligned"], "the last one stays"
    assert heard[-1] == ("aligned", True)
    with pytest.raises(ValueError, match="there is no panel 'other'"):
        panels.set_shown("other", True)
    assert not live.failures


def test_hidden_panels_are_not_decoded(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.run_to_end()
    panels, session = live.control.panels, live.control.session
    assert session is not None
    comparison = live.control.comparison
    assert comparison is not None
    session.cache.clear()
    decoded: list[int] = []
    decode = session.decode
    monkeypatch.setattr(session, "decode", lambda index: decoded.append(index) or decode(index))
    panels.set_shown("generated", False)
    for index in (1, 2, 3, 4):
        comparison.go_to(index)
    live.qtbot.wait(200)
    assert decoded == []
    assert comparison.layers["reference"].data[4].any()
    panels._volumes._choose_source()  # takes the watched function
    panels.set_shown("generated", True)
    live.wait(lambda: decoded == [4])
    live.wait(lambda: "decoding" not in live.text)


def test_removing_a_layer_unticks_its_panel(live: Live) -> None:
    panels, layers = live.control.panels, live.viewer.layers
    panels.set_shown("aligned", True)
    layers.remove(panels.layers["aligned"])
    live.wait(lambda: not panels.is_shown("aligned"))
    layers.remove(panels.layers["generated"])
    live.wait(lambda: list(panels.layers) == ["reference"])
    live.wait(lambda: remembered("compare")["panels"] == ["reference"])
    assert live.control.comparison is not None, "the rollout goes on"
    live.run_to_end()
    panels.set_shown("generated", True)
    layer = panels.layers["generated"]
    layer.visible = False  # the eye in the layer list
    assert not panels.is_shown("generated")
    layer.visible = True
    assert panels.is_shown("generated")
    assert not live.failures


def test_pooled_frames_are_statistics_only_and_can_be_aligned(live: Live) -> None:
    control, panels = live.control, live.control.panels
    live.run_to_end()
    comparison, session = control.comparison, control.session
    assert comparison is not None
    assert session is not None
    assert warning(live) == "statistics only, not positions"
    assert panels.why_not("difference") == "positions are not comparable"
    panels.set_shown("difference", True)
    assert not panels.is_shown("difference")
    plain = session.rollout[3]
    measured = [s.counts.copy() for s in control.generated_statistics]
    comparison.go_to(4)
    assert panels.why_not("aligned") == ""
    panels.set_shown("aligned", True)
    live.wait(lambda: "correlation" in live.text)
    shift = best_shift(plain, LIQUID[START + 4])
    moved = np.roll(plain, shift, axis=(0, 1, 2))
    np.testing.assert_allclose(panels.layers["aligned"].data[4], moved, **ROUNDING)
    np.testing.assert_allclose(panels.layers["generated"].data[4], plain, **ROUNDING)
    found = np.corrcoef(moved.ravel(), LIQUID[START + 4].ravel())[0, 1]
    length = np.linalg.norm(np.array(shift) * 5 / 16)
    told = live.text.replace("\n", ", ")
    assert f"aligned: moved {length:.2f} Å, correlation {found:.2f}".replace("-", "−") in told
    # Frames made meanwhile are aligned, too; statistics are those of the frames as they are.
    control.configure(n_frames=2)
    live.run_to_end()
    assert comparison.index == 8
    live.wait(lambda: "correlation" in live.text)
    for counts, statistics in zip(measured, control.generated_statistics, strict=False):
        np.testing.assert_array_equal(counts, statistics.counts)
    assert not live.failures


def test_past_its_end_there_is_no_reference_to_align_with(live: Live) -> None:
    live.control.configure(n_frames=11)
    live.control.panels.set_shown("aligned", True)
    live.run_to_end()
    session, comparison = live.control.session, live.control.comparison
    assert session is not None
    assert comparison is not None
    assert comparison.index == 11
    assert "aligned" not in live.text
    assert "the reference ends at 144 fs" in live.text
    assert not comparison.layers["aligned"].data[11].any()
    np.testing.assert_allclose(
        comparison.layers["generated"].data[11], session.rollout[10], **ROUNDING
    )


def test_the_difference_is_generated_minus_reference(bare: Live, spatial_model_path: Path) -> None:
    control, panels = bare.control, bare.control.panels
    control.configure(n_frames=3, start_frame=START)
    control.set_reference(bare.viewer.layers[0])
    panels.set_shown("difference", True)
    use(bare, spatial_model_path)
    model = Emulator.load(spatial_model_path)
    assert control.sampler == model.default_sampler
    assert control.evaluations == model.default_evaluations(model.default_sampler) <= 8
    bare.run_to_end()
    session = control.session
    assert session is not None
    assert warning(bare) == ""
    error = percent(session.rollout[2], LIQUID[START + 3])
    assert f"generated {error:.3g} %" in bare.text
    layer = panels.layers["difference"]
    expected = panels.layers["generated"].data[3] - panels.layers["reference"].data[3]
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_array_equal(layer.data[3], expected)
    np.testing.assert_array_equal(drawn(layer), expected)
    # Its scale is its own, and symmetric whatever end is moved.
    reference = panels.layers["reference"]
    before = tuple(reference.contrast_limits)
    layer.contrast_limits = (-0.02, layer.contrast_limits[1])
    assert tuple(layer.contrast_limits) == (-0.02, 0.02)
    layer.contrast_limits = (-0.02, 0.01)
    assert tuple(layer.contrast_limits) == (-0.01, 0.01)
    assert tuple(reference.contrast_limits) == before
    panels.fit_scales()
    low, high = layer.contrast_limits
    assert -low == high >= np.percentile(np.abs(expected), 99.9)
    # Opposite values have opposite colours, zero is transparent in 3D and the canvas in 2D.
    colours = layer.colormap.map(np.array([0.0, 0.5, 1.0]))
    assert colours[1, 3] == pytest.approx(0.0)
    assert colours[0, 2] > colours[0, 0]
    assert colours[2, 0] > colours[2, 2]
    bare.viewer.dims.ndisplay = 2
    zero = layer.colormap.map(np.array([0.5]))[0]
    np.testing.assert_allclose(zero[:3], bare.viewer.canvas.background_color[:3], atol=1e-6)
    assert not bare.failures


def test_an_offset_pairs_other_frames(live: Live) -> None:
    live.run_to_end()
    control, panels, comparison = live.control, live.control.panels, live.control.comparison
    assert comparison is not None
    offsets: list[int] = []
    panels.offset_changed.connect(offsets.append)
    panels.set_shown("aligned", True)
    comparison.go_to(3)
    live.wait(lambda: "correlation" in live.text)
    assert panels.offset == 0
    assert panels.offset_range == (-2, 9)
    panels.offset = 2
    np.testing.assert_allclose(drawn(panels.layers["reference"]), LIQUID[START + 5], rtol=1e-4)
    assert "reference at +8 fs" in live.text
    assert panels.layers["reference"].name == "reference +8 fs"
    session = control.session
    assert session is not None
    shift = best_shift(session.rollout[2], LIQUID[START + 5])
    moved = np.roll(session.rollout[2], shift, axis=(0, 1, 2))
    live.wait(lambda: np.allclose(drawn(panels.layers["aligned"]), moved, atol=1e-4))
    panels.offset = 7
    assert "the reference ends at 144 fs" in live.text
    assert not drawn(panels.layers["reference"]).any()
    panels.offset = -2
    np.testing.assert_allclose(drawn(panels.layers["reference"]), LIQUID[START + 1], rtol=1e-4)
    assert "reference at −8 fs" in live.text
    panels.offset = -99
    assert panels.offset == -2
    assert offsets == [2, 7, -2]
    panels.offset = 0
    assert "reference at" not in live.text
    np.testing.assert_allclose(drawn(panels.layers["reference"]), LIQUID[START + 3], rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("offset", [-3, 0, 4])
def test_pairing_with_stride_and_offset(stride: int, offset: int) -> None:
    pairing = Pairing(LIQUID, 2, stride, 4.0 * stride, offset)
    for index in range(8):
        frame = 2 + offset + index * stride
        if 0 <= frame < len(LIQUID):
            assert pairing.reference_frame(index) == frame
            assert pairing.why_no_reference(index) == ""
            time = pairing.time(index) + pairing.offset_time
            assert LIQUID.times[frame] == pytest.approx(time)
        else:
            assert pairing.reference_frame(index) is None
            expected = "begins at 100 fs" if frame < 0 else "ends at 144 fs"
            assert pairing.why_no_reference(index) == f"the reference {expected}"


def test_ensemble_panels_are_those_of_numpy(live: Live) -> None:
    control, panels = live.control, live.control.panels
    assert panels.why_not("std") == "it takes two members or more"
    panels.set_shown("mean", True)
    assert not panels.is_shown("mean")
    live.control.configure(n_frames=2)
    live.run_to_end()
    control.run_members(2)
    live.wait(lambda: len(panels.members) == 3 and control.state == "ready")
    assert panels.is_shown("mean"), "it was wanted before there was one"
    panels.set_shown("std", True)
    comparison = control.comparison
    assert comparison is not None
    comparison.go_to(2)
    mean, std = panels.layers["mean"], panels.layers["std"]
    assert (mean.name, std.name) == ("mean of 3", "std of 3")
    live.wait(lambda: bool(drawn(mean).any() and drawn(std).any()))
    volumes = np.stack([session.rollout[1] for session in panels.members]).astype(float)
    np.testing.assert_allclose(drawn(mean), volumes.mean(axis=0), **ROUNDING)
    np.testing.assert_allclose(drawn(std), volumes.std(axis=0, ddof=1), **ROUNDING)
    assert volumes.std(axis=0).max() > 1e-4
    limits = tuple(std.contrast_limits)
    panels.layers["reference"].contrast_limits = (0.01, 0.05)
    assert list(mean.contrast_limits) == [0.01, 0.05]
    assert tuple(std.contrast_limits) == limits, "a standard deviation has its own scale"
    # Another member in the generated panel.
    generated = panels.layers["generated"]
    assert generated.name == "generated · seed 0"
    panels.member = 2
    assert generated.name == "generated · seed 2"
    live.wait(lambda: np.allclose(drawn(generated), volumes[2], atol=1e-4))
    panels.member = 0
    assert panels.member is None, "that is the live one"
    live.wait(lambda: np.allclose(drawn(generated), volumes[0], atol=1e-4))
    assert not live.failures


def test_a_model_with_context_starts_late_enough(bare: Live, tmp_path: Path) -> None:
    path = untrained_spatial_model(
        tmp_path / "context.safetensors", gaussian_liquid(6), stride=2, context_frames=3
    )
    bare.control.configure(n_frames=2, evaluations=2)
    bare.control.set_reference(bare.viewer.layers[0])
    use(bare, path)
    assert bare.control.start_frame == 4
    assert any("starts from 3 frames" in message for message in bare.messages)
    bare.control.panels.set_shown("reconstruction", True)
    bare.wait(lambda: "reconstruction" in bare.text and "%" in bare.text)
    bare.run_to_end()
    assert bare.n_frames == 2
    assert not bare.failures


def test_a_spatial_model_runs_in_a_larger_cell(bare: Live, spatial_model_path: Path) -> None:
    cell = np.diag([5.0, 5.0, 10.0])
    doubled = np.stack([np.concatenate([LIQUID[i]] * 2, axis=2) for i in range(6)])
    trajectory = DensityTrajectory.from_array(
        doubled, PeriodicGrid(cell, (16, 16, 32)), LIQUID.times[:6], kind="pseudo"
    )
    bare.control.configure(n_frames=2, start_frame=START)
    bare.control.set_reference(trajectory)
    bare.control.panels.set_shown("reconstruction", True)
    use(bare, spatial_model_path)
    bare.run_to_end()
    bare.wait(lambda: "reconstruction" in bare.text and "%" in bare.text)
    comparison = bare.control.comparison
    assert comparison is not None
    assert comparison.layers["generated"].data.shape[1:] == (16, 16, 32)
    assert not bare.failures


@pytest.mark.parametrize(
    ("n_panels", "width", "height", "columns"),
    [
        (1, 300, 900, 1),
        (2, 300, 900, 2),
        (3, 1500, 500, 3),
        (3, 574, 729, 2),
        (3, 300, 1200, 1),
        (4, 574, 729, 2),
        (5, 574, 729, 3),
        (7, 574, 729, 3),
        (7, 1600, 400, 7),
    ],
)
def test_panels_are_as_large_as_can_be(
    n_panels: int, width: int, height: int, columns: int
) -> None:
    assert best_columns(n_panels, width, height) == columns
    size = picture_size(n_panels, columns, width, height)
    others = [picture_size(n_panels, n, width, height) for n in range(1, n_panels + 1)]
    assert n_panels == 2 or size == max(others)


@pytest.mark.parametrize("n_panels", range(1, 8))
def test_colour_bars_do_not_lie_on_the_cells(n_panels: int) -> None:
    width, height = 574.0, 729.0  # the canvas in a window of 1280 × 800 with all docks
    columns = best_columns(n_panels, width, height)
    panel = width / columns, height / -(-n_panels // columns)
    size = picture_size(n_panels, columns, width, height)
    bar = bar_height(*panel)
    assert bar >= 36
    # The cube's outline from the default direction.
    shoulder = panel[1] / 2 - 0.35 * size
    beside = panel[0] / 2 - 0.42 * size
    assert 18 + bar <= shoulder or beside >= 62
