"""How near generated frames come to the frames that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_eldyn.figures.layout import (
    DASHES,
    add_axes,
    colours_of,
    legend_size,
    line_handles,
    new_figure,
    top_legend,
)
from napari_eldyn.figures.style import LIGHT, Palette, context

__all__ = ["nearness_figure"]

FloatArray = NDArray[np.float64]


def nearness_figure(
    held_back: FloatArray,
    generated: Mapping[str, FloatArray],
    *,
    label: str,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw how distances to the nearest training frame are distributed.

    Parameters
    ----------
    held_back : numpy.ndarray, shape (n,)
        Distances of reference frames, which no model has seen.
    generated : mapping of str to numpy.ndarray, shape (m,)
        Distances of generated frames by name.
    label : str
        What the distance is.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide; shares of frames, in common bins.
    """
    colours = colours_of(list(generated), palette)
    every = np.concatenate([held_back, *generated.values()])
    top = float(every.max()) * 1.02 or 1.0
    edges = np.linspace(0, top, 31)
    with context(palette):
        handles: list[Artist] = [
            Patch(
                facecolor=palette.reference_fill,
                edgecolor=palette.reference,
                label="reference, held back",
            ),
            *line_handles(list(generated), palette),
        ]
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(2.2 + legend)
        axes = add_axes(figure, 0.5, 0.4, 2.72, 1.75)
        shares = np.histogram(held_back, edges)[0] / len(held_back)
        axes.stairs(shares, edges, fill=True, color=palette.reference_fill, lw=0, zorder=1)
        axes.stairs(shares, edges, color=palette.reference, lw=0.9, zorder=2)
        highest = float(shares.max())
        for k, (name, distances) in enumerate(generated.items()):
            shares = np.histogram(distances, edges)[0] / len(distances)
            highest = max(highest, float(shares.max()))
            axes.stairs(
                shares, edges, color=colours[name], lw=1.4, ls=DASHES[k % len(DASHES)], zorder=3
            )
        axes.set_xlim(0, top)
        axes.set_ylim(0, 1.1 * highest)
        axes.set_xlabel(label)
        axes.set_ylabel("share of frames")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        top_legend(figure, handles, 0.5)
    return figure
