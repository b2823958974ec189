from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import norm

from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.divergence_plot import DivergencePlot
from napari_eldyn.figures.structure_factor_plot import StructureFactorPlot
from napari_eldyn.figures.style import DARK, LIGHT, context

EDGES = np.linspace(-4, 4, 65)


def new_axes():
    figure = Figure(figsize=(4, 2), dpi=100)
    FigureCanvasAgg(figure)
    return figure.add_axes((0.15, 0.2, 0.8, 0.75))


def line(plot, label):
    return next(x for x in plot.axes.lines if x.get_label() == label)


def normal_density():
    return np.diff(norm.cdf(EDGES)) / np.diff(EDGES)


@pytest.fixture
def distribution():
    with context(LIGHT):
        plot = DistributionPlot(new_axes(), LIGHT, EDGES)
        plot.set_reference(normal_density())
    return plot


def test_outline_of_a_histogram_encloses_its_probability(distribution):
    x, y = line(distribution, "reference").get_data()
    assert np.trapezoid(y, x) == pytest.approx(norm.cdf(4) - norm.cdf(-4), rel=1e-12)


def test_guide_is_the_standard_normal_distribution(distribution):
    x, y = line(distribution, "normal N(0, 1)").get_data()
    np.testing.assert_allclose(y, norm.pdf(x), rtol=1e-12)


def test_only_a_line_that_outgrows_the_axis_asks_for_a_redraw(distribution):
    distribution.mark_drawn()
    distribution.set_running(0.9 * normal_density())
    distribution.set_frame(normal_density(), normal_density())
    assert not distribution.redraw_needed
    distribution.set_running(3 * normal_density())
    assert distribution.redraw_needed
    assert distribution.axes.get_ylim()[1] > 3 * normal_density().max()


def test_a_line_goes_when_there_is_nothing_to_show(distribution):
    distribution.set_running(normal_density())
    distribution.set_running(None)
    assert len(line(distribution, "generated").get_xdata()) == 0


@pytest.fixture
def divergence():
    with context(LIGHT):
        return DivergencePlot(new_axes(), LIGHT)


def test_long_histories_keep_every_peak_and_few_points(divergence):
    values = 0.01 + 0.001 * np.random.default_rng(0).random(200_000)
    values[123_456], values[67_890] = 0.9, 1e-5
    times = 4.0 * np.arange(len(values))
    divergence.set_history(times, values, values)
    x, y = line(divergence, "each frame").get_data()
    assert len(x) <= 400
    assert y.max() == 0.9
    assert y.min() == 1e-5
    assert abs(x[np.argmax(y)] - times[123_456]) < times[-1] / 250


def test_time_axis_grows_in_strides(divergence):
    redraws = 0
    times = 4.0 * np.arange(2000)
    for n in range(1, 2001, 7):
        divergence.set_history(times[:n], np.full(n, 0.1), np.full(n, 0.1))
        redraws += divergence.redraw_needed
        divergence.mark_drawn()
        assert divergence.axes.get_xlim()[1] >= times[n - 1]
    assert redraws < 20


def test_asked_for_time_axis_stays_until_it_is_outgrown(divergence):
    divergence.set_time_range(100.0, 500.0)
    divergence.set_history([104.0, 108.0], [0.1, 0.1], [0.1, 0.1])
    assert divergence.axes.get_xlim() == (100.0, 500.0)
    divergence.set_history([104.0, 600.0], [0.1, 0.1], [0.1, 0.1])
    assert divergence.axes.get_xlim()[0] == 100.0
    assert divergence.axes.get_xlim()[1] > 600.0


@pytest.mark.parametrize(
    "levels",
    [
        {"noise": 8e-4, "persistence": 0.018, "mean_field": 0.4},
        {"noise": 8e-4, "persistence": 8.5e-4, "mean_field": 0.4},
        {"noise": 0.018, "persistence": 0.4, "mean_field": 0.41},
        {"noise": 8e-4},
        {"noise": 8e-4, "persistence": 0.0, "mean_field": 0.4},
    ],
)
def test_labels_of_levels_never_overlap_or_leave_the_axes(levels):
    with context(LIGHT):
        plot = DivergencePlot(new_axes(), LIGHT)
        plot.set_levels(levels)
        plot.axes.figure.canvas.draw()
        inside = plot.axes.get_window_extent()
        shown = [t for t in plot.axes.texts if t.get_visible()]
        assert len(shown) == sum(value > 0 for value in levels.values())
        boxes = [text.get_window_extent() for text in shown]
        for number, box in enumerate(boxes):
            assert inside.y0 <= box.y0
            assert box.y1 <= inside.y1
            assert not any(box.overlaps(other) for other in boxes[number + 1 :])


