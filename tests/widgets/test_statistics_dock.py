from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_rgb
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QScrollArea, QToolTip
from scipy.spatial.distance import jensenshannon

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.figures.rollout_plots import PLOTS, Yardstick
from napari_eldyn.observables.levels import levels_from_statistics
from napari_eldyn.observables.reference_series import ReferenceSeries
from napari_eldyn.observables.statistics import default_settings, frame_statistics
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics
from napari_eldyn.widgets.statistics_dock import StatisticsDock

HALF_LN2 = 0.5 * np.log(2)
DEFAULT = ["distribution", "divergence", "structure_factor"]


def densities(n_frames, seed, spread=0.27):
    rng = np.random.default_rng(seed)
    return np.exp(-2.9 + spread * rng.standard_normal((n_frames, 12, 12, 12))).astype(np.float32)


@pytest.fixture(scope="module")
def yardstick():
    grid = PeriodicGrid(8.0 * np.eye(3), (12, 12, 12))
    trajectory = DensityTrajectory.from_array(densities(20, 1), grid, 4.0 * np.arange(20))
    settings = default_settings(trajectory, LogNormalisation(mean=-2.9, std=0.27), bins=64)
    frames = trajectory_statistics(trajectory, settings)
    levels = levels_from_statistics(frames, frames[0], 0)
    return Yardstick(settings, frames.pooled, levels, ReferenceSeries(frames, settings, 4.0))


@pytest.fixture(scope="module")
def levels(yardstick):
    return yardstick.levels


@pytest.fixture(scope="module")
def updates(levels):
    return [
        SimpleNamespace(
            index=k, time=80.0 + 4 * k, statistics=frame_statistics(rho, levels.reference.settings)
        )
        for k, rho in enumerate(densities(12, 2, 0.24))
    ]


@pytest.fixture
def dock(qtbot, yardstick):
    widget = StatisticsDock()
    qtbot.addWidget(widget)
    widget.resize(400, 700)
    widget.set_reference(yardstick)
    widget.set_time_range(76.0, 200.0)
    with qtbot.waitExposed(widget):
        widget.show()
    qtbot.waitUntil(lambda: all(canvas.full_redraws for canvas in opened(widget)))
    settle(widget)
    return widget


def settle(dock):
    dock.draw_now()
    QApplication.processEvents()


def opened(dock):
    """Canvases of the sections that are open at first."""
    return [dock.plots.canvases[name] for name in DEFAULT]


def canvas_of(dock, name):
    return dock.plots.canvases[name]


def drawn(dock):
    return [(canvas.full_redraws, canvas.updates) for canvas in opened(dock)]


def ydata(canvas, label):
    return next(x for x in canvas.plot.axes.lines if x.get_label() == label).get_ydata()


def pixels(canvas):
    return np.asarray(canvas.buffer_rgba()).astype(int).copy()


def scaled(p, q):
    return jensenshannon(p, q) ** 2 / HALF_LN2


def test_numbers_are_those_of_the_frames(dock, levels, updates):
    dock.restore_session_state({"open": ["scores"]})
    for update in updates:
        dock.add_update(update)
    settle(dock)
    reference = levels.reference.probabilities
    frame = updates[-1].statistics
    pooled = sum(update.statistics.counts for update in updates)
    pooled = pooled / pooled.sum()
    table = dock.numbers.scores
    sjsd, jsd, difference = table.row_values("This frame")
    assert float(sjsd) == pytest.approx(scaled(frame.probabilities, reference), abs=6e-5)
    assert float(jsd) == pytest.approx(float(sjsd) * HALF_LN2, abs=6e-5)
    mean = levels.reference.amplitude
    expected = np.abs(frame.amplitude - mean).sum() / mean.sum()
    assert float(difference.rstrip(" %")) == pytest.approx(100 * expected, rel=0.05)
    assert float(table.row_values("Mean")[0]) == pytest.approx(scaled(pooled, reference), abs=6e-5)
    assert float(table.row_values("Half against half")[0]) == pytest.approx(
        levels.noise.sjsd, rel=0.05
    )


