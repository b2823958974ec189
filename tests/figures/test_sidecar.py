"""Sidecars: a saved figure is drawn again without what it was made from."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.apart import draw_apart, save_apart
from napari_eldyn.figures.fig2 import Fig2Data, Fig2Options
from napari_eldyn.figures.fig3 import fig3_data
from napari_eldyn.figures.packing import pack_array, unpack_array
from napari_eldyn.figures.presets import figure_style
from napari_eldyn.figures.published import PublishedFigure, open_published, save_published
from napari_eldyn.figures.render_figure import RenderData

STORY = {"rollouts": {"good": {"recorded": {"seed": 7, "model_sha256": "ab" * 32}}}}


@pytest.fixture(scope="module")
def figures(levels, generated):
    rng = np.random.default_rng(0)
    planes = rng.normal(size=(2, 3, 12, 10)).astype(np.float32)
    planes[1, 2] = np.nan
    picture = rng.integers(0, 255, (40, 40, 4), dtype=np.uint8)
    projection = np.diag([4.0, 4.0, 1.0, 1.0])
    projection[:2, 3] = 4.0
    style = figure_style("aps", "single")
    return {
        "fig2": PublishedFigure(
            "fig2",
            Fig2Data(
                names=("reference", "good"), times=(4.0, 8.0, 12.0), planes=planes,
                vectors=((8.0, 0.0), (1.0, 7.0)),
            ),
            style,
            Fig2Options(title="Lithium"),
            STORY,
        ),
        "fig3": PublishedFigure(
            "fig3", fig3_data(levels.reference, generated, levels), style, None, STORY
        ),
        "volume": PublishedFigure(
            "volume",
            RenderData(
                names=("reference", "good"), times=(4.0,), pictures=((picture,), (None,)),
                cell=((8.0, 0, 0), (0, 8.0, 0), (0, 0, 8.0)), origin=(0.0, 0.0, 0.0),
                projection=projection, view_direction=(0.0, 0.0, 1.0), rendering="mip",
                level=None, colours=np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4),
                limits=(0.05, 0.13), quantity=r"density $\rho$ (electrons/Å³)",
            ),
            style,
            None,
            STORY,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["fig2", "fig3", "volume"])
def test_the_same_figure_comes_back_byte_by_byte(tmp_path, figures, kind):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    files = save_published(figures[kind], first / "figure")
    again = open_published(files[-1])
    save_published(again, second / "figure")
    names = {path.name for path in first.iterdir()}
    assert {"figure.pdf", "figure.svg", "figure.png", "figure.figure.json"} <= names
    assert names == {path.name for path in second.iterdir()}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_another_preset_restyles_the_same_data(tmp_path, figures):
    path = save_published(figures["fig3"], tmp_path / "figure")[-1]
    restyled = open_published(path).restyled(preset="nature", columns="double", theme="dark")
    figure = restyled.draw()
    assert 25.4 * figure.get_size_inches()[0] == pytest.approx(183)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[1].lines}
    np.testing.assert_array_equal(lines["good"], figures["fig3"].data.amplitudes[0])
    assert restyled.provenance == STORY


def test_a_process_of_its_own_saves_the_same(tmp_path, figures):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    save_published(figures["fig2"], tmp_path / "here" / "figure")
    files = save_apart(figures["fig2"], tmp_path / "there" / "figure")
    assert files[-1].name == "figure.figure.json"
    for path in files:
        assert path.read_bytes() == (tmp_path / "here" / path.name).read_bytes()
    png = draw_apart(figures["fig2"], 400)
    (tmp_path / "picture.png").write_bytes(png)
    with Image.open(tmp_path / "picture.png") as image:
        assert image.width == pytest.approx(400, abs=1)
    with pytest.raises(EldynError, match=r"figure\.pdf.* exist already"):
        save_apart(figures["fig2"], tmp_path / "there" / "figure")


def test_work_in_another_process_can_be_stopped(figures):
    class StopError(Exception):
        pass

    def check():
        raise StopError

    with pytest.raises(StopError):
        draw_apart(figures["fig2"], 400, check)


def test_tables_hold_the_numbers(tmp_path, figures):
    save_published(figures["fig3"], tmp_path / "figure")
    with (tmp_path / "figure_structure_factor.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    data = figures["fig3"].data
    assert [float(row["q (1/A)"]) for row in rows] == data.q.tolist()
    column = "narrow: mean |F| (electrons)"
    assert [float(row[column]) for row in rows] == data.amplitudes[1].tolist()


def test_earlier_figures_are_kept(tmp_path, figures):
    save_published(figures["fig2"], tmp_path / "figure")
    before = (tmp_path / "figure.pdf").read_bytes()
    with pytest.raises(EldynError, match="exist already"):
        save_published(figures["fig3"], tmp_path / "figure")
    assert (tmp_path / "figure.pdf").read_bytes() == before
    save_published(figures["fig3"], tmp_path / "figure", overwrite=True)
    assert (tmp_path / "figure.pdf").read_bytes() != before


@pytest.mark.parametrize(
    "array",
    [
        np.arange(5),
        np.linspace(0, 1, 7) / 3,
        np.array([1.0, np.nan, np.inf]),
        np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32),
        np.zeros((0, 3)),
    ],
)
def test_arrays_come_back_bit_by_bit(array):
    text = json.dumps(pack_array(array), allow_nan=False)
    back = unpack_array(json.loads(text))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def edited(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def shorten(content):
    content["data"]["planes"]["npy"] = content["data"]["planes"]["npy"][:-40]


def inflate(content):
    content["data"]["planes"]["shape"] = [2, 3, 2000, 2000]


def pickled(content):
    content["data"]["planes"] = {"shape": [1], "dtype": "object", "values": [None]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format_version=2), "format 2; this program knows formats up to 1"),
        (lambda c: c.update(format="other"), "not the sidecar of a figure"),
        (lambda c: c.update(kind="fig9"), "of the kind 'fig9', which this program does not know"),
        (lambda c: c["style"].update(preset="apz"), "there is no preset 'apz'"),
        (lambda c: c.update(colour="red"), "unknown key 'colour'"),
        (lambda c: c.pop("data"), "key 'data': field required"),
        (lambda c: c["data"].update(times=[4.0]), "planes of the shape"),
        (lambda c: c["options"].update(colormpa="x"), "did you mean 'colormap'"),
        (shorten, "a packed array is damaged"),
        (inflate, "a packed array is float32 of shape"),
        (pickled, "an array of type 'object' is not known"),
    ],
)
def test_damaged_and_newer_sidecars_are_refused(tmp_path, figures, change, message):
    path = edited(save_published(figures["fig2"], tmp_path / "figure")[-1], change)
    with pytest.raises(EldynError, match=message) as error:
        open_published(path)
    assert error.value.path == path


def test_cut_and_missing_sidecars_are_refused(tmp_path, figures):
    path = save_published(figures["fig2"], tmp_path / "figure")[-1]
    path.write_text(path.read_text()[:500])
    with pytest.raises(EldynError, match="the sidecar is damaged: it is not JSON"):
        open_published(path)
    with pytest.raises(EldynError, match=r"none\.figure\.json: the sidecar cannot be read"):
        open_published(tmp_path / "none.png")
