from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

N_FRAMES = 12
LEVELS = np.linspace(0.15, 0.95, N_FRAMES)  # frame k shows this grey


@pytest.fixture
def brightness_viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    """A window with a trajectory of uniform cubes whose brightness tells the frame."""
    viewer = make_napari_viewer(show=True, ndisplay=3)
    data = np.broadcast_to(LEVELS.astype(np.float32)[:, None, None, None], (N_FRAMES, 8, 8, 8))
    viewer.add_image(data, contrast_limits=(0, 1), interpolation3d="nearest")
    viewer.window.resize(800, 600)
    QApplication.processEvents()
    viewer.fit_to_view()
    return viewer