def test_lines_are_frame_and_running_mean(dock, levels, updates):
    for update in updates:
        dock.add_update(update)
    settle(dock)
    distribution, divergence, structure_factor = opened(dock)
    mean = np.mean([update.statistics.amplitude for update in updates], axis=0)
    np.testing.assert_allclose(ydata(structure_factor, "generated"), mean)
    np.testing.assert_allclose(
        ydata(structure_factor, "this frame"), updates[-1].statistics.amplitude
    )
    reference = levels.reference.probabilities
    np.testing.assert_allclose(
        ydata(divergence, "each frame"),
        [scaled(update.statistics.probabilities, reference) for update in updates],
        rtol=1e-9,
    )
    counts = sum(update.statistics.counts for update in updates)
    width = np.diff(levels.reference.settings.edges)
    np.testing.assert_allclose(
        ydata(distribution, "generated")[1:-1:2], counts / 12**4 / width, rtol=1e-9
    )


def test_scrubbing_shows_one_frame_while_the_mean_goes_on(dock, levels, updates):
    for update in updates[:6]:
        dock.add_update(update)
    other = frame_statistics(densities(1, 9)[0], levels.reference.settings)
    dock.show_frame(2, updates[2].statistics, other)
    for update in updates[6:]:
        dock.add_update(update)
    settle(dock)
    structure_factor = canvas_of(dock, "structure_factor")
    np.testing.assert_allclose(
        ydata(structure_factor, "this frame"), updates[2].statistics.amplitude
    )
    thin = [line.get_ydata() for line in structure_factor.plot.axes.lines]
    assert any(np.array_equal(line, other.amplitude) for line in thin)
    assert "12 frames" in dock.numbers.headline.text()
    assert "frame 3 · 88 fs" in dock.numbers.headline.text()
    dock.follow_live()
    settle(dock)
    np.testing.assert_allclose(
        ydata(structure_factor, "this frame"), updates[-1].statistics.amplitude
    )
    assert "frame 12 · 124 fs" in dock.numbers.headline.text()


def test_a_place_without_generated_frame_shows_none(dock, updates):
    dock.add_update(updates[0])
    dock.show_frame(None, None, updates[1].statistics)
    settle(dock)
    assert len(ydata(canvas_of(dock, "structure_factor"), "this frame")) == 0
    dock.restore_session_state({"open": ["scores"]})
    settle(dock)
    assert set(dock.numbers.scores.row_values("This frame")) == {"–"}


def test_updates_blit_and_do_not_redraw(dock, updates):
    for update in updates:
        dock.add_update(update)

    def look_at_each():
        for number in range(len(updates)):
            dock.show_frame(number, updates[number].statistics)
            settle(dock)

    look_at_each()  # the axes grow to take in every line
    before = drawn(dock)
    look_at_each()
    after = drawn(dock)
    assert [a[0] - b[0] for a, b in zip(after, before, strict=True)] == [0, 0, 0]
    assert all(a[1] - b[1] == len(updates) for a, b in zip(after, before, strict=True))


def test_blitted_picture_is_that_of_a_full_redraw(dock, updates):
    for update in updates:
        dock.add_update(update)
        settle(dock)
    for canvas in opened(dock):
        blitted = pixels(canvas)
        canvas.draw()
        assert np.abs(blitted - pixels(canvas)).max() <= 2


def test_frames_that_arrive_together_are_drawn_once(qtbot, dock, updates):
    before = drawn(dock)
    for update in updates:
        dock.add_update(update)
    qtbot.waitUntil(lambda: len(ydata(canvas_of(dock, "divergence"), "each frame")) == len(updates))
    after = drawn(dock)
    assert all(sum(a) - sum(b) <= 1 for a, b in zip(after, before, strict=True))


def test_nothing_is_drawn_while_hidden_and_all_of_it_afterwards(qtbot, dock, updates):
    dock.hide()
    before = drawn(dock)
    for update in updates:
        dock.add_update(update)
        dock.draw_now()
        QApplication.processEvents()
    dock.set_theme(False)
    QApplication.processEvents()
    assert drawn(dock) == before
    dock.show()
    qtbot.waitUntil(lambda: drawn(dock) != before)
    settle(dock)
    assert len(ydata(canvas_of(dock, "divergence"), "each frame")) == len(updates)
    assert "12 frames" in dock.numbers.headline.text()


