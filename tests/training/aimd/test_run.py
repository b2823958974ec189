"""Trajectories of two Li atoms by real GPAW: complete, restartable, alike on several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units
from eldyn_training.aimd import AimdRecipe, load_aimd_recipe, run_aimd

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

from .conftest import Start


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> DensityTrajectory:
    path = tmp_path_factory.mktemp("aimd") / "whole.eldyn"
    result = run_aimd(load_aimd_recipe("aimd_tiny"), path, show_progress=False)
    assert (result.finished, result.frames, result.signal) == (True, 6, 0)
    return DensityTrajectory.open(path)


def _frames(path: Path) -> int:
    try:
        header = json.loads((path / "zarr.json").read_text())
    except FileNotFoundError:
        return 0
    return int(header["attributes"]["n_frames"])


def _wait_for_frames(process: subprocess.Popen[str], path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while _frames(path) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_frames_hold_what_users_need(uninterrupted: DensityTrajectory) -> None:
    t = uninterrupted
    assert t.kind == "pseudo"
    np.testing.assert_allclose(t.times, 2.0 * np.arange(6))
    assert t.positions is not None
    assert t.velocities is not None
    # Langevin noise acts on the positions too, but at 2 fs a step moves them by about v dt.
    moved = np.diff(t.positions[:], axis=0)
    expected = 0.5 * (t.velocities[1:] + t.velocities[:-1]) * 2.0
    assert np.abs(moved - expected).max() < 0.15 * np.abs(expected).max()
    # Two atoms with a resting centre of mass have three degrees of freedom.
    mass = 6.94 * units._amu / units._e * 1e10  # of Li in eV fs²/Å²
    kinetic = 0.5 * mass * (t.velocities[:] ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(t.scalars["kinetic_energy"][:], kinetic, rtol=1e-3)
    temperature = 2.0 * kinetic / (3.0 * 8.617333e-5)
    np.testing.assert_allclose(t.scalars["temperature"][:], temperature, rtol=1e-3)
    assert np.all(t.scalars["scf_iterations"][:] >= 1)
    assert np.all(t.scalars["scf_retries"][:] == 0)
    assert t.extra["atomic_density_matrices"][:].shape == (6, 2, 15)
    assert t.provenance["versions"]["gpaw"]
    assert t.provenance["includes_pseudo_core"] is True


def test_every_kill_is_survived(
    uninterrupted: DensityTrajectory, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "killed.eldyn"
    for count in (1, 2, 4):
        process = start("--out", path)
        _wait_for_frames(process, path, count)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert count <= _frames(path) <= 6
    process = start("--out", path)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    t = DensityTrajectory.open(path)
    np.testing.assert_allclose(t.times, uninterrupted.times)
    assert t.positions is not None
    assert uninterrupted.positions is not None
    # Wave functions start anew after a kill, so forces differ by what the cycle leaves open.
    np.testing.assert_allclose(t.positions[:], uninterrupted.positions[:], atol=2e-4)
    for mine, whole in zip(t, uninterrupted, strict=True):
        np.testing.assert_allclose(mine, whole, rtol=5e-3)
    assert [p.name for p in path.with_name("killed.eldyn.restart").glob("state_*")] == [
        "state_6.npz"
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_between_steps(tmp_path: Path, start: Start, number: signal.Signals) -> None:
    path = tmp_path / "stopped.eldyn"
    process = start("--out", path)
    _wait_for_frames(process, path, 2)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "the same command goes on" in stderr
    result = run_aimd(load_aimd_recipe("aimd_tiny"), path, show_progress=False)
    assert (result.finished, result.frames) == (True, 6)


def test_two_processes_give_the_serial_trajectory(
    uninterrupted: DensityTrajectory, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "parallel.eldyn"
    process = start("--out", path, ranks=2)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert stdout.count("6 frames") == 1
    t = DensityTrajectory.open(path)
    assert t.positions is not None
    assert uninterrupted.positions is not None
    np.testing.assert_allclose(t.positions[:], uninterrupted.positions[:], atol=1e-8)
    for mine, serial in zip(t, uninterrupted, strict=True):
        np.testing.assert_allclose(mine, serial, rtol=1e-4)
    np.testing.assert_allclose(
        t.extra["atomic_density_matrices"][:],
        uninterrupted.extra["atomic_density_matrices"][:],
        atol=1e-8,
    )


def test_errors_on_one_process_end_all(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "taken.eldyn"
    path.mkdir()
    (path / "notes.txt").write_text("not a store")
    process = start("--out", path, ranks=2)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert stderr.count("taken.eldyn") == 1


def test_errors_that_all_processes_meet_are_told_once(tmp_path: Path, start: Start) -> None:
    recipe = tmp_path / "xc.toml"
    recipe.write_text('extends = "aimd_tiny"\n[scf]\nxc = "PBEE"')
    process = start("--out", tmp_path / "x.eldyn", recipe=recipe, ranks=2)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert stderr.count("Unknown functional: PBEE") == 1
    assert "Traceback" not in stderr


def test_a_finished_trajectory_can_be_made_longer(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "longer.eldyn"
    for frames in (2, 4):
        result = run_aimd(
            AimdRecipe.model_validate({**values, "frames": frames}), path, show_progress=False
        )
        assert (result.finished, result.frames) == (True, frames)
    assert len(DensityTrajectory.open(path)) == 4


def test_stages_come_before_the_first_frame(tmp_path: Path, values: dict[str, Any]) -> None:
    recipe = AimdRecipe.model_validate(
        values
        | {
            "melting": {"temperature": 2000.0, "steps": 2},
            "equilibration_steps": 2,
            "frames": 2,
            "stride": 2,
            "thermostat": {"kind": "nose_hoover", "time": 20.0},
        }
    )
    assert recipe.steps == 2 + 2 + 2
    path = tmp_path / "stages.eldyn"
    run_aimd(recipe, path, show_progress=False)
    np.testing.assert_allclose(DensityTrajectory.open(path).times, [0.0, 4.0])
    scalars = DensityTrajectory.open(path).scalars
    # Two atoms with a resting centre of mass have three degrees of freedom, by either thermostat.
    np.testing.assert_allclose(
        scalars["temperature"], 2.0 * scalars["kinetic_energy"] / (3.0 * 8.617333e-5), rtol=1e-6
    )
    with np.load(path.with_name("stages.eldyn.restart") / "state_2.npz") as state:
        assert int(state["step"]) == 6
        assert state["chain"].shape == (2, 3)


def test_another_recipe_is_refused(
    uninterrupted: DensityTrajectory, values: dict[str, Any]
) -> None:
    assert uninterrupted.path is not None
    other = AimdRecipe.model_validate(values | {"temperature": 500.0, "seed": 9})
    with pytest.raises(EldynError, match=r"differs in seed, temperature"):
        run_aimd(other, uninterrupted.path)
    assert len(DensityTrajectory.open(uninterrupted.path)) == 6


def test_a_store_of_another_origin_is_refused(tmp_path: Path, recipe: AimdRecipe) -> None:
    from liquid import gaussian_liquid

    path = tmp_path / "other.eldyn"
    gaussian_liquid(2).save(path)
    with pytest.raises(EldynError, match="not made by eldyn-train aimd"):
        run_aimd(recipe, path)
    assert len(DensityTrajectory.open(path)) == 2


def test_a_recipe_changed_while_melting_is_refused(
    tmp_path: Path, values: dict[str, Any], start: Start
) -> None:
    recipe = tmp_path / "melting.toml"
    head = 'extends = "aimd_tiny"\n'
    recipe.write_text(head + "[melting]\ntemperature = 900.0\nsteps = 1000")
    path = tmp_path / "m.eldyn"
    process = start("--out", path, recipe=recipe)
    state = path.with_name("m.eldyn.restart") / "state_0.npz"
    while not state.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    # Nor may a second process go on with it meanwhile.
    with pytest.raises(EldynError, match="another program is writing"):
        run_aimd(load_aimd_recipe(recipe), path)
    process.kill()
    process.communicate()
    recipe.write_text(head + "[melting]\ntemperature = 950.0\nsteps = 1000")
    with pytest.raises(EldynError, match=r"differs in melting\.temperature"):
        run_aimd(load_aimd_recipe(recipe), path)
    assert state.exists()


def test_a_store_moved_away_is_not_begun_anew(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "moved.eldyn"
    recipe = AimdRecipe.model_validate({**values, "frames": 1})
    run_aimd(recipe, path, show_progress=False)
    path.rename(tmp_path / "elsewhere.eldyn")
    with pytest.raises(EldynError, match="its frames are gone"):
        run_aimd(recipe, path)
    assert (path.with_name("moved.eldyn.restart") / "state_1.npz").exists()
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xc": "PBEE"}, "Unknown functional: PBEE"),
        ({"setups": {"Li": "nonsense"}}, "Li.nonsense"),
        ({"cutoff": 900.0}, "at most 0.204 Å apart"),
    ],
)
def test_what_gpaw_refuses(
    tmp_path: Path, values: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    values["scf"].update(changes)
    path = tmp_path / "refused.eldyn"
    with pytest.raises(EldynError, match=f"(?s)GPAW refuses the recipe.*{message}"):
        run_aimd(AimdRecipe.model_validate(values), path, show_progress=False)
    assert not path.exists()


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")
def test_a_runaway_step_keeps_the_frames_before(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "runaway.eldyn"
    recipe = AimdRecipe.model_validate(values | {"timestep": 1e180})
    with pytest.raises(EldynError, match="not finite after MD step 1"):
        run_aimd(recipe, path, show_progress=False)
    assert len(DensityTrajectory.open(path)) == 1


def test_a_frame_with_nan_is_not_stored(tmp_path: Path, recipe: AimdRecipe) -> None:
    from eldyn_training.aimd.dynamics import capture, make_dynamics
    from eldyn_training.aimd.output import SCALARS, TrajectoryOutput
    from eldyn_training.aimd.structure import starting_atoms

    rng = np.random.RandomState(0)
    atoms = starting_atoms(recipe, rng)
    state = capture(make_dynamics(recipe, atoms, rng, 0), rng, 0)
    output = TrajectoryOutput(recipe, tmp_path / "nan.eldyn")
    scalars = dict.fromkeys(SCALARS, 1.0)
    density = {"pseudo": np.full((12, 12, 12), 0.05)}
    output.add_frame(atoms, state, density, np.zeros((2, 15)), scalars)
    with pytest.raises(EldynError, match="kinetic_energy of frame 1 is not finite"):
        output.add_frame(
            atoms, state, density, np.zeros((2, 15)), scalars | {"kinetic_energy": np.nan}
        )
    assert output.frames == 1
    assert output.restart() is not None
    output.close()


def test_a_lost_state_is_told(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "lost.eldyn"
    run_aimd(AimdRecipe.model_validate({**values, "frames": 1}), path, show_progress=False)
    (path.with_name("lost.eldyn.restart") / "state_1.npz").unlink()
    with pytest.raises(EldynError, match="state to go on from cannot be read"):
        run_aimd(AimdRecipe.model_validate({**values, "frames": 2}), path)
    assert len(DensityTrajectory.open(path)) == 1


def test_an_unconverged_step_is_retried_and_marked(
    tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    # Five iterations do not do for the first step; three times as many do.
    values["scf"]["max_iterations"] = 5
    values["frames"] = 2
    path = tmp_path / "retried.eldyn"
    run_aimd(AimdRecipe.model_validate(values), path)
    assert "did not converge; trying again" in capsys.readouterr().err
    t = DensityTrajectory.open(path)
    np.testing.assert_array_equal(t.scalars["scf_retries"][:], [1, 0])
    assert t.scalars["scf_iterations"][0] > 5


def test_what_never_converges_is_never_kept(tmp_path: Path, values: dict[str, Any]) -> None:
    values["scf"]["max_iterations"] = 1
    path = tmp_path / "unconverged.eldyn"
    with pytest.raises(EldynError, match="electrons do not converge"):
        run_aimd(AimdRecipe.model_validate(values), path, show_progress=False)
    assert not path.exists()


def test_without_gpaw_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['gpaw'] = None; from eldyn_training.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, "aimd", "aimd_tiny", "--out", tmp_path / "x.eldyn"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "GPAW is not installed" in done.stderr
    assert "make gpaw" in done.stderr
    assert list(tmp_path.iterdir()) == []
