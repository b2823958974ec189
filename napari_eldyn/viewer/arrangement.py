"""Where panels lie on the canvas: as many columns as make them largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["arrange", "best_columns", "has_rows"]

_ONE_ROW = (1, -1)


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
    sizes = {n: min(width / n, height / -(-n_panels // n)) for n in range(n_panels, 0, -1)}
    return max(sizes, key=lambda columns: sizes[columns])


def arrange(viewer: Viewer, n_more: int = 0) -> bool:
    """Lay the visible layers out in the grid, one a panel; returns whether anything moved.

    If the last panel of the grid stays empty, the scale bar and the axes go there.

    Parameters
    ----------
    viewer : napari.Viewer
        Its grid is on.
    n_more : int
        Layers about to be added. The grid is then right from their first picture on.
    """
    height, width = viewer.canvas.size
    n_panels = sum(layer.visible for layer in viewer.layers) + n_more
    columns = best_columns(n_panels, width, height)
    shape = (-1, columns) if n_panels > columns else _ONE_ROW
    corner = "bottom_right" if n_panels % columns else "bottom_left"
    grid, overlays = viewer.canvas.grid, viewer.canvas.overlays
    moved = tuple(grid.shape) != shape
    if moved:
        grid.shape = shape
    for name in ("scale_bar", "axes"):
        if overlays[name].position != corner:
            overlays[name].position = corner
    return moved


def has_rows(viewer: Viewer) -> bool:
    """Whether panels stand in several rows, where their corners are not free."""
    return tuple(viewer.canvas.grid.shape) != _ONE_ROW
