"""The plots that dock, movies, figures and comparisons share: what they draw, tell and read."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.figures.plot_data import csv_text, tsv_text
from napari_eldyn.figures.rollout_plots import (
    PLOTS,
    PlotChoices,
    ShownFrame,
    Yardstick,
    build_plot,
)
from napari_eldyn.figures.rollout_waves import usual_shells
from napari_eldyn.figures.single_plot import single_plot
from napari_eldyn.figures.style import DARK, LIGHT, context
from napari_eldyn.figures.time_axis import thinned
from napari_eldyn.observables.levels import levels_from_statistics
from napari_eldyn.observables.reference_series import ReferenceSeries
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.scattering.waves import density_waves
from napari_eldyn.observables.statistics import default_settings, frame_statistics
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

STEP = 4.0


def densities(n_frames, seed, spread=0.27):
    """Smooth random fields that drift, electrons/Å³."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((12, 12, 12))
    frames = []
    for _ in range(n_frames):
        field = 0.9 * field + np.sqrt(1 - 0.81) * rng.standard_normal(field.shape)
        frames.append(np.exp(-2.9 + spread * field))
    return np.array(frames, np.float32)


@pytest.fixture(scope="module")
def yardstick():
    grid = PeriodicGrid(8.0 * np.eye(3), (12, 12, 12))
    trajectory = DensityTrajectory.from_array(densities(24, 1), grid, STEP * np.arange(24))
    settings = default_settings(trajectory, LogNormalisation(mean=-2.9, std=0.27), bins=64)
    frames = trajectory_statistics(trajectory, settings)
    levels = levels_from_statistics(frames, frames[0], 0)
    series = ReferenceSeries(frames, settings, STEP)
    return Yardstick(settings, frames.pooled, levels, series)


@pytest.fixture(scope="module")
def frames(yardstick):
    return [frame_statistics(rho, yardstick.settings) for rho in densities(16, 2, 0.24)]


@pytest.fixture(scope="module")
def history(yardstick, frames):
    times = 100.0 + STEP * np.arange(len(frames))
    return RolloutHistory.of(frames, times, yardstick.settings, yardstick.reference)


@pytest.fixture
def make(yardstick):
    def plot_of(name, choices=PlotChoices(), palette=LIGHT, **options):  # noqa: B008
        with context(palette):
            figure = Figure(figsize=(4, 2), dpi=100)
            FigureCanvasAgg(figure)
            axes = figure.add_axes((0.15, 0.2, 0.8, 0.75))
            return build_plot(name, axes, palette, yardstick, choices, **options)

    return plot_of


def line(plot, label):
    return next(x for x in plot.axes.lines if x.get_label() == label).get_ydata()


def centre(plot, x):
    """A point of the axes at some x, in the middle of them."""
    return x, plot.axes.transData.inverted().transform(
        plot.axes.bbox.min + plot.axes.bbox.size / 2
    )[1]


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_drawn_in_the_colours_of_its_palette(make, history, frames, name):
    plot = make(name, palette=DARK, time_range=(100.0, 200.0))
    plot.show(None, ShownFrame())
    plot.show(history, ShownFrame(132.0, frames[8], frames[0]))
    canvas = plot.axes.figure.canvas
    with context(DARK):
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].reshape(-1, 3).astype(int)
    generated = np.array(to_rgb(DARK.generated[0])) * 255
    assert (np.abs(pixels - generated).max(axis=1) < 12).sum() > 20
    assert all(len(values) for values in plot.table().values())


