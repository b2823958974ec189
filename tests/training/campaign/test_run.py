"""Campaigns of real AIMD on local workers: killed, failing, resumed."""

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
import psutil
import pytest
from eldyn_training.campaign import read_manifest
from eldyn_training.campaign.recipe import load_campaign
from eldyn_training.data import open_data

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

CAMPAIGN = """
recipe = "aimd_tiny"
seeds = [1, 2, 3]
[overrides]
frames = 12
"""


def _start(tmp_path: Path, text: str, *arguments: str) -> subprocess.Popen[str]:
    (tmp_path / "campaign.toml").write_text(text)
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "eldyn_training",
            "campaign",
            "campaign.toml",
            "--out",
            "set",
            *(arguments or ("--workers", "2")),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _frames(directory: Path) -> dict[str, int]:
    found = {}
    for path in directory.glob("*.eldyn/zarr.json"):
        found[path.parent.stem] = json.loads(path.read_text())["attributes"]["n_frames"]
    return found


def _descendants(pid: int) -> list[Any]:
    return list(psutil.Process(pid).children(recursive=True))


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    process = _start(tmp_path, CAMPAIGN)
    out = tmp_path / "set"
    deadline = time.monotonic() + 100
    while sum(_frames(out).values()) < 4:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # The process that has begun a trajectory says so in the trajectory's journal.
    (journal, *_) = sorted((out / ".campaign").glob("*.jsonl"))
    worker = json.loads(journal.read_text().splitlines()[0])["process"]
    os.kill(worker, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=150)
    assert process.returncode == 0, stderr
    assert "3 of 3 trajectories finished, 36 frames" in stdout

    manifest = read_manifest(out)
    assert [record.status for record in manifest.trajectories] == ["finished"] * 3
    assert max(record.attempts for record in manifest.trajectories) > 1
    for record in manifest.trajectories:
        t = DensityTrajectory.open(out / record.store)
        np.testing.assert_allclose(t.times, 2.0 * np.arange(12))
        assert t.provenance["recipe"]["seed"] == record.seed
        assert t.positions is not None
        assert np.all(np.any(np.diff(t.positions[:], axis=0) != 0, axis=(1, 2)))
    assert len({record.recipe_sha256 for record in manifest.trajectories}) == 3
    # A campaign is a set of training data.
    assert [len(t) for t in open_data([out], print)] == [12, 12, 12]

    before = {path: path.stat().st_mtime_ns for path in out.glob("*.eldyn/zarr.json")}
    again = _start(tmp_path, CAMPAIGN)
    stdout, stderr = again.communicate(timeout=60)
    assert again.returncode == 0, stderr
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*.eldyn/zarr.json")}


def test_a_failing_trajectory_does_not_stop_the_others(tmp_path: Path) -> None:
    text = """
recipe = "aimd_tiny"
seeds = [1]
retries = 0
[overrides]
frames = 2
[[trajectories]]
name = "impossible"
seed = 2
overrides = { scf.max_iterations = 1 }
"""
    process = _start(tmp_path, text)
    _, stderr = process.communicate(timeout=150)
    assert process.returncode == 1
    assert "impossible: failed after 1 attempts" in stderr
    assert "electrons do not converge" in stderr
    records = {record.name: record for record in read_manifest(tmp_path / "set").trajectories}
    assert records["impossible"].status == "failed"
    assert "do not converge" in (records["impossible"].error or "")
    assert records["T0400_L3.60_s001"].frames == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign.toml", "set"]


def test_a_stopped_campaign_leaves_no_process(tmp_path: Path) -> None:
    process = _start(tmp_path, CAMPAIGN.replace("12", "400"))
    deadline = time.monotonic() + 100
    while sum(_frames(tmp_path / "set").values()) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = _descendants(process.pid)
    assert children
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    stores = _frames(tmp_path / "set")
    manifest = read_manifest(tmp_path / "set")
    assert {r.name: r.frames for r in manifest.trajectories if r.frames} == stores


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["pool", "campaign"])
def test_the_loss_of_all_workers_loses_nothing(tmp_path: Path, victim: str) -> None:
    process = _start(tmp_path, CAMPAIGN.replace("12", "24"))
    out = tmp_path / "set"
    deadline = time.monotonic() + 100
    while sum(_frames(out).values()) < 4:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (journal, *_) = sorted((out / ".campaign").glob("*.jsonl"))
    worker = psutil.Process(json.loads(journal.read_text().splitlines()[0])["process"])
    if victim == "pool":
        worker.parent().kill()
    else:
        process.kill()
        process.communicate()
        # The workers miss the campaign and end, and a new one takes up what they leave.
        process = _start(tmp_path, CAMPAIGN.replace("12", "24"))
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert "3 of 3 trajectories finished, 72 frames" in stdout
    psutil.wait_procs([worker], timeout=40)
    assert not worker.is_running()
    for record in read_manifest(out).trajectories:
        times = DensityTrajectory.open(out / record.store).times
        np.testing.assert_allclose(times, 2.0 * np.arange(24))


def test_a_trajectory_on_two_ranks(tmp_path: Path) -> None:
    root = "--allow-run-as-root" if os.getuid() == 0 else ""
    (tmp_path / "mpi.toml").write_text(
        f'ranks = 2\nmpi_command = "mpiexec {root} --oversubscribe -n {{ranks}} gpaw python"\n'
    )
    text = 'recipe = "aimd_tiny"\nseeds = [7]\n[overrides]\nframes = 2\n'
    process = _start(tmp_path, text, "--engine", "mpi.toml")
    stdout, stderr = process.communicate(timeout=150)
    assert process.returncode == 0, stderr
    assert "1 of 1 trajectories finished, 2 frames" in stdout


def test_products_lists_and_names(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        """
recipe = "aimd_tiny"
seeds = [1, 2]
temperatures = [300.0, 512.5]
cells = [3.6]
[[trajectories]]
name = "hot"
temperature = 900.0
"""
    )
    campaign = load_campaign(path)
    assert [t.name for t in campaign.trajectories] == [
        "T0300_L3.60_s001",
        "T0300_L3.60_s002",
        "T512.5_L3.60_s001",
        "T512.5_L3.60_s002",
        "hot",
    ]
    assert campaign.trajectories[-1].recipe.temperature == 900.0
    assert campaign.trajectories[1].recipe.seed == 2
    shipped = load_campaign("campaign_li32")
    assert len(shipped.trajectories) == 8
    assert {t.recipe.structure.length for t in shipped.trajectories} == {8.66, 9.14}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('recipe = "aimd_tiny"\nsedes = [1]', "did you mean 'seeds'"),
        ('recipe = "aimd_tiny"\n[overrides]\nscf.cutof = 3.0', "did you mean 'cutoff'"),
        ('recipe = "aimd_tyni"', "no such recipe"),
        ('recipe = "paper"', "eldyn-train fit"),
        ('recipe = "aimd_tiny"\nseeds = [1, 1]', "there twice"),
    ],
)
def test_wrong_campaigns(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(EldynError, match=message):
        load_campaign(path)
