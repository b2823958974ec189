"""The figures of an evaluation: what they show, and that nothing is cut or covered."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle

from napari_eldyn.evaluation.drawing_paper import distribution_figure, structure_factor_figure
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.bounds_plot import (
    RatioPoints,
    noise_ratio_figure,
    reconstruction_figure,
    relaxation_ratio_figure,
)
from napari_eldyn.figures.ensemble_plot import EnsembleCurves, ensemble_figure
from napari_eldyn.figures.fig2 import Fig2Data, Fig2Options, draw_fig2
from napari_eldyn.figures.forecast_plot import forecast_figure
from napari_eldyn.figures.layout import smoothed
from napari_eldyn.figures.nearness_plot import nearness_figure
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.saving import inline_svg
from napari_eldyn.figures.scattering_plot import (
    Relaxation,
    ShellCurves,
    relaxation_figure,
    scattering_figure,
    spectrum_figure,
)
from napari_eldyn.figures.style import LIGHT
from napari_eldyn.figures.time_series import TimeSeries, time_series_figure
from napari_eldyn.figures.training_figures import (
    FigS2Data,
    FigS2Options,
    TrainingCurve,
    draw_figs2,
)
from napari_eldyn.figures.windows_plot import WindowCurves, windows_figure
from napari_eldyn.observables.forecast import ForecastErrors

WARNING = to_rgba(LIGHT.warning)
NAMES = ("a model with sJSD", "a model without sJSD and with a long name", "third")
Q = [0.73, 1.03, 1.26, 1.46]
COUNTS = [6, 12, 8, 6]


def planes(n, rng=None):
    rng = rng or np.random.default_rng(0)
    return [rng.normal(size=(10, 12)) for _ in range(n)]


REPORT = FigureStyle("report", "single")


def slices(names=NAMES):
    data = Fig2Data(
        names=("reference", *names),
        times=(4.0, 60.0, 116.0, 172.0, 2280.0),
        planes=np.array([planes(5) for _ in range(1 + len(names))]),
        vectors=((8.66, 0.0), (0.0, 9.5)),
    )
    return draw_fig2(data, FigureStyle("report", "double"), Fig2Options())


def curves(scale):
    x = 4.0 * np.arange(60)
    values = np.array([np.exp(-x / (scale * 40 / q)) * np.cos(x / 60) for q in Q])
    return ShellCurves(x, values, (values - 0.1, values + 0.1))


def series(seed, n=200):
    rng = np.random.default_rng(seed)
    return TimeSeries(
        10.0 * np.arange(1, n + 1),
        36.8 + 0.05 * rng.normal(size=n),
        10.0 ** rng.normal(-2, 0.2, size=n),
        0.16 + 0.02 * rng.normal(size=n - 1),
    )


def errors(scale):
    lead = 4.0 * np.arange(1, 41)
    grown = scale * (1 - np.exp(-lead / 50))
    return ForecastErrors(
        np.arange(40), np.arange(1, 41), lead, 30 * grown, 25 * grown, 2 * grown,
        32 * grown, 2.2 * grown, np.full(40, 20.0), np.full(40, 1.0),
    )  # fmt: skip


def ensembles():
    lead = 4.0 * np.arange(1, 31)
    rising = EnsembleCurves(lead, lead / 100, np.full(30, 0.7))
    flat = EnsembleCurves(lead, np.full(30, 0.55), np.full(30, 1.0))
    single = EnsembleCurves(lead, lead / 60, None)
    return ensemble_figure(
        dict.fromkeys(NAMES, rising),
        {"persistence": single, "climatology": flat, "latent autoregression": flat},
    )


def relaxation():
    q = np.array([0.73, 1.03, 1.26, 1.46, 1.63, 1.79])
    reference = Relaxation(q, 60 / q, 5 / q)
    return relaxation_figure(
        reference, {name: Relaxation(q, np.r_[np.nan, 50 / q[1:]], None) for name in NAMES}
    )


def windows():
    rng = np.random.default_rng(0)
    return windows_figure(
        {
            name: WindowCurves(
                2.0 + 4.0 * np.arange(10),
                0.1 * rng.normal(size=10),
                rng.uniform(1e-3, 3e-3, 10),
                rng.uniform(2, 5, 10),
                np.r_[rng.uniform(0.95, 1.05, 9), np.nan],
            )
            for name in NAMES
        },
        {"sjsd": (0, 1e-3), "structure_factor": (0, 3.0), "steps": (0.99, 1.01)},
    )


def noise_ratios(scale=1.0):
    q = 0.36 * np.arange(2, 31)
    ratios = {name: scale * (0.2 + k) * q**2 for k, name in enumerate(NAMES)}
    return noise_ratio_figure(q, {"amplitude": ratios, "intensity": ratios})


def relaxation_ratios():
    known = np.array([False, True, True, False])
    points = RatioPoints(np.array(Q), np.array([1.5, 1.1, 0.9, np.nan]), np.full(4, 0.1), known)
    return relaxation_ratio_figure(dict.fromkeys(NAMES, points))


def reconstructions():
    return reconstruction_figure(
        ["plain", "shifted", "rotated"],
        {name: [1.5 + k, 1.6 + k, 1.55 + k] for k, name in enumerate(NAMES)},
        {name: [0.5 + k, 0.6 + k, 0.55 + k] for k, name in enumerate(NAMES)},
    )


def training_curves():
    steps = np.arange(1, 3201)
    curves = tuple(
        TrainingCurve(name=name, steps=steps, values=np.exp(-steps / 900), source="log")
        for name in NAMES
    )
    return draw_figs2(FigS2Data(curves=curves, quantity="mse"), REPORT, FigS2Options())


MAKERS = {
    "slices": slices,
    "scattering": lambda: scattering_figure(
        Q, COUNTS, curves(1), {name: curves(0.5) for name in NAMES}
    ),
    "spectrum": lambda: spectrum_figure(
        Q, COUNTS, curves(1), {name: curves(0.5) for name in NAMES}
    ),
    "relaxation": relaxation,
    "relaxation_ratio": relaxation_ratios,
    "windows": windows,
    "noise_ratio": noise_ratios,
    "noise_ratio_of_a_good_model": lambda: noise_ratios(0.02),
    "reconstruction": reconstructions,
    "time_series": lambda: time_series_figure(
        series(0, 60), {name: series(k + 1) for k, name in enumerate(NAMES)}, interval=4.0
    ),
    "forecast": lambda: forecast_figure({name: errors(1 + k) for k, name in enumerate(NAMES)}),
    "ensemble": ensembles,
    "nearness": lambda: nearness_figure(
        np.linspace(1, 1.4, 40),
        {name: np.linspace(0.2 * k, 0.5, 50) for k, name in enumerate(NAMES)},
        label="distance (dimensionless)",
    ),
    "training_curves": training_curves,
}


def visible_texts(figure):
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    found = []
    for axes in [*figure.axes, *(child for a in figure.axes for child in a.child_axes)]:
        for text in [
            axes.title,
            axes.xaxis.label,
            axes.yaxis.label,
            *axes.get_xticklabels(),
            *axes.get_yticklabels(),
            *axes.texts,
        ]:
            box = text.get_window_extent(renderer)
            low, high = sorted(axes.get_xlim())
            if not text.get_visible() or not text.get_text() or box.width == 0:
                continue
            if text in axes.get_xticklabels() and not low <= text.get_position()[0] <= high:
                continue
            low, high = sorted(axes.get_ylim())
            if text in axes.get_yticklabels() and not low <= text.get_position()[1] <= high:
                continue
            found.append((text.get_text(), box))
    found += [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    legends = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    for legend in legends:
        found += [(t.get_text(), t.get_window_extent(renderer)) for t in legend.get_texts()]
    return found, legends


@pytest.mark.parametrize("name", MAKERS)
def test_every_word_is_on_the_paper_and_none_covers_another(name):
    figure = MAKERS[name]()
    texts, legends = visible_texts(figure)
    width, height = figure.canvas.get_width_height()
    for text, box in texts:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for i, (first, a) in enumerate(texts):
        for second, b in texts[i + 1 :]:
            overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            # Tick labels may touch at a corner.
            assert min(overlap) <= 2.0, (first, second)
    # A legend above the axes must not reach into them.
    renderer = figure.canvas.get_renderer()
    for legend in legends:
        assert isinstance(legend, Legend)
        bottom = legend.get_window_extent(renderer).y0
        assert all(bottom >= axes.get_window_extent(renderer).y1 - 1 for axes in figure.axes)


@pytest.mark.parametrize("make", [distribution_figure, structure_factor_figure])
@pytest.mark.parametrize("count", [1, 3])
def test_legend_of_the_statistics_stays_above_them(levels, generated, make, count):
    figure = make(levels, dict.fromkeys(NAMES[:count], generated["good"]))
    texts, (legend,) = visible_texts(figure)
    lowest = legend.get_window_extent().y0
    assert all(lowest >= axes.get_window_extent().y1 - 2 for axes in figure.axes)
    width, height = figure.canvas.get_width_height()
    assert all(box.x1 <= width and box.y1 <= height for _, box in texts)


def test_slices_share_one_scale_and_show_the_planes():
    figure = slices()
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 20
    assert len({image.get_clim() for image in images}) == 1
    reference = np.concatenate([plane.ravel() for plane in planes(5)])
    np.testing.assert_allclose(images[0].get_clim(), np.quantile(reference, [0.002, 0.998]))
    # The first index of a plane is y, along the horizontal axis.
    np.testing.assert_array_equal(images[0].get_array(), planes(1)[0].T)
    assert images[0].get_extent() == [0, 8.66, 0, 9.5]
    words = [text.get_text() for text in figure.texts]
    assert words[:5] == ["4 fs", "60 fs", "116 fs", "172 fs", "2280 fs"]
    assert "normalised density" in figure.axes[-1].get_ylabel()


def test_a_single_rollout_and_a_missing_slice_are_drawn():
    shown = np.array([planes(2), planes(2)])
    shown[0, 1] = np.nan
    vectors = ((8.0, 0.0), (0.0, 8.0))
    rows = ("reference", "only")
    data = Fig2Data(names=rows, times=(4.0, 8.0), planes=shown, vectors=vectors)
    figure = draw_fig2(data, REPORT, Fig2Options())
    assert sum(bool(axes.images) for axes in figure.axes) == 3
    with pytest.raises(ValueError, match="do not fill 2 rows of 1 times"):
        Fig2Data(names=rows, times=(4.0,), planes=shown, vectors=vectors)


def test_training_curves_show_each_step_and_its_running_geometric_mean():
    figure = training_curves()
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    raw, mean = axes.lines[:2]
    assert len(raw.get_xdata()) == 3200
    # The geometric mean of an exponential is the exponential itself, away from the ends.
    inner = slice(100, -100)
    np.testing.assert_allclose(mean.get_ydata()[inner], raw.get_ydata()[inner], rtol=1e-3)
    with pytest.raises(ValueError, match="there is no curve"):
        FigS2Data(curves=(), quantity="mse")


def test_smoothing_averages_neighbours_and_keeps_the_length():
    values = np.random.default_rng(0).normal(size=50)
    result = smoothed(values, 5)
    assert len(result) == 50
    np.testing.assert_allclose(result[20], values[18:23].mean())
    np.testing.assert_allclose(result[0], values[:3].mean())


def test_time_series_shades_where_the_reference_is():
    reference = series(0, 60)
    figure = time_series_figure(reference, {"one": series(1)}, interval=4.0)
    for axes, quantity in zip(figure.axes, ("electrons", "steps", "sjsd"), strict=True):
        band = next(patch for patch in axes.patches if isinstance(patch, Rectangle))
        low, high = np.quantile(getattr(reference, quantity), (0.05, 0.95))
        assert band.get_y() == pytest.approx(low)
        assert band.get_y() + band.get_height() == pytest.approx(high)
        shown = series(1)
        line = next(line for line in axes.lines if len(line.get_xdata()) > 100)
        np.testing.assert_array_equal(line.get_ydata(), getattr(shown, quantity))
        # A step ends at the later of its two frames.
        assert line.get_xdata()[-1] == shown.times[-1]
    assert "4 fs" in figure.axes[1].get_ylabel()


def test_forecast_draws_naive_forecasts_beside_the_model():
    figure = forecast_figure({"one": errors(1)})
    nmae, mse = figure.axes
    assert len(nmae.lines) == 4
    assert len(mse.lines) == 3
    colours = {to_rgba(line.get_color()) for line in mse.lines}
    wanted = (LIGHT.persistence, LIGHT.mean_field, LIGHT.generated[0])
    assert colours == {to_rgba(colour) for colour in wanted}
    with pytest.raises(EldynError, match="no forecast"):
        forecast_figure({})


def test_scattering_shows_the_band_and_the_level_of_relaxation():
    figure = scattering_figure(Q[:3], COUNTS[:3], curves(1), {"one": curves(0.5)})
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert any(np.allclose(line.get_ydata(), 1 / np.e) for line in axes.lines)
        assert len(axes.collections) == 1
    assert "(fs)" in figure.axes[1].get_xlabel()
    with pytest.raises(EldynError, match="one to four"):
        scattering_figure([], [], curves(1), {})


def test_distances_are_shown_as_shares_of_frames():
    held, ours = np.linspace(1, 1.4, 40), np.linspace(0.2, 0.5, 70)
    figure = nearness_figure(held, {"one": ours}, label="distance")
    steps = [patch.get_data().values for patch in figure.axes[0].patches]
    assert [values.sum() for values in steps] == pytest.approx([1, 1, 1])


def test_inline_pictures_have_their_own_names_and_a_description():
    first = inline_svg(slices(), "one", 'Slices of "this" & that')
    second = inline_svg(slices(), "two", "Slices")
    assert first.startswith("<svg")
    assert 'aria-label="Slices of &quot;this&quot; &amp; that"' in first
    assert "width=" not in first.split(">", 1)[0]
    assert "viewBox" in first.split(">", 1)[0]
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "data:image/png;base64," in first


def test_bounds_are_drawn_where_they_are():
    amplitude, intensity = noise_ratios().axes
    for axes in (amplitude, intensity):
        (bound,) = (line for line in axes.lines if to_rgba(line.get_color()) == WARNING)
        assert set(bound.get_ydata()) == {2.0}
        assert axes.get_yscale() == "log"
    nmae, noise = reconstructions().axes
    assert [len(axes.patches) for axes in (nmae, noise)] == [9, 9]
    assert sorted(bar.get_height() for bar in nmae.patches)[0] == 1.5
    electrons, _, _, steps = windows().axes
    bounds = [line for line in electrons.lines if to_rgba(line.get_color()) == WARNING]
    assert sorted(line.get_ydata()[0] for line in bounds) == [-0.5, 0.5]
    (band,) = (patch for patch in steps.patches if isinstance(patch, Rectangle))
    assert (band.get_y(), band.get_height()) == pytest.approx((0.99, 0.02))
    (axes,) = relaxation_ratios().axes
    (band,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert (band.get_y(), band.get_height()) == pytest.approx((0.8, 0.4))
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert [len(line.get_xdata()) for line in hollow] == [1, 1, 1]


def test_a_forecast_looks_the_same_in_every_figure():
    lead = np.array([4.0, 8.0])
    curve = EnsembleCurves(lead, lead, None)
    one = ensemble_figure({"m": curve}, {"latent autoregression": curve})
    other = ensemble_figure(
        {"m": curve},
        dict.fromkeys(("persistence", "latent autoregression", "autoencoder"), curve),
        truth="the reconstruction",
    )
    looks = [(one.axes[0].lines[1]), other.axes[0].lines[2]]
    assert looks[0].get_color() == looks[1].get_color()
    assert looks[0].get_linestyle() == looks[1].get_linestyle()
    assert "the reconstruction" in other.axes[0].get_ylabel()
