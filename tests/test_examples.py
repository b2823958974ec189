"""The examples do what they say, with few frames."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from export.movies import read_movie

from napari_eldyn.density import DensityTrajectory

EXAMPLES = Path(__file__).parent.parent / "examples"
PLOTS = ("distribution.pdf", "divergence.pdf", "structure_factor.pdf")
N_FRAMES = 3


@pytest.fixture
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the user's napari settings alone, also in processes started here."""
    monkeypatch.setenv("NAPARI_CONFIG", "")
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")


def check(out: Path) -> None:
    rollout = DensityTrajectory.open(out / "rollout.eldyn")
    assert len(rollout) == N_FRAMES
    assert all((out / name).read_bytes().startswith(b"%PDF") for name in PLOTS)
    assert (out / "fig3.pdf").exists()
    movie, _ = read_movie(out / "rollout.mp4")
    assert movie.shape == (N_FRAMES + 1, 540, 960, 3)
    assert movie.std(axis=0).max() > 10, "nothing moves"
    assert json.loads((out / "rollout.mp4.json").read_text())["movie"]["camera"] == "turntable"
    assert (out / "workbench.eldynsession").stat().st_size > 1000
    assert not list(out.glob("*.partial*"))


@pytest.mark.usefixtures("_own_settings")
def test_the_script(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "workbench.py"), "--frames", str(N_FRAMES)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ensemble: seed 0, seed 1, seed 2" in done.stdout
    check(tmp_path / "out")


@pytest.mark.usefixtures("_own_settings")
def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook: Any = nbformat.read(EXAMPLES / "workbench.ipynb", as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs"), "outputs do not belong into git"
    settings = notebook.cells[1]
    assert "n_frames = 20" in settings.source
    settings.source = settings.source.replace("n_frames = 20", f"n_frames = {N_FRAMES}")
    file = tmp_path / "workbench.ipynb"
    nbformat.write(notebook, file)
    # Nobody turns the window here. With Qt's event loop in it, the kernel (ipykernel 7.4) now and
    # then misses that the next cell has come, and waits for ever.
    monkeypatch.setenv("NAPARI_APPLICATION_IPY_INTERACTIVE", "0")
    execute = [str(Path(sys.executable).with_name("jupyter-execute")), "--timeout=240", file.name]
    done = subprocess.run(execute, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    check(tmp_path / "workbench_output")
