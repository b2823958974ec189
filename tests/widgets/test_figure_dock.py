"""The Figures dock: draws what the window has, saves it, and draws saved figures again."""

from __future__ import annotations

import numpy as np
import pytest
from live_session import Live
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QComboBox, QPushButton

from napari_eldyn.figures.published import open_published
from napari_eldyn.viewer.preferences import forget, remembered
from napari_eldyn.widgets.figure_dock import FigureDock

PATIENCE = 120_000


@pytest.fixture
def dock(live: Live):
    forget()
    live.control.run()
    live.wait(lambda: live.control.state == "ready" and len(live.updates) == 6)
    _, widget = live.viewer.window.add_plugin_dock_widget("napari-eldyn", "Figures")
    assert isinstance(widget, FigureDock)
    yield widget
    widget.maker.close()
    forget()


def finish(live, dock):
    live.qtbot.waitUntil(lambda: not dock.maker.is_busy, timeout=PATIENCE)


def choose(dock, kind):
    dock.form.kind.setCurrentIndex(dock.form.kind.findData(kind))


def test_a_figure_is_drawn_saved_and_drawn_again(live, dock, tmp_path):
    choose(dock, "fig3")
    assert not dock.save.isEnabled()
    dock.draw_now()
    assert dock.maker.is_busy
    assert dock.cancel.isEnabled()
    assert not dock.draw.isEnabled()
    finish(live, dock)
    data = dock.figure.data
    # The dock's numbers are the session's.
    counted = np.sum([s.amplitude for s in live.control.generated_statistics], axis=0) / 6
    np.testing.assert_allclose(data.amplitudes[0], counted)
    assert dock.picture.image.width() == pytest.approx(1000, abs=1)
    ratio = dock.picture.image.height() / dock.picture.image.width()
    assert dock.picture.height() / dock.picture.width() == pytest.approx(ratio, abs=0.02)
    dialog = dock.picture.enlarge()
    assert dialog.isVisible()
    dialog.close()
    dock.copy_picture()
    assert QGuiApplication.clipboard().image().size() == dock.picture.image.size()

    dock.save_as(tmp_path / "paper")
    finish(live, dock)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"paper.pdf", "paper.svg", "paper.png", "paper.figure.json"} <= names
    stored = open_published(tmp_path / "paper.figure.json")
    np.testing.assert_array_equal(stored.data.densities, data.densities)
    recorded = next(iter(stored.provenance["rollouts"].values()))["recorded"]
    assert recorded["model_sha256"] == live.control.model.emulator.sha256
    assert recorded["seed"] == 0
    assert len(stored.provenance["reference"]["sha256"]) == 64

    choose(dock, "fig2")
    dock.form.preset.setCurrentIndex(dock.form.preset.findData("nature"))
    dock.redraw_from(tmp_path / "paper.figure.json")
    finish(live, dock)
    assert dock.form.chosen_kind == "fig3"
    assert dock.figure.style.preset == "nature"
    np.testing.assert_array_equal(dock.figure.data.densities, data.densities)
    assert not live.failures


def test_cancel_leaves_nothing_behind(live, dock):
    choose(dock, "fig2")
    dock.draw_now()
    dock.cancel.click()
    finish(live, dock)
    assert dock.figure is None
    assert dock.draw.isEnabled()
    assert "process" not in dock.messages.text()


def test_errors_stand_in_the_dock(live, dock, tmp_path):
    choose(dock, "s2")
    dock.draw_now()
    finish(live, dock)
    assert "no training curve of an autoencoder" in dock.messages.text()
    choose(dock, "fig2")
    dock.form.times.setText("0, soon")
    dock.draw_now()
    assert "the times '0, soon' are not numbers" in dock.messages.text()
    (tmp_path / "x.figure.json").write_text("{}")
    dock.redraw_from(tmp_path / "x.figure.json")
    assert "not the sidecar of a figure" in dock.messages.text()
    dock.add_run(tmp_path)
    assert "cannot read the log of a training run" in dock.messages.text()


def test_choices_are_remembered_and_checked(live, dock):
    dock.form.preset.setCurrentIndex(dock.form.preset.findData("elsevier"))
    dock.form.columns.setCurrentIndex(1)
    dock.form.dpi.setValue(600)
    choose(dock, "volume")
    assert remembered("figures")["preset"] == "elsevier"
    assert "190 mm" in dock.form.columns.currentText()
    dock.restore_session_state({"preset": "gone", "columns": "single", "dpi": 5, "level": "high"})
    assert dock.form.style_chosen.preset == "aps"
    assert dock.form.style_chosen.columns == "single"
    assert dock.form.style_chosen.dpi == 600


def test_the_dock_is_narrow_and_explains_itself(live, dock):
    assert dock.minimumSizeHint().width() <= 320
    for widget in [*dock.findChildren(QPushButton), *dock.findChildren(QComboBox)]:
        assert widget.toolTip(), widget
    assert dock.form.rollouts.count() == 1
    dock.form.rollouts.item(0).setCheckState(dock.form.rollouts.item(0).checkState().Unchecked)
    assert dock.form.rollouts.chosen == []
