from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from liquid import gaussian_liquid

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator import Emulator


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks run fastest on one thread, and exactly the same every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def liquid() -> DensityTrajectory:
    return gaussian_liquid(12)


@pytest.fixture
def model(model_path: Path) -> Emulator:
    return Emulator.load(model_path)
