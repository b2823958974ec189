"""``eldyn evaluate`` on real rollouts of a small model, and on bad input."""

from __future__ import annotations

import html
import json
import os
import re
import resource
import shutil
import signal
import sys
from html.parser import HTMLParser
from typing import ClassVar

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.spatial.distance import jensenshannon
from scipy.stats import kurtosis, skew
from typer.testing import CliRunner

from napari_eldyn.cli import app, main
from napari_eldyn.density import DensityTrajectory, PeriodicGrid, fit_normalisation
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.emulator.config import (
    AutoencoderConfig,
    DenoiserConfig,
    PooledConfig,
    ScheduleConfig,
)
from napari_eldyn.emulator.networks import build_networks
from napari_eldyn.evaluation import evaluate as judge
from napari_eldyn.evaluation import metrics_table, open_inputs
from napari_eldyn.evaluation.report import render_report
from napari_eldyn.exceptions import EldynError

SHAPE = (8, 8, 8)
CELL = 5.0 * np.eye(3)


def moving_density(n_frames, seed):
    """Plane waves with phases that drift, in the logarithm of the density."""
    rng = np.random.default_rng(seed)
    axis = np.arange(8) / 8
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    waves = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (2, 0, 1)]
    phases = rng.uniform(0, 2 * np.pi, len(waves))
    frames = []
    for _ in range(n_frames):
        phases = phases + 0.2 * rng.normal(size=len(waves))
        field = sum(
            np.cos(2 * np.pi * (h * x + k * y + m * z) + phase)
            for (h, k, m), phase in zip(waves, phases, strict=True)
        )
        frames.append(np.exp(-2.9 + 0.15 * field))
    return np.array(frames, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reference, a model and one of its rollouts, as files."""
    root = tmp_path_factory.mktemp("evaluate")
    grid = PeriodicGrid(CELL, SHAPE)
    DensityTrajectory.from_array(
        moving_density(30, 1), grid, 100.0 + 4.0 * np.arange(30), kind="pseudo"
    ).save(root / "reference.eldyn")
    reference = DensityTrajectory.open(root / "reference.eldyn")
    config = PooledConfig(
        grid_shape=SHAPE,
        cell=tuple(tuple(row) for row in CELL.tolist()),
        timestep_fs=4.0,
        density_kind="pseudo",
        autoencoder=AutoencoderConfig(latent_dim=4, channels=(4, 4), decoder_channels=(4,)),
        denoiser=DenoiserConfig(hidden=16, layers=1, time_embedding=8),
        schedule=ScheduleConfig(steps=20, beta_start=0.01, beta_end=0.5),
    )
    torch.manual_seed(0)
    normalisation, _ = fit_normalisation(reference)
    Emulator(build_networks(config), config, normalisation).save(root / "model.safetensors")
    model = Emulator.load(root / "model.safetensors")
    rollout = Rollout(model, reference, frame=4, sampler="ddim", evaluations=3, seed=11)
    rollout.advance(40)
    rollout.save(root / "rollout.eldyn")
    second = Rollout(model, reference, frame=4, sampler="ddim", evaluations=3, seed=12)
    second.advance(35)
    second.save(root / "second.eldyn")
    DensityTrajectory.from_array(
        moving_density(24, 2), grid, 4.0 * np.arange(24), kind="pseudo"
    ).save(root / "training.eldyn")
    (root / "run").mkdir()
    lines = [
        {"step": step, "stage": "training", "mse": 1 / step, "mse_density": 0.5 / step, "sjsd": 0.1}
        for step in range(1, 121)
    ]
    lines.insert(60, {"step": 60, "stage": "validation", "mse": 1e6})
    lines.append({"step": 121, "stage": "refining", "denoising": 0.5})
    text = "\n".join(json.dumps(line) for line in lines)
    # A run that is still training: its last line is not whole.
    (root / "run" / "log.jsonl").write_text(text + '\n{"step": 122, "st')
    return root


def run(*arguments):
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if isinstance(result.exception, EldynError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def judged(folder, *rollouts, reference="reference.eldyn", **options):
    """The metrics alone: nothing is drawn or written."""
    inputs = open_inputs([str(rollout) for rollout in rollouts], folder / reference, **options)
    return json.loads(json.dumps(judge(inputs).metrics, allow_nan=False))


@pytest.fixture(scope="module")
def evaluated(folder):
    """Two rollouts of one model, with everything that can be given."""
    out = folder / "results"
    text = run(
        folder / "rollout.eldyn",
        f"other seed={folder / 'second.eldyn'}",
        *("--reference", folder / "reference.eldyn", "--out", out),
        *("--model", folder / "model.safetensors"),
        *("--training", folder / "training.eldyn", "--training-frames", ":20"),
        *("--run", f"a run={folder / 'run'}"),
    )
    return text, json.loads((out / "metrics.json").read_text()), out


def test_it_writes_what_it_says_and_nothing_else(evaluated):
    text, metrics, out = evaluated
    names = sorted(path.name for path in out.iterdir())
    assert names == metrics["files"]
    figures = {name.removesuffix(".pdf") for name in names if name.endswith(".pdf")}
    assert figures >= {
        "slices",
        "distribution",
        "structure_factor",
        "structure_factor_intensity",
        "structure_factor_noise",
        "time_series",
        "windows",
        "relaxation_ratio",
        "reconstruction",
        "forecast",
        "training_distribution",
        "training_curves",
    }
    assert set(names) == {"metrics.json", "report.html"} | {
        f"{figure}.{kind}" for figure in figures for kind in ("pdf", "png", "svg")
    }
    assert f"report.html and {len(figures)} figures" in text
    assert "Took" in text


def test_metrics_name_the_model_and_what_was_compared(evaluated, folder):
    _, metrics, _ = evaluated
    assert (metrics["format"], metrics["format_version"]) == ("napari-eldyn metrics", 3)
    model = Emulator.load(folder / "model.safetensors")
    assert list(metrics["rollouts"]) == ["rollout", "other seed"]
    seeds = {}
    for name, rollout in metrics["rollouts"].items():
        origin = rollout["provenance"]
        assert origin["model_sha256"] == model.sha256
        assert (origin["sampler"], origin["evaluations"]) == ("ddim", 3)
        assert origin["start"]["trajectory"] == "reference.eldyn"
        seeds[name] = origin["seed"]
    assert seeds == {"rollout": 11, "other seed": 12}
    rollout = metrics["rollouts"]["rollout"]
    assert rollout["start"] == {
        "reference_frame": 4,
        "in_reference": True,
        "source": "recorded in the rollout",
    }
    assert metrics["normalisation"]["mean"] == model.normalisation.mean
    assert metrics["normalisation"]["source"] == "that of “rollout”"
    assert metrics["reference"]["n_frames"] == 30
    assert rollout["generated"]["n_frames"] == 40
    assert metrics["units"]["nmae"] == "percent"
    # The rollout starts at frame 4 (116 fs); 25 reference frames lie after it.
    assert rollout["forecast"]["available"]
    assert rollout["forecast"]["lead"][0] == pytest.approx(4.0)
    assert rollout["forecast"]["reference_frames"][0] == 5
    assert rollout["forecast"]["generated_frames"][0] == 0
    assert rollout["persistence"]["start_frame"] == 4
    assert set(metrics["levels"]) == {"noise", "mean_field"}


def test_scores_are_those_of_the_stored_frames(evaluated, folder):
    _, metrics, _ = evaluated
    generated = DensityTrajectory.open(folder / "rollout.eldyn")
    rollout = metrics["rollouts"]["rollout"]
    counts = rollout["electrons"]["generated"]
    electrons = [generated.electrons(i) for i in range(40)]
    assert counts["mean"] == pytest.approx(np.mean(electrons), rel=1e-5)
    assert counts["last"] == pytest.approx(electrons[-1], rel=1e-5)
    stack = np.stack(list(generated))
    assert rollout["extremes"]["generated"]["maximum"] == pytest.approx(stack.max())
    # An untrained model is far off; the table of a good one would not look like this.
    assert rollout["distribution"]["sjsd"] > 10 * metrics["levels"]["noise"]["sjsd"]
    # scipy's distance is the square root of the JSD.
    counted = []
    for side in ("generated", "reference"):
        values = rollout["distribution"][side]
        counts = np.array(values["counts"], dtype=float)
        # Values beyond the bins count in the outermost ones.
        counts[0] += values["n_below_range"]
        counts[-1] += values["n_above_range"]
        counted.append(counts / counts.sum())
    distance = jensenshannon(*counted)
    assert rollout["distribution"]["jsd"] == pytest.approx(distance**2, rel=1e-6)


def test_all_rollouts_share_the_reference_levels(evaluated, folder):
    """Judged alone, the second rollout gets the same numbers."""
    _, metrics, _ = evaluated
    alone = judged(folder, folder / "second.eldyn")
    together = metrics["rollouts"]["other seed"]
    for part in ("distribution", "structure_factor", "electrons", "step_size", "forecast"):
        assert alone["rollouts"]["second"][part] == together[part]
    assert alone["levels"] == metrics["levels"]
    assert alone["training"] is None
    assert "model" not in alone["rollouts"]["second"]


def test_the_model_is_assessed_on_its_own(evaluated, folder):
    _, metrics, _ = evaluated
    model = Emulator.load(folder / "model.safetensors")
    reference = DensityTrajectory.open(folder / "reference.eldyn")
    alone = metrics["rollouts"]["rollout"]["model"]["reconstruction"]
    assert alone["frames"] == list(range(30))
    errors = [
        100
        * np.abs(model.decode(model.encode(reference, i)) - reference[i]).sum()
        / reference[i].sum()
        for i in range(30)
    ]
    assert alone["nmae"] == pytest.approx(np.mean(errors), rel=1e-3)

    latents = np.asarray(DensityTrajectory.open(folder / "rollout.eldyn").extra["latents"][:])
    states = model.decode_states(latents).astype(np.float64)
    chosen = np.unique(np.linspace(1, 38, 16).round().astype(int))
    differences = np.array([(states[i + 1, 0] - states[i - 1, 0]) / 8.0 for i in chosen])
    rates = states[chosen, 1] * model.normalisation.rate_std
    result = metrics["rollouts"]["rollout"]["model"]["rate_consistency"]
    assert result["n_frames"] == 16
    assert result["correlation"] == pytest.approx(
        np.corrcoef(rates.ravel(), differences.ravel())[0, 1], abs=1e-4
    )
    expected = np.sqrt(((rates - differences) ** 2).mean() / (differences**2).mean())
    assert result["relative_error"] == pytest.approx(expected, rel=1e-3)


def test_the_table_shows_scores_beside_their_levels(evaluated):
    text, metrics, _ = evaluated
    rollout = metrics["rollouts"]["rollout"]
    sha256 = rollout["provenance"]["model_sha256"]
    lines = text.splitlines()
    assert max(map(len, lines[: lines.index("rollout:")])) <= 100
    row = next(line for line in lines if line.startswith("other seed "))
    scores = metrics["rollouts"]["other seed"]["distribution"]
    assert row.split()[2:4] == [f"{scores['sjsd']:.3g}", f"{scores['jsd']:.3g}"]
    assert row.count("%") == 3
    for word in (
        "autoencoder alone (rollout)",
        "half against half",
        "persistence",
        "trajectory mean",
        f"{rollout['distribution']['sjsd']:.3g}",
        f"{rollout['step_size']['ratio']:.3g} of the reference's",
        f"{metrics['levels']['noise']['jsd']:.3g}",
        f"sha256 {sha256[:12]}",
        "seed 11",
        "frames 0-29",
    ):
        assert word in text


def test_real_data_against_themselves_need_no_model(folder):
    metrics = judged(folder, f"reference data={folder / 'reference.eldyn'}")
    text = metrics_table(metrics)
    assert metrics["rollouts"]["reference data"]["distribution"]["jsd"] == 0.0
    assert metrics["normalisation"]["source"] == "fitted on the reference"
    assert metrics["rollouts"]["reference data"]["forecast"]["available"] is False
    assert "fitted on the reference" in text
    assert "no start is recorded" in text


def test_start_frame_pairs_frames_in_time(folder):
    rollout = f"data={folder / 'reference.eldyn'}"
    data = judged(folder, rollout, start_frame=10)["rollouts"]["data"]
    assert data["forecast"]["nmae"][0] == 0.0
    assert data["forecast"]["reference_frames"][0] == 11
    assert data["persistence"]["start_frame"] == 10
    with pytest.raises(EldynError, match="30 does not exist"):
        judged(folder, rollout, start_frame=30)


def test_a_rollout_that_started_elsewhere_is_not_paired(folder, tmp_path):
    DensityTrajectory.open(folder / "reference.eldyn").save(tmp_path / "renamed.eldyn")
    metrics = judged(tmp_path, folder / "rollout.eldyn", reference="renamed.eldyn")
    rollout = metrics["rollouts"]["rollout"]
    assert rollout["forecast"]["available"] is False
    assert rollout["start"]["reference_frame"] == 0
    assert "started elsewhere (frame 4 of reference.eldyn)" in rollout["start"]["source"]


def test_an_earlier_evaluation_is_kept_unless_told(folder, evaluated, tmp_path):
    out = shutil.copytree(evaluated[2], tmp_path / "results")
    arguments = (f"data={folder / 'reference.eldyn'}", "--reference", folder / "reference.eldyn")
    before = (out / "metrics.json").read_bytes()
    with pytest.raises(EldynError, match="already holds an evaluation"):
        run(*arguments, "--out", out)
    assert (out / "metrics.json").read_bytes() == before
    (out / "notes.txt").write_text("mine")
    run(*arguments, "--out", out, "--overwrite")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["rollouts"]["data"]["distribution"]["jsd"] == 0.0
    # Figures of the earlier evaluation that the new one lacks are gone; other files are not.
    assert sorted(path.name for path in out.iterdir()) == sorted([*metrics["files"], "notes.txt"])
    assert "training_curves.pdf" not in metrics["files"]


def test_a_full_disk_loses_nothing(folder, evaluated, tmp_path):
    """A real write error: the file system refuses files above a limit."""
    out = shutil.copytree(evaluated[2], tmp_path / "results")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    arguments = (f"data={folder / 'reference.eldyn'}", "--reference", folder / "reference.eldyn")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(EldynError, match=r"no space left"):
            run(*arguments, "--out", out, "--overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_bad_input_is_refused_before_anything_is_written(folder, tmp_path):
    reference = DensityTrajectory.open(folder / "reference.eldyn")
    values = np.stack(list(reference))
    grid = reference.grid

    def stored(name, array=values, grid=grid, **fields):
        path = tmp_path / name
        times = 4.0 * np.arange(len(array))
        DensityTrajectory.from_array(array, grid, times, **fields).save(path, encoding="float32")
        return path

    other_cell = stored("cell.eldyn", grid=PeriodicGrid(1.1 * CELL, SHAPE))
    other_kind = stored("kind.eldyn", kind="all_electron")
    short = stored("short.eldyn", values[:3])
    finer = tmp_path / "finer.eldyn"
    reference.resampled((10, 10, 10)).save(finer)
    out = tmp_path / "out"
    for generated, truth, message in (
        (folder / "rollout.eldyn", other_cell, "different cells"),
        (folder / "rollout.eldyn", finer, r"8×8×8 points.*10×10×10 points"),
        (folder / "rollout.eldyn", other_kind, "kind 'pseudo'"),
        (folder / "rollout.eldyn", short, "too short: 3 frames"),
        (folder / "missing.eldyn", folder / "reference.eldyn", "there is no such"),
        (folder / "model.safetensors", folder / "reference.eldyn", r"model\.safetensors"),
    ):
        with pytest.raises(EldynError, match=message):
            run(generated, "--reference", truth, "--out", out)
    assert not out.exists()
    with pytest.raises(EldynError, match="made none of the rollouts: data was made by no known"):
        run(
            f"data={folder / 'reference.eldyn'}",
            *("--reference", folder / "reference.eldyn", "--out", out),
            *("--model", folder / "model.safetensors"),
        )
    good = (folder / "rollout.eldyn", "--reference", folder / "reference.eldyn", "--out", out)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "log.jsonl").write_text('{"step": 1, "mse": 0.5}\n{"step": \n')
    (tmp_path / "idle").mkdir()
    (tmp_path / "idle" / "log.jsonl").write_text('{"step": 1, "stage": "refining"}\n')
    for extra, message in (
        ((f"none={tmp_path / 'none.eldyn'}",), "there is no such"),
        ((f"rollout={folder / 'second.eldyn'}",), "two rollouts are called 'rollout'.*NAME=PATH"),
        ((f"={folder / 'second.eldyn'}",), "not of the form NAME=PATH"),
        ((f"reference={folder / 'second.eldyn'}",), "cannot be called 'reference'"),
        ((f"{'x' * 41}={folder / 'second.eldyn'}",), "has 41 characters"),
        (("--training-frames", ":20"), "needs --training"),
        (("--training", folder / "training.eldyn", "--training-frames", "20"), "the form A:B"),
        (("--training", folder / "training.eldyn", "--training-frames", "24:"), "no frame"),
        (("--run", tmp_path), r"log\.jsonl: cannot read the log"),
        (("--run", tmp_path / "broken"), "line 2 is damaged"),
        (("--run", tmp_path / "idle"), "no step of this run trained"),
    ):
        with pytest.raises(EldynError, match=message):
            run(*good, *extra)
    assert not out.exists()
    with pytest.raises(EldynError, match="a file, not a directory"):
        run(
            folder / "rollout.eldyn",
            *("--reference", folder / "reference.eldyn"),
            *("--out", folder / "model.safetensors"),
        )


def test_errors_end_in_one_message(folder, tmp_path, monkeypatch, capsys):
    arguments = ["eldyn", "evaluate", str(folder / "rollout.eldyn")]
    arguments += ["--reference", str(tmp_path / "none.eldyn"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert "none.eldyn: there is no such" in message
    assert "Traceback" not in message


def test_help_explains_units():
    text = CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "200"}).output
    for word in ("nats", "electrons", "1/Å", "fs", "persistence", "NAME", "--training", "--run"):
        assert word in text


def test_training_data_and_runs_are_reported(evaluated, folder):
    _, metrics, _ = evaluated
    training = metrics["training"]
    values = np.log(np.stack(list(DensityTrajectory.open(folder / "training.eldyn")))[:20])
    assert training["fit"]["mean"] == pytest.approx(values.mean(), rel=1e-4)
    assert training["fit"]["std"] == pytest.approx(values.std(), rel=1e-4)
    assert training["moments"]["skew"] == pytest.approx(skew(values.ravel()), abs=1e-3)
    assert training["moments"]["excess_kurtosis"] == pytest.approx(
        kurtosis(values.ravel()), abs=1e-3
    )
    assert training["n_frames"] == 20
    assert [one["frames"] for one in training["trajectories"]] == [":20"]
    assert training["trajectories"][0]["n_frames"] == 20
    one = metrics["runs"]["a run"]
    assert (one["n_steps"], one["last_step"]) == (120, 120)
    assert one["final_mse"] == pytest.approx(np.mean([1 / k for k in range(71, 121)]))


def test_short_data_are_warned_of(evaluated):
    text, metrics, out = evaluated
    page = (out / "report.html").read_text()
    assert any("116 fs long, 0 blocks of 200 fs" in warning for warning in metrics["warnings"])
    assert any("times the training data (76 fs)" in warning for warning in metrics["warnings"])
    for warning in metrics["warnings"]:
        assert f"Warning: {warning}" in text
        assert html.escape(warning, quote=False) in html.unescape(page)


class Page(HTMLParser):
    """Tags that are left open, ids, and everything that a browser would fetch."""

    VOID: ClassVar = {"meta", "link", "br", "hr", "img", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.fetched, self.tags = [], [], [], set()
        self.problems = []
        self.words = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        for name, text in attributes:
            if name == "id":
                self.ids.append(text)
            local = text is not None and text.startswith(("#", "data:"))
            if name in ("src", "href", "xlink:href", "srcset", "data", "action") and not local:
                self.fetched.append((tag, name, text))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data):
        self.words.append(data)


def test_the_report_is_one_sound_page_that_fetches_nothing(evaluated):
    _, metrics, out = evaluated
    text = (out / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.problems == []
    assert page.fetched == []
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "img"}
    assert "@import" not in text
    # url(...) refers to clips and markers inside the page only.
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)'\"]*)", text))
    assert len(page.ids) == len(set(page.ids))
    for target in re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', text):
        assert "".join(target) in page.ids
    figures = [name for name in metrics["files"] if name.endswith(".pdf")]
    assert text.count("<svg") == len(figures)
    words = " ".join(page.words)
    sha256 = metrics["rollouts"]["rollout"]["provenance"]["model_sha256"]
    for word in (sha256[:12], "ddim, 3 evaluations", "other seed", "numpy", "half against half"):
        assert word in words
    # Everything was given but a rollout in a larger cell.
    assert "--transfer ROLLOUT" in words
    for option in ("--model M", "--training TRAJ", "--run RUN_DIR", "--start-frame"):
        assert option not in words


def test_the_report_escapes_names_and_says_what_is_missing(folder):
    name = "<script>alert(1)</script> & co"
    metrics = judged(folder, f"{name}={folder / 'rollout.eldyn'}")
    page = Page(render_report({**metrics, "files": ["metrics.json"]}, {}))
    assert "script" not in page.tags
    assert page.problems == page.open == []
    words = " ".join(page.words)
    assert name in words
    for option in ("--model M", "--training TRAJ", "--run RUN_DIR"):
        assert option in words
    assert "--start-frame" not in words


def test_interrupted_work_leaves_what_was_there(folder, evaluated, tmp_path, monkeypatch):
    """Ctrl-C while figures are saved: the earlier evaluation stays, whole."""
    out = shutil.copytree(evaluated[2], tmp_path / "results")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    written = []

    def savefig(self, target, **settings):
        written.append(target)
        if len(written) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, target, **settings)

    original = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", savefig)
    result = CliRunner().invoke(
        app,
        [
            *("evaluate", str(folder / "rollout.eldyn"), "--overwrite", "--out", str(out)),
            *("--reference", str(folder / "reference.eldyn")),
        ],
    )
    assert result.exit_code != 0
    assert len(written) == 4
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_motion_is_that_of_the_stored_frames(evaluated, folder):
    """F(q,t) of one shell, summed by hand from numpy's transform."""
    _, metrics, _ = evaluated
    for name, file in (("reference", "reference"), ("rollout", "rollout")):
        found = (
            metrics["scattering"][name]
            if name == "reference"
            else (metrics["scattering"]["rollouts"][name])
        )
        frames = np.stack(list(DensityTrajectory.open(folder / f"{file}.eldyn"))).astype(float)
        waves = np.fft.fftn(frames, axes=(1, 2, 3)) * (5.0 / 8) ** 3
        first = np.stack([waves[:, 1, 0, 0], waves[:, 0, 1, 0], waves[:, 0, 0, 1]], axis=1)
        electrons = waves[:, 0, 0, 0].real.mean()
        expected = [
            (first[lag:] * first[: len(first) - lag].conj()).real.mean() / electrons
            for lag in range(len(found["lag"]))
        ]
        assert found["q"][0] == pytest.approx(2 * np.pi / 5)
        assert found["mode_counts"][0] == 6
        np.testing.assert_allclose(found["values"][0], expected, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(
            found["normalised"][0], np.array(expected) / expected[0], rtol=1e-4, atol=1e-5
        )


def test_frames_too_few_to_correlate_are_said_to_be(folder, tmp_path):
    short = DensityTrajectory.open(folder / "rollout.eldyn")[:6]
    short.save(tmp_path / "short.eldyn")
    metrics = judged(folder, tmp_path / "short.eldyn")
    assert metrics["scattering"]["reference"]["available"]
    found = metrics["scattering"]["rollouts"]["short"]
    assert found == {
        "available": False,
        "reason": "its 6 frames are too few to correlate in time",
    }


def test_ensembles_are_scored_beside_simple_forecasts(evaluated, folder):
    text = (evaluated[2] / "report.html").read_text()
    _, metrics, _ = evaluated
    one = metrics["rollouts"]["rollout"]["ensemble"]
    # Both rollouts have one model and one sampler, so they share the ensembles.
    assert metrics["rollouts"]["other seed"]["ensemble"] == one
    assert one["available"]
    assert "ddim with 3 evaluations" in one["meaning"]
    assert set(one["baselines"]) == {
        "persistence",
        "climatology",
        "mean field",
        "autoencoder",
        "latent autoregression",
    }
    # Persistence by hand: the mean absolute error of the start frame, over the starts.
    model = Emulator.load(folder / "model.safetensors")
    reference = DensityTrajectory.open(folder / "reference.eldyn")
    fields = [model.normalisation.normalise(reference[i])[0] for i in range(30)]
    for lead, crps in zip(one["lead"], one["baselines"]["persistence"]["crps"], strict=True):
        steps = round(lead / 4.0)
        expected = [np.abs(fields[i + steps] - fields[i]).mean() for i in one["start_frames"]]
        assert crps == pytest.approx(np.mean(expected), rel=1e-4)
    assert one["baselines"]["persistence"]["ratio"] is None
    np.testing.assert_allclose(one["ratio"], np.divide(one["spread"], one["skill"]))
    assert "CRPS, latent autoregression" in text


def test_a_rollout_that_replays_training_frames_is_found_out(folder, tmp_path):
    """Training frames moved and turned are copies all the same; held-back ones are not."""
    training = DensityTrajectory.open(folder / "training.eldyn")
    rng = np.random.default_rng(0)
    frames = [
        np.roll(np.rot90(training[i], k=1, axes=(0, 1)), rng.integers(8, size=3), axis=(0, 1, 2))
        for i in range(5, 20)
    ]
    DensityTrajectory.from_array(
        np.ascontiguousarray(frames), training.grid, 4.0 * np.arange(15), kind="pseudo"
    ).save(tmp_path / "replay.eldyn")
    metrics = judged(
        folder,
        *(tmp_path / "replay.eldyn", folder / "rollout.eldyn"),
        training=[folder / "training.eldyn"],
        training_frames=[":20"],
    )
    found = metrics["memorisation"]
    replay = found["rollouts"]["replay"]
    assert replay["quantiles"]["q95"] < 0.02
    assert replay["ratio"] < 0.05
    assert replay["followed"] == 1.0
    assert replay["nearest_training_frame"] == [5 + i for i in replay["frames"]]
    assert found["held_back"]["quantiles"]["minimum"] > 0.3
    # Training ends at 76 fs, the reference begins at 100 fs: 19 frames are too near in time.
    assert found["held_back"]["left_out"] == 19
    assert found["rollouts"]["rollout"]["quantiles"]["minimum"] > 0.3


def test_training_frames_of_another_grid_are_not_searched(folder, tmp_path):
    training = DensityTrajectory.open(folder / "training.eldyn").resampled((10, 10, 10))
    training.save(tmp_path / "finer.eldyn")
    metrics = judged(folder, folder / "rollout.eldyn", training=[tmp_path / "finer.eldyn"])
    assert metrics["memorisation"]["available"] is False
    assert "another grid" in metrics["memorisation"]["reason"]
    one = metrics["training"]["trajectories"][0]
    assert one["grid"] == [10, 10, 10]
    assert one["left_out"] == "lies on another grid than the reference"


def test_the_table_tells_dynamics_from_replay(evaluated):
    text, metrics, _ = evaluated
    near = metrics["memorisation"]["rollouts"]["rollout"]["ratio"]
    assert f"{near:.2g} times the distance of held-back frames" in text
    ensemble = metrics["rollouts"]["rollout"]["ensemble"]
    assert f"CRPS {ensemble['crps'][0]:.3g} after 4 fs" in text
    reference = metrics["scattering"]["reference"]["relaxation_time"][0]
    shown = "over" if reference is None else f"{reference:.0f} fs"
    assert f"(reference {shown}" in text
