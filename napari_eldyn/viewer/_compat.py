"""Private napari API, in one place, each use with a public fallback."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "clips_in_data",
    "drop_replaced_grids",
    "forget_ended_tasks",
    "hidden_window",
    "is_shown",
    "is_user_opening",
    "largest_canvas",
    "main_window",
    "redraw_boxes",
    "render_scene",
    "resized_canvas",
    "short_side",
    "show_overlay",
    "take_over_opening",
    "thin_out_ticks",
    "unwrap",
]


_TICK_HEIGHT = 17.0  # pixels from one label of a colour bar to the next


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
    side_before = short_side(viewer, before)
    canvas = _canvas(viewer)
    try:
        if canvas is None:
            camera.zoom = zoom * short_side(viewer, (height, width)) / side_before
            yield lambda: viewer.screenshot(size=(height, width), canvas_only=True, flash=False)
        else:
            with _size_kept(viewer, canvas, before, (height, width)) as grab:
                # Panels may stand in other rows and columns now.
                camera.zoom = zoom * short_side(viewer, (height, width)) / side_before
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


def short_side(viewer: Viewer, size: tuple[int, ...]) -> float:
    """Shorter side of a panel in a canvas of (height, width)."""
    grid = viewer.canvas.grid
    rows, columns = grid.actual_shape(viewer.layers) if grid.enabled else (1, 1)
    return float(min(size[0] / rows, size[1] / columns))


@contextmanager
def hidden_window() -> Iterator[Viewer]:
    """Open a viewer whose window draws, but is not on the screen; close it at the end."""
    import napari
    from qtpy.QtCore import Qt

    viewer = napari.Viewer(show=False)
    try:
        window = main_window(viewer)
        if window is not None:
            window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
        viewer.window.show()
        windows = getattr(type(window), "_instances", [])
        if window in windows:  # napari.current_viewer() stays the one that people see
            windows.remove(window)
            windows.insert(0, window)
        yield viewer
    finally:
        viewer.close()


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


def clips_in_data(viewer: Viewer, layer: Any) -> bool:
    """Whether a volume's clipping planes are in data coordinates, as napari documents them.

    In napari 0.9.2 with vispy 0.17 they are in world coordinates.
    """
    visual = getattr(_canvas(viewer), "layer_to_visual", {}).get(layer)
    node = getattr(visual, "node", None)
    return getattr(node, "clipping_planes_coord_system", "scene") == "visual"


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


def thin_out_ticks(viewer: Viewer, layers: Iterable[Any]) -> None:
    """Label short colour bars at fewer values: vispy labels them as if they were long (0.17).

    Nothing public chooses the values, so a napari that draws its bars otherwise is left alone.
    """
    visuals = getattr(_canvas(viewer), "_layer_overlay_to_visual", {})
    for layer in layers:
        bar = visuals.get(layer, {}).get(layer.colorbar)
        axis: Any = getattr(getattr(bar, "node", None), "ticks", None)
        if not hasattr(axis, "ticker"):
            continue
        if not isinstance(axis.ticker, _sparse_ticker_class()):
            axis.ticker = _sparse_ticker_class()(axis)
        most = max(3, int(layer.colorbar.size[1] / _TICK_HEIGHT))
        if axis.ticker.most != most:
            axis.ticker.most = most
            bar._on_ticks_change()


@cache
def _sparse_ticker_class() -> Any:
    from vispy.visuals.axis import Ticker

    class SparseTicker(Ticker):  # type: ignore[misc]
        """Labels no more than `most` values, zero among them."""

        most = 100

        def _get_tick_frac_labels(self) -> tuple[Any, Any, list[str]]:
            major, minor, labels = super()._get_tick_frac_labels()
            if len(labels) <= self.most or len(labels) < 2:
                return major, minor, labels
            values = np.array([float(label) for label in labels])
            number = np.round(values / (values[1] - values[0])).astype(int)
            for every in range(2, len(labels)):
                kept = number % every == 0
                if 2 <= kept.sum() <= self.most:
                    break
            else:
                kept = np.isin(number, (number[0], number[-1]))
            chosen = [label for label, keep in zip(labels, kept, strict=True) if keep]
            return major[kept], major[~kept], chosen

    return SparseTicker


def drop_replaced_grids(viewer: Viewer) -> None:
    """Let go of grids of panels that napari has replaced.

    napari (0.9.2) makes a new grid for every other number of panels, and its canvas goes on
    holding the old ones: they cost memory, and time whenever the window changes its size. Those
    in which something still lies (hidden layers stay behind) are left alone.
    """
    canvas = _canvas(viewer)
    central: Any = getattr(canvas, "central_widget", None)
    grid: Any = getattr(canvas, "grid", None)
    widgets = list(getattr(central, "_widgets", ()))
    replaced = [w for w in widgets if w is not grid and type(w) is type(grid) and w.parent is None]
    if not replaced:
        return
    kept = {
        id(ancestor)
        for name in ("layer_to_visual", "_layer_overlay_to_visual", "_viewer_overlay_to_visual")
        for node in _nodes(getattr(canvas, name, {}))
        for ancestor in node.parent_chain()
    }
    for widget in replaced:
        if id(widget) not in kept:
            central.remove_widget(widget)


def forget_ended_tasks(kind: type) -> None:
    """Take ended workers of a kind out of the list of tasks that napari (0.9.2) never shortens.

    Parameters
    ----------
    kind : type
        Class of the workers; those of others are left alone.
    """
    from napari import current_viewer
    from napari.utils.task_status import Status

    viewer = current_viewer()
    window = None if viewer is None else viewer.window
    tasks = getattr(getattr(window, "_task_status_manager", None), "_tasks", {})
    for key, task in list(tasks.items()):
        worker = getattr(getattr(task, "_cancel_callback", None), "__self__", None)
        if isinstance(worker, kind) and task.state()[2] not in (Status.PENDING, Status.BUSY):
            del tasks[key]


def show_overlay(viewer: Viewer, overlay: Any) -> None:
    """Make an overlay of the canvas or of a layer visible.

    napari (0.9.2) places an overlay of the panels before it has made it for panels that have come
    while it was hidden, and cannot label a colour bar that was never drawn; both are errors.
    """
    if overlay.visible:
        return
    canvas = _canvas(viewer)
    if not hasattr(canvas, "_update_viewer_overlays"):
        overlay.visible = True
        return
    with overlay.events.visible.blocked():
        overlay.visible = True
    canvas._update_viewer_overlays()
    for visuals in canvas._layer_overlay_to_visual.values():
        for visual in visuals.values():
            ticks: Any = getattr(visual.node, "ticks", None)
            if hasattr(ticks, "ticker") and ticks.ticker.axis.transforms.dpi is None:
                ticks.ticker.axis.transforms.dpi = 96.0
    overlay.events.visible.emit(True)


def _nodes(visuals: Any) -> Iterator[Any]:
    """Give the nodes of all visuals in nested dictionaries and lists."""
    if hasattr(visuals, "node"):
        yield visuals.node
    elif isinstance(visuals, dict | list | tuple):
        for visual in visuals.values() if isinstance(visuals, dict) else visuals:
            yield from _nodes(visual)


def is_shown(viewer: Viewer) -> bool:
    """Whether the viewer's window is open on a screen (True where napari does not tell)."""
    window: Any = viewer.window
    if not hasattr(type(window), "_qt_viewer"):
        return True
    qt_window = getattr(window, "_qt_window", None)
    return qt_window is not None and bool(qt_window.isVisible())


