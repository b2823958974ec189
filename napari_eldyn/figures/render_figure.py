"""Rendered volumes in a grid, with everything written on them as vectors."""

from __future__ import annotations

from itertools import product
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from napari_eldyn.figures.layout import add_axes
from napari_eldyn.figures.packing import Floats, Picture
from napari_eldyn.figures.panel_grid import PanelGrid, colour_bar, name_rows, panel_grid
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.sheet import plain_figure, text_size
from napari_eldyn.figures.sidecar import FigureData, FigureOptions

__all__ = [
    "RenderData",
    "RenderOptions",
    "cell_corners",
    "draw_render",
    "panel_inches",
    "pixels_per_length",
    "project",
]

_ROUND = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # Å

_HOW = {
    "mip": "maximum along the line of sight",
    "attenuated_mip": "attenuated maximum along the line of sight",
    "minip": "minimum along the line of sight",
    "average": "mean along the line of sight",
    "translucent": "translucent",
    "additive": "sum along the line of sight",
}


class RenderData(FigureData):
    """Pictures of volumes, and what is needed to draw on them in the right places."""

    names: tuple[str, ...]
    """Of the rows."""
    times: tuple[float, ...]
    """Since the start, fs: the columns."""
    pictures: tuple[tuple[Picture | None, ...], ...]
    """Rows of columns, all of one size; None where there is no frame. What the volume does not
    cover is transparent."""
    cell: tuple[tuple[float, float, float], ...]
    """Cell vectors as rows, Å."""
    origin: tuple[float, float, float]
    """Corner of what is drawn, Å: half a voxel before the first grid point."""
    projection: Floats
    """Shape (4, 4): what turns (x, y, z, 1) in Å into homogeneous pixels (right, down, –, w)."""
    view_direction: tuple[float, float, float]
    """Into the picture, in Å."""
    rendering: str
    """napari's name of the kind of projection."""
    level: float | None
    """Of the isosurface, in the unit of the values."""
    colours: Floats
    """RGBA from the lower to the upper limit, shape (n, 4)."""
    limits: tuple[float, float]
    gamma: float = 1.0
    quantity: str
    """With its unit, as mathematical text."""

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        if len(self.pictures) != len(self.names) or not self.names or not self.times:
            raise ValueError(f"{len(self.pictures)} rows of pictures for {len(self.names)} names")
        for row in self.pictures:
            if len(row) != len(self.times):
                raise ValueError(f"a row has {len(row)} pictures for {len(self.times)} times")
        if len({p.shape for row in self.pictures for p in row if p is not None}) != 1:
            raise ValueError("there is no picture, or they are of different sizes")
        if self.projection.shape != (4, 4) or len(self.cell) != 3:
            raise ValueError("the projection or the cell is damaged")
        if self.colours.ndim != 2 or self.colours.shape[1] != 4 or len(self.colours) < 2:
            raise ValueError("the colours are damaged")
        if not self.limits[1] > self.limits[0]:
            raise ValueError("the limits of the colours do not rise")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, pixels."""
        picture = next(p for row in self.pictures for p in row if p is not None)
        return picture.shape[1], picture.shape[0]


class RenderOptions(FigureOptions):
    """What is drawn on and around the pictures."""

    cell: bool = True
    """The edges of the cell, those behind the volume dashed."""
    axes: bool = True
    """Directions of the cell vectors."""
    scale_bar: bool = True


def panel_inches(
    style: FigureStyle,
    names: tuple[str, ...],
    times: tuple[float, ...],
    options: RenderOptions,
    *,
    aspect: float = 1.0,
    with_bar: bool = True,
) -> tuple[float, float]:
    """Width and height in inches that each picture will have: times dpi, its pixels."""
    with style.context():
        grid = _grid(style, names, times, options, aspect=aspect, with_bar=with_bar)
    return grid.side, grid.tall


def _grid(
    style: FigureStyle,
    names: tuple[str, ...],
    times: tuple[float, ...],
    options: RenderOptions,
    *,
    aspect: float,
    with_bar: bool,
) -> PanelGrid:
    return panel_grid(
        style,
        names,
        [f"{time:g} fs" for time in times],
        aspect=aspect,
        title=options.title,
        with_bar=with_bar,
        extra_below=3.2 * style.em,
    )


def draw_render(data: RenderData, style: FigureStyle, options: RenderOptions) -> Figure:
    """Compose rendered volumes: a row for each trajectory, a column for each time.

    Parameters
    ----------
    data : RenderData
        Pictures and projection.
    style : FigureStyle
        Pictures rendered for another style are scaled.
    options : RenderOptions
        What is drawn on them.

    Returns
    -------
    matplotlib.figure.Figure
        Cell, directions, scale bar, texts and colour bar are vectors.
    """
    width, height = data.size
    isosurface = data.rendering == "iso"
    with style.context():
        grid = _grid(
            style, data.names, data.times, options, aspect=height / width, with_bar=not isosurface
        )
        figure = plain_figure(style, grid.height)
        for i, row in enumerate(data.pictures):
            for j, picture in enumerate(row):
                axes = add_axes(figure, *grid.box(i, j))
                axes.set_axis_off()
                axes.set(xlim=(0, width), ylim=(height, 0))
                if picture is None:
                    axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", va="center")
                    continue
                axes.imshow(
                    picture, extent=(0, width, height, 0), interpolation="none", aspect="auto",
                    zorder=2,
                )  # fmt: skip
                if options.cell:
                    _draw_cell(axes, data, style)
        name_rows(figure, grid, style)
        _write_below(figure, grid, data, style, options)
        if not isosurface:
            norm = (
                Normalize(*data.limits)
                if data.gamma == 1.0
                else PowerNorm(data.gamma, *data.limits)
            )
            colour_bar(
                figure, grid, style, ScalarMappable(norm, _colormap(data)), data.quantity,
                extend="both",
            )  # fmt: skip
    return figure


def _colormap(data: RenderData) -> Colormap:
    return ListedColormap(data.colours, name="rendered")


# -- geometry -------------------------------------------------------------------------------------


def project(projection: NDArray[Any], places: NDArray[Any]) -> NDArray[np.float64]:
    """Pixels (right, down) of places in Å.

    Parameters
    ----------
    projection : numpy.ndarray, shape (4, 4)
        As in `RenderData`.
    places : numpy.ndarray, shape (n, 3)
        Å.

    Returns
    -------
    numpy.ndarray, shape (n, 2)
        Pixels.
    """
    places = np.asarray(places, dtype=np.float64)
    mapped = np.column_stack([places, np.ones(len(places))]) @ np.asarray(projection).T
    result: NDArray[np.float64] = mapped[:, :2] / mapped[:, 3:]
    return result


def cell_corners(cell: ArrayLike, origin: ArrayLike) -> NDArray[np.float64]:
    """Return the eight corners, Å; corner 4 i + 2 j + k lies i a + j b + k c from the origin."""
    steps = np.array(list(product((0, 1), repeat=3)), dtype=np.float64)
    corners: NDArray[np.float64] = steps @ np.asarray(cell) + np.asarray(origin)
    return corners


def _centre(data: RenderData) -> NDArray[np.float64]:
    centre: NDArray[np.float64] = np.asarray(data.origin) + np.sum(data.cell, axis=0) / 2
    return centre


def pixels_per_length(data: RenderData) -> float:
    """Pixels per Å across the line of sight, at the depth of the cell's centre."""
    view = np.asarray(data.view_direction) / np.linalg.norm(data.view_direction)
    helper = np.eye(3)[int(np.argmin(np.abs(view)))]
    right = np.cross(view, helper)
    right /= np.linalg.norm(right)
    centre = _centre(data)
    reach = 1e-3  # Å: perspective bends nothing over so little
    steps = [
        np.diff(
            project(data.projection, np.array([centre - reach * d, centre + reach * d])), axis=0
        )
        for d in (right, np.cross(view, right))
    ]
    return float(np.mean([np.linalg.norm(step) for step in steps]) / (2 * reach))


