"""Where the panels of a grid of pictures lie: rows of trajectories, columns of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.layout import add_axes
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.sheet import fitted_lines, text_size

__all__ = ["PanelGrid", "colour_bar", "name_rows", "panel_grid"]

_GAP = 0.35  # between panels, ems
_SMALLEST = 0.3  # inches


@dataclass(frozen=True)
class PanelGrid:
    """Lengths in inches; the origin is the lower left corner.

    Parameters
    ----------
    height : float
        Of the figure.
    left, top : float
        Where the panels begin, from the left and from the upper edge.
    side, tall : float
        Width and height of a panel.
    gap : float
        Between panels.
    below : float
        Room below the panels for their axes.
    names, columns : tuple of str
        What is written beside the rows and above the columns.
    name_width : float
        Of the names' column; 0 where they stand above their rows.
    name_height : float
        Room above each row for its name.
    title : str
        Above everything.
    beside : bool
        Whether the colour bar stands beside the panels instead of below.
    with_bar : bool
        Whether there is a colour bar.
    """

    height: float
    left: float
    top: float
    side: float
    tall: float
    gap: float
    below: float
    names: tuple[str, ...]
    columns: tuple[str, ...]
    name_width: float
    name_height: float
    title: str
    beside: bool
    with_bar: bool

    @property
    def right(self) -> float:
        """Right edge of the panels."""
        return self.left + len(self.columns) * (self.side + self.gap) - self.gap

    @property
    def bottom(self) -> float:
        """Lower edge of the panels."""
        return self.box(len(self.names) - 1, 0)[1]

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel."""
        x = self.left + column * (self.side + self.gap)
        y = self.height - self.top - (row + 1) * (self.tall + self.name_height) - row * self.gap
        return x, y, self.side, self.tall


def panel_grid(
    style: FigureStyle,
    names: Sequence[str],
    columns: Sequence[str],
    *,
    aspect: float,
    title: str = "",
    axes_below: bool = False,
    with_bar: bool = True,
    extra_below: float = 0.0,
) -> PanelGrid:
    """Lay out as large panels as width and largest height allow.

    Parameters
    ----------
    style : FigureStyle
        Gives the width; call inside its context.
    names, columns : sequence of str
        Rows and columns.
    aspect : float
        Height over width of a panel.
    title : str
        Above everything.
    axes_below : bool
        Whether the lower left panel has axes with labels.
    with_bar : bool
        Whether there is a colour bar.
    extra_below : float
        Further room below the panels, inches.

    Raises
    ------
    EldynError
        If the panels would be smaller than 8 mm.
    """
    em, small = style.em, style.rules.small / 72
    gap, edge = _GAP * em, 0.3 * em
    beside = style.side_by_side
    if beside:
        widest = max(text_size(name, style.rules.size)[0] for name in names)
        name_width, name_height = min(widest, 0.16 * style.width) + 0.4 * em, 0.0
    else:  # one column has no room for names beside the rows
        name_width, name_height = 0.0, 1.4 * em
    axes_left = 2.4 * small + 1.3 * em if axes_below else 0.0
    left = edge + name_width + axes_left
    bar = 0.0
    if with_bar:
        # The bar, its ticks, its label.
        bar = (0.9 * em + 0.8 * em + 2.6 * small + 1.3 * em) if beside else 0.0
    right = edge + bar
    top = edge + (1.7 * em if title else 0.0) + (1.45 * em if any(columns) else 0.0)
    below = edge + extra_below + (1.3 * small + 1.4 * em if axes_below else 0.0)
    bar_below = (0.7 * em + 0.4 * em + 1.3 * small + 1.6 * em) if with_bar and not beside else 0.0
    room = style.width - left - right - gap * (len(columns) - 1)
    side = room / len(columns)
    tall_room = style.largest_height - top - below - bar_below
    tall_room -= gap * (len(names) - 1) + name_height * len(names)
    side = min(side, tall_room / len(names) / aspect)
    if side < _SMALLEST:
        raise EldynError(
            f"{len(names)} rows of {len(columns)} panels do not fit into "
            f"{25.4 * style.width:.0f} × {25.4 * style.largest_height:.0f} mm",
            remedy="Choose fewer times or rollouts, or the double width.",
        )
    tall = side * aspect
    unused = room - side * len(columns)
    left += 0.5 * unused if unused > 0 else 0.0
    rows = len(names) * (tall + name_height) + gap * (len(names) - 1)
    height = top + rows + below + bar_below
    return PanelGrid(
        height, left, top, side, tall, gap, below, tuple(names), tuple(columns),
        name_width,
        name_height, title, beside, with_bar,
    )  # fmt: skip


def name_rows(figure: Figure, grid: PanelGrid, style: FigureStyle) -> None:
    """Write title, names of rows and columns."""
    width, height = figure.get_size_inches()
    em = style.em
    if grid.title:
        figure.text(0.3 * em / width, 1 - 0.3 * em / height, grid.title, va="top", ha="left")
    for j, text in enumerate(grid.columns):
        x, y, side, tall = grid.box(0, j)
        y += tall + grid.name_height + 0.3 * em
        figure.text((x + side / 2) / width, y / height, text, va="bottom", ha="center")
    size = style.rules.size
    for i, name in enumerate(grid.names):
        x, y, _, tall = grid.box(i, 0)
        if grid.name_width:
            lines = max(1, int(tall / (1.25 * em)))
            text = fitted_lines(name, size, grid.name_width - 0.3 * em, lines)
            middle = (y + tall / 2) / height
            figure.text(0.3 * em / width, middle, text, va="center", ha="left", linespacing=1.15)
        else:
            text = fitted_lines(name, size, grid.right - x, 1)
            y += tall + 0.3 * em
            figure.text(x / width, y / height, text, va="bottom", ha="left", size=size)


def colour_bar(
    figure: Figure,
    grid: PanelGrid,
    style: FigureStyle,
    colours: ScalarMappable,
    label: str,
    *,
    extend: Literal["neither", "both", "min", "max"] = "neither",
) -> None:
    """Draw the colour bar beside or below the panels."""
    em = style.em
    if grid.beside:
        span = min(grid.height - grid.top - grid.below, 24 * em)
        middle = grid.bottom + (grid.height - grid.top - grid.bottom - span) / 2
        box = add_axes(figure, grid.right + 0.9 * em, middle, 0.8 * em, span)
        bar = figure.colorbar(colours, cax=box, extend=extend)
    else:
        span = min(grid.right - grid.left, 30 * em)
        x = grid.left + (grid.right - grid.left - span) / 2
        y = grid.bottom - grid.below - 0.4 * em
        box = add_axes(figure, x, y, span, 0.7 * em)
        bar = figure.colorbar(colours, cax=box, extend=extend, orientation="horizontal")
    bar.set_label(label, labelpad=0.25 * style.rules.size)
    bar.ax.minorticks_off()
    bar.ax.tick_params(direction="out", length=0.22 * style.rules.size)
    bar.outline.set_linewidth(0.5 * style.line)
    axis = bar.ax.yaxis if grid.beside else bar.ax.xaxis
    axis.set_major_locator(MaxNLocator(max(2, int(span / (4 * em))), steps=[1, 2, 2.5, 5, 10]))
