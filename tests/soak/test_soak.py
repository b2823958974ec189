"""A scripted user at the real window: a short session in every test run, a long one on request."""

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


def test_sixty_actions(tmp_path: Path) -> None:
    assert "60 actions, 0 faults" in play(60, 7, tmp_path, 240.0)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_actions(tmp_path: Path) -> None:
    assert "1000 actions, 0 faults" in play(1000, 1, tmp_path, 7000.0)
