"""The metrics file and the table."""

from __future__ import annotations

import json

import pytest

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables import default_settings
from napari_eldyn.observables.comparison import compare
from napari_eldyn.observables.report import metrics_table, write_metrics


@pytest.fixture(scope="module")
def metrics(generated, reference, normalisation):
    settings = default_settings(reference, normalisation)
    return compare(generated, reference, settings, started_in_reference=True).metrics


def test_metrics_survive_the_file(metrics, tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("an earlier file")
    write_metrics(metrics, path)
    assert json.loads(path.read_text(encoding="utf-8")) == metrics
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]


def test_a_directory_that_is_missing_is_named(metrics, tmp_path):
    with pytest.raises(EldynError, match=r"metrics\.json: cannot write"):
        write_metrics(metrics, tmp_path / "none" / "metrics.json")


def test_table_puts_the_numbers_in_their_columns(metrics):
    lines = metrics_table(metrics).splitlines()
    rows = {line[:24].strip(): line[24:].split() for line in lines if line.strip()}
    assert rows["generated"][0] == f"{metrics['distribution']['sjsd']:.3g}"
    for row, level in (
        ("data, half against half", "noise"),
        ("persistence", "persistence"),
        ("trajectory mean", "mean_field"),
    ):
        assert rows[row][:2] == [
            f"{metrics['levels'][level]['sjsd']:.3g}",
            f"{metrics['levels'][level]['jsd']:.3g}",
        ]
        assert rows[row].count("%") == 3
    assert rows["step size"][0] == f"{metrics['step_size']['ratio']:.3g}"
    assert rows["NMAE at equal times"][0] == f"{metrics['forecast']['nmae'][0]:.3g}"
    assert max(map(len, lines)) <= 100


def test_table_does_without_what_is_missing(reference, normalisation):
    settings = default_settings(reference, normalisation)
    table = metrics_table(compare(reference[:1], reference, settings).metrics)
    assert "not compared: no common, uniform time step" in table
    assert "NMAE" not in table
