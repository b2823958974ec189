"""What tests of windows share: strict Qt, a small liquid, and a model that fits it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from liquid import gaussian_liquid, untrained_model

os.environ.setdefault("NAPARI_STRICT_QT", "1")  # leaked widgets fail a test
os.environ.setdefault("NAPARI_CONFIG", "")  # default settings; the user's are left alone


@pytest.fixture(scope="session")
def liquid_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames, 100 … 144 fs, as an ``.eldyn`` store; not to be changed."""
    path = tmp_path_factory.mktemp("liquid") / "liquid.eldyn"
    gaussian_liquid(12).save(path)
    return path


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained model for `liquid_path`; one step is one frame."""
    return untrained_model(
        tmp_path_factory.mktemp("model") / "random.safetensors", gaussian_liquid(6)
    )


@pytest.fixture(scope="session")
def strided_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained model for `liquid_path`; one step is two frames."""
    path = tmp_path_factory.mktemp("model") / "strided.safetensors"
    return untrained_model(path, gaussian_liquid(6), stride=2)