Q = np.linspace(0.7, 11, 25)
S = np.exp(-0.7 * Q)


def test_ratio_divides_by_the_reference():
    with context(LIGHT):
        plot = StructureFactorPlot(new_axes(), LIGHT, Q, relative=True)
        plot.set_reference(S, (0.98 * S, 1.02 * S))
        plot.set_running(1.1 * S)
    np.testing.assert_allclose(line(plot, "reference").get_ydata(), 1.0)
    np.testing.assert_allclose(line(plot, "generated").get_ydata(), 1.1)
    bottom, top = plot.axes.get_ylim()
    assert bottom < 0.98
    assert top > 1.1


def test_one_outlying_shell_neither_flattens_the_ratio_nor_redraws_for_ever():
    with context(LIGHT):
        plot = StructureFactorPlot(new_axes(), LIGHT, Q, relative=True)
        plot.set_reference(S)
        values = S.copy()
        values[-1] *= 1e6
        plot.set_running(values)
        assert plot.axes.get_ylim()[1] < 10
        plot.mark_drawn()
        plot.set_running(values)
    assert not plot.redraw_needed


def test_vanishing_shells_are_left_out_of_the_logarithm():
    with context(LIGHT):
        plot = StructureFactorPlot(new_axes(), LIGHT, Q)
        plot.set_reference(np.where(Q > 8, 0.0, S))
        plot.axes.figure.canvas.draw()
    bottom, top = plot.axes.get_ylim()
    assert 0 < bottom < S[Q <= 8].min()
    assert top > S.max()


def fill(plot):
    """Give a plot of any kind a reference and something generated."""
    if isinstance(plot, DistributionPlot):
        plot.set_reference(normal_density())
        plot.set_running(0.9 * normal_density())
        plot.set_frame(normal_density()[::-1], 0.8 * normal_density())
    elif isinstance(plot, DivergencePlot):
        plot.set_levels({"noise": 1e-3, "persistence": 0.02, "mean_field": 0.4}, (0.005, 0.04))
        plot.set_time_range(0.0, 400.0)
        times = np.arange(0.0, 320.0, 4.0)
        plot.set_history(times, 0.02 + 0.01 * np.sin(times), 0.02 + 0 * times)
        plot.set_cursor(200.0)
    else:
        plot.set_reference(S, (0.9 * S, 1.1 * S))
        plot.set_running(1.3 * S)
        plot.set_frame(0.7 * S, 1.2 * S)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    "build",
    [
        lambda axes, palette, live: DistributionPlot(axes, palette, EDGES, live=live),
        lambda axes, palette, live: DistributionPlot(axes, palette, EDGES, live=live, log=True),
        lambda axes, palette, live: DivergencePlot(axes, palette, live=live),
        lambda axes, palette, live: StructureFactorPlot(axes, palette, Q, live=live),
    ],
    ids=["distribution", "log distribution", "divergence", "structure factor"],
)
def test_blitting_draws_what_a_whole_drawing_shows(build, palette):
    """Inside the axes, where lines lie over grid and areas, to within antialiasing of the frame."""
    pictures = []
    for live in (True, False):
        with context(palette):
            plot = build(new_axes(), palette, live)
            fill(plot)
            canvas = plot.axes.figure.canvas
            canvas.draw()
            if live:
                kept = canvas.copy_from_bbox(plot.axes.bbox)
                plot.draw_changing()  # an earlier frame, to be wiped out
                canvas.restore_region(kept)
                plot.draw_changing()
            pictures.append(np.asarray(canvas.buffer_rgba()).astype(int))
    differing = (np.abs(pictures[0] - pictures[1]).max(axis=-1) > 8).mean()
    empty = (np.abs(pictures[1] - pictures[1][0, 0]).max(axis=-1) > 8).mean()
    assert differing < 0.02 * empty
