from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from liquid import gaussian_liquid
from live_session import Live
from qtpy.QtWidgets import QFileDialog

from napari_eldyn.density import DensityTrajectory, open_store
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.rollout import Rollout
from napari_eldyn.viewer.menu import density_menu
from napari_eldyn.viewer.preferences import remember
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.samples import sample_models
from napari_eldyn.widgets.live_statistics import LiveStatistics
from napari_eldyn.widgets.model_info import ModelCardDialog
from napari_eldyn.widgets.rollout_dock import RolloutDock


@pytest.fixture
def dock(bare: Live) -> RolloutDock:
    """The Rollout dock as the Plugins menu opens it; the liquid is the only trajectory."""
    _, dock = bare.viewer.window.add_plugin_dock_widget("napari-eldyn", "Rollout")
    assert isinstance(dock, RolloutDock)
    return dock


def enabled(dock: RolloutDock) -> set[str]:
    return {name for name, button in dock.buttons.items() if button.isEnabled()}


def load(dock: RolloutDock, live: Live, model_path: Path) -> None:
    dock.form.evaluations.setValue(5)
    dock.form.n_frames.setValue(6)
    choose(dock, model_path)
    live.wait_state("ready")


def choose(dock: RolloutDock, path: Path) -> None:
    dock.form.model.add_model(path)
    dock.form.model.activated.emit(dock.form.model.currentIndex())


def click(dock: RolloutDock, name: str) -> None:
    dock.buttons[name].click()


def test_it_shares_the_controller_and_takes_the_only_trajectory(
    dock: RolloutDock, bare: Live
) -> None:
    assert dock.controller is bare.control
    assert bare.control.reference_layer is bare.viewer.layers[0]
    assert dock.form.reference.currentText() == "liquid"
    assert dock.messages.text() == "Choose a model."
    assert enabled(dock) == {"Open …"}


def test_it_fits_a_laptop(dock: RolloutDock) -> None:
    hint = dock.minimumSizeHint()
    assert hint.height() < 700
    assert hint.width() <= 340
    assert dock.sizeHint().height() < 700


def test_choosing_a_model_shows_what_it_is_and_where_it_runs(
    dock: RolloutDock, bare: Live, model_path: Path
) -> None:
    load(dock, bare, model_path)
    text = dock.form.model_info.text()
    assert "16³ points" in text
    assert "5 Å cube" in text
    assert "Δτ = 4 fs" in text
    assert "Statistics only: positions are not comparable" in text
    assert dock.form.device_used.text().startswith("on cpu")
    assert dock.form.start_time.text() == "t = 100 fs"
    assert dock.form.run_time.text() == "= 24 fs"
    assert enabled(dock) == {"Step", "Run", "Open …"}


def test_the_model_card_opens_beside_the_viewer(
    dock: RolloutDock, bare: Live, model_path: Path
) -> None:
    assert not dock.form.card.isEnabled()
    load(dock, bare, model_path)
    dock.form.card.click()
    (dialog,) = dock.findChildren(ModelCardDialog)
    text = dialog.text.toPlainText()
    for part in (str(model_path), "16 × 16 × 16 points", "denoiser", "none recorded"):
        assert part in text
    model = bare.control.model
    assert model is not None
    assert model.emulator.sha256 is not None
    assert model.emulator.sha256 in text
    dialog.close()


def test_a_session_by_mouse(dock: RolloutDock, bare: Live, model_path: Path) -> None:
    load(dock, bare, model_path)
    click(dock, "Step")
    bare.wait_state("ready")
    assert bare.n_frames == 1
    assert enabled(dock) == {"Step", "Run", "Reset", "Keep", "Save …", "Open …"}
    dock.form.n_frames.setValue(3000)
    click(dock, "Run")
    assert enabled(dock) == {"Pause", "Stop"}
    assert not dock.form.seed.isEnabled()
    bare.wait(lambda: bare.n_frames >= 5 and "frames/s" in dock.progress.text())
    assert "left" in dock.progress.text()
    assert dock.bar.maximum() == 3001
    assert "/ 3001 frames" in dock.progress.text()
    click(dock, "Pause")
    bare.wait_state("paused")
    assert dock.buttons["Run"].text() == "Resume"
    assert enabled(dock) == {"Step", "Run", "Stop", "Reset", "Keep", "Save …", "Open …"}
    click(dock, "Run")
    click(dock, "Stop")
    bare.wait_state("ready")
    assert dock.buttons["Run"].text() == "Run"
    assert bare.n_frames < 3001
    click(dock, "Reset")
    bare.wait(lambda: bare.n_frames == 0 and bare.control.state == "ready")
    assert dock.progress.text() == ""
    assert enabled(dock) == {"Step", "Run", "Open …"}


