"""Planes through several densities at several times, with the colours they have in the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_eldyn.figures.layout import add_axes
from napari_eldyn.figures.style import Palette

__all__ = ["Scale", "StripLayout", "StripRow", "draw_strip"]

FloatArray = NDArray[np.floating]

_GAP = 0.04
_TOP, _BOTTOM, _RIGHT_BAR = 0.22, 0.08, 0.62
_LETTER = 0.066  # mean width of a letter of 8 points, inches
_SCALE_BARS = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True, eq=False)
class Scale:
    """A colour scale.

    Parameters
    ----------
    colours : numpy.ndarray, shape (n, 4)
        From the lowest to the highest value.
    limits : tuple of float
        Values of the first and the last colour, electrons/Å³.
    label : str
        What the values are.
    """

    colours: FloatArray
    limits: tuple[float, float]
    label: str

    def same_as(self, other: Scale) -> bool:
        """Whether equal colours mean equal values."""
        return (
            self.label == other.label
            and self.limits == other.limits
            and np.array_equal(self.colours, other.colours)
        )


@dataclass(frozen=True, eq=False)
class StripRow:
    """One density.

    Parameters
    ----------
    name : str
        Written before the row.
    planes : sequence of numpy.ndarray, shape (rows, columns), or None
        One for each time, electrons/Å³, the first row on top; None where there is none (yet).
    scale : Scale
        Its colours.
    """

    name: str
    planes: Sequence[FloatArray | None]
    scale: Scale


@dataclass(frozen=True)
class StripLayout:
    """Where things are in a figure of given size, in inches.

    Parameters
    ----------
    width, height : float
        Of the figure.
    n_rows, n_scales : int
        Rows, and colour bars.
    aspect : float
        Height over width of a plane.
    names : tuple of str
        Of the rows.
    """

    width: float
    height: float
    n_rows: int
    n_scales: int
    aspect: float
    names: tuple[str, ...]

    @property
    def left(self) -> float:
        """Room for the names."""
        return 0.12 + _LETTER * max((len(name) for name in self.names), default=0)

    @property
    def tall(self) -> float:
        """Height of a plane."""
        free = self.height - _TOP - _BOTTOM - _GAP * (self.n_rows - 1)
        return max(free / max(self.n_rows, 1), 0.1)

    @property
    def side(self) -> float:
        """Width of a plane."""
        return self.tall / self.aspect

    @property
    def n_columns(self) -> int:
        """Planes that fit side by side, at least one."""
        free = self.width - self.left - self.n_scales * _RIGHT_BAR - 0.05
        return max(1, int((free + _GAP) / (self.side + _GAP)))

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Lower left corner of a plane."""
        x = self.left + column * (self.side + _GAP)
        y = _BOTTOM + (self.n_rows - 1 - row) * (self.tall + _GAP)
        return x, y

    def column_at(self, x: float) -> int | None:
        """Return the column at a distance from the left edge, or None."""
        column = int((x - self.left) // (self.side + _GAP))
        inside = (x - self.left) % (self.side + _GAP) <= self.side
        return column if x >= self.left and inside else None

    def fitted(self, n_columns: int) -> float:
        """Height of a figure of this width in which so many columns just fit."""
        free = self.width - self.left - self.n_scales * _RIGHT_BAR - 0.05
        side = (free - _GAP * (n_columns - 1)) / n_columns
        return _TOP + _BOTTOM + self.n_rows * side * self.aspect + _GAP * (self.n_rows - 1)


def draw_strip(
    figure: Figure,
    rows: Sequence[StripRow],
    times: Sequence[float],
    extent: tuple[float, float],
    palette: Palette,
    marked: int | None = None,
) -> StripLayout:
    """Draw rows of planes, in columns of times, into a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first; its size is kept. Called inside `style.context`.
    rows : sequence of StripRow
        One for each density.
    times : sequence of float
        Of the columns, fs.
    extent : tuple of float
        Width and height of a plane, Å.
    palette : Palette
        The colours of what is written.
    marked : int, optional
        Column to mark.

    Returns
    -------
    StripLayout
        Where things are.
    """
    figure.clear()
    figure.set_facecolor(palette.background)
    scales: list[Scale] = []
    for row in rows:
        if not any(row.scale.same_as(scale) for scale in scales):
            scales.append(row.scale)
    width, height = (float(x) for x in figure.get_size_inches())
    names = tuple(row.name for row in rows)
    layout = StripLayout(width, height, len(rows), len(scales), extent[1] / extent[0], names)
    for i, row in enumerate(rows):
        _draw_row(figure, layout, row, i, palette)
    for j, time in enumerate(times):
        x, y = layout.corner(0, j)
        figure.text(
            (x + layout.side / 2) / width,
            (y + layout.tall + 0.03) / height,
            f"{time:g} fs",
            ha="center",
            va="bottom",
            size=7.5,
            color=palette.text,
            weight="bold" if j == marked else "normal",
        )
    if marked is not None and rows:
        _mark(figure, layout, marked, palette)
    if rows:
        _draw_length(figure, layout, extent, palette)
    for k, scale in enumerate(scales):
        _draw_bar(figure, layout, scale, k, palette)
    return layout


def _draw_row(
    figure: Figure,
    layout: StripLayout,
    row: StripRow,
    i: int,
    palette: Palette,
) -> None:
    """Draw all planes of a row in one axes: many axes would be slow."""
    n = len(row.planes)
    x, y = layout.corner(i, 0)
    wide = n * layout.side + (n - 1) * _GAP
    axes = add_axes(figure, x, y, wide, layout.tall)
    axes.set(xlim=(0, wide), ylim=(0, layout.tall))
    axes.set_axis_off()
    figure.text(
        (layout.left - 0.06) / layout.width,
        (y + layout.tall / 2) / layout.height,
        row.name,
        ha="right",
        va="center",
        size=8,
        color=palette.text,
    )
    colours, (low, high) = ListedColormap(row.scale.colours), row.scale.limits
    for j, plane in enumerate(row.planes):
        start = j * (layout.side + _GAP)
        if plane is None:
            _draw_empty(axes, start, layout, palette)
            continue
        axes.imshow(
            np.asarray(plane),
            origin="upper",
            extent=(start, start + layout.side, 0, layout.tall),
            vmin=low,
            vmax=high,
            cmap=colours,
            interpolation="nearest",
            aspect="auto",
        )
    axes.set(xlim=(0, wide), ylim=(0, layout.tall))


def _draw_empty(axes: Axes, start: float, layout: StripLayout, palette: Palette) -> None:
    axes.add_patch(
        Rectangle((start, 0), layout.side, layout.tall, fc="none", ec=palette.muted, lw=0.4)
    )
    axes.text(
        start + layout.side / 2, layout.tall / 2, "–", ha="center", va="center", color=palette.muted
    )


def _mark(figure: Figure, layout: StripLayout, column: int, palette: Palette) -> None:
    x, y = layout.corner(layout.n_rows - 1, column)
    tall = layout.n_rows * layout.tall + (layout.n_rows - 1) * _GAP
    pad = 0.6 * _GAP
    figure.add_artist(
        Rectangle(
            ((x - pad) / layout.width, (y - pad) / layout.height),
            (layout.side + 2 * pad) / layout.width,
            (tall + 2 * pad) / layout.height,
            fc="none",
            ec=palette.generated[0],
            lw=1.4,
            transform=figure.transFigure,
            zorder=5,
        )
    )


def _draw_length(
    figure: Figure, layout: StripLayout, extent: tuple[float, float], palette: Palette
) -> None:
    """Draw a bar of round length below the first plane of the last row, inside it."""
    length = max((bar for bar in _SCALE_BARS if bar < 0.6 * extent[0]), default=1)
    x, y = layout.corner(layout.n_rows - 1, 0)
    wide = layout.side * length / extent[0]
    axes = add_axes(figure, x, y, layout.side, layout.tall)
    axes.set(xlim=(0, layout.side), ylim=(0, layout.tall))
    axes.set_axis_off()
    start = 0.08 * layout.side
    axes.plot([start, start + wide], [0.09 * layout.tall] * 2, color="white", lw=2)
    axes.plot([start, start + wide], [0.09 * layout.tall] * 2, color="black", lw=0.6)
    axes.text(
        start + wide / 2,
        0.12 * layout.tall,
        f"{length} Å",
        ha="center",
        va="bottom",
        size=6.5,
        color="white",
        bbox={"fc": "black", "ec": "none", "alpha": 0.5, "pad": 0.6},
    )


def _draw_bar(figure: Figure, layout: StripLayout, scale: Scale, k: int, palette: Palette) -> None:
    x = layout.width - (layout.n_scales - k) * _RIGHT_BAR + 0.04
    tall = layout.height - _TOP - _BOTTOM - 0.1
    axes = add_axes(figure, x, _BOTTOM + 0.04, 0.09, tall)
    low, high = scale.limits
    mappable = ScalarMappable(Normalize(low, high), ListedColormap(scale.colours))
    bar = figure.colorbar(mappable, cax=axes)
    axes.minorticks_off()
    axes.tick_params(direction="out", length=2, labelsize=7, colors=palette.text)
    axes.yaxis.set_major_locator(MaxNLocator(max(2, min(6, int(tall / 0.22)))))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}".replace("-", "−"))
    bar.outline.set_linewidth(0.5)
    figure.text(
        (x - 0.02) / layout.width,
        (layout.height - 0.05) / layout.height,
        scale.label,
        ha="left",
        va="top",
        size=7,
        color=palette.text,
    )
