"""Stored rollouts, taken up again in a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from liquid import gaussian_liquid
from live_session import Live

from napari_eldyn.density import open_store
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.rollout import Rollout
from napari_eldyn.observables.statistics import frame_statistics

ROUNDING = {"rtol": 1e-4, "atol": 1e-4}


def rolled_out(model_path: Path, n_frames: int) -> Rollout:
    rollout = Rollout(Emulator.load(model_path), gaussian_liquid(12), 2, "ddim", 5, 4)
    rollout.advance(n_frames)
    return rollout


@pytest.fixture
def stored(model_path: Path, liquid_path: Path, tmp_path: Path) -> Path:
    """Seven frames as eldyn rollout writes them, from the liquid's file."""
    path = tmp_path / "stored.eldyn"
    rollout = Rollout(Emulator.load(model_path), open_store(liquid_path), 2, "ddim", 5, 4)
    rollout.advance(7)
    rollout.save(path)
    return path


def test_it_becomes_the_current_rollout_and_goes_on(
    live: Live, stored: Path, model_path: Path
) -> None:
    control = live.control
    progress: list[tuple[int, int]] = []
    control.progressed.connect(lambda p: progress.append((p.done, p.total)))
    control.open_rollout(stored)
    live.wait(lambda: len(control.generated_statistics) == 7)
    live.wait_state("ready")
    assert "measuring" in live.states
    assert progress[0] == (0, 7)
    assert progress[-1] == (7, 7)
    assert (control.seed, control.sampler, control.evaluations) == (4, "ddim", 5)
    assert control.start_frame == 2
    expected = rolled_out(model_path, 13)
    generated = control.panels.layers["generated"]
    np.testing.assert_allclose(generated.data[7], expected[6], **ROUNDING)
    counted = frame_statistics(expected[6], control.session.statistics_settings)
    np.testing.assert_allclose(
        control.generated_statistics[6].amplitude, counted.amplitude, rtol=1e-3
    )
    live.run_to_end()
    np.testing.assert_allclose(control.session.rollout.latents, expected.latents, **ROUNDING)
    assert len(control.generated_statistics) == 13
    assert not live.failures


def test_the_present_rollout_is_kept(live: Live, stored: Path) -> None:
    live.run_to_end()
    live.control.open_rollout(stored)
    live.wait(lambda: len(live.control.generated_statistics) == 7)
    live.wait_state("ready")
    labels = [(x.label, len(x.statistics)) for x in live.control.shelf.rollouts]
    assert labels == [("seed 4", 7), ("seed 0", 6)]


def test_without_a_model_it_is_looked_for(bare: Live, stored: Path, model_path: Path) -> None:
    """Model and trajectory beside the file are found; what is nowhere is named."""
    control = bare.control
    control.open_rollout(stored)
    bare.wait(lambda: bool(bare.failures))
    assert "made with the model random" in bare.failures[0]
    assert "neither loaded nor a sample model" in bare.failures[0]
    assert control.state == "idle"
    asked: list[str] = []

    def locate(error: object) -> Path:
        asked.append(error.part)
        return model_path

    control.locate = locate
    control.open_rollout(stored)
    bare.wait(lambda: len(control.generated_statistics) == 7)
    bare.wait_state("ready")
    assert asked == ["model"]
    assert control.model.path == model_path
    assert control.reference_layer is bare.viewer.layers[-1]
    assert len(bare.failures) == 1


def test_what_is_no_rollout_is_refused(live: Live, liquid_path: Path) -> None:
    live.control.open_rollout(liquid_path)
    live.wait(lambda: bool(live.failures))
    assert "not a rollout: it holds no latents" in live.failures[0]
    assert live.control.state == "ready"
    assert live.control.session is not None


def test_stopping_the_count_loses_nothing(
    live: Live, model_path: Path, liquid_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "long.eldyn"
    rollout = Rollout(Emulator.load(model_path), open_store(liquid_path), 2, "ddim", 5, 4)
    rollout.advance(400)
    rollout.save(path)
    live.control.open_rollout(path)
    live.wait(lambda: len(live.control.generated_statistics) > 3)
    live.control.stop()
    live.wait_state("ready")
    counted = len(live.control.generated_statistics)
    assert 3 < counted < 400
    live.control.step()
    live.wait_state("ready")
    assert len(live.control.generated_statistics) == live.n_frames == 401