def test_a_folded_plot_is_not_drawn_until_it_unfolds(qtbot, dock, updates):
    canvas = canvas_of(dock, "distribution")
    section = canvas.parentWidget()
    section.header.click()
    assert not canvas.isVisible()
    before = drawn(dock)[0]
    dock.add_update(updates[0])
    settle(dock)
    assert drawn(dock)[0] == before
    section.header.click()
    qtbot.waitUntil(lambda: drawn(dock)[0] != before)
    picture = pixels(canvas)
    canvas.draw()
    assert np.abs(picture - pixels(canvas)).max() <= 2


@pytest.mark.parametrize("colours", [{"background": "#ebe7e6", "text": "#1e1e21"}, True, False])
def test_theme_reaches_every_plot_and_keeps_the_lines(dock, updates, colours):
    for update in updates:
        dock.add_update(update)
    dock.set_theme(colours)
    settle(dock)
    for canvas in opened(dock):
        wanted = to_rgb(canvas.plot.palette.background)
        np.testing.assert_allclose(pixels(canvas)[2, 2, :3] / 255, wanted, atol=0.01)
        assert canvas.plot.palette.is_dark is (colours is True)
    assert len(ydata(canvas_of(dock, "divergence"), "each frame")) == len(updates)


def test_clipped_and_stray_values_are_told_in_the_headline(dock, levels, updates):
    dock.add_update(updates[0])
    settle(dock)
    assert "clipped" not in dock.numbers.headline.text()
    assert "beyond the histogram" not in dock.numbers.headline.text()
    rho = densities(1, 5)[0]
    rho[0, 0, :3] = -0.01
    rho[1, 0, :2] = 50.0
    statistics = frame_statistics(rho, levels.reference.settings)
    dock.add_update(SimpleNamespace(index=1, time=84.0, statistics=statistics))
    settle(dock)
    assert "3 clipped values in 1 frame" in dock.numbers.headline.text()
    assert "5 values beyond the histogram" in dock.numbers.headline.text()


def test_clear_forgets_the_frames_and_keeps_the_reference(dock, levels, updates):
    for update in updates:
        dock.add_update(update)
    dock.clear()
    settle(dock)
    assert len(ydata(canvas_of(dock, "divergence"), "each frame")) == 0
    assert len(ydata(canvas_of(dock, "structure_factor"), "generated")) == 0
    np.testing.assert_allclose(
        ydata(canvas_of(dock, "structure_factor"), "reference"), levels.reference.amplitude
    )
    assert "No frame" in dock.numbers.headline.text()


def test_choices_change_convention_ratio_and_scale(dock, levels, updates):
    dock.restore_session_state({"open": [*DEFAULT, "scores"]})
    dock.resize(400, 1200)
    dock.add_update(updates[0])
    dock.choices.conventions.setCurrentText("intensity")
    settle(dock)
    structure_factor = canvas_of(dock, "structure_factor")
    np.testing.assert_allclose(
        ydata(structure_factor, "generated"), updates[0].statistics.intensity
    )
    reference = levels.reference.intensity
    expected = np.abs(updates[0].statistics.intensity - reference).sum() / reference.sum()
    shown = dock.numbers.scores.row_values("This frame")[2]
    assert float(shown.rstrip(" %")) == pytest.approx(100 * expected, rel=0.05)
    dock.choices.ratio.setChecked(True)
    settle(dock)
    np.testing.assert_allclose(ydata(structure_factor, "reference"), 1.0)
    dock.choices.log.setChecked(True)
    settle(dock)
    assert canvas_of(dock, "distribution").plot.axes.get_yscale() == "log"
    dock.choices.divergences.setCurrentText("JSD")
    settle(dock)
    divergence = canvas_of(dock, "divergence").plot
    assert divergence.axes.get_ylabel() == "JSD (nats)"