@pytest.mark.parametrize("name", PLOTS)
def test_blitting_draws_what_a_whole_drawing_shows(make, history, frames, name):
    pictures = []
    for live in (True, False):
        plot = make(name, live=live, time_range=(100.0, 170.0))
        canvas = plot.axes.figure.canvas
        plot.show(history, ShownFrame(132.0, frames[8], frames[0]))
        for axes in (plot.axes, *plot.axes.child_axes):
            if axes.get_legend() is not None:
                axes.get_legend().remove()  # the live one names the single frame besides
        with context(LIGHT):
            canvas.draw()
            if live:
                kept = canvas.copy_from_bbox(plot.region)
                plot.draw_changing()  # an earlier frame, to be wiped out
                canvas.restore_region(kept)
                plot.draw_changing()
        left, bottom, right, top = (round(x) for x in plot.region.extents)
        height = canvas.get_width_height()[1]
        picture = np.asarray(canvas.buffer_rgba()).astype(int)
        pictures.append(picture[height - top + 2 : height - bottom - 2, left + 2 : right - 2])
    differing = (np.abs(pictures[0] - pictures[1]).max(axis=-1) > 40).mean()
    assert differing < 0.02


def test_distribution_is_that_of_all_frames(make, history, frames, yardstick):
    plot = make("distribution")
    plot.show(history, ShownFrame())
    counts = sum(frame.counts for frame in frames)
    expected = counts / counts.sum() / np.diff(yardstick.settings.edges)
    table = plot.table()
    np.testing.assert_allclose(
        table["generated probability density (dimensionless)"], expected, rtol=1e-9
    )
    np.testing.assert_allclose(line(plot, "generated")[1:-1:2], expected, rtol=1e-9)
    place = 30
    middle = yardstick.settings.centres[place]
    told = plot.read(*centre(plot, middle))
    assert f"ρ̃ = {middle:.2f}".replace("-", "−") in told
    assert f"{np.exp(-2.9 + 0.27 * middle):.3g} electrons/Å³" in told
    assert f"{expected[place]:.3g} (reference" in told
    assert plot.read(*centre(plot, 1e3)) == ""


def test_quantiles_are_those_of_the_sorted_values(make, yardstick):
    rho = densities(5, 9, 0.3)
    settings = yardstick.settings
    counted = [frame_statistics(one, settings) for one in rho]
    some = RolloutHistory.of(counted, STEP * np.arange(5), settings, yardstick.reference)
    plot = make("quantiles")
    plot.show(some, ShownFrame())
    values = np.sort((np.log(rho.astype(float)) + 2.9) / 0.27, axis=None)
    shares = np.searchsorted(values, settings.edges) / values.size
    drawn = next(x for x in plot.axes.lines if x.get_label() == "generated")
    with np.errstate(invalid="ignore"):
        expected = norm.ppf(np.where((shares > 0) & (shares < 1), shares, np.nan))
    # A few values of single precision fall into the next bin.
    np.testing.assert_allclose(drawn.get_xdata(), expected, atol=0.02)
    guide = next(x for x in plot.axes.lines if x.get_label() == "normal N(0, 1)")
    np.testing.assert_array_equal(guide.get_xdata(), guide.get_ydata())
    told = plot.read(-1.0, 0.0)
    assert "15.9 % of the values" in told
    median = float(np.quantile(values, norm.cdf(-1)))
    found = float(told.split("generated: ρ̃ = ")[1].split()[0].replace("−", "-"))
    assert found == pytest.approx(median, abs=0.02)


@pytest.mark.parametrize("divergence", ["sjsd", "jsd"])
def test_divergence_is_scipys_in_either_unit(make, history, frames, yardstick, divergence):
    plot = make("divergence", PlotChoices(divergence=divergence))
    plot.show(history, ShownFrame(132.0))
    q = yardstick.reference.probabilities
    scale = 1.0 if divergence == "jsd" else 0.5 * np.log(2)
    expected = [jensenshannon(frame.probabilities, q) ** 2 / scale for frame in frames]
    np.testing.assert_allclose(line(plot, "each frame"), expected, rtol=1e-9)
    noise = plot.axes.get_ylabel()
    assert noise == ("JSD (nats)" if divergence == "jsd" else "sJSD")
    told = plot.read(*centre(plot, 132.4))
    assert told.startswith("132 fs: ")
    assert f"{expected[8]:.3g}" in told
    levels = yardstick.levels
    drawn = [x.get_ydata()[0] for x in plot.axes.lines if len(np.unique(x.get_ydata())) == 1]
    assert any(np.isclose(y, getattr(levels.noise, divergence)) for y in drawn)
    table = plot.table()
    np.testing.assert_allclose(
        table["JSD of the frame (nats)"],
        0.5 * np.log(2) * table["sJSD of the frame (dimensionless)"],
    )