def test_other_settings_ask_for_a_reset(dock: RolloutDock, bare: Live, model_path: Path) -> None:
    load(dock, bare, model_path)
    click(dock, "Run")
    bare.wait_state("ready")
    dock.form.seed.setValue(7)
    assert enabled(dock) == {"Reset", "Keep", "Save …", "Open …"}
    assert "Keep holds on to the 6 frames" in dock.messages.text()
    assert "Reset discards them" in dock.messages.text()
    dock.form.seed.setValue(0)
    assert enabled(dock) == {"Step", "Run", "Reset", "Keep", "Save …", "Open …"}
    assert "discards" not in dock.messages.text()
    dock.form.seed.setValue(7)
    click(dock, "Reset")
    bare.wait(lambda: bare.control.state == "ready" and not bare.control.needs_reset)
    assert enabled(dock) == {"Step", "Run", "Open …"}


def samplers(dock: RolloutDock) -> list[str]:
    return [dock.form.sampler.itemText(place) for place in range(dock.form.sampler.count())]


def test_samplers_and_usual_evaluations_come_with_the_model(
    dock: RolloutDock, bare: Live, model_path: Path, spatial_model_path: Path
) -> None:
    assert samplers(dock) == []
    assert dock.form.evaluations.text() == "the model's own"
    choose(dock, model_path)
    bare.wait_state("ready")
    assert samplers(dock) == list(Emulator.load(model_path).samplers)
    assert (dock.form.sampler.currentText(), dock.form.evaluations.value()) == ("ddim", 20)
    dock.form.sampler.setCurrentText("ddpm")
    dock.form.sampler.activated.emit(dock.form.sampler.currentIndex())
    assert bare.control.sampler == "ddpm"
    assert dock.form.evaluations.value() == bare.control.evaluations == 1000
    choose(dock, spatial_model_path)
    spatial = Emulator.load(spatial_model_path)
    bare.wait(lambda: samplers(dock) == list(spatial.samplers))
    bare.wait_state("ready")
    assert samplers(dock) == ["heun", "dpmpp_2m"]
    assert dock.form.sampler.currentText() == spatial.default_sampler
    assert dock.form.evaluations.value() == bare.control.evaluations == 8
    assert f"{spatial.default_sampler} with 8 evaluations" in dock.messages.text()
    click(dock, "Step")
    bare.wait_state("ready")
    assert bare.n_frames == 1
    assert bare.control.session is not None
    assert bare.control.session.rollout.origin.sampler == spatial.default_sampler
    choose(dock, model_path)
    bare.wait(lambda: dock.form.sampler.currentText() == "ddim")
    assert dock.form.evaluations.value() == 20


def test_sample_models_have_names_and_the_flagship_comes_first(dock: RolloutDock) -> None:
    texts = [dock.form.model.itemText(place) for place in range(dock.form.model.count())]
    assert texts[0] == "choose …"
    assert texts[-1] == "browse …"
    assert "Paper (pooled)" in texts
    names = [path.stem for path in sample_models()]
    assert names == sorted(names, key=["spatial_li32", "pooled_li32"].index)


def test_settings_made_by_script_appear(dock: RolloutDock, bare: Live) -> None:
    bare.control.configure(start_frame=5, seed=11, n_frames=77)
    assert (dock.form.start_frame.value(), dock.form.seed.value(), dock.form.n_frames.value()) == (
        5,
        11,
        77,
    )
    assert dock.form.start_time.text() == "t = 120 fs"


def test_the_follow_switch(dock: RolloutDock, bare: Live, model_path: Path) -> None:
    load(dock, bare, model_path)
    dock.form.n_frames.setValue(2000)
    click(dock, "Run")
    bare.wait(lambda: bare.n_frames >= 5)
    bare.viewer.dims.set_point(0, 104.0)
    assert not dock.follow.isChecked()
    dock.follow.setChecked(True)
    assert bare.control.follow_live
    click(dock, "Stop")
    bare.wait_state("ready")


