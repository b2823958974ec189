"""Where panels lie on the canvas: as many columns as make them largest, bars in free corners."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "arrange",
    "bar_height",
    "bar_shift",
    "best_columns",
    "fitted_share",
    "has_free_panel",
    "picture_size",
    "titles_fit",
]

_ONE_ROW = (1, -1)
_BAR_WIDTH = 9.0
_BAR_HEIGHTS = (36.0, 130.0)
_TITLE = 26.0  # height of title and unit
_LINE = 21.0  # height of a line of the text below the last row, where no panel is free for it
# A cell seen from the default direction, in units of the shorter side of its panel: half its
# width, and how far above the centre its outline meets a bar at the right edge.
_HALF_WIDTH, _SHOULDER = 0.42, 0.35
_AXES_ROOM = 330.0  # of axes, scale bar and text, one above the other
_LETTER, _UNIT_WIDTH = 8.2, 50.0  # of titles, and of the unit at the other end
_BAR_ROOM = 62.0  # of a bar with its numbers


def picture_size(
    n_panels: int, columns: int, width: float, height: float, n_lines: int = 2
) -> float:
    """Return the side of the largest square pictures that leave room for what is written.

    Parameters
    ----------
    n_panels, columns : int
        Panels, and how many stand in a row.
    width, height : float
        Size of the canvas.
    n_lines : int
        Lines of text in the lower right corner of the canvas.
    """
    rows = -(-n_panels // columns)
    is_full = n_panels % columns == 0
    margin = max(_TITLE, 8 + _LINE * n_lines) if is_full else _TITLE
    wide, tall = width / columns, height / rows
    # The lowest bar fits above the cell's shoulder, or beside the cell.
    above = (tall / 2 - _TITLE - _BAR_HEIGHTS[0]) / _SHOULDER
    beside = (wide / 2 - _BAR_ROOM) / _HALF_WIDTH
    return max(min(wide, tall - 2 * margin, max(above, beside)), 1.0)


def best_columns(n_panels: int, width: float, height: float) -> int:
    """Return the number of columns that makes square pictures in the panels largest.

    Two panels always stand side by side. Of equally good arrangements the widest is taken.

    Parameters
    ----------
    n_panels : int
        Panels, filled in row by row.
    width, height : float
        Size of the canvas.
    """
    if n_panels < 3:
        return max(1, n_panels)
    choices = range(n_panels, 0, -1)
    return max(choices, key=lambda columns: picture_size(n_panels, columns, width, height))


def bar_height(width: float, height: float) -> float:
    """Return how high a colour bar may be in the upper right corner of a panel.

    As high as it may without lying on the cell, which is fitted into the panel.

    Parameters
    ----------
    width, height : float
        Size of the panel.
    """
    low, high = _BAR_HEIGHTS
    short = min(width, height)
    if width / 2 - _HALF_WIDTH * short > _BAR_ROOM:  # room beside the cell
        free = height - _TITLE - 8 - 20
    else:
        free = height / 2 - _SHOULDER * short - _TITLE - 8
    return min(max(free, low), high)


def arrange(viewer: Viewer, n_more: int = 0) -> None:
    """Lay the visible layers out in the grid, one a panel.

    If the last panel of the grid stays empty, the scale bar and the axes go there. Axes that would
    lie on a picture are hidden.

    Parameters
    ----------
    viewer : napari.Viewer
        Its grid may be off: then there is one panel.
    n_more : int
        Layers about to be added. The grid is then right from their first picture on.
    """
    height, width = viewer.canvas.size
    grid, overlays = viewer.canvas.grid, viewer.canvas.overlays
    n_panels, columns, rows = _layout(viewer, n_more)
    shape = (-1, columns) if rows > 1 else _ONE_ROW
    if grid.enabled and tuple(grid.shape) != shape:
        grid.shape = shape
    has_room = n_panels % columns > 0
    corner = "bottom_right" if has_room else "bottom_left"
    for name in ("scale_bar", "axes"):
        if overlays[name].position != corner:
            overlays[name].position = corner
    _set_axes(viewer, n_panels < 3 or (has_room and height / rows > _AXES_ROOM))
    size = (_BAR_WIDTH, round(bar_height(width / columns, height / rows)))
    for layer in viewer.layers:
        bar = getattr(layer, "colorbar", None)
        if bar is not None and bar.visible and tuple(bar.size) != size:
            bar.size = size


def fitted_share(viewer: Viewer) -> float:
    """Share of the shorter side of a panel that a picture may fill."""
    height, width = viewer.canvas.size
    n_panels, columns, rows = _layout(viewer)
    short = min(width / columns, height / rows)
    n_lines = max(2, str(viewer.canvas.overlays.text.text).count("\n") + 1)
    size = picture_size(n_panels, columns, width, height, n_lines)
    if viewer.dims.ndisplay == 2:  # the bar stands beside the picture, which is a whole square
        size = min(size, max(width / columns - _BAR_ROOM, 1.0))
    return float(size / max(short, 1.0))


def bar_shift(viewer: Viewer) -> float:
    """Pixels by which pictures in 2D move to the left, for the bar beside them."""
    height, width = viewer.canvas.size
    _, columns, rows = _layout(viewer)
    free = width / columns - fitted_share(viewer) * min(width / columns, height / rows)
    return _BAR_ROOM / 2 if free < 2 * _BAR_ROOM else 0.0


def has_free_panel(viewer: Viewer) -> bool:
    """Whether the last panel of the grid is empty, so that there is room for text."""
    n_panels, columns, _ = _layout(viewer)
    return n_panels % columns > 0


def titles_fit(viewer: Viewer) -> bool:
    """Whether the names of the panels leave room for the unit."""
    _, columns, _ = _layout(viewer)
    longest = max((len(layer.name) for layer in viewer.layers if layer.visible), default=0)
    return bool(_LETTER * longest + _UNIT_WIDTH < viewer.canvas.size[1] / columns)


def _layout(viewer: Viewer, n_more: int = 0) -> tuple[int, int, int]:
    """Panels, columns and rows."""
    height, width = viewer.canvas.size
    visible = sum(layer.visible for layer in viewer.layers) if viewer.canvas.grid.enabled else 0
    n_panels = max(1, visible + n_more)
    columns = best_columns(n_panels, width, height)
    return n_panels, columns, -(-n_panels // columns)


_had_axes: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()


def _set_axes(viewer: Viewer, fit: bool) -> None:
    """Show the axes where they fit; who switches them by the menu is left alone until then."""
    if _had_axes.get(viewer, True) != fit:
        _had_axes[viewer] = fit
        viewer.canvas.overlays.axes.visible = fit