@pytest.mark.parametrize("convention", ["amplitude", "intensity"])
@pytest.mark.parametrize("ratio", [False, True])
def test_structure_factor_with_its_shell_counts(
    make, history, frames, yardstick, convention, ratio
):
    plot = make("structure_factor", PlotChoices(convention=convention, ratio=ratio))
    plot.show(history, ShownFrame())
    mean = np.mean([getattr(frame, convention) for frame in frames], axis=0)
    reference = getattr(yardstick.reference, convention)
    np.testing.assert_allclose(line(plot, "generated"), mean / reference if ratio else mean)
    shells = yardstick.settings.shells
    (strip,) = plot.axes.child_axes
    assert [bar.get_height() for bar in strip.patches] == shells.counts.tolist()
    assert strip.get_xlim() == plot.axes.get_xlim()
    told = plot.read(*centre(plot, float(shells.q[2]) + 0.02))
    assert told == (
        f"q = {shells.q[2]:.2f} 1/Å, S = {mean[2]:.3g} electrons (reference {reference[2]:.3g}, "
        f"ratio {mean[2] / reference[2]:.3f})\n{shells.counts[2]} points in the shell"
    )
    assert plot.table()[f"generated S(q) {convention} (electrons)"] == pytest.approx(mean)


def test_strip_stays_inside_the_box_given(make):
    plot = make("structure_factor")
    plot.set_box((0.1, 0.2, 0.8, 0.7))
    plot.axes.figure.canvas.draw()
    _, height = plot.axes.figure.canvas.get_width_height()
    boxes = [plot.axes.get_window_extent(), plot.axes.child_axes[0].get_window_extent()]
    assert max(box.y1 for box in boxes) == pytest.approx(0.9 * height, abs=1)
    assert min(box.y0 for box in boxes) == pytest.approx(0.2 * height, abs=1)


def test_correlation_is_the_growing_one_of_the_shells_chosen(make, history, yardstick):
    plot = make("correlation", PlotChoices(shells=(1, 3)))
    plot.show(history, ShownFrame())
    growing, known = history.scattering, yardstick.series.scattering
    half = history.n // 2 + 1
    q = yardstick.settings.waves.q
    for shell in (1, 3):
        drawn = line(plot, f"{q[shell]:.2f}/Å")
        np.testing.assert_allclose(drawn, growing.normalised[shell, :half])
    table = plot.table()
    name = f"q = {q[3]:.4f} 1/Å"
    np.testing.assert_allclose(table[f"reference F(q,t) (electrons) at {name}"], known.values[3])
    assert table["generated time origins"][:3].tolist() == [16, 15, 14]
    told = plot.read(8.0, float(growing.normalised[3, 2]))
    assert f"q = {q[3]:.2f} 1/Å ({yardstick.settings.waves.counts[3]} points), t = 8 fs" in told
    assert "from 14 time origins" in told
    assert f"{known.normalised[3, 2]:.3f}".replace("-", "−") in told
    assert "from 22" in told


def test_correlation_grows_with_the_rollout(make, frames, yardstick):
    plot = make("correlation", PlotChoices(shells=(0,)), live=True)
    rollout = RolloutHistory(yardstick.settings, yardstick.reference)
    lengths = []
    for k, frame in enumerate(frames):
        rollout.add(k, 100.0 + STEP * k, frame)
        plot.show(rollout, ShownFrame())
        lengths.append(len(line(plot, f"{yardstick.settings.waves.q[0]:.2f}/Å")))
    assert lengths == [0, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9]
    assert plot.axes.get_xlim()[1] >= 8 * STEP