def _draw_cell(axes: Axes, data: RenderData, style: FigureStyle) -> None:
    corners = cell_corners(data.cell, data.origin)
    pixels = project(data.projection, corners)
    hidden = int(np.argmax(corners @ np.asarray(data.view_direction)))
    for first in range(8):
        for bit in (1, 2, 4):
            second = first | bit
            if second == first:
                continue
            behind = hidden in (first, second)
            axes.add_line(
                Line2D(
                    pixels[[first, second], 0],
                    pixels[[first, second], 1],
                    color=style.palette.muted,
                    lw=0.6 * style.line,
                    ls=(0, (3, 2)) if behind else "-",
                    alpha=0.7 if behind else 1.0,
                    zorder=3,
                    clip_on=True,
                )
            )


# -- below the pictures ---------------------------------------------------------------------------


def _write_below(
    figure: Figure, grid: PanelGrid, data: RenderData, style: FigureStyle, options: RenderOptions
) -> None:
    """Directions of the cell vectors, scale bar, and how the volume is shown, in a strip."""
    em, small = style.em, style.rules.small
    strip = add_axes(figure, grid.left, grid.bottom - 3.2 * em, grid.right - grid.left, 3.1 * em)
    strip.set_axis_off()
    strip.set(xlim=(0, grid.right - grid.left), ylim=(0, 3.1 * em))  # inches
    x = 0.0
    if options.axes:
        x = _draw_directions(strip, data, style) + 1.2 * em
    if options.scale_bar:
        x = _draw_scale_bar(strip, x, grid, data, style) + 1.2 * em
    if data.level is not None:
        text = f"isosurface at {data.quantity.split(' (')[0]} = {data.level:.3g}"
        unit = data.quantity.partition(" (")[2].rstrip(")")
        text += f" {unit}" if unit else ""
    else:
        text = _HOW.get(data.rendering, data.rendering.replace("_", " "))
    end = grid.right - grid.left
    if text_size(text, small)[0] > end - x:
        words = text.split(" ")
        half = next(
            (
                k
                for k in range(len(words) - 1, 0, -1)
                if text_size(" ".join(words[:k]), small)[0] <= end - x
            ),
            len(words) // 2,
        )
        text = " ".join(words[:half]) + "\n" + " ".join(words[half:])
    strip.text(end, 1.1 * em, text, ha="right", va="center", size=small, linespacing=1.15)