def test_errors_appear_in_the_dock(dock: RolloutDock, bare: Live, tmp_path: Path) -> None:
    for name, content in (("pickle", b"\x80\x04\x95"), ("empty", b""), ("cut", b"\xff" * 20)):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        dock.form.model.add_model(path)
        dock.form.model.activated.emit(dock.form.model.currentIndex())
        bare.wait(lambda wanted=path.name: wanted in dock.messages.text())
        bare.wait_state("idle")
    assert enabled(dock) == {"Open …"}


def test_a_missing_device_is_said_in_the_dock(
    dock: RolloutDock, bare: Live, model_path: Path
) -> None:
    dock.form.device.addItem("cuda:7")
    dock.form.device.setCurrentText("cuda:7")
    dock.form.model.add_model(model_path)
    dock.form.model.activated.emit(dock.form.model.currentIndex())
    bare.wait(lambda: "'cuda:7' is not available" in dock.messages.text())
    assert dock.form.device_used.text() == ""


def test_save(
    dock: RolloutDock,
    bare: Live,
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(dock, bare, model_path)
    click(dock, "Run")
    bare.wait_state("ready")

    def choose(*_args: Any, **_kwargs: Any) -> tuple[str, str]:
        return str(tmp_path / "mine"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    click(dock, "Save …")
    bare.wait(lambda: "mine.eldyn" in dock.messages.text())
    bare.wait_state("ready")
    stored = DensityTrajectory.open(tmp_path / "mine.eldyn")
    np.testing.assert_array_equal(stored.times, 104.0 + 4.0 * np.arange(6))


def test_references_come_and_go(dock: RolloutDock, bare: Live) -> None:
    bare.control.set_reference(gaussian_liquid(4, seed=3))
    assert dock.form.reference.count() == 3
    assert dock.form.reference.currentText() == "trajectory"
    assert dock.form.start_frame.maximum() == 3
    bare.viewer.layers.clear()
    bare.wait(lambda: bare.control.reference_layer is None)
    assert dock.form.reference.currentText() == "open a trajectory first"
    assert "a reference trajectory" in dock.messages.text()


def test_the_only_reference_comes_back_when_none_is_chosen(
    dock: RolloutDock, bare: Live, model_path: Path
) -> None:
    load(dock, bare, model_path)
    dock.form.reference.setCurrentIndex(0)
    dock.form.reference.activated.emit(0)
    bare.wait_state("ready")
    assert bare.control.reference_layer in bare.viewer.layers
    assert dock.form.reference.currentText() == "liquid"
    assert bare.control.session is not None
    assert not bare.failures


def test_the_statistics_dock_hears_of_every_frame(
    dock: RolloutDock, bare: Live, model_path: Path
) -> None:
    _, statistics = bare.viewer.window.add_plugin_dock_widget("napari-eldyn", "Statistics")
    assert isinstance(statistics, LiveStatistics)
    load(dock, bare, model_path)
    click(dock, "Run")
    bare.wait_state("ready")
    bare.wait(lambda: bare.control.measured is not None)
    assert statistics.n_frames == 6
    assert bare.control.comparison is not None
    bare.control.comparison.go_to(3)
    bare.wait(lambda: statistics.shown_index == 2)
    click(dock, "Reset")
    bare.wait(lambda: statistics.n_frames == 0)
    # Opened late, it catches up.
    click(dock, "Step")
    bare.wait_state("ready")
    assert statistics.n_frames == 1


def test_rollouts_are_kept_listed_and_brought_back(
    dock: RolloutDock, bare: Live, model_path: Path
) -> None:
    load(dock, bare, model_path)
    assert dock.rollouts_section.isHidden()
    click(dock, "Run")
    bare.wait_state("ready")
    assert not dock.rollouts_section.isHidden()
    dock.form.seed.setValue(7)
    click(dock, "Keep")
    bare.wait(lambda: bare.control.state == "ready" and not bare.control.needs_reset)
    assert enabled(dock) == {"Step", "Run", "Open …"}
    click(dock, "Run")
    bare.wait_state("ready")
    assert [row.label.text() for row in dock.rollouts.rows.values()] == [
        "seed 7 (current)",
        "seed 0",
    ]
    click(dock, "Reset")
    bare.wait(lambda: not bare.control.has_frames and bare.control.state == "ready")
    assert not dock.offer.isHidden()
    assert dock.offer.label.text() == "6 frames were discarded."
    dock.offer.button.click()
    bare.wait(lambda: bare.control.has_frames)
    assert dock.offer.isHidden()
    assert bare.control.seed == 7
    dock.rollouts.rows[id(bare.control.shelf.kept[0])].show_it.click()
    bare.wait(lambda: bare.control.seed == 0)
    assert dock.form.seed.value() == 0
    assert [len(x.statistics) for x in bare.control.shelf.rollouts] == [6, 6]
    assert any("(6 frames) is kept" in text for text in bare.messages)


def test_a_stored_rollout_dropped_on_the_window_is_offered(
    dock: RolloutDock, bare: Live, model_path: Path, liquid_path: Path, tmp_path: Path
) -> None:
    load(dock, bare, model_path)
    path = tmp_path / "stored.eldyn"
    rollout = Rollout(Emulator.load(model_path), open_store(liquid_path), 0, "ddim", 5, 2)
    rollout.advance(3)
    rollout.save(path)
    bare.viewer.open(path, plugin="napari-eldyn")
    assert dock.offer.label.text() == "stored is a stored rollout."
    dock.offer.button.click()
    bare.wait(lambda: len(bare.control.generated_statistics) == 3)
    bare.wait_state("ready")
    assert "stored" not in [layer.name for layer in bare.viewer.layers]
    assert bare.control.seed == 2
    np.testing.assert_allclose(
        bare.control.session.rollout.latents, rollout.latents, rtol=1e-4, atol=1e-4
    )


def test_open_asks_for_a_file(
    dock: RolloutDock, bare: Live, monkeypatch: pytest.MonkeyPatch, liquid_path: Path
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_a, **_k: str(liquid_path))
    click(dock, "Open …")
    bare.wait(lambda: bool(bare.failures))
    assert "not a rollout" in dock.messages.text()


def test_the_last_choices_are_there_again(
    dock: RolloutDock,
    bare: Live,
    model_path: Path,
    make_napari_viewer: Callable[..., napari.Viewer],
) -> None:
    load(dock, bare, model_path)
    dock.form.sampler.setCurrentText("ddpm")
    dock.form.sampler.activated.emit(dock.form.sampler.currentIndex())
    dock.form.evaluations.setValue(4)
    dock.form.seed.setValue(3)
    dock.form.n_frames.setValue(21)
    dock.form.start_frame.setValue(5)
    bare.wait(lambda: bare.control.state == "ready" and not bare.control.needs_reset)
    bare.viewer.close()
    viewer = make_napari_viewer()
    _, again = viewer.window.add_plugin_dock_widget("napari-eldyn", "Rollout")
    control = again.controller
    bare.wait(lambda: control.model is not None)
    assert control.model.path == model_path
    assert control.settings == RolloutSettings(0, "ddpm", 4, 21, 3), "but the start frame"
    viewer.close()


def test_a_remembered_model_that_is_gone_is_left_out(bare: Live, tmp_path: Path) -> None:
    remember(
        "rollout", model=str(tmp_path / "gone.safetensors"), seed=-4, n_frames="many", device=7
    )
    _, dock = bare.viewer.window.add_plugin_dock_widget("napari-eldyn", "Rollout")
    assert bare.control.state == "idle"
    assert bare.control.settings == RolloutSettings()
    assert not bare.failures
    assert "Choose a model" in dock.messages.text()


@pytest.mark.parametrize("window_shown", [True], ids=["shown"])
def test_sessions_are_saved_and_opened_from_the_menu(
    dock: RolloutDock,
    bare: Live,
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    menu = density_menu(bare.viewer)
    assert menu is not None
    entries = {entry.text(): entry for entry in menu.actions()}
    load(dock, bare, model_path)
    click(dock, "Run")
    bare.wait_state("ready")
    path = tmp_path / "work.eldynsession"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(path), ""))
    entries["Save session …"].trigger()
    assert f"Session saved to {path}" in dock.messages.text()
    click(dock, "Reset")
    bare.wait(lambda: not bare.control.has_frames and bare.control.state == "ready")
    assert bare.viewer.open(path, plugin="napari-eldyn") == []
    bare.wait(lambda: len(bare.control.generated_statistics) == 6)
    bare.wait_state("ready")
    assert not bare.failures
