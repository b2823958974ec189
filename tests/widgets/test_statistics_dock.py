from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_rgb
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtWidgets import QApplication, QScrollArea
from scipy.spatial.distance import jensenshannon

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.observables.levels import reference_levels
from napari_eldyn.observables.statistics import default_settings, frame_statistics
from napari_eldyn.widgets.statistics_dock import StatisticsDock

HALF_LN2 = 0.5 * np.log(2)


def densities(n_frames, seed, spread=0.27):
    rng = np.random.default_rng(seed)
    return np.exp(-2.9 + spread * rng.standard_normal((n_frames, 12, 12, 12))).astype(np.float32)


@pytest.fixture(scope="module")
def levels():
    grid = PeriodicGrid(8.0 * np.eye(3), (12, 12, 12))
    trajectory = DensityTrajectory.from_array(densities(20, 1), grid, 4.0 * np.arange(20))
    settings = default_settings(trajectory, LogNormalisation(mean=-2.9, std=0.27), bins=64)
    return reference_levels(trajectory, settings)


@pytest.fixture(scope="module")
def updates(levels):
    return [
        SimpleNamespace(
            index=k, time=80.0 + 4 * k, statistics=frame_statistics(rho, levels.reference.settings)
        )
        for k, rho in enumerate(densities(12, 2, 0.24))
    ]


@pytest.fixture
def dock(qtbot, levels):
    widget = StatisticsDock()
    qtbot.addWidget(widget)
    widget.resize(400, 700)
    widget.set_reference(levels.reference.settings, levels.reference, levels)
    widget.set_time_range(76.0, 200.0)
    with qtbot.waitExposed(widget):
        widget.show()
    qtbot.waitUntil(lambda: all(canvas.full_redraws for canvas in widget.plots.canvases[:3]))
    settle(widget)
    return widget


def settle(dock):
    dock.draw_now()
    QApplication.processEvents()


def drawn(dock):
    return [(canvas.full_redraws, canvas.updates) for canvas in dock.plots.canvases]


def ydata(canvas, label):
    return next(x for x in canvas.plot.axes.lines if x.get_label() == label).get_ydata()


def pixels(canvas):
    return np.asarray(canvas.buffer_rgba()).astype(int).copy()


def scaled(p, q):
    return jensenshannon(p, q) ** 2 / HALF_LN2


def test_numbers_are_those_of_the_frames(dock, levels, updates):
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
    electrons = dock.numbers.extremes.row_values("Electrons")
    assert float(electrons[0]) == pytest.approx(frame.electrons, abs=0.005)
    assert float(electrons[2]) == pytest.approx(levels.reference.electrons, abs=0.005)


def test_lines_are_frame_and_running_mean(dock, levels, updates):
    for update in updates:
        dock.add_update(update)
    settle(dock)
    distribution, divergence, structure_factor = dock.plots.canvases
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
    structure_factor = dock.plots.canvases[2]
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
    assert len(ydata(dock.plots.canvases[2], "this frame")) == 0
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
    for canvas in dock.plots.canvases:
        blitted = pixels(canvas)
        canvas.draw()
        assert np.abs(blitted - pixels(canvas)).max() <= 2


def test_frames_that_arrive_together_are_drawn_once(qtbot, dock, updates):
    before = drawn(dock)
    for update in updates:
        dock.add_update(update)
    qtbot.waitUntil(lambda: len(ydata(dock.plots.canvases[1], "each frame")) == len(updates))
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
    assert len(ydata(dock.plots.canvases[1], "each frame")) == len(updates)
    assert "12 frames" in dock.numbers.headline.text()


def test_a_folded_plot_is_not_drawn_until_it_unfolds(qtbot, dock, updates):
    canvas = dock.plots.canvases[0]
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
    for canvas in dock.plots.canvases:
        wanted = to_rgb(canvas.plot.palette.background)
        np.testing.assert_allclose(pixels(canvas)[2, 2, :3] / 255, wanted, atol=0.01)
        assert canvas.plot.palette.is_dark is (colours is True)
    assert len(ydata(dock.plots.canvases[1], "each frame")) == len(updates)


def test_clipped_values_are_told_in_the_headline_and_the_table(dock, levels, updates):
    dock.add_update(updates[0])
    settle(dock)
    assert "clipped" not in dock.numbers.headline.text()
    rho = densities(1, 5)[0]
    rho[0, 0, :3] = -0.01
    statistics = frame_statistics(rho, levels.reference.settings)
    dock.add_update(SimpleNamespace(index=1, time=84.0, statistics=statistics))
    settle(dock)
    assert "3 clipped values in 1 frame" in dock.numbers.headline.text()
    assert dock.numbers.extremes.row_values("Clipped values") == ("3", "3", "0")


def test_clear_forgets_the_frames_and_keeps_the_reference(dock, levels, updates):
    for update in updates:
        dock.add_update(update)
    dock.clear()
    settle(dock)
    assert len(ydata(dock.plots.canvases[1], "each frame")) == 0
    assert len(ydata(dock.plots.canvases[2], "generated")) == 0
    np.testing.assert_allclose(
        ydata(dock.plots.canvases[2], "reference"), levels.reference.amplitude
    )
    assert set(dock.numbers.scores.row_values("Mean")) == {"–"}


def test_choices_change_convention_ratio_and_scale(dock, levels, updates):
    dock.add_update(updates[0])
    dock.plots.conventions.setCurrentText("intensity")
    settle(dock)
    structure_factor = dock.plots.canvases[2]
    np.testing.assert_allclose(
        ydata(structure_factor, "generated"), updates[0].statistics.intensity
    )
    reference = levels.reference.intensity
    expected = np.abs(updates[0].statistics.intensity - reference).sum() / reference.sum()
    shown = dock.numbers.scores.row_values("This frame")[2]
    assert float(shown.rstrip(" %")) == pytest.approx(100 * expected, rel=0.05)
    dock.plots.ratio.setChecked(True)
    settle(dock)
    np.testing.assert_allclose(ydata(structure_factor, "reference"), 1.0)
    dock.plots.log.setChecked(True)
    settle(dock)
    assert dock.plots.canvases[0].plot.axes.get_yscale() == "log"


def test_a_reference_without_levels_still_works(qtbot, levels, updates):
    widget = StatisticsDock()
    qtbot.addWidget(widget)
    widget.show()
    widget.set_reference(levels.reference.settings, levels.reference, None)
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
    for canvas in dock.plots.canvases:
        assert canvas.visibleRegion().boundingRect().height() > 100


def test_the_wheel_over_a_plot_scrolls_the_dock(dock):
    dock.resize(350, 500)
    QApplication.processEvents()
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    assert bar.maximum() > 0
    canvas = dock.plots.canvases[0]
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
        assert not isinstance(target, FigureCanvasBase)
        target = target.parentWidget()
    assert bar.value() > 0


def test_what_the_screen_shows_is_the_plot(dock, updates):
    """Qt paints the canvas, not just matplotlib's buffer."""
    for update in updates:
        dock.add_update(update)
    settle(dock)
    canvas = dock.plots.canvases[1]
    image = canvas.grab().toImage()
    generated = QColor(canvas.plot.palette.generated[0])
    found = sum(
        abs(image.pixelColor(x, y).red() - generated.red()) < 30
        and abs(image.pixelColor(x, y).blue() - generated.blue()) < 30
        for x in range(image.width())
        for y in range(image.height())
    )
    assert found > 20