def test_a_reference_without_levels_still_works(qtbot, levels, updates):
    widget = StatisticsDock()
    qtbot.addWidget(widget)
    widget.show()
    widget.restore_session_state({"open": ["scores", "distribution"]})
    widget.set_reference(Yardstick(levels.reference.settings, levels.reference, None))
    widget.add_update(updates[0])
    settle(widget)
    assert set(widget.numbers.scores.row_values("Persistence")) == {"–"}
    assert float(widget.numbers.scores.row_values("This frame")[0]) > 0


def test_an_update_before_any_reference_is_a_mistake(qtbot, updates):
    widget = StatisticsDock()
    qtbot.addWidget(widget)
    with pytest.raises(RuntimeError, match="set_reference"):
        widget.add_update(updates[0])


@pytest.mark.parametrize("size", [(350, 700), (450, 700)])
def test_fits_a_laptop(dock, size):
    dock.resize(*size)
    QApplication.processEvents()
    assert (dock.width(), dock.height()) == size
    area = dock.findChild(QScrollArea)
    # Nothing is cut off at the right: the content is no wider than what is seen of it.
    assert area.widget().width() <= area.viewport().width()
    for canvas in opened(dock):
        assert canvas.visibleRegion().boundingRect().height() > 100


def test_the_wheel_over_a_plot_scrolls_the_dock(dock):
    dock.resize(350, 500)
    QApplication.processEvents()
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    assert bar.maximum() > 0
    canvas = canvas_of(dock, "distribution")
    spot = canvas.mapTo(dock, canvas.rect().center())
    target = dock.childAt(spot)
    # Qt hands an event of the mouse on to the parent until one accepts it; a sent one it does not.
    accepted = False
    while not accepted:
        place = QPointF(target.mapFrom(dock, spot))
        event = QWheelEvent(
            place,
            QPointF(target.mapToGlobal(place.toPoint())),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(target, event)
        accepted = event.isAccepted()
        assert not (accepted and isinstance(target, FigureCanvasBase))
        target = target.parentWidget()
    assert bar.value() > 0


def test_what_the_screen_shows_is_the_plot(dock, updates):
    """Qt paints the canvas, not just matplotlib's buffer."""
    for update in updates:
        dock.add_update(update)
    settle(dock)
    canvas = canvas_of(dock, "divergence")
    image = canvas.grab().toImage()
    generated = QColor(canvas.plot.palette.generated[0])
    found = sum(
        abs(image.pixelColor(x, y).red() - generated.red()) < 30
        and abs(image.pixelColor(x, y).blue() - generated.blue()) < 30
        for x in range(image.width())
        for y in range(image.height())
    )
    assert found > 20


def test_folded_and_hidden_plots_are_not_even_made(qtbot, yardstick, updates):
    made = []
    widget = StatisticsDock()
    qtbot.addWidget(widget)
    widget.set_reference(yardstick)
    for name, canvas in widget.plots.canvases.items():
        build = canvas._build
        canvas.set_plot(
            lambda axes, palette, name=name, build=build: made.append(name) or build(axes, palette),
            canvas._palette,
        )
    for update in updates:
        widget.add_update(update)
        widget.draw_now()
    assert made == []
    widget.resize(360, 735)
    with qtbot.waitExposed(widget):
        widget.show()
    qtbot.waitUntil(lambda: len(made) == 3)
    settle(widget)
    assert sorted(made) == DEFAULT


def test_choices_and_open_sections_are_told_and_taken_back(qtbot, dock, yardstick):
    told = []
    dock.state_changed.connect(told.append)
    dock._sections["correlation"].header.click()
    dock._sections["distribution"].header.click()
    dock.choices.ratio.setChecked(True)
    dock.choices.divergences.setCurrentText("JSD")
    q = [float(x) for x in yardstick.settings.waves.q[[1, 3]]]
    dock.choices.shells.choose(q)
    state = dock.session_state()
    assert told[-1] == state
    assert state["open"] == ["correlation", "divergence", "structure_factor"]
    other = StatisticsDock()
    qtbot.addWidget(other)
    other.restore_session_state(state)  # before there is a reference
    other.set_reference(yardstick)
    other.resize(360, 735)
    with qtbot.waitExposed(other):
        other.show()
    settle(other)
    assert other.session_state() == state
    assert [n for n, c in other.plots.canvases.items() if c.isVisible()] == [
        "divergence",
        "structure_factor",
        "correlation",
    ]
    labels = [x.get_label() for x in other.plots.canvases["correlation"].plot.axes.lines]
    assert [f"{one:.2f}/Å" in labels for one in q] == [True, True]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"open": 3, "log": "yes", "divergence": "kl", "convention": None, "shells": ["a"]},
        {"open": [1, 2], "ratio": 1, "shells": [True, -1.0]},
        {"open": ["distribution", "gone"], "shells": [1e9]},
    ],
)
def test_old_or_broken_states_do_no_harm(dock, state):
    dock.restore_session_state(state)
    settle(dock)
    assert set(dock.session_state()["open"]) <= {*PLOTS, "scores"}
    assert dock.choices.choices.shells is None
    assert not dock.choices.log.isChecked()


