"""The tiny recipe, and the command as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eldyn_training.aimd import AimdRecipe, load_aimd_recipe

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def values() -> dict[str, Any]:
    """The recipe `aimd_tiny` as a mapping, to be changed at will."""
    return load_aimd_recipe("aimd_tiny").model_dump()


@pytest.fixture
def recipe() -> AimdRecipe:
    return load_aimd_recipe("aimd_tiny")


@pytest.fixture
def start() -> Start:
    """Start ``eldyn-train aimd aimd_tiny`` in a process of its own."""

    def run(
        *arguments: str | Path, recipe: str | Path = "aimd_tiny", ranks: int = 1
    ) -> subprocess.Popen[str]:
        python = [sys.executable]
        if ranks > 1:
            root = ["--allow-run-as-root"] if os.getuid() == 0 else []
            gpaw = str(Path(sys.executable).with_name("gpaw"))
            python = ["mpiexec", *root, "--oversubscribe", "-n", str(ranks), gpaw, "python"]
        return subprocess.Popen(
            [*python, "-m", "eldyn_training", "aimd", str(recipe), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    return run