def is_user_opening() -> bool:
    """Whether napari is opening what was dropped, or chosen in its File menu, and has called us.

    napari tells a reader nothing of who wants a file. Where it opens files in another way than
    0.9.2, everything counts as a script's wish: it opens at once, one file after the other.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_qt_open" and frame.f_globals.get("__name__", "").startswith(
            "napari._qt"
        ):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def take_over_opening(viewer: Viewer, take: Callable[[Sequence[str], bool], list[str]]) -> None:
    """Be offered what users open in a window before napari looks for readers by file names.

    napari (0.9.2) asks which reader to take for every directory and for file names that several
    claim, without looking into the files. Elsewhere its dialog stays.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    take : callable
        Bound method, held weakly, called with paths and whether they are to be stacked. Returns
        those that it does not open.
    """
    qt_viewer = getattr(viewer.window, "_qt_viewer", None)
    kind: Any = type(qt_viewer)
    if qt_viewer is None or not callable(getattr(kind, "_qt_open", None)):
        return
    held, taker = weakref.ref(qt_viewer), weakref.WeakMethod(take)

    def open_paths(
        filenames: list[str],
        stack: Any = False,
        choose_plugin: bool = False,
        plugin: str | None = None,
        layer_type: Any = None,
        **kwargs: Any,
    ) -> None:
        take, window = taker(), held()
        offered = (
            not choose_plugin
            and layer_type is None
            and not kwargs
            and isinstance(stack, bool)
            and plugin in (None, "napari-eldyn")
        )
        if take is not None and offered:
            paths = [str(name) for name in filenames]
            filenames = paths if _is_anothers(paths) else take(paths, stack)
        if filenames and window is not None:
            kind._qt_open(window, filenames, stack, choose_plugin, plugin, layer_type, **kwargs)

    qt_viewer._qt_open = open_paths


def _is_anothers(paths: Sequence[str]) -> bool:
    """Whether the user has chosen a reader of others for the first of these files."""
    from napari.plugins.utils import get_preferred_reader

    return bool(paths) and get_preferred_reader(paths[0]) not in (None, "napari-eldyn")


def unwrap(viewer: Viewer) -> Viewer:
    """Return the viewer behind the proxy that napari hands to plugins."""
    return getattr(viewer, "__wrapped__", viewer)


def main_window(viewer: Viewer) -> Any:
    """Return the Qt main window of a viewer, or None where napari does not tell."""
    return getattr(unwrap(viewer).window, "_qt_window", None)
