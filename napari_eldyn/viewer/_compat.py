"""Private napari API, in one place, each use with a public fallback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "is_shown",
    "largest_canvas",
    "main_window",
    "redraw_boxes",
    "render_scene",
    "resized_canvas",
    "unwrap",
]


@contextmanager
def resized_canvas(
    viewer: Viewer, width: int, height: int
) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """Give the canvas another size for a while, and take pictures of it.

    The zoom follows the shorter side of the panels, so that what filled them fills them; it is
    restored. Meanwhile the canvas on the screen stands still. This costs about half of what
    ``viewer.screenshot(size=...)`` for every picture costs, which stays the fallback.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer with a visible window.
    width, height : int
        Size of the pictures in pixels.

    Yields
    ------
    callable
        Takes a picture: (height, width, 4), 8-bit RGBA, unless the canvas was resized meanwhile.
    """
    camera = viewer.scene.camera
    zoom, centre = camera.zoom, camera.center
    before = viewer.screenshot(canvas_only=True, flash=False).shape[:2]
    short_side = _short_side(viewer, before)
    canvas = _canvas(viewer)
    try:
        if canvas is None:
            camera.zoom = zoom * _short_side(viewer, (height, width)) / short_side
            yield lambda: viewer.screenshot(size=(height, width), canvas_only=True, flash=False)
        else:
            with _size_kept(viewer, canvas, before, (height, width)) as grab:
                # Panels may stand in other rows and columns now.
                camera.zoom = zoom * _short_side(viewer, (height, width)) / short_side
                camera.center = centre
                yield grab
    finally:
        camera.zoom, camera.center = zoom, centre


@contextmanager
def _size_kept(
    viewer: Viewer, canvas: Any, before: tuple[int, ...], size: tuple[int, int]
) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    on_screen = canvas.size  # (height, width) in logical pixels; pictures have device pixels
    scale = before[0] / on_screen[0]
    wanted = tuple(round(length / scale) for length in size)
    is_settled = False

    def grab() -> NDArray[np.uint8]:
        nonlocal is_settled
        if canvas.size != wanted:  # when the window's layout took it back
            canvas.size, is_settled = wanted, False
        if not is_settled:  # panels of a grid get their places while the canvas is drawn
            viewer.screenshot(canvas_only=True, flash=False)
            is_settled = True
        return viewer.screenshot(canvas_only=True, flash=False)  # type: ignore[no-any-return]

    canvas.native.setUpdatesEnabled(False)  # or every picture would be drawn twice
    try:
        canvas.size = wanted
        yield grab
    finally:
        if is_shown(viewer):
            canvas.size = on_screen
            canvas.native.setUpdatesEnabled(True)


def _short_side(viewer: Viewer, size: tuple[int, ...]) -> float:
    """Shorter side of a panel in a canvas of (height, width)."""
    grid = viewer.canvas.grid
    rows, columns = grid.actual_shape(viewer.layers) if grid.enabled else (1, 1)
    return float(min(size[0] / rows, size[1] / columns))


def render_scene(viewer: Viewer, background: tuple[float, ...]) -> NDArray[np.uint8] | None:
    """Draw the canvas at its present size onto another background, out of sight.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer with a visible window.
    background : tuple of float
        Red, green, blue and opacity, from 0 to 1.

    Returns
    -------
    ndarray or None
        (height, width, 4), 8-bit RGBA; None where this napari cannot do it.
    """
    canvas = _canvas(viewer)
    scene = getattr(canvas, "_scene_canvas", None)
    if scene is None:
        return None
    canvas.on_draw(None)
    picture: NDArray[np.uint8] = scene.render(bgcolor=background)
    return picture


def largest_canvas(viewer: Viewer) -> int | None:
    """Return the longest side in pixels that OpenGL draws here, or None where unknown."""
    sizes = getattr(_canvas(viewer), "max_texture_sizes", None)
    return None if not sizes else int(sizes[0])


def _canvas(viewer: Viewer) -> Any:
    """Give napari's canvas, or None where its size cannot be set."""
    canvas = getattr(getattr(viewer.window, "_qt_viewer", None), "canvas", None)
    return canvas if hasattr(canvas, "size") else None


def redraw_boxes(viewer: Viewer, layers: Iterable[Any]) -> None:
    """Draw the bounding boxes of layers that have been moved to another panel of the grid.

    napari leaves a box that was drawn once where it was, out of sight (0.9.2). Nothing public
    brings it back, so a napari that keeps its boxes elsewhere is left alone.
    """
    visuals = getattr(_canvas(viewer), "_layer_overlay_to_visual", {})
    for layer in layers:
        box = visuals.get(layer, {}).get(layer.bounding_box)
        if box is not None:
            parent = box.node.parent
            box.node.parent = None
            box.node.parent = parent


def is_shown(viewer: Viewer) -> bool:
    """Whether the viewer's window is open on a screen (True where napari does not tell)."""
    window: Any = viewer.window
    if not hasattr(type(window), "_qt_viewer"):
        return True
    qt_window = getattr(window, "_qt_window", None)
    return qt_window is not None and bool(qt_window.isVisible())


def unwrap(viewer: Viewer) -> Viewer:
    """Return the viewer behind the proxy that napari hands to plugins."""
    return getattr(viewer, "__wrapped__", viewer)


def main_window(viewer: Viewer) -> Any:
    """Return the Qt main window of a viewer, or None where napari does not tell."""
    return getattr(viewer.window, "_qt_window", None)
