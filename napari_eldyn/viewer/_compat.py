"""Private napari API, in one place, each use with a public fallback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["is_shown", "main_window", "redraw_boxes", "resized_canvas", "unwrap"]


@contextmanager
def resized_canvas(
    viewer: Viewer, width: int, height: int
) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """Give the canvas another size for a while, and take pictures of it.

    The zoom follows the size, so that the picture shows what the canvas showed; it is restored.
    Meanwhile the canvas on the screen stands still. This costs about half of what
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
    before = viewer.screenshot(canvas_only=True, flash=False).shape
    canvas = _canvas(viewer)
    camera.zoom = zoom * min(height / before[0], width / before[1])
    try:
        if canvas is None:
            yield lambda: viewer.screenshot(size=(height, width), canvas_only=True, flash=False)
        else:
            with _size_kept(viewer, canvas, before, (height, width)) as grab:
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

    def grab() -> NDArray[np.uint8]:
        if canvas.size != wanted:  # at first, and when the window's layout took it back
            canvas.size = wanted
        return viewer.screenshot(canvas_only=True, flash=False)  # type: ignore[no-any-return]

    canvas.native.setUpdatesEnabled(False)  # or every picture would be drawn twice
    try:
        yield grab
    finally:
        if is_shown(viewer):
            canvas.size = on_screen
            canvas.native.setUpdatesEnabled(True)


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
