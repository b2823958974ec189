"""A scripted user at the real window; ``soak.py --actions 1000`` plays for longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
