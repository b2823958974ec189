"""What tests of windows share: strict Qt, a small liquid, and a model that fits it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from liquid import gaussian_liquid, untrained_model, untrained_spatial_model

if TYPE_CHECKING:
    import napari
    from live_session import Live
    from pytestqt.qtbot import QtBot

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


@pytest.fixture(scope="session")
def spatial_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained model of the spatial family for `liquid_path`; one step is one frame."""
    path = tmp_path_factory.mktemp("model") / "spatial.safetensors"
    return untrained_spatial_model(path, gaussian_liquid(6))


@pytest.fixture(autouse=True)
def _no_choices_of_earlier_tests() -> None:
    """Start as a first session does; docks remember their last choices in memory."""
    preferences = sys.modules.get("napari_eldyn.viewer.preferences")
    if preferences is not None and os.environ["NAPARI_CONFIG"] == "":
        preferences.forget()


@pytest.fixture
def window_shown() -> bool:
    """Whether the window is on the screen; tests that look at it ask for it by parametrising."""
    return False


@pytest.fixture
def bare(
    make_napari_viewer: Callable[..., napari.Viewer],
    qtbot: QtBot,
    liquid_path: Path,
    window_shown: bool,
) -> Iterator[Live]:
    """The liquid in a viewer whose controller has neither model nor reference."""
    from live_session import Live
    from qtpy.QtCore import QThreadPool

    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.preferences import forget

    forget()
    viewer = make_napari_viewer(show=window_shown)
    viewer.window.resize(700, 500)
    viewer.open(liquid_path, plugin="napari-eldyn")
    control = controller_of(viewer)
    live = Live(viewer, control, qtbot)
    control.failed.connect(live.failures.append)
    control.message.connect(live.messages.append)
    control.state_changed.connect(live.states.append)
    control.updated.connect(live.updates.append)
    yield live
    if not control.is_closed:
        viewer.close()
    assert QThreadPool.globalInstance().waitForDone(10_000), "a thread was left running"


@pytest.fixture
def live(bare: Live, model_path: Path) -> Live:
    """The same with model and reference, ready to run six frames."""
    bare.control.configure(n_frames=6, evaluations=5, start_frame=2)
    bare.control.set_reference(bare.viewer.layers[0])
    bare.control.set_model(model_path, "cpu")
    bare.wait(lambda: bare.control.state == "ready" and bare.control.measured is not None)
    assert not bare.failures
    return bare
