"""Print how much of a window's picture differs from one drawn in a process of its own."""

from __future__ import annotations

import napari
import numpy as np
from qtpy.QtTest import QTest

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.evaluation.inputs import Candidate, Start
from napari_eldyn.export.canvas import grab_volumes
from napari_eldyn.export.figures import FigureSources
from napari_eldyn.export.look import look_of
from napari_eldyn.export.render_apart import render_apart
from napari_eldyn.figures.presets import figure_style
from napari_eldyn.figures.render_figure import RenderOptions, panel_inches
from napari_eldyn.viewer.layers import trajectory_layer
from napari_eldyn.viewer.presentation import presentation_of


def trajectory() -> DensityTrajectory:
    """Three frames of a narrow Gaussian that moves on a flat floor."""
    grid = PeriodicGrid(8.0 * np.eye(3), (16, 16, 16))
    points = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    frames = []
    for place in ((4, 8, 8), (5, 8, 8), (6, 8, 8)):
        distances = np.linalg.norm((points - place) @ grid.voxel_vectors, axis=-1)
        frames.append((0.05 + np.exp(-((distances / 0.6) ** 2))).astype(np.float32))
    return DensityTrajectory.from_array(frames, grid, 4.0 * np.arange(3))


def main() -> None:
    """Compare the two."""
    shown = trajectory()
    viewer = napari.Viewer(show=True)
    presentation_of(viewer)
    (layer,) = viewer._add_layer_from_data(*trajectory_layer(shown))
    viewer.window.resize(700, 600)
    QTest.qWait(500)  # a busy screen answers late, and another size is another zoom
    layer.gamma, layer.colormap = 0.8, "viridis"
    viewer.scene.camera.set_view_direction((-1.0, 0.3, -0.6), (0.0, 0.0, 1.0))
    viewer.scene.camera.zoom *= 1.1
    style = figure_style("aps", "single", dpi=150)
    side, _ = panel_inches(style, ("reference", "again"), (0.0,), RenderOptions())
    look, pixels = look_of(viewer, layer), round(150 * side)
    window = grab_volumes(viewer, (pixels, pixels), transparent=True, boxes=False)
    sources = FigureSources((Candidate("again", shown, Start(0, True, ""), None),), shown)
    told: list[tuple[object, ...]] = []
    figure = render_apart(
        "volume",
        sources,
        style,
        look=look,
        times=(0.0,),
        report=lambda *step: told.append(step),
    )
    assert ("rendering", 2, 2) in told
    picture = figure.data.pictures[1][0]
    different = np.abs(picture.astype(int) - window.astype(int)).max(axis=-1) > 8
    print(different.mean(), (picture[..., 3] > 0).mean())
    viewer.close()


if __name__ == "__main__":
    main()
