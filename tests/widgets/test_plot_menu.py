"""Copying and saving one plot: every format, with its origin, whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image
from qtpy.QtGui import QColor, QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.live_plot import LivePlot
from napari_eldyn.figures.single_plot import PRINT_SIZE, single_plot
from napari_eldyn.figures.style import DARK, LIGHT, Palette
from napari_eldyn.widgets.plot_menu import COPY_DPI, PlotMenu, PlotSource, save_plot

ORIGIN = {"model_name": "a model", "model_sha256": "ab12", "seed": 7, "versions": {"numpy": "2"}}
TABLE = {"time (fs)": np.array([0.0, 4.0]), "electrons": np.array([36.5, 36.75])}


def build(axes: Axes, palette: Palette) -> LivePlot:
    axes.plot([0, 4], [1, 2], color=palette.generated[0])
    axes.set_xlabel("time (fs)")
    return LivePlot(axes, palette)


@pytest.fixture
def source():
    def picture():
        figure, _ = single_plot(build, DARK, (3.0, 1.5), dpi=COPY_DPI)
        figure.canvas.draw()
        return figure

    return PlotSource(
        title="Electron count",
        picture=picture,
        figure=lambda: single_plot(build, LIGHT)[0],
        table=lambda: TABLE,
        provenance=lambda: ORIGIN,
    )


@pytest.fixture
def menu(qtbot, source):
    menu = PlotMenu(source)
    qtbot.addWidget(menu)
    return menu


def choose(monkeypatch, answer):
    asked = []

    def dialog(parent, title, suggested, filters):
        asked.append((suggested, filters))
        return str(answer), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", dialog)
    return asked


def test_vector_files_keep_text_as_text_and_carry_their_origin(source, tmp_path):
    for kind in ("svg", "pdf"):
        save_plot(source, tmp_path / f"plot.{kind}")
    svg = (tmp_path / "plot.svg").read_text()
    assert ">time (fs)</text>" in svg
    assert "model_sha256" in svg
    assert "ab12" in svg
    pdf = (tmp_path / "plot.pdf").read_bytes()
    assert b"/Type0" in pdf or b"/TrueType" in pdf
    assert b"ab12" in pdf


def test_png_is_column_wide_at_300_dots_per_inch_on_white(source, tmp_path):
    save_plot(source, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.size == tuple(int(300 * inches) for inches in PRINT_SIZE)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
        assert json.loads(image.info["Description"]) == ORIGIN


def test_csv_holds_the_numbers_under_their_origin(source, tmp_path):
    save_plot(source, tmp_path / "plot.CSV")
    lines = (tmp_path / "plot.CSV").read_text().splitlines()
    assert lines[0] == "# Electron count"
    assert "# seed: 7" in lines
    assert lines[-3:] == ["time (fs),electrons", "0,36.5", "4,36.75"]


def test_other_endings_and_bad_places_are_refused_whole(source, tmp_path):
    with pytest.raises(EldynError, match="not saved as"):
        save_plot(source, tmp_path / "plot.docx")
    for kind in ("pdf", "csv"):
        with pytest.raises(EldynError, match="cannot write"):
            save_plot(source, tmp_path / "nowhere" / f"plot.{kind}")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_fails_leaves_the_earlier_file(source, tmp_path, monkeypatch):
    path = tmp_path / "plot.svg"
    save_plot(source, path)
    before = path.read_bytes()
    import napari_eldyn.density.files as files

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(EldynError, match="no space left"):
        save_plot(source, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["plot.svg"]


def test_copied_picture_is_what_is_seen_at_twice_the_resolution(menu):
    told = []
    menu.done.connect(told.append)
    menu.actions()[0].trigger()
    image = QGuiApplication.clipboard().image()
    assert (image.width(), image.height()) == (576, 288)
    assert image.pixelColor(3, 3) == QColor(DARK.background)
    assert told == ["Picture copied (576 × 288 pixels)."]


def test_copied_data_pastes_into_columns(menu):
    menu.actions()[1].trigger()
    text = QGuiApplication.clipboard().text()
    assert text == "time (fs)\telectrons\n0\t36.5\n4\t36.75\n"


@pytest.mark.parametrize("kind", ["pdf", "svg", "png", "csv"])
def test_saving_asks_and_adds_the_ending(menu, monkeypatch, tmp_path, kind):
    asked = choose(monkeypatch, tmp_path / "of mine")
    told = []
    menu.done.connect(told.append)
    menu.ask_and_save(kind)
    assert asked[0][0].endswith(f"electron_count.{kind}")
    assert f"*.{kind}" in asked[0][1]
    assert (tmp_path / f"of mine.{kind}").stat().st_size > 50
    assert told == [f"Saved of mine.{kind}."]
    menu.ask_and_save(kind)  # the folder is remembered
    assert asked[1][0] == str(tmp_path / f"electron_count.{kind}")


def test_no_answer_saves_nothing(menu, monkeypatch, tmp_path):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    told = []
    menu.done.connect(told.append)
    menu.failed.connect(told.append)
    menu.ask_and_save("pdf")
    assert told == []


def test_every_entry_says_what_it_does(menu):
    entries = [entry for entry in menu.actions() if not entry.isSeparator()]
    assert [entry.text() for entry in entries] == [
        "Copy picture",
        "Copy data",
        "Save as PDF …",
        "Save as SVG …",
        "Save as PNG …",
        "Save data as CSV …",
    ]
    assert all(entry.toolTip() not in ("", entry.text()) for entry in entries)
