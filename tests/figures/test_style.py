from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from napari_eldyn.figures.style import DARK, LIGHT, context, palette_on

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
COLOUR_BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "none": np.eye(3),
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear sRGB, D65."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = matrix @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", COLOUR_BLIND)
def test_lines_are_told_apart_with_any_colour_vision(palette, vision):
    colours = [palette.reference, *palette.generated]
    seen = [lab(COLOUR_BLIND[vision] @ linear(colour)) for colour in colours]
    # A difference of 2.3 is just noticeable side by side; thin lines need much more.
    for first, second in combinations(seen, 2):
        assert np.linalg.norm(first - second) > 15


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_writing_and_lines_stand_out_from_the_background(palette):
    def relative_luminance(colour):
        return float(np.dot([0.2126, 0.7152, 0.0722], linear(colour)))

    background = relative_luminance(palette.background)
    for colour, least in (
        (palette.text, 7.0),
        (palette.muted, 4.5),
        (palette.reference, 4.5),
        (palette.warning, 4.5),
        (palette.persistence, 4.5),
        (palette.mean_field, 4.5),
        (palette.generated[0], 3.0),
        (palette.generated[1], 3.0),
    ):
        high, low = sorted((relative_luminance(colour), background), reverse=True)
        assert (high + 0.05) / (low + 0.05) > least, colour


def test_context_leaves_global_settings_alone():
    # Reading "backend" would choose one.
    keys = [key for key in matplotlib.rcParams if key != "backend"]
    before = {key: matplotlib.rcParams[key] for key in keys}
    with context(DARK, size=9.0):
        assert matplotlib.rcParams["pdf.fonttype"] == 42
        assert matplotlib.rcParams["axes.labelsize"] == 9.0
    assert {key: matplotlib.rcParams[key] for key in keys} == before


def test_figures_need_no_pyplot():
    code = "import sys, napari_eldyn.figures.kinds; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "False", answer.stderr


@pytest.mark.parametrize(
    ("background", "text", "dark"),
    [("#23242b", "#f0f1f2", True), ("#ebe7e6", "#1e1e21", False), ("white", "black", False)],
)
def test_palette_takes_on_the_colours_of_a_window(background, text, dark):
    palette = palette_on(background, text)
    assert palette.is_dark is dark
    assert to_rgb(palette.background) == to_rgb(background)
    assert palette.generated == (DARK if dark else LIGHT).generated
