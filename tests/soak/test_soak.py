"""A scripted user at the real window; ``soak.py --actions 1000`` plays for longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).with_name("soak.py")


def play(n_actions: int, seed: int, folder: Path, seconds: float) -> str:
    """Output of a session in a process of its own, which must end without a fault."""
    # napari writes its icons into the cache; others may be doing so at the same time.
    surroundings = {"XDG_CACHE_HOME": str(folder), "NAPARI_CONFIG": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(SOAK), "--actions", str(n_actions), "--seed", str(seed)],
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("n_actions", [25, pytest.param(60, marks=pytest.mark.slow)])
def test_actions_without_a_fault(tmp_path: Path, n_actions: int) -> None:
    assert f"{n_actions} actions, 0 faults" in play(n_actions, 7, tmp_path, 240.0)
