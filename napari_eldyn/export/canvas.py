"""Pictures of the volumes alone, at any size, as they look in the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.projection import extent_corners, project
from napari_eldyn.viewer._compat import (
    is_shown,
    largest_canvas,
    render_scene,
    resized_canvas,
    show_overlay,
)

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Grab", "check_canvas_size", "grab_volumes", "is_whole", "panel_size", "volume_canvas"]

Grab = Callable[[], NDArray[np.uint8]]

_LAYER_OVERLAYS = ("colorbar", "name_overlay")
_ROOM = 0.97  # of the panel, for a cell that is whole


def grab_volumes(
    viewer: Viewer,
    size: tuple[int, int],
    *,
    background: str | None = None,
    transparent: bool = False,
    boxes: bool = True,
) -> NDArray[np.uint8]:
    """Draw what the panels show, without anything written on them.

    Direction, centre and perspective are those of the window's camera. The zoom follows the
    shorter side of the panels: what fills them in the window fills them here, and a cell that is
    whole there is whole here.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer whose window is on a screen.
    size : tuple of int
        Width and height in pixels.
    background : str, optional
        Colour behind the volumes, in any form matplotlib understands. Default: the window's.
    transparent : bool
        Leave the background out: the opacity (channel 3) says how much the volumes cover.
    boxes : bool
        Keep the outlines of the cells, one pixel wide.

    Returns
    -------
    ndarray, (height, width, 4) uint8
        RGBA, the colour not multiplied by the opacity.

    Raises
    ------
    EldynError
        If OpenGL cannot draw that many pixels, the window is not on a screen, or napari does not
        let the background be left out.
    """
    with volume_canvas(viewer, size, background=background, boxes=boxes) as grab:
        picture = grab()
        if not transparent:
            return picture
        return render_uncovered(viewer)


def render_uncovered(viewer: Viewer) -> NDArray[np.uint8]:
    """Draw the canvas as it is now without its background: (height, width, 4), 8-bit RGBA.

    Raises
    ------
    EldynError
        If napari does not let the background be left out.
    """
    on_black, on_white = (render_scene(viewer, (c, c, c, 1.0)) for c in (0.0, 1.0))
    if on_black is None or on_white is None:
        raise EldynError(
            "this napari cannot leave the background out",
            remedy="Choose a background colour instead.",
        )
    return _uncovered(on_black, on_white)


@contextmanager
def volume_canvas(
    viewer: Viewer, size: tuple[int, int], *, background: str | None = None, boxes: bool = True
) -> Iterator[Grab]:
    """Give the canvas another size, take everything written off it, and take pictures.

    What was shown before comes back at the end.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer whose window is on a screen.
    size : tuple of int
        Width and height in pixels.
    background : str, optional
        Colour behind the volumes. Default: the window's.
    boxes : bool
        Keep the outlines of the cells.

    Yields
    ------
    callable
        Takes a picture: (height, width, 4), 8-bit RGBA, opaque.

    Raises
    ------
    EldynError
        If OpenGL cannot draw that many pixels, or the window is not on a screen.
    """
    check_canvas_size(viewer, size)
    was_whole = is_whole(viewer, 1.0)
    with _bare(viewer, background, boxes) as strip, resized_canvas(viewer, *size) as take:

        def grab() -> NDArray[np.uint8]:
            strip()  # a new frame brings its text back
            return take()

        while was_whole and not is_whole(viewer):
            viewer.scene.camera.zoom *= 0.98
        yield grab


def check_canvas_size(viewer: Viewer, size: tuple[int, int]) -> None:
    """Raise EldynError if no picture of that size can be drawn here."""
    if not is_shown(viewer):
        raise EldynError(
            "pictures of volumes need the napari window on a screen",
            remedy="Open the viewer with show=True.",
        )
    if min(size) < 1:
        raise EldynError(f"a picture of {size[0]}×{size[1]} pixels is not possible")
    limit = largest_canvas(viewer)
    if limit is not None and max(size) > limit:
        raise EldynError(
            f"a picture of {size[0]}×{size[1]} pixels is too large for OpenGL on this machine, "
            f"which draws up to {limit} pixels a side",
            remedy="Choose fewer pixels: a smaller size, or fewer dots per inch.",
        )


def panel_size(viewer: Viewer) -> tuple[float, float]:
    """Width and height of one panel of the canvas as it is now, in logical pixels."""
    height, width = viewer.canvas.size
    grid = viewer.canvas.grid
    rows, columns = grid.actual_shape(viewer.layers) if grid.enabled else (1, 1)
    return width / columns, height / rows


def is_whole(viewer: Viewer, room: float = _ROOM) -> bool:
    """Whether everything there is, in 3D, lies in this share of a panel."""
    if viewer.dims.ndisplay != 3 or not len(viewer.layers):
        return False
    panel = panel_size(viewer)
    inside = np.abs(project(viewer, extent_corners(viewer), panel)) <= room * np.array(panel) / 2
    return bool(inside.all())


@contextmanager
def _bare(viewer: Viewer, background: str | None, boxes: bool) -> Iterator[Callable[[], None]]:
    """Hide everything that is written on the canvas; yields what hides it again."""

    def written() -> list[Any]:
        overlays = [*viewer.canvas.overlays.values(), *viewer.scene.overlays.values()]
        for layer in viewer.layers:
            overlays += [getattr(layer, name) for name in _LAYER_OVERLAYS if hasattr(layer, name)]
            if not boxes:
                overlays.append(layer.bounding_box)
        return [overlay for overlay in overlays if overlay.visible]

    def strip() -> None:
        for overlay in written():
            overlay.visible = False

    shown = written()
    colour_before = viewer.canvas.background_color_override
    try:
        strip()
        if background is not None:
            viewer.canvas.background_color_override = background
        yield strip
    finally:
        if is_shown(viewer):
            viewer.canvas.background_color_override = colour_before
            for overlay in shown:
                show_overlay(viewer, overlay)


def _uncovered(on_black: NDArray[np.uint8], on_white: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Opacity and colour from the same picture on black (C α) and on white (C α + 1 − α)."""
    black = on_black[..., :3].astype(np.float32)
    white = on_white[..., :3].astype(np.float32)
    alpha = np.clip(1.0 - (white - black).max(axis=-1) / 255.0, 0.0, 1.0)
    colour = np.divide(
        black, alpha[..., None], out=np.zeros_like(black), where=alpha[..., None] > 0
    )
    rgba = np.concatenate([colour, 255.0 * alpha[..., None]], axis=-1)
    return np.asarray(np.clip(np.rint(rgba), 0, 255), np.uint8)
