from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_eldyn.density import DensityTrajectory, PeriodicGrid

N_FRAMES = 12
LEVELS = np.linspace(0.15, 0.95, N_FRAMES)  # frame k shows this grey
SHEARED = np.array([[4.0, 0.0, 0.0], [1.2, 3.8, 0.0], [0.0, 0.6, 4.2]])


@pytest.fixture
def brightness_viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    """A window with a series of uniform cubes whose brightness tells the frame."""
    viewer = make_napari_viewer(show=True, ndisplay=3)
    data = np.broadcast_to(LEVELS.astype(np.float32)[:, None, None, None], (N_FRAMES, 8, 8, 8))
    viewer.add_image(data, contrast_limits=(0, 1), interpolation3d="nearest")
    viewer.window.resize(800, 600)
    QApplication.processEvents()
    viewer.fit_to_view()
    return viewer


@pytest.fixture
def open_density(
    make_napari_viewer: Callable[..., napari.Viewer],
) -> Callable[..., napari.Viewer]:
    """Show volumes as a density trajectory, in grey from 0 to 1."""
    from napari.layers import Layer

    from napari_eldyn.viewer.layers import trajectory_layer
    from napari_eldyn.viewer.presentation import presentation_of

    def open_density(
        frames: np.ndarray, cell: np.ndarray | None = None, times: np.ndarray | None = None
    ) -> napari.Viewer:
        grid = PeriodicGrid(np.eye(3) * 4.0 if cell is None else cell, frames.shape[1:])
        clock = 100 + 2.0 * np.arange(len(frames)) if times is None else times
        trajectory = DensityTrajectory.from_array(
            frames.astype(np.float32), grid, clock, kind="pseudo"
        )
        viewer = make_napari_viewer(show=True)
        presentation_of(viewer)
        layer = viewer.add_layer(Layer.create(*trajectory_layer(trajectory)))
        layer.contrast_limits, layer.colormap = (0, 1), "gray"
        layer.interpolation3d = "nearest"
        viewer.window.resize(800, 600)
        for _ in range(5):  # the window's layout takes some turns
            QApplication.processEvents()
        viewer.scene.camera.perspective = 0
        return viewer

    return open_density


@pytest.fixture
def density_viewer(open_density: Callable[..., napari.Viewer]) -> napari.Viewer:
    """A trajectory of uniform cubes whose brightness tells the frame: 100, 102, … 122 fs."""
    return open_density(np.broadcast_to(LEVELS[:, None, None, None], (N_FRAMES, 8, 8, 8)))
