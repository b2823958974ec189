"""The third panel, the aligned view, and what the canvas says of both."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from liquid import gaussian_liquid, untrained_spatial_model
from live_session import Live

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.observables.errors import best_shift
from napari_eldyn.viewer.arrangement import best_columns
from napari_eldyn.viewer.preferences import panel_preferences

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


@shown
def test_the_reconstruction_stands_beside_the_reference(
    live: Live, spatial_model_path: Path
) -> None:
    live.control.configure(n_frames=12)
    use(live, spatial_model_path)
    panels, comparison = live.control.panels, live.control.comparison
    assert comparison is not None
    assert comparison.reconstruction is None, "it must not cost anything unasked"
    session = live.control.session
    assert session is not None
    threads: list[int] = []
    hook = session.rollout.model.networks.encoder.register_forward_hook(
        lambda *_: threads.append(threading.get_ident())
    )
    comparison.go_to(3)
    panels.shows_reconstruction = True
    layer, reference = comparison.reconstruction, comparison.reference
    assert layer is not None
    layers = live.viewer.layers
    assert list(layers) == [comparison.generated, reference, layer]
    assert layer.name == "liquid (reconstruction)"
    assert layer.bounding_box.visible
    assert layer.name_overlay.visible

    def drawn() -> np.ndarray:
        return np.squeeze(np.asarray(layer._slice.image.raw))

    live.wait(lambda: bool(drawn().any()))
    model, stored = Emulator.load(spatial_model_path), comparison.pairing.trajectory
    expected = model.decode(model.encode(stored, START + 3))
    assert np.abs(expected - model.decode(model.encode(stored, START + 4))).max() > 1e-4
    np.testing.assert_allclose(drawn(), expected, rtol=1e-4)
    assert f"reconstruction: NMAE {percent(expected, stored[START + 3]):.3g} %" in live.text
    reference.contrast_limits = (0.02, 0.09)
    assert list(layer.contrast_limits) == [0.02, 0.09]
    # It follows the slider; what was asked for last is what is seen at last.
    for index in (1, 5, 2, 9):
        live.viewer.dims.set_point(0, comparison.pairing.time(index))
    live.wait(lambda: "NMAE" in live.text)
    expected = model.decode(model.encode(stored, START + 9))
    live.wait(lambda: bool(drawn().any()))
    np.testing.assert_allclose(drawn(), expected, rtol=1e-4)
    comparison.go_to(10)
    assert "reference ends" in live.text
    assert "reconstruct" not in live.text
    assert not drawn().any()
    assert threading.get_ident() not in threads, "never on the GUI thread"
    panels.shows_reconstruction = False
    assert list(layers) == [comparison.generated, reference]
    live.qtbot.wait(200)  # for one that was under way
    threads.clear()
    for index in (4, 6, 8):
        comparison.go_to(index)
    live.qtbot.wait(200)
    hook.remove()
    assert threads == [], "hidden, it must not cost anything"
    assert not live.failures


def test_it_is_remembered_and_survives_reset_and_another_model(
    bare: Live, model_path: Path, spatial_model_path: Path
) -> None:
    control = bare.control
    control.configure(n_frames=3, start_frame=START)
    control.set_reference(bare.viewer.layers[0])
    control.panels.shows_reconstruction = True
    assert panel_preferences().reconstruction, "napari keeps it for the next session"
    use(bare, model_path)
    bare.wait(lambda: "NMAE" in bare.text)
    first = bare.text
    bare.run_to_end()
    control.reset()
    bare.wait(lambda: bare.n_frames == 0 and control.state == "ready")
    assert len(bare.viewer.layers) == 3
    assert "NMAE" in bare.text, "encoded once, it is there at once"
    use(bare, spatial_model_path)
    assert len(bare.viewer.layers) == 3
    bare.wait(lambda: "NMAE" in bare.text)
    assert bare.text != first
    control.panels.shows_reconstruction = False
    assert not panel_preferences().reconstruction
    assert not bare.failures


def test_pooled_frames_are_statistics_only_and_can_be_aligned(live: Live) -> None:
    control, panels = live.control, live.control.panels
    live.run_to_end()
    comparison, session = control.comparison, control.session
    assert comparison is not None
    assert session is not None
    assert "statistics only" in warning(live)
    plain = session.rollout[3]
    measured = [s.counts.copy() for s in control.generated_statistics]
    comparison.go_to(4)
    np.testing.assert_allclose(comparison.generated.data[4], plain, **ROUNDING)
    panels.aligned = True
    live.wait(lambda: "correlation" in warning(live))
    shift = best_shift(plain, LIQUID[START + 4])
    moved = np.roll(plain, shift, axis=(0, 1, 2))
    np.testing.assert_allclose(comparison.generated.data[4], moved, **ROUNDING)
    found = np.corrcoef(moved.ravel(), LIQUID[START + 4].ravel())[0, 1]
    length = np.linalg.norm(np.array(shift) * 5 / 16)
    x, y, z = shift
    for words in (
        "statistics only",
        f"moved by ({x}, {y}, {z}) voxels".replace("-", "−"),
        f"{length:.2f} Å, correlation {found:.2f}".replace("-", "−"),
    ):
        assert words in warning(live)
    # Frames made meanwhile are aligned, too; statistics are those of the frames as they are.
    control.configure(n_frames=2)
    live.run_to_end()
    assert comparison.index == 8
    assert "correlation" in warning(live)
    for counts, statistics in zip(measured, control.generated_statistics, strict=False):
        np.testing.assert_array_equal(counts, statistics.counts)
    panels.aligned = False
    assert warning(live) == "statistics only, not positions"
    np.testing.assert_allclose(comparison.generated.data[4], plain, **ROUNDING)
    assert not live.failures


def test_past_its_end_there_is_no_reference_to_align_with(live: Live) -> None:
    live.control.configure(n_frames=11)
    live.control.panels.aligned = True
    live.run_to_end()
    session, comparison = live.control.session, live.control.comparison
    assert session is not None
    assert comparison is not None
    assert comparison.index == 11
    assert warning(live) == "statistics only, not positions"
    np.testing.assert_allclose(comparison.generated.data[11], session.rollout[10], **ROUNDING)


def test_spatial_frames_tell_their_error(bare: Live, spatial_model_path: Path) -> None:
    control = bare.control
    control.configure(n_frames=3, start_frame=START)
    control.set_reference(bare.viewer.layers[0])
    use(bare, spatial_model_path)
    model = Emulator.load(spatial_model_path)
    assert control.sampler == model.default_sampler
    assert control.evaluations == model.default_evaluations(model.default_sampler) <= 8
    control.panels.aligned = True  # of no effect: its atoms are where they should be
    bare.run_to_end()
    session, comparison = control.session, control.comparison
    assert session is not None
    assert comparison is not None
    assert not control.panels.can_align
    assert warning(bare) == ""
    error = percent(session.rollout[2], LIQUID[START + 3])
    assert f"generated: NMAE {error:.3g} %" in bare.text
    np.testing.assert_allclose(comparison.generated.data[3], session.rollout[2], **ROUNDING)


def test_a_model_with_context_starts_late_enough(bare: Live, tmp_path: Path) -> None:
    path = untrained_spatial_model(
        tmp_path / "context.safetensors", gaussian_liquid(6), stride=2, context_frames=3
    )
    bare.control.configure(n_frames=2, evaluations=2)
    bare.control.set_reference(bare.viewer.layers[0])
    use(bare, path)
    assert bare.control.start_frame == 4
    assert any("starts from 3 frames" in message for message in bare.messages)
    bare.control.panels.shows_reconstruction = True
    bare.wait(lambda: "reconstruction: NMAE" in bare.text)
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
    bare.control.panels.shows_reconstruction = True
    use(bare, spatial_model_path)
    bare.run_to_end()
    bare.wait(lambda: "reconstruction: NMAE" in bare.text)
    comparison = bare.control.comparison
    assert comparison is not None
    assert comparison.generated.data.shape[1:] == (16, 16, 32)
    assert not bare.failures


@pytest.mark.parametrize(
    ("n_panels", "width", "height", "columns"),
    [(1, 300, 900, 1), (2, 300, 900, 2), (3, 1500, 500, 3), (3, 574, 729, 2), (3, 300, 1200, 1)],
)
def test_panels_are_as_large_as_can_be(
    n_panels: int, width: int, height: int, columns: int
) -> None:
    assert best_columns(n_panels, width, height) == columns
