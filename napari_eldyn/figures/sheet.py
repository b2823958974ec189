"""Pieces that the figures for publication share: measured texts, legends, letters, lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from napari_eldyn.figures.presets import FigureStyle

__all__ = [
    "constrained_figure",
    "fitted_lines",
    "legend_on_top",
    "letter_panel",
    "plain_figure",
    "scale_lines",
    "text_size",
]

_DPI = 144.0  # at which texts are measured


def plain_figure(style: FigureStyle, height: float) -> Figure:
    """Make an empty figure as wide as the style says and so many inches high."""
    figure = Figure(figsize=(style.width, height))
    FigureCanvasAgg(figure)
    return figure


def constrained_figure(style: FigureStyle, height: float) -> Figure:
    """Make an empty figure whose axes give way to what is written around them."""
    pad = 0.25 * style.em
    layout = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, hspace=0.0, wspace=0.03)
    figure = Figure(figsize=(style.width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def text_size(text: str, size: float) -> tuple[float, float]:
    """Width and height in inches of a text of so many points, in the present context."""
    return _text_size(text, size, tuple(matplotlib.rcParams["font.sans-serif"]))


@lru_cache(maxsize=4096)
def _text_size(text: str, size: float, fonts: tuple[str, ...]) -> tuple[float, float]:
    figure = Figure(figsize=(1, 1), dpi=_DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    box = figure.text(0, 0, text, size=size).get_window_extent(renderer)
    return box.width / _DPI, box.height / _DPI


def fitted_lines(text: str, size: float, width: float, lines: int = 3) -> str:
    """Break a text into lines of a width in inches, at blanks, dashes, dots and underscores.

    What does not fit into so many lines ends in an ellipsis.
    """
    words = text.replace("_", "_ ").replace("-", "- ").split(" ")
    rows: list[str] = []
    for word in words:
        joined = word if not rows else rows[-1] + ("" if rows[-1][-1:] in "_-" else " ") + word
        if rows and text_size(joined, size)[0] <= width:
            rows[-1] = joined
        else:
            rows.append(word)
    if len(rows) > lines:
        rows = [*rows[: lines - 1], " ".join(rows[lines - 1 :])]
    return "\n".join(_cut(row, size, width) for row in rows)


def _cut(text: str, size: float, width: float) -> str:
    if text_size(text, size)[0] <= width:
        return text
    while len(text) > 1 and text_size(text + "…", size)[0] > width:
        text = text[:-1]
    return text + "…"


def legend_on_top(figure: Figure, handles: Sequence[Artist], style: FigureStyle) -> Legend:
    """Name the lines above all axes of a constrained figure, in as many columns as fit."""
    small = style.rules.small
    widest = max(text_size(str(handle.get_label()), small)[0] for handle in handles)
    column = widest + (1.7 + 0.8 + 1.4) * small / 72  # the handle and the gaps beside it
    columns = max(1, min(len(handles), int(style.width // column)))
    return figure.legend(
        handles=list(handles),
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.2,
        borderpad=0.2,
        borderaxespad=0.3,
    )


def letter_panel(axes: Axes, number: int, style: FigureStyle, *, right: bool = False) -> None:
    """Letter a panel inside its upper left or right corner, as the journal does."""
    rules = style.rules
    axes.annotate(
        rules.letter.format("abcdefghijklmnopqrstuvwxyz"[number]),
        (1 if right else 0, 1),
        xycoords="axes fraction",
        xytext=((-0.6 if right else 0.6) * rules.size, -0.5 * rules.size),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        weight="bold" if rules.bold else "normal",
        size=rules.size,
    )


def scale_lines(artists: Iterable[Artist], style: FigureStyle) -> None:
    """Widen lines and markers made for one journal column as the preset asks."""
    if style.line == 1.0:
        return
    for artist in artists:
        if isinstance(artist, Line2D):
            artist.set_linewidth(artist.get_linewidth() * style.line)
            artist.set_markersize(artist.get_markersize() * style.line)
            artist.set_markeredgewidth(artist.get_markeredgewidth() * style.line)
