"""The targets in ``eldyn evaluate``: a spatial model, a larger cell, several training runs."""

from __future__ import annotations

import copy
import html
import json

import numpy as np
import pytest
import zarr
from liquid import gaussian_liquid, untrained_spatial_model
from typer.testing import CliRunner

from napari_eldyn.cli import app
from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.emulator import Emulator, Rollout
from napari_eldyn.evaluation import evaluate, metrics_table, open_inputs
from napari_eldyn.evaluation.targets import targets_of
from napari_eldyn.exceptions import EldynError


def doubled(first, second):
    """Two cells of a liquid side by side."""
    frames = np.concatenate([np.stack(list(first)), np.stack(list(second))], axis=3)
    grid = PeriodicGrid(first.grid.cell * [[1], [1], [2]], (16, 16, 32))
    return DensityTrajectory.from_array(
        frames, grid, first.times, kind=first.kind, numbers=[3] * 16
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A spatial model with two frames of context, and rollouts in one cell and in two."""
    root = tmp_path_factory.mktemp("targets")
    reference = gaussian_liquid(20, seed=5)
    reference.save(root / "reference.eldyn")
    for seed in (1, 2):
        gaussian_liquid(10, seed=seed).save(root / f"training{seed}.eldyn")
    frames = np.stack(list(gaussian_liquid(6, seed=3)))
    DensityTrajectory.from_array(
        frames, PeriodicGrid(4.9 * np.eye(3), (16, 16, 16)), 4.0 * np.arange(6), kind="pseudo"
    ).save(root / "denser.eldyn")
    path = untrained_spatial_model(root / "model.safetensors", reference, context_frames=2)
    model = Emulator.load(path)
    reference = DensityTrajectory.open(root / "reference.eldyn")
    for name, start in (
        ("rollout", reference),
        ("double", doubled(reference, gaussian_liquid(20, seed=6))),
    ):
        rollout = Rollout(model, start, frame=4, sampler="heun", evaluations=3, seed=1)
        rollout.advance(30)
        rollout.save(root / f"{name}.eldyn")
    return root


@pytest.fixture(scope="module")
def evaluated(folder):
    out = folder / "out"
    arguments = [
        *("evaluate", folder / "rollout.eldyn", "--transfer", f"two cells={folder}/double.eldyn"),
        *("--reference", folder / "reference.eldyn", "--model", folder / "model.safetensors"),
        *("--training", folder / "training1.eldyn", "--training-frames", ":8"),
        *("--training", folder / "denser.eldyn", "--training-frames", ":"),
        *("--training", folder / "training2.eldyn", "--training-frames", "2:"),
        *("--out", out, "--device", "cpu"),
    ]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, json.loads((out / "metrics.json").read_text()), out


def criteria(metrics, name, target):
    rows = metrics["targets"]["rollouts"][name]["criteria"]
    return {row["name"]: row for row in rows if row["target"] == target}


def test_every_target_has_its_numbers_in_every_output(evaluated):
    text, metrics, out = evaluated
    targets = metrics["targets"]
    assert list(targets["titles"]) == list("123456")
    # The rollout in two cells is of the same model: it counts for the rollout's fifth target.
    assert list(targets["rollouts"]) == ["rollout"]
    page = html.unescape((out / "report.html").read_text())
    for number, title in targets["titles"].items():
        assert criteria(metrics, "rollout", int(number))
        assert f"{number} {title}" in text
    for row in targets["rollouts"]["rollout"]["criteria"]:
        assert row["name"] in page
        assert row["note"] in page
    figures = {name.removesuffix(".pdf") for name in metrics["files"] if name.endswith(".pdf")}
    assert figures >= {
        "windows",
        "structure_factor_noise",
        "reconstruction",
        "ensemble_reconstruction",
        "transfer_distribution",
        "transfer_structure_factor",
        "transfer_relaxation",
    }


def test_numbers_of_the_targets_are_those_of_their_sections(evaluated):
    _, metrics, _ = evaluated
    rollout = metrics["rollouts"]["rollout"]
    alone = rollout["model"]["reconstruction"]
    first = criteria(metrics, "rollout", 1)
    assert first["NMAE of ρ"]["reached"] == alone["nmae"]
    assert first["NMAE of ρ, rotated"]["reached"] == alone["moved"]["rotated"]["nmae"]
    noise = metrics["levels"]["noise"]["sjsd"]
    assert first["sJSD over noise"]["reached"] == alone["sjsd"] / noise
    # 2 × 16³ numbers to 2 × 4³, whatever the frames of context.
    assert first["compression"]["reached"] == 64.0
    assert first["compression"]["met"] is True
    second = criteria(metrics, "rollout", 2)
    ensemble = rollout["ensemble"]
    base = ensemble["baselines"]["latent autoregression"]["crps"]
    ratio = second["CRPS over that of latent autoregression, largest"]
    assert ratio["reached"] == max(np.divide(ensemble["crps"], base))
    assert ratio["met"] is (ratio["reached"] < 1)
    assert second["spread/skill, smallest"]["reached"] == min(ensemble["ratio"])
    other = second["spread/skill, smallest, against the reconstruction"]
    assert (other["bound"], other["met"]) == (None, None)
    # The reference holds no 100 fs of leads.
    assert second["longest lead time judged"]["met"] is None
    third = criteria(metrics, "rollout", 3)
    assert (third["frames"]["reached"], third["frames"]["met"]) == (30, False)
    assert third["evaluations per frame"]["met"] is True
    fourth = criteria(metrics, "rollout", 4)
    worst = max(rollout["structure_factor"]["intensity"]["noise_ratio"])
    assert fourth["S(q) error over noise, intensity, largest"]["reached"] == worst
    transfer = metrics["transfers"]["two cells"]
    assert transfer["multiples"] == [1, 1, 2]
    assert transfer["atoms"] == {"generated": 16, "reference": 8}
    assert "forecast" not in transfer
    fifth = criteria(metrics, "rollout", 5)
    real = transfer["electrons"]["reference"]["mean"]
    double = DensityTrajectory.open(evaluated[2].parent / "double.eldyn")
    electrons = np.mean([double.electrons(i) for i in range(30)]) / 2
    off = fifth["electrons per atom off by"]["reached"]
    assert off == pytest.approx(100 * abs(electrons / real - 1), rel=1e-3)


def test_several_training_trajectories_count_and_other_cells_are_named(evaluated, folder):
    text, metrics, _ = evaluated
    assert "denser was trained on but lies in another cell" in text
    assert metrics["training"]["n_frames"] == 8 + 6 + 8
    kept = [f"training{seed}" for seed in (1, 2)]
    assert metrics["memorisation"]["trajectories"] == kept
    assert [one["name"] for one in metrics["memorisation"]["left_out"]] == ["denser"]
    assert metrics["memorisation"]["training_frames"] == {"searched": 16, "of": 16}
    # A copy of a frame of the second trajectory is found there.
    frames = [
        np.rot90(frame, axes=(1, 2)) for frame in DensityTrajectory.open(folder / "training2.eldyn")
    ]
    grid = DensityTrajectory.open(folder / "reference.eldyn").grid
    DensityTrajectory.from_array(np.array(frames), grid, 4.0 * np.arange(10), kind="pseudo").save(
        folder / "replay.eldyn", overwrite=True
    )
    inputs = open_inputs(
        [str(folder / "replay.eldyn")],
        folder / "reference.eldyn",
        training=[folder / "training1.eldyn", folder / "training2.eldyn"],
    )
    found = evaluate(inputs).metrics
    near = found["memorisation"]["rollouts"]["replay"]
    assert set(near["nearest_training_trajectory"]) == {"training2"}
    assert near["nearest_training_frame"] == near["frames"]
    assert near["p_nearer"] < 1e-3
    assert near["followed"] == 1.0
    assert (
        criteria(found, "replay", 6)["distance to training over held-back frames, median"]["met"]
        is False
    )


def test_verdicts_follow_the_numbers(evaluated):
    """Bounds of the issue: the number on the right side of each, and on the wrong one."""
    _, metrics, _ = evaluated
    noise = metrics["levels"]["noise"]["sjsd"]

    def verdicts(change):
        changed = copy.deepcopy(metrics)
        rollout = changed["rollouts"]["rollout"]
        change(rollout, changed)
        return targets_of(changed)["rollouts"]["rollout"]["verdicts"]

    def encode(nmae, sjsd, rotated=1.0):
        def change(rollout, _):
            alone = rollout["model"]["reconstruction"]
            for scores in (alone, *(alone["moved"][k] for k in ("shifted", "rotated"))):
                scores.update(nmae=nmae, sjsd=sjsd * noise)
            alone["moved"]["rotated"]["nmae"] = rotated

        return change

    assert verdicts(encode(1.99, 2.0))["1"] is True
    assert verdicts(encode(2.0, 1.0))["1"] is False
    assert verdicts(encode(1.0, 2.01))["1"] is False
    assert verdicts(encode(1.0, 1.0, rotated=2.5))["1"] is False

    def forecast(ratio, crps):
        def change(rollout, _):
            ensemble = rollout["ensemble"]
            n = 25
            ensemble["lead"] = [4.0 * k for k in range(1, n + 1)]
            ensemble["ratio"] = [1.0] * (n - 1) + [ratio]
            ensemble["crps"] = [crps] * n
            for base in ensemble["baselines"].values():
                base.update(crps=[1.0] * n, gain_of_model=[0.1] * n, gain_error=None)
            ensemble["against_reconstruction"] = {
                name: {**ensemble["baselines"]["persistence"], "ratio": [1.0] * n}
                for name in ("model", "persistence")
            }

        return change

    assert verdicts(forecast(0.8, 0.99))["2"] is True
    assert verdicts(forecast(1.25, 0.99))["2"] is True
    assert verdicts(forecast(0.79, 0.5))["2"] is False
    assert verdicts(forecast(1.26, 0.5))["2"] is False
    assert verdicts(forecast(1.0, 1.0))["2"] is False

    def long(frames=10_000, offset=0.49, drifts=False, evaluations=8, frozen=0, bad=0):
        def change(rollout, _):
            rollout["generated"]["n_frames"] = frames
            rollout["provenance"]["evaluations"] = evaluations
            stability = rollout["stability"]
            stability["electrons"]["largest_offset_percent"] = offset
            for trend in stability["trends"].values():
                trend["drifts"] = False
            stability["trends"]["sjsd"]["drifts"] = drifts
            stability.update(frozen_frames=frozen, not_finite_frames=bad)

        return change

    assert verdicts(long())["3"] is True
    for broken in (
        {"frames": 9_999}, {"offset": 0.5}, {"drifts": True}, {"evaluations": 9}, {"frozen": 1},
        {"bad": 1},
    ):  # fmt: skip
        assert verdicts(long(**broken))["3"] is False

    def dynamics(ratio, over, known=True):
        def change(rollout, changed):
            one = changed["scattering"]["rollouts"]["rollout"]
            one["ratio"] = [1.0] * (len(one["q"]) - 1) + [ratio]
            one["known"] = [True] * (len(one["q"]) - 1) + [known]
            for kind in ("amplitude", "intensity"):
                part = rollout["structure_factor"][kind]
                part["noise_ratio"] = [0.5] * (len(part["noise_ratio"]) - 1) + [over]

        return change

    assert verdicts(dynamics(1.19, 2.0))["4"] is True
    assert verdicts(dynamics(1.21, 2.0))["4"] is False
    assert verdicts(dynamics(None, 2.0))["4"] is False
    assert verdicts(dynamics(5.0, 2.0, known=False))["4"] is True
    assert verdicts(dynamics(1.0, 2.01))["4"] is False

    def unknown(rollout, changed):
        dynamics(1.0, 1.0)(rollout, changed)
        one = changed["scattering"]["rollouts"]["rollout"]
        one["known"] = [False] * len(one["q"])

    assert verdicts(unknown)["4"] is None

    def replay(ratio, chance):
        def change(_, changed):
            changed["memorisation"]["rollouts"]["rollout"].update(ratio=ratio, p_nearer=chance)

        return change

    assert verdicts(replay(1.0, 0.01))["6"] is True
    assert verdicts(replay(0.97, 0.06))["6"] is True
    assert verdicts(replay(0.97, 0.04))["6"] is False


def test_frames_that_are_not_finite_are_counted_and_left_out(folder, tmp_path):
    trajectory = DensityTrajectory.open(folder / "rollout.eldyn")
    path = tmp_path / "broken.eldyn"
    trajectory.save(path, encoding="float32")
    stored = zarr.open_group(path, mode="r+")["density"]
    stored[22, 3, 3, 3] = np.nan
    metrics = evaluate(open_inputs([str(path)], folder / "reference.eldyn")).metrics
    rollout = metrics["rollouts"]["broken"]
    assert rollout["stability"]["not_finite_frames"] == 8
    assert rollout["generated"]["n_frames"] == 22
    assert criteria(metrics, "broken", 3)["frames not finite"]["met"] is False
    assert "not finite from frame 22 on: 8 frames are left out" in metrics_table(metrics)


def test_what_does_not_fit_is_refused(folder):
    rollout, reference = str(folder / "rollout.eldyn"), folder / "reference.eldyn"
    with pytest.raises(EldynError, match="own cell"):
        open_inputs([rollout], reference, transfers=[f"other={rollout}"])
    with pytest.raises(EldynError, match="two rollouts are called 'rollout'"):
        open_inputs([rollout], reference, transfers=[f"rollout={folder / 'double.eldyn'}"])
    with pytest.raises(EldynError, match="Give it with --transfer"):
        evaluate(open_inputs([str(folder / "double.eldyn")], reference))
    with pytest.raises(EldynError, match="1 --training-frames for 2 --training"):
        open_inputs([rollout], reference, training=[reference, reference], training_frames=[":"])
