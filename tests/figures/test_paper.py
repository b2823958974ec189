from __future__ import annotations

import json
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.spatial.distance import jensenshannon

from napari_eldyn.evaluation.drawing_paper import distribution_figure, structure_factor_figure
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.fig3 import Fig3Options, draw_fig3, fig3_data
from napari_eldyn.figures.presets import figure_style
from napari_eldyn.figures.saving import save_figure
from napari_eldyn.figures.style import DARK
from napari_eldyn.observables.statistics import RunningStatistics, StatisticsSettings


def settings():
    # Reading "backend" would choose one.
    return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_distribution_names_each_score_and_the_noise(levels, generated):
    figure = distribution_figure(levels, generated)
    texts = legend_texts(figure)
    assert [text.split(",")[0].split(" (sJSD")[0] for text in texts] == [
        "reference",
        "good",
        "narrow",
        "normal N(0",
    ]
    # scipy's distance is the square root of the JSD; Z = ½ ln 2.
    distance = jensenshannon(generated["narrow"].probabilities, levels.reference.probabilities)
    shown = float(re.search(r"sJSD ([\d.]+)$", texts[2]).group(1))
    assert shown == pytest.approx(distance**2 / (0.5 * np.log(2)), rel=0.05)
    assert "sJSD of its halves" in texts[0]


def test_upper_axis_is_the_density_of_the_lower_one(levels, generated):
    figure = distribution_figure(levels, generated)
    figure.canvas.draw()
    axes = figure.axes[0]
    top = axes.child_axes[0]
    normalisation = levels.reference.settings.normalisation
    limits = np.exp(normalisation.std * np.array(axes.get_xlim()) + normalisation.mean)
    np.testing.assert_allclose(top.get_xlim(), limits, rtol=1e-6)
    ticks = top.get_xticks()
    assert len(ticks) >= 2
    # A tick stands over its ρ̃ = (ln ρ − μ)/σ.
    for tick in ticks:
        above = top.transData.transform((tick, 0))[0]
        below = axes.transData.transform(
            ((np.log(tick) - normalisation.mean) / normalisation.std, 0)
        )[0]
        assert above == pytest.approx(below, abs=0.1)


@pytest.mark.parametrize("convention", ["amplitude", "intensity"])
def test_structure_factor_shows_values_ratio_and_shell_counts(levels, generated, convention):
    figure = structure_factor_figure(levels, generated, convention)
    values, ratio, modes = figure.axes
    reference = getattr(levels.reference, convention)
    lines = {line.get_label(): line.get_ydata() for line in values.lines}
    np.testing.assert_allclose(lines["reference"], reference)
    np.testing.assert_allclose(lines["good"], getattr(generated["good"], convention))
    ratios = {line.get_label(): line.get_ydata() for line in ratio.lines}
    np.testing.assert_allclose(ratios["good"], lines["good"] / reference)
    np.testing.assert_array_equal(
        modes.lines[0].get_ydata(), levels.reference.settings.shells.counts
    )
    assert "electrons" in values.get_ylabel()
    assert "1/Å" in modes.get_xlabel()
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_trajectories_counted_otherwise_are_refused(levels):
    settings = levels.reference.settings
    other = StatisticsSettings(settings.normalisation, settings.edges + 0.1, settings.shells)
    with pytest.raises(EldynError, match="'odd' was counted in other bins"):
        distribution_figure(levels, {"odd": RunningStatistics(other)})


@pytest.mark.parametrize("make", [distribution_figure, structure_factor_figure])
def test_saved_files_are_whole_sharp_and_searchable(tmp_path, levels, generated, make):
    before = settings()
    figure = make(levels, generated)
    pdf, png, svg = save_figure(figure, tmp_path / "figure.pdf", provenance={"seed": 7})
    assert settings() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "figure.pdf",
        "figure.png",
        "figure.svg",
    ]
    assert "&quot;seed&quot;: 7" in svg.read_text() or '{"seed": 7}' in svg.read_text()
    assert "<text" in svg.read_text()
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF")
    assert data.rstrip().endswith(b"%%EOF")
    # Text is text: TrueType fonts are embedded, glyphs are not drawn as outlines (Type 3).
    assert b"/FontFile2" in data
    assert b"/Type3" not in data
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=1)
        assert image.width == pytest.approx(3.386 * 300, abs=2)
        assert json.loads(image.info["Description"]) == {"seed": 7}


def test_same_figure_gives_same_bytes(tmp_path, levels, generated):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        figure = structure_factor_figure(levels, generated)
        save_figure(figure, tmp_path / name / "figure")
    for kind in ("pdf", "png", "svg"):
        first, second = (tmp_path / name / f"figure.{kind}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_dark_figures_keep_their_background(tmp_path, levels, generated):
    style = figure_style("report", theme="dark")
    data = fig3_data(levels.reference, generated, levels)
    figure = draw_fig3(data, style, Fig3Options(log=True))
    _, png, _ = save_figure(figure, tmp_path / "dark", style=style)
    with Image.open(png) as image:
        corner = np.array(image.convert("RGB").getpixel((3, 3))) / 255
    np.testing.assert_allclose(corner, to_rgb(DARK.background), atol=0.01)


def test_a_failed_save_leaves_the_earlier_figure(tmp_path, levels, generated):
    figure = distribution_figure(levels, generated)
    pdf, _, _ = save_figure(figure, tmp_path / "figure")
    earlier = pdf.read_bytes()
    # Something else has the name under which the file would be written.
    (tmp_path / "figure.pdf.partial").mkdir()
    with pytest.raises(EldynError, match=r"figure\.pdf: cannot write"):
        save_figure(figure, pdf)
    assert pdf.read_bytes() == earlier


def test_a_missing_folder_is_named(tmp_path, levels, generated):
    figure = distribution_figure(levels, generated)
    with pytest.raises(EldynError, match="nowhere"):
        save_figure(figure, tmp_path / "nowhere" / "figure")