def test_usual_shells_lie_around_the_main_peak_and_are_well_sampled():
    waves = density_waves(PeriodicGrid(8.66 * np.eye(3), (32, 32, 32)))
    chosen = usual_shells(waves)
    assert len(chosen) == 3
    assert all(1.0 <= waves.q[shell] <= 2.6 for shell in chosen)
    assert all(waves.counts[shell] >= 12 for shell in chosen)
    small = density_waves(PeriodicGrid(2.0 * np.eye(3), (8, 8, 8)))
    assert usual_shells(small) == (0,)


def test_electrons_and_extremes_are_those_of_each_frame(make, history, frames, yardstick):
    electrons = make("electrons")
    electrons.show(history, ShownFrame(104.0))
    counts = [frame.electrons for frame in frames]
    np.testing.assert_allclose(line(electrons, "generated"), counts)
    expected = yardstick.reference.electrons
    told = electrons.read(*centre(electrons, 104.0))
    assert f"{counts[1]:.3f} electrons" in told
    assert f"{100 * (counts[1] / expected - 1):+.3f} %".replace("-", "−") in told
    extremes = make("extremes")
    extremes.show(history, ShownFrame(104.0))
    (above,) = extremes.axes.child_axes
    drawn = next(x for x in above.lines if x.get_label() == "generated").get_ydata()
    np.testing.assert_allclose(drawn, [frame.maximum for frame in frames])
    np.testing.assert_allclose(line(extremes, "generated"), [frame.minimum for frame in frames])
    told = extremes.read(*centre(extremes, 104.0))
    assert f"minimum {frames[1].minimum:.3g}" in told
    assert above.get_xlim() == extremes.axes.get_xlim()


@pytest.mark.parametrize("name", ["divergence", "electrons", "extremes"])
def test_far_from_every_frame_nothing_is_read(make, history, name):
    plot = make(name, time_range=(0.0, 1000.0))
    assert plot.read(*centre(plot, 100.0)) == ""
    plot.show(history, ShownFrame())
    assert plot.read(*centre(plot, 100.0)) != ""
    assert plot.read(*centre(plot, 700.0)) == ""


def test_plots_without_levels_and_series(yardstick, history):
    bare = Yardstick(yardstick.settings, yardstick.reference, None)
    for name in PLOTS:
        _, plot = single_plot(
            lambda axes, palette, name=name: build_plot(name, axes, palette, bare, PlotChoices()),
            LIGHT,
        )
        plot.show(history, ShownFrame())
        plot.axes.figure.canvas.draw()
        assert plot.table()


def test_unknown_plots_are_a_mistake(make):
    with pytest.raises(KeyError, match="nothing"):
        make("nothing")


def test_thinned_lines_keep_extremes_and_are_short():
    values = np.random.default_rng(0).normal(size=54_321)
    times = 4.0 * np.arange(len(values))
    x, y = thinned(times, values)
    assert len(x) <= 400
    assert (y.min(), y.max()) == (values.min(), values.max())
    assert np.all(np.diff(x) >= 0)


def test_csv_has_its_origin_in_comments_and_every_number():
    table = {"time (fs)": np.array([0.0, 4.0, 8.0]), 'of "a", b (nats)': np.array([1 / 3, np.nan])}
    text = csv_text(table, {"model": "m", "versions": {"numpy": "2"}}, "A plot")
    lines = text.splitlines()
    assert lines[:3] == ["# A plot", "# model: m", '# versions: {"numpy": "2"}']
    rows = list(csv.reader(io.StringIO("\n".join(lines[3:]))))
    assert rows[0] == list(table)
    assert [float(row[0]) for row in rows[1:]] == [0.0, 4.0, 8.0]
    assert float(rows[1][1]) == pytest.approx(1 / 3, rel=1e-9)
    assert [row[1] for row in rows[2:]] == ["", ""]
    assert tsv_text({"a": [1.0], "b": [2.5]}) == "a\tb\n1\t2.5\n"
