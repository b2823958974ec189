"""Pieces that several figures for print share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from napari_eldyn.figures.style import COLUMN_WIDTH, Palette

__all__ = [
    "DASHES",
    "add_axes",
    "colours_of",
    "legend_size",
    "line_handles",
    "new_figure",
    "number",
    "smoothed",
    "top_legend",
]

FloatArray = NDArray[np.float64]

#: Line styles that tell trajectories apart without colour.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1.5, 1)))


def new_figure(height: float, width: float = COLUMN_WIDTH) -> Figure:
    """Make an empty figure that no window manages, sizes in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def colours_of(names: Sequence[str], palette: Palette) -> dict[str, str]:
    """Give each generated trajectory its colour, the same in every figure."""
    return {
        name: palette.generated[number % len(palette.generated)]
        for number, name in enumerate(names)
    }


def number(value: float) -> str:
    """Two digits, with a power of ten for small numbers, as mathematical text."""
    if value >= 1e-2 or value == 0:
        return f"{value:.2g}"
    exponent = int(np.floor(np.log10(value)))
    return rf"$\mathrm{{{value / 10.0**exponent:.1f}\times 10^{{{exponent}}}}}$"


def smoothed(values: FloatArray, width: int) -> FloatArray:
    """Average each value with its neighbours, `width` of them in all, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.arange(len(values))
    low = np.maximum(centres - width // 2, 0)
    high = np.minimum(centres + (width + 1) // 2, len(values))
    means: FloatArray = (sums[high] - sums[low]) / (high - low)
    return means


def legend_size(labels: Sequence[str], width: float = COLUMN_WIDTH) -> tuple[int, float]:
    """Columns that a legend of these labels fits into, and its height in inches."""
    # A letter of seven points is about 0.053 inches wide, the handle before it 0.3 inches.
    widest = 0.4 + 0.053 * max((len(label) for label in labels), default=1)
    columns = max(1, min(len(labels), int((width - 0.3) / widest)))
    rows = -(-len(labels) // columns)
    return columns, 0.05 + 0.128 * rows


def add_axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes whose box is given in inches from the lower left corner."""
    whole = figure.get_size_inches()
    return figure.add_axes((x / whole[0], y / whole[1], width / whole[0], height / whole[1]))


def top_legend(
    figure: Figure, handles: Sequence[Artist], left: float, *, gap: float = 0.04
) -> None:
    """Name the lines along the top edge, where no line can run through the names.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        As high as its axes and `legend_size` ask for.
    handles : sequence of matplotlib artists
        With labels.
    left, gap : float
        Left edge, and space above the legend, in inches.
    """
    width, height = figure.get_size_inches()
    columns, _ = legend_size([str(handle.get_label()) for handle in handles], width)
    figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - gap / height),
        ncols=columns,
        borderaxespad=0.0,
        columnspacing=1.2,
        borderpad=0.0,
    )


def line_handles(names: Sequence[str], palette: Palette) -> list[Artist]:
    """Make handles that name generated trajectories in a legend."""
    return [
        Line2D([], [], color=colour, ls=DASHES[number % len(DASHES)], lw=1.5, label=name)
        for number, (name, colour) in enumerate(colours_of(names, palette).items())
    ]
