"""Presets: what journals ask for reaches the figures, and nothing is cut or covered."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.fig2 import Fig2Data
from napari_eldyn.figures.fig3 import Fig3Options, draw_fig3, fig3_data
from napari_eldyn.figures.kinds import FIGURE_KINDS
from napari_eldyn.figures.presets import COLUMNS, PRESETS, figure_style, font_of
from napari_eldyn.figures.training_figures import FigS2Data, TrainingCurve, figs1_data

NAMES = ("spatial_li32 · seed 0", "a model without sJSD and with a long name", "pooled · seed 1")
JOURNALS = {  # widths in mm of one and two columns, smallest text in points
    "aps": (86, 178, 8),
    "acs": (82.5, 177.8, 4.5),
    "aip": (85, 170, 8),
    "nature": (89, 183, 5),
    "elsevier": (90, 190, 6),
    "rsc": (83, 171, 7),
}


@pytest.fixture(scope="module")
def data(levels, generated):
    rng = np.random.default_rng(0)
    pooled = dict(zip(NAMES, [generated["good"], generated["narrow"]] * 2, strict=False))
    steps = np.arange(1, 2001)
    curves = tuple(
        TrainingCurve(name=name, steps=steps, values=np.exp(-steps / 900), source="log")
        for name in NAMES
    )
    return {
        "fig2": Fig2Data(
            names=("reference", *NAMES),
            times=(4.0, 60.0, 116.0, 172.0, 228.0),
            planes=rng.normal(size=(4, 5, 12, 12)).astype(np.float32),
            vectors=((8.66, 0.0), (0.0, 8.66)),
        ),
        "fig3": fig3_data(levels.reference, pooled, levels),
        "s1": figs1_data(levels.reference, "140 training frames"),
        "s2": FigS2Data(curves=curves, quantity="mse"),
    }


def texts_of(figure):
    """Every text that is drawn, with its box in pixels."""
    drawn = {}
    draw = Text.draw

    def recorded(self, renderer):
        draw(self, renderer)
        drawn[id(self)] = self

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", recorded)
        figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    seen = [text for text in drawn.values() if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent(renderer), text) for text in seen]
    return [entry for entry in boxes if entry[1].width > 0]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("preset", ["aps", "nature", "slide"])
@pytest.mark.parametrize("kind", ["fig2", "fig3", "s1", "s2"])
def test_every_word_is_on_the_paper_and_none_covers_another(data, kind, preset, columns):
    style = figure_style(preset, columns)
    with style.context():
        figure = FIGURE_KINDS[kind].draw(data[kind], style, FIGURE_KINDS[kind].options())
        figure.set_dpi(style.dpi)
        texts = texts_of(figure)
        width, height = figure.canvas.get_width_height()
    assert figure.get_size_inches()[1] <= style.largest_height + 1e-6
    for text, box, _ in texts:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y1 <= height + 1, text
    for i, (first, a, one) in enumerate(texts):
        for second, b, other in texts[i + 1 :]:
            if one is other:
                continue
            overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            # Boxes are higher than their letters; tick labels may touch at a corner.
            assert min(overlap) <= 0.3 * one.get_size() * figure.dpi / 72, (first, second)


@pytest.mark.parametrize("preset", JOURNALS)
def test_figures_are_as_wide_as_the_columns_and_readable(data, preset):
    for columns, width in zip(COLUMNS, JOURNALS[preset], strict=False):
        style = figure_style(preset, columns)
        with style.context():
            figure = draw_fig3(data["fig3"], style, Fig3Options())
            figure.set_dpi(style.dpi)
        texts = texts_of(figure)
        assert 25.4 * figure.get_size_inches()[0] == pytest.approx(width, abs=0.05)
        assert min(text.get_size() for *_, text in texts) >= JOURNALS[preset][2]
        widths = [line.get_linewidth() for axes in figure.axes for line in axes.lines]
        assert min(widths) >= 0.5


def test_a_style_changes_nothing_outside_itself():
    before = {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}
    with figure_style("nature").context():
        assert matplotlib.rcParams["font.size"] == 7
    assert before == {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != "backend"}


def test_a_replaced_font_is_told():
    for preset in PRESETS:
        family, replaced = font_of(preset)
        assert bool(replaced) == (family not in PRESETS[preset].families)
        assert not replaced or family in replaced
    assert font_of("report") == ("DejaVu Sans", "")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"preset": "apz"}, "there is no preset 'apz'. Use aps, acs"),
        ({"columns": "triple"}, "there is no width 'triple'. Use single or double"),
        ({"theme": "sepia"}, "there is no theme 'sepia'"),
        ({"dpi": 10}, "10 dots per inch are not possible"),
    ],
)
def test_impossible_choices_are_refused(choice, message):
    with pytest.raises(EldynError, match=message):
        figure_style(**choice)


def test_dark_figures_are_dark(data):
    style = figure_style("aps", theme="dark")
    with style.context():
        figure = draw_fig3(data["fig3"], style, Fig3Options())
    assert sum(to_rgb(figure.get_facecolor())) < 1.0


def test_both_panels_of_fig3_are_in_one_figure(data):
    beside = draw_fig3(data["fig3"], figure_style("aps", "double"), Fig3Options())
    below = draw_fig3(data["fig3"], figure_style("aps", "single"), Fig3Options())
    for figure, apart in ((beside, 0), (below, 1)):
        figure.canvas.draw()
        distribution, factor = (axes.get_position() for axes in figure.axes[:2])
        assert (distribution.x1 < factor.x0) == (apart == 0)
        assert (distribution.y0 > factor.y1) == (apart == 1)
        letters = [t.get_text() for axes in figure.axes for t in axes.texts]
        assert letters == ["(a)", "(b)"]


def test_fig3_shows_the_numbers_of_its_data(data):
    shown = data["fig3"]
    figure = draw_fig3(shown, figure_style(), Fig3Options(convention="intensity"))
    factor, ratio = figure.axes[1:3]
    lines = {line.get_label(): line.get_ydata() for line in factor.lines}
    np.testing.assert_allclose(lines[NAMES[0]], shown.intensities[0])
    ratios = {line.get_label(): line.get_ydata() for line in ratio.lines}
    np.testing.assert_allclose(ratios[NAMES[0]], shown.intensities[0] / shown.reference_intensity)


def test_s1_states_the_fit(data):
    style = figure_style()
    with style.context():
        figure = FIGURE_KINDS["s1"].draw(data["s1"], style, FIGURE_KINDS["s1"].options())
        stated = " ".join(text for text, *_ in texts_of(figure))
    for part in ("−2.900", "0.270", "skew", "140 training frames"):
        assert part in stated
