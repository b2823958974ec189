"""Where the projection says a voxel is, the picture shows it."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_eldyn.export.projection import extent_corners, project


@pytest.mark.parametrize(
    ("perspective", "window"), [(0, (900, 500)), (30, (900, 500)), (30, (700, 900))]
)
def test_voxels_are_where_the_projection_says(
    make_napari_viewer: Callable[..., napari.Viewer],
    perspective: float,
    window: tuple[int, int],
) -> None:
    viewer = make_napari_viewer(show=True, ndisplay=3)
    density = np.zeros((20, 20, 20), np.float32)
    layer = viewer.add_image(density, contrast_limits=(0, 1), interpolation3d="nearest")
    viewer.window.resize(*window)
    QApplication.processEvents()
    viewer.scene.camera.angles = (20, 35, -50)
    viewer.scene.camera.perspective = perspective
    viewer.fit_to_view()
    for voxel in ((2, 17, 5), (18, 18, 18), (1, 1, 1)):
        density[:] = 0
        density[voxel] = 1
        layer.data = density.copy()
        viewer.screenshot(flash=False)
        picture = viewer.screenshot(flash=False)[..., 0]
        height, width = picture.shape
        rows, columns = np.nonzero(picture > 128)
        seen = (columns.mean() + 0.5 - width / 2, rows.mean() + 0.5 - height / 2)
        (expected,) = project(viewer, [voxel], (width, height))
        np.testing.assert_allclose(seen, expected, atol=1.5)
    np.testing.assert_allclose(extent_corners(viewer)[[0, -1]], [[-0.5] * 3, [19.5] * 3])