def _draw_directions(strip: Axes, data: RenderData, style: FigureStyle) -> float:
    """Draw arrows along the projected cell vectors; return where they end, inches."""
    em = style.em
    cell = np.array(data.cell)
    centre = _centre(data)
    tips = []
    for vector in cell:
        unit = 1e-3 * vector / np.linalg.norm(vector)
        start, end = project(data.projection, np.array([centre - unit, centre + unit]))
        tips.append((end - start) * (1, -1))  # pixels count downwards
    arrows = np.array(tips)
    arrows *= 1.25 * em / max(np.linalg.norm(arrows, axis=1).max(), 1e-12)
    # Letters stand half an em beyond the tips.
    lengths = np.linalg.norm(arrows, axis=1, keepdims=True)
    letters = arrows + 0.5 * em * arrows / np.maximum(lengths, 1e-12)
    reach = np.vstack([letters, [[0.0, 0.0]]])
    low, high = reach.min(axis=0) - 0.4 * em, reach.max(axis=0) + 0.4 * em
    origin = np.array([-low[0], 1.55 * em - 0.5 * (low[1] + high[1])])
    for name, arrow, letter, length in zip("abc", arrows, letters, lengths[:, 0], strict=True):
        if length < 0.2 * em:  # along the line of sight
            continue
        strip.annotate(
            "",
            tuple(origin + arrow),
            tuple(origin),
            arrowprops={
                "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
                "color": style.palette.text,
                "lw": 0.8 * style.line,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": style.rules.size,
            },
        )
        x, y = (float(place) for place in origin + letter)
        strip.text(
            x,
            y,
            name, ha="center", va="center", style="italic",
            size=style.rules.small,
        )  # fmt: skip
    return float(high[0] - low[0])


def _draw_scale_bar(
    strip: Axes, x: float, grid: PanelGrid, data: RenderData, style: FigureStyle
) -> float:
    """Draw a bar of a round length; return where it ends, inches."""
    em = style.em
    inches = pixels_per_length(data) * grid.side / data.size[0]  # per Å
    fitting = [length for length in _ROUND if length * inches <= max(0.3 * grid.side, 1.5 * em)]
    length = fitting[-1] if fitting else _ROUND[0]
    end = x + length * inches
    label = f"{length:g} Å"
    wide = text_size(label, style.rules.small)[0]
    shift = max(0.0, (wide - length * inches) / 2)
    strip.plot(
        [x + shift, end + shift], [0.75 * em] * 2, color=style.palette.text, lw=1.4 * style.line,
        solid_capstyle="butt",
    )  # fmt: skip
    strip.text(
        (x + end) / 2 + shift, 1.0 * em, label, ha="center", va="bottom", size=style.rules.small
    )
    return end + 2 * shift
