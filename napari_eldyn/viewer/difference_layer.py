"""Differences as layers: symmetric about zero, both signs in their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.viewer.layers import trajectory_layer
from napari_eldyn.viewer.looks import SignedLook, rounded

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["add_difference"]

_FULL_COLOUR = 99.5  # per cent of the points are fainter


def add_difference(viewer: Viewer, trajectory: DensityTrajectory, name: str, frame: int) -> Any:
    """Add the layer of a difference.

    Parameters
    ----------
    viewer : napari.Viewer
        Where.
    trajectory : DensityTrajectory
        Signed values.
    name : str
        Of the layer.
    frame : int
        From which the range of the colours is taken.

    Returns
    -------
    napari.layers.Image
        The layer, in front of the others.
    """
    from napari.layers import Layer

    data, keywords, kind = trajectory_layer(trajectory)
    sizes = np.abs(trajectory[frame])
    limit = rounded(float(np.percentile(sizes, _FULL_COLOUR)))
    keywords |= {"name": name, "contrast_limits": (-limit, limit)}
    layer = viewer.add_layer(Layer.create(data, keywords, kind))
    look = SignedLook(layer, limit)

    def show(event: Any = None) -> None:
        look.show(viewer.dims.ndisplay, viewer.canvas.background_color)

    show()
    viewer.dims.events.ndisplay.connect(show)
    viewer.canvas.events.background_color.connect(show)
    return layer
