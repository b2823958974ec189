"""Where everything in a movie's frame goes: no overlaps, nothing cut, at any size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.movie_settings import MovieSettings

__all__ = ["Box", "FrameLayout", "lay_out"]

# Lengths in points, of which a landscape frame is 432 high (6 inches), whatever its pixels.
_HEIGHT = 432.0
_WIDEST = 0.8  # of the width counts like the height, so that text fits tall frames
_MARGIN = 8.0
_GAP = 8.0
_TITLE = 20.0
_FOOTER = 22.0  # scale bar and time
_NOTES = 12.0
_NAMES = 14.0  # of panels, above the first row of them
_BARS = 46.0  # colour bars with their numbers
_SHARES = {1: 0.37, 2: 0.5, 3: 0.6}  # of the width, for plots in that many columns
_ROW_SHARES = {1: 0.34, 2: 0.52, 3: 0.62}  # of the height, for plots in that many rows
_LEAST_PLOT = (160.0, 116.0)  # with tick labels
_TALLEST_PLOT, _WIDEST_PLOT = 0.85, 2.6  # height by width, width by height
_LEAST_VOLUMES = (96.0, 96.0)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels from the top left corner of the frame."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column right of it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.top + self.height


@dataclass(frozen=True)
class FrameLayout:
    """Places in one frame.

    Parameters
    ----------
    size : tuple of int
        Width and height in pixels.
    point : float
        Pixels per point: fonts and lines grow with the frame.
    volumes : Box
        The canvas.
    title, footer, notes, bars : Box or None
        Title above; scale bar and time below the volumes; remarks below these; colour bars.
    plots : tuple of Box
        One for each plot, with room for its labels.
    """

    size: tuple[int, int]
    point: float
    volumes: Box
    title: Box | None
    footer: Box | None
    notes: Box
    bars: Box | None
    plots: tuple[Box, ...]


def lay_out(
    settings: MovieSettings, *, has_bars: bool = True, has_names: bool = False
) -> FrameLayout:
    """Place volumes, plots and texts.

    Parameters
    ----------
    settings : MovieSettings
        Size, layout, plots, and what is written.
    has_bars : bool
        Whether there are volumes with a colour scale.
    has_names : bool
        Whether there are several panels, whose names are shown if the settings ask for it.

    Raises
    ------
    EldynError
        If the plots do not fit into the frame; says what would.
    """
    width, height = settings.size
    point = min(height, _WIDEST * width) / _HEIGHT
    left, top = _MARGIN, _MARGIN
    right, bottom = width / point - _MARGIN, height / point - _MARGIN

    def box(x0: float, y0: float, x1: float, y1: float) -> Box:
        edges = [round(value * point) for value in (x0, y0, x1, y1)]
        return Box(edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1])

    title = box(left, top, right, top + _TITLE) if settings.title else None
    if title is not None:
        top += _TITLE + _GAP / 2
    names = settings.shown_plots
    plots: tuple[Box, ...] = ()
    if names:
        beside = settings.layout == "right"
        n_columns, n_rows = _grid(len(names), right - left, bottom - top, beside)
        share = _SHARES[n_columns] if beside else _ROW_SHARES[n_rows]
        x0 = right - share * (right - left) if beside else left
        y0 = top if beside else bottom - share * (bottom - top)
        cell = _shape(
            (right - x0 - _GAP * (n_columns - 1)) / n_columns,
            (bottom - y0 - _GAP * (n_rows - 1)) / n_rows,
        )
        # What is left over goes to both sides.
        x1 = x0 + (right - x0 - n_columns * cell[0] - _GAP * (n_columns - 1)) / 2
        y1 = y0 + (bottom - y0 - n_rows * cell[1] - _GAP * (n_rows - 1)) / 2
        plots = tuple(
            box(x, y, x + cell[0], y + cell[1])
            for number in range(len(names))
            for x in [x1 + (number % n_columns) * (cell[0] + _GAP)]
            for y in [y1 + (number // n_columns) * (cell[1] + _GAP)]
        )
        if beside:
            right = x0 - _GAP
        else:
            bottom = y0 - _GAP
    notes = box(left, bottom - _NOTES, right, bottom)
    bottom -= _NOTES
    footer = None
    if settings.time or settings.scale_bar:
        footer = box(left, bottom - _FOOTER, right, bottom)
        bottom -= _FOOTER
    if has_names and settings.names:
        top += _NAMES
    bars = None
    if has_bars and settings.colour_bar:
        bars = box(right - _BARS, top, right, bottom)
        right -= _BARS + _GAP / 2
    if right - left < _LEAST_VOLUMES[0] or bottom - top < _LEAST_VOLUMES[1]:
        raise _too_small(settings)
    return FrameLayout(
        settings.size, point, box(left, top, right, bottom), title, footer, notes, bars, plots
    )


def _shape(width: float, height: float) -> tuple[float, float]:
    """Keep plots from becoming towers or ribbons."""
    return min(width, _WIDEST_PLOT * height), min(height, _TALLEST_PLOT * width)


def _grid(n_plots: int, width: float, height: float, beside: bool) -> tuple[int, int]:
    """Return columns and rows of plots: the fewest columns beside volumes, rows below them."""
    for lines, share in (_SHARES if beside else _ROW_SHARES).items():
        in_line = math.ceil(n_plots / lines)
        columns, rows = (lines, in_line) if beside else (in_line, lines)
        room = (share * width, height) if beside else (width, share * height)
        cell = (room[0] / columns - _GAP, room[1] / rows - _GAP)
        if cell[0] >= _LEAST_PLOT[0] and cell[1] >= _LEAST_PLOT[1]:
            return columns, rows
    most = _most(n_plots - 1, width, height, beside)
    raise EldynError(
        f"{n_plots} plots do not fit {'beside' if beside else 'below'} the volumes",
        remedy=f"{most}; choose fewer, or another layout or shape.",
    )


def _most(n_plots: int, width: float, height: float, beside: bool) -> str:
    """Say how many plots fit."""
    for fewer in range(n_plots, 0, -1):
        try:
            _grid(fewer, width, height, beside)
        except EldynError:
            continue
        return f"Up to {fewer} fit"
    return "None fits"


def _too_small(settings: MovieSettings) -> EldynError:
    width, height = settings.size
    return EldynError(
        f"volumes do not fit into a frame of {width}×{height} pixels beside what else it shows",
        remedy="Choose a shape closer to a square or to 16:9, another layout, or fewer plots.",
    )