def test_one_to_four_shells_can_be_checked(dock, yardstick):
    entries = [e for e in dock.choices.shells.shell_menu.actions() if e.isCheckable()]
    waves = yardstick.settings.waves
    assert [e.text() for e in entries] == [
        f"{q:.2f} 1/Å ({n} points)" for q, n in zip(waves.q, waves.counts, strict=True)
    ]
    usual = [e.isChecked() for e in entries]
    assert 1 <= sum(usual) <= 3
    for entry in entries:
        if not entry.isChecked() and entry.isEnabled():
            entry.trigger()
    assert sum(e.isChecked() for e in entries) == 4
    assert not any(e.isEnabled() for e in entries if not e.isChecked())
    for entry in entries:
        if entry.isChecked() and entry.isEnabled():
            entry.trigger()
    assert sum(e.isChecked() for e in entries) == 1
    dock.choices.shells.shell_menu.actions()[0].trigger()
    assert [e.isChecked() for e in entries] == usual
    assert dock.choices.shells.chosen_q is None


def hover(canvas, x, y):
    """Move the mouse to a point of the plot, as Qt would report it."""
    pixel = canvas.plot.axes.transData.transform((x, y)) / canvas.device_pixel_ratio
    place = QPointF(float(pixel[0]), float(canvas.height() - 1 - pixel[1]))
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(canvas.mapToGlobal(place.toPoint())),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()


def test_the_mouse_reads_values_and_draws_nothing(dock, yardstick, updates):
    for update in updates:
        dock.add_update(update)
    settle(dock)
    before = drawn(dock)
    canvas = canvas_of(dock, "structure_factor")
    shells = yardstick.settings.shells
    mean = np.mean([update.statistics.amplitude for update in updates], axis=0)
    hover(canvas, float(shells.q[3]), float(mean[3]))
    told = QToolTip.text()
    assert f"q = {shells.q[3]:.2f} 1/Å, S = {mean[3]:.3g} electrons" in told
    assert f"{shells.counts[3]} points in the shell" in told
    hover(canvas_of(dock, "divergence"), updates[5].time, 0.02)
    assert QToolTip.text().startswith(f"{updates[5].time:g} fs: sJSD")
    hover(canvas, -1.0, float(mean[3]))  # beside the axes
    assert drawn(dock) == before
    assert canvas.read_at(QPoint(2, 2)) == ""


def test_saving_tells_in_the_dock_what_was_done_or_went_wrong(dock, updates, tmp_path, monkeypatch):
    dock.set_provenance(lambda: {"model_name": "m", "seed": 7})
    dock.add_update(updates[0])
    settle(dock)
    chosen = tmp_path / "plot"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(chosen), ""))
    dock.plots.menus["divergence"].ask_and_save("csv")
    assert "Saved plot.csv" in dock.messages.text()
    text = (tmp_path / "plot.csv").read_text()
    assert "# model_name: m\n# seed: 7\n" in text
    assert "# definition: Jensen-Shannon divergence" in text
    assert f"{updates[0].time:g}," in text
    chosen = tmp_path / "missing" / "plot.svg"
    dock.plots.menus["divergence"].ask_and_save("svg")
    assert "cannot write" in dock.messages.text()
    assert "Saved" not in dock.messages.text()
    assert [path.name for path in tmp_path.iterdir()] == ["plot.csv"]
