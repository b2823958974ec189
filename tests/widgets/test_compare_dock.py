"""The Compare dock: it shows and changes the panels, and draws several rollouts in one plot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from live_session import Live
from qtpy.QtCore import QPoint, Qt

from napari_eldyn.figures.compared_plots import COMPARED_PLOTS
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.widgets.compare_dock import CompareDock
from napari_eldyn.widgets.plot_menu import save_plot

shown = pytest.mark.parametrize("window_shown", [True], ids=["shown"])


def opened(live: Live) -> CompareDock:
    dock = CompareDock(live.viewer)
    live.viewer.window.add_dock_widget(dock, name="Compare", area="left")
    return dock


def test_it_shows_and_changes_the_panels(live: Live, spatial_model_path: Path) -> None:
    dock, panels, control = opened(live), live.control.panels, live.control
    boxes = dock.boxes.boxes
    assert [name for name, box in boxes.items() if box.isChecked()] == ["generated", "reference"]
    assert not boxes["difference"].isEnabled()
    assert "positions are not comparable" in boxes["difference"].toolTip()
    assert "two members or more" in boxes["std"].toolTip()
    assert all(box.toolTip() for box in boxes.values())
    boxes["aligned"].click()
    assert panels.is_shown("aligned")
    panels.set_shown("generated", False)
    panels.set_shown("aligned", False)
    assert [name for name, box in boxes.items() if box.isChecked()] == ["reference"]
    assert not boxes["reference"].isEnabled(), "the last one stays"
    boxes["generated"].click()
    assert boxes["reference"].isEnabled()
    # An offset, in frames and in fs.
    frames = dock.offset.frames
    assert (frames.minimum(), frames.maximum()) == (-2, 9)
    assert "= 0 fs" in dock.offset.time.text()
    frames.setValue(-2)
    assert panels.offset == -2
    assert "= −8 fs" in dock.offset.time.text()
    dock.offset.reset.click()
    assert (panels.offset, frames.value()) == (0, 0)
    # The view.
    dock.view.slices.click()
    assert live.viewer.dims.ndisplay == 2
    live.viewer.dims.ndisplay = 3
    assert dock.view.volumes.isChecked()
    assert not dock.view.slices.isChecked()
    # A model whose positions count.
    control.set_model(spatial_model_path, "cpu")
    live.wait(lambda: control.model is not None and control.model.path == spatial_model_path)
    live.wait_state("ready")
    assert boxes["difference"].isEnabled()
    assert not dock.boxes.fit.isEnabled()
    boxes["difference"].click()
    assert panels.is_shown("difference")
    assert dock.boxes.fit.isEnabled()
    assert not live.failures


@shown
def test_members_and_rollouts_in_one_plot(live: Live, tmp_path: Path) -> None:
    dock, control = opened(live), live.control
    members, rows = dock.members, dock.rollouts.rows
    assert not members.run.isEnabled()
    assert "Run the rollout first" in members.run.toolTip()
    control.configure(n_frames=4)
    live.run_to_end()
    assert members.run.isEnabled()
    members.n_members.setValue(2)
    members.run.click()
    live.wait(lambda: control.state == "members" or len(control.panels.members) == 3)
    live.wait(lambda: len(control.panels.members) == 3 and control.state == "ready")
    assert [members.member.itemText(k) for k in range(3)] == [
        "seed 0 (current)",
        "seed 1",
        "seed 2",
    ]
    members.member.setCurrentIndex(1)
    members.member.activated.emit(1)
    assert control.panels.member == 1
    rows = dock.rollouts.rows
    assert [row.label.text() for row in rows.values()] == ["seed 0 (current)", "seed 1", "seed 2"]
    plot = dock.plot
    live.wait(lambda: plot.canvas.isVisible() and len(plot.canvas.plot.lines()) == 3)
    names = [str(text.get_text()) for text in plot.canvas.figure.legends[0].get_texts()]
    assert names == ["reference", "normal N(0, 1)", "seed 0", "seed 1", "seed 2"]
    # What is drawn is what the statistics say.
    measured = control.measured
    assert measured is not None
    rollout = control.shelf.rollouts[1]
    times = [rollout.session.pairing.time(k + 1) for k in range(4)]
    history = RolloutHistory.of(
        rollout.statistics, times, measured.settings, measured.yardstick.reference
    )
    for name, (column, expected) in {
        "distribution": ("seed 1 probability density (dimensionless)", history.running.density),
        "divergence": ("seed 1 sJSD of the mean so far", history.running_sjsd),
        "structure_factor": ("seed 1 S(q) amplitude (electrons)", history.running.amplitude),
        "electrons": ("seed 1 electrons", history.electrons),
    }.items():
        plot.quantity.setCurrentIndex(plot.quantity.findData(name))
        plot.draw_now()
        np.testing.assert_allclose(plot.canvas.plot.table()[column], expected)
        for kind in ("pdf", "csv") if name == "divergence" else ():
            path = tmp_path / f"plot.{kind}"
            save_plot(plot.menu.source, path)
            assert path.stat().st_size > 500
    assert remembered("compare")["quantity"] == "electrons"
    x, y = plot.canvas.plot.lines()["seed 1"].get_data()
    told = plot.canvas.plot.read(float(x[1]), float(y[1]))
    assert f"seed 1: {history.electrons[1]:.3f} electrons" in told
    table = pd.read_csv(tmp_path / "plot.csv", comment="#")
    np.testing.assert_allclose(table["seed 1 sJSD of the mean so far"], history.running_sjsd)
    # Not ticked, it is not drawn; removed, it is gone.
    list(rows.values())[1].visible.setChecked(False)
    plot.draw_now()
    assert list(plot.canvas.plot.lines()) == ["seed 0", "seed 2"]
    list(rows.values())[1].remove.click()
    live.wait(lambda: len(dock.rollouts.rows) == 2)
    assert len(control.panels.members) == 2
    assert control.panels.member is None, "the member looked at is gone"
    # Colours of the theme.
    live.viewer.theme = "light"
    plot.draw_now()
    light = plot.canvas.figure.get_facecolor()
    live.viewer.theme = "dark"
    plot.draw_now()
    assert sum(light[:3]) > sum(plot.canvas.figure.get_facecolor()[:3]) + 1
    assert not live.failures


@shown
def test_in_2d_a_strip_of_slices_lies_below_the_canvas(live: Live, tmp_path: Path) -> None:
    dock, control, viewer = opened(live), live.control, live.viewer
    control.configure(n_frames=5)
    live.run_to_end()
    assert dock.slices.strip is None
    dock.view.slices.click()
    live.wait(lambda: dock.slices.strip is not None and dock.slices.strip.isVisible())
    strip = dock.slices.strip
    assert strip is not None
    assert viewer.dims.point[1] == pytest.approx(8 * 5 / 16), "the mid-plane of 16 points"
    strip.resize(900, 200)
    strip.draw_now()
    planes = control.panels.planes

    def keys(point: int) -> list[tuple[str, int, int, int]]:
        return [(n, k, 0, point) for n in ("generated", "reference") for k in strip.indices]

    live.wait(lambda: all(planes.get(key) is not None for key in keys(8)))
    assert {0, 5} <= set(strip.indices) <= set(range(6))
    for name, index, _, point in keys(8):
        expected = control.panels.layers[name].data[index][point]
        np.testing.assert_allclose(planes.get((name, index, 0, point)), expected, atol=1e-4)
    # A click on the first column shows the start frame.
    strip.draw_now()
    layout = strip._layout
    assert layout is not None
    place = QPoint(int(96 * (layout.corner(0, 0)[0] + layout.side / 2)), 60)
    live.qtbot.mouseClick(strip.canvas, Qt.MouseButton.LeftButton, pos=place)
    comparison = control.comparison
    assert comparison is not None
    assert comparison.index == 0
    # Another plane, another offset.
    viewer.dims.set_point(1, 3 * 5 / 16)
    control.panels.offset = 1
    strip.draw_now()
    key = ("reference", 0, 0, 3)
    live.wait(lambda: planes.get(key) is not None)
    expected = comparison.pairing.trajectory[3][3]
    np.testing.assert_allclose(planes.get(key), expected, rtol=1e-4)
    live.wait(lambda: all(planes.get(key) is not None for key in keys(3)))
    strip.draw_now()
    for kind in ("pdf", "svg", "png", "csv"):
        save_plot(strip.menu.source, tmp_path / f"slices.{kind}")
    table = pd.read_csv(tmp_path / "slices.csv", comment="#")
    column = next(name for name in table if name.startswith("reference +4 fs at 108 fs"))
    np.testing.assert_allclose(table[column].to_numpy().reshape(16, 16), expected, rtol=1e-4)
    assert "x = 0.9375 Å" in (tmp_path / "slices.csv").read_text()
    dock.view.volumes.click()
    live.wait(lambda: not strip.isVisible())
    dock.view.slices.click()
    live.wait(strip.isVisible)
    assert not live.failures


def test_choices_are_remembered_and_checked(live: Live) -> None:
    remember("compare", quantity="electrons", ratio=True, folded=["ensemble"])
    dock = opened(live)
    assert dock.plot.name == "electrons"
    assert dock.plot.ratio.isChecked()
    assert not dock.sections["ensemble"].header.isChecked()
    assert dock.sections["plot"].header.isChecked()
    dock.sections["ensemble"].header.click()
    assert remembered("compare")["folded"] == []
    remember("compare", quantity="nonsense", folded="all", log=3)
    other = CompareDock(live.viewer)
    live.qtbot.addWidget(other)
    assert other.plot.name == COMPARED_PLOTS[0]
    assert not other.plot.log.isChecked()
    assert all(section.header.isChecked() for section in other.sections.values())
    assert other.minimumSizeHint().width() <= 320
