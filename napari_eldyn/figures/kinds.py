"""The kinds of figures: what each is drawn from, how, and which tables it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_eldyn.figures.fig2 import Fig2Data, Fig2Options, draw_fig2
from napari_eldyn.figures.fig3 import Fig3Data, Fig3Options, draw_fig3, fig3_tables
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.render_figure import RenderData, RenderOptions, draw_render
from napari_eldyn.figures.sidecar import FigureData, FigureOptions
from napari_eldyn.figures.training_figures import (
    FigS1Data,
    FigS1Options,
    FigS2Data,
    FigS2Options,
    draw_figs1,
    draw_figs2,
    figs1_tables,
    figs2_tables,
)

__all__ = ["FIGURE_KINDS", "FigureKind"]

Tables = dict[str, dict[str, NDArray[Any]]]


def _no_tables(data: Any) -> Tables:
    return {}


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure.

    Parameters
    ----------
    title : str
        For people.
    data, options : type
        What it is drawn from, and what can be chosen besides its style.
    draw : callable
        Takes data, style and options, nothing else; returns the figure.
    tables : callable
        Takes data; returns columns by name, by the ending of the table's name.
    rendered : bool
        Whether its pictures come from napari's canvas.
    """

    title: str
    data: type[FigureData]
    options: type[FigureOptions]
    draw: Callable[[Any, FigureStyle, Any], Figure]
    tables: Callable[[Any], Tables] = _no_tables
    rendered: bool = False


#: By name, in the order in which they are offered.
FIGURE_KINDS: dict[str, FigureKind] = {
    "fig2": FigureKind("Slices at several times (Fig. 2)", Fig2Data, Fig2Options, draw_fig2),
    "fig3": FigureKind(
        "Distribution and S(q) (Fig. 3)", Fig3Data, Fig3Options, draw_fig3, fig3_tables
    ),
    "s1": FigureKind(
        "Log-normal fit of the data (Fig. S1)", FigS1Data, FigS1Options, draw_figs1, figs1_tables
    ),
    "s2": FigureKind("Training error (Fig. S2)", FigS2Data, FigS2Options, draw_figs2, figs2_tables),
    "isosurface": FigureKind("Isosurfaces", RenderData, RenderOptions, draw_render, rendered=True),
    "volume": FigureKind("Volume rendering", RenderData, RenderOptions, draw_render, rendered=True),
}
