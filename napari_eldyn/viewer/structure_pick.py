"""Pick an atom with the mouse."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer._compat import unwrap
from napari_eldyn.viewer.structure import Structure

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["AtomPicking"]

_STILL = 4.0  # pixels; farther is a turn of the camera, not a click


class AtomPicking(QObject):
    """Waits for a click on an atom while it is on; dragging turns the camera as always.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    structure : Structure
        The viewer's.
    """

    picked = Signal(int)
    """Index of the atom in the trajectory."""
    changed = Signal(bool)
    """Whether it is on."""

    def __init__(self, viewer: Viewer, structure: Structure, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(unwrap(viewer))
        self._structure = structure
        self._is_on = False

    @property
    def is_on(self) -> bool:
        """Whether a click picks an atom."""
        return self._is_on

    def set_on(self, on: bool) -> None:
        """Begin to wait for a click, or give up."""
        viewer = self._viewer()
        if viewer is None or on == self._is_on:
            return
        self._is_on = on
        callbacks = viewer.mouse_drag_callbacks
        if on:
            callbacks.append(self._pressed)
        elif self._pressed in callbacks:
            callbacks.remove(self._pressed)
        self.changed.emit(on)

    def _pressed(self, viewer: Any, event: Any) -> Iterator[None]:
        """Tell a click from a drag (a callback of napari: a generator until the release)."""
        atom = self._atom_at(event)
        x, y = event.pos
        yield
        while event.type == "mouse_move":
            yield
        away = max(abs(event.pos[0] - x), abs(event.pos[1] - y))
        if atom is not None and away <= _STILL:
            self.set_on(False)
            self.picked.emit(atom)

    def _atom_at(self, event: Any) -> int | None:
        positions = self._structure.positions
        layers = self._structure.layers().get("atoms", [])
        if positions is None or not layers or not layers[0].visible:
            return None
        value = layers[0].get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=list(event.dims_displayed),
            world=True,
        )
        return None if value is None else int(value) % len(positions)
