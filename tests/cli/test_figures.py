"""``eldyn figures``: figures from rollouts, and again from their sidecars."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from liquid import gaussian_liquid
from typer.testing import CliRunner

from napari_eldyn.cli import app
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.evaluation.naming import rollout_names
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.published import open_published


def run(*arguments):
    result = CliRunner().invoke(app, ["figures", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory, liquid_path, model_path):
    from napari_eldyn.emulator import Emulator, Rollout

    folder = tmp_path_factory.mktemp("rollouts")
    model, start = Emulator.load(model_path), DensityTrajectory.open(liquid_path)
    paths = []
    for seed in (0, 3):
        rollout = Rollout(model, start, 2, "ddim", 4, seed)
        rollout.advance(6)
        rollout.save(folder / f"seed_{seed}.eldyn")
        paths.append(folder / f"seed_{seed}.eldyn")
    return paths


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    lines = [{"step": k, "stage": "training", "mse": 1 / k, "loss": 2 / k} for k in range(1, 200)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_the_papers_figures_from_rollouts(tmp_path, rollouts, liquid_path, run_folder):
    result = run(
        *rollouts, "--reference", liquid_path, "--training", f"mine={run_folder}",
        "--out", tmp_path, "--figures", "fig2,fig3,s1,s2", "--times", "4,12,32",
    )  # fmt: skip
    assert result.exit_code == 0
    reference = DensityTrajectory.open(liquid_path)
    fig2 = open_published(tmp_path / "fig2.figure.json")
    assert fig2.data.names == ("reference", "seed 0", "seed 3")
    assert fig2.data.times == (4.0, 12.0, 32.0)
    # The rollouts end 24 fs after the start.
    assert np.isnan(fig2.data.planes[1:, 2]).all()
    # Frame 3 lies 4 fs after the start frame 2; the plane is the middle one along x.
    normalisation = fig2.provenance["normalisation"]
    plane = (np.log(reference[3][reference.grid.shape[0] // 2]) - normalisation["mean"]) / (
        normalisation["std"]
    )
    np.testing.assert_allclose(fig2.data.planes[0, 0], plane, rtol=1e-4, atol=1e-4)
    s1 = open_published(tmp_path / "s1.figure.json").data
    logs = np.log(np.array([reference[k] for k in range(len(reference))], dtype=np.float64))
    assert (s1.mean, s1.std) == pytest.approx((logs.mean(), logs.std()), rel=1e-4)
    s2 = open_published(tmp_path / "s2.figure.json").data
    assert s2.curves[0].name == "mine"
    np.testing.assert_allclose(s2.curves[0].values, 1 / np.arange(1, 200))
    assert (tmp_path / "fig3_distribution.csv").exists()

    with pytest.raises(EldynError, match="already holds fig2"):
        run(*rollouts, "--reference", liquid_path, "--out", tmp_path, "--figures", "fig2")


def test_a_figure_is_drawn_again_without_its_trajectories(tmp_path, rollouts, liquid_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    run(*rollouts, "--reference", liquid_path, "--out", first, "--figures", "fig3")
    result = run("--from", first / "fig3.figure.json", "--out", second)
    assert result.exit_code == 0
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name
    run("--from", first / "fig3.figure.json", "--out", third, "--preset", "nature",
        "--width", "double", "--theme", "dark")  # fmt: skip
    restyled = open_published(third / "fig3.figure.json")
    assert (restyled.style.preset, restyled.style.columns) == ("nature", "double")
    assert (third / "fig3.pdf").read_bytes() != (first / "fig3.pdf").read_bytes()
    with pytest.raises(EldynError, match="exist already"):
        run("--from", first / "fig3.figure.json")


def test_redrawing_needs_no_torch_and_no_window(tmp_path, rollouts, liquid_path):
    run(*rollouts, "--reference", liquid_path, "--out", tmp_path, "--figures", "fig2")
    code = (
        "import sys; from napari_eldyn.cli import app\n"
        f"app(['figures', '--from', {str(tmp_path / 'fig2.figure.json')!r}, '--out', "
        f"{str(tmp_path / 'again')!r}], standalone_mode=False)\n"
        "print(sorted({'torch', 'napari', 'qtpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figures", "fig7"], "there is no figure 'fig7'. Choose of fig2, fig3"),
        (["--figures", "s2"], "no training curve of an autoencoder for Fig. S2"),
        (["--preset", "apz"], "there is no preset 'apz'"),
        (["--times", "soon", "--figures", "fig2"], "--times 'soon' are not numbers"),
        (["--times", "4000", "--figures", "fig2"], "no trajectory has a frame 4000 fs after"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, rollouts, liquid_path, arguments, message):
    with pytest.raises(EldynError, match=message):
        run(*rollouts, "--reference", liquid_path, "--out", tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


def test_missing_inputs_are_named(tmp_path, rollouts):
    with pytest.raises(EldynError, match="a folder for the figures is missing"):
        run(*rollouts)
    with pytest.raises(EldynError, match="rollouts are compared with a reference"):
        run(*rollouts, "--out", tmp_path)
    with pytest.raises(EldynError, match="--from draws saved figures again"):
        run(*rollouts, "--from", tmp_path / "x.figure.json")


def test_names_tell_only_what_differs(rollouts):
    trajectories = [DensityTrajectory.open(path) for path in rollouts]
    assert rollout_names(trajectories) == ["seed 0", "seed 3"]
    assert rollout_names(trajectories[:1]) == ["random"]
    assert rollout_names([trajectories[0], trajectories[0]]) == ["random (1)", "random (2)"]
    other = trajectories[1].annotated({"model_name": "other", "sampler": "ddpm", "evaluations": 9})
    # Sampler and seed follow from the model here.
    assert rollout_names([trajectories[0], other]) == ["random", "other"]
    plain = gaussian_liquid(3)
    assert rollout_names([plain, trajectories[0]]) == ["trajectory", "random"]
