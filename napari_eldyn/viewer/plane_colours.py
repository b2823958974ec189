"""The colours of a layer on a plane, where nothing shines through."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps.standardize_color import transform_color

__all__ = ["plane_colours"]

_N_COLOURS = 256


def plane_colours(
    layer: Any, background: str
) -> tuple[tuple[float, float], npt.NDArray[np.float64]]:
    """Return the contrast limits of a layer, and its colours from the first to the last.

    Parameters
    ----------
    layer : napari.layers.Image
        The layer.
    background : str
        What transparent colours are laid on.

    Returns
    -------
    tuple of 2 float
        Values of the first and the last colour.
    ndarray, shape (256, 4)
        Opaque colours; the layer's gamma is in them.
    """
    low, high = (float(limit) for limit in layer.contrast_limits)
    steps = np.linspace(0.0, 1.0, _N_COLOURS) ** float(layer.gamma)
    colours = np.asarray(layer.colormap.map(steps), np.float64)
    paper = transform_color(background)[0][:3]
    opacity = colours[:, 3:]
    mixed = colours[:, :3] * opacity + paper * (1.0 - opacity)
    return (low, high), np.concatenate([mixed, np.ones_like(opacity)], axis=1)
