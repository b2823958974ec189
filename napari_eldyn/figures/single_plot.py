"""One plot that fills a figure: the same margins on the screen, in pictures and in print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_eldyn.figures import style
from napari_eldyn.figures.live_plot import LivePlot
from napari_eldyn.figures.style import COLUMN_WIDTH, Palette

__all__ = ["PRINT_SIZE", "plot_box", "single_plot"]

PlotT = TypeVar("PlotT", bound=LivePlot)

#: Width of one journal column, and a height that suits it, in inches.
PRINT_SIZE = (COLUMN_WIDTH, 1.9)

# Room around the axes in points (1/72 inch): tick labels and axis labels at 8 pt.
_LEFT, _RIGHT, _BOTTOM, _TOP = 43.0, 9.0, 29.0, 5.0


def plot_box(figure: Figure) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height of the axes, as fractions of the figure."""
    width, height = (72.0 * float(inches) for inches in figure.get_size_inches())
    inner = (max(width - _LEFT - _RIGHT, 10.0), max(height - _BOTTOM - _TOP, 10.0))
    return _LEFT / width, _BOTTOM / height, inner[0] / width, inner[1] / height


def single_plot(
    build: Callable[[Axes, Palette], PlotT],
    palette: Palette,
    size: tuple[float, float] = PRINT_SIZE,
    *,
    dpi: float = 100.0,
) -> tuple[Figure, PlotT]:
    """Make a figure that holds one plot.

    Parameters
    ----------
    build : callable
        Makes the plot on new axes: ``build(axes, palette)``.
    palette : Palette
        The colours.
    size : tuple of float
        Width and height in inches.
    dpi : float
        Dots per inch.

    Returns
    -------
    figure : matplotlib.figure.Figure
        That no window manages.
    plot : LivePlot
        What `build` made.
    """
    with style.context(palette):
        figure = Figure(figsize=size, dpi=dpi, facecolor=palette.background)
        FigureCanvasAgg(figure)
        plot = build(figure.add_axes(plot_box(figure)), palette)
        plot.set_box(plot_box(figure))
    return figure, plot
