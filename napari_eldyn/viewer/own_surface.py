"""Surface layers of ours, which come and go with the switches of a dock."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["OwnSurface", "SurfaceData"]

SurfaceData = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""Vertices in the world [Å], triangles, and a value per vertex, as napari takes them."""


class OwnSurface:
    """A surface in the 3D view, there while it is wanted.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    **look
        How the layer looks at first; what the user changes later stays until it is removed.
    """

    def __init__(self, viewer: Viewer, **look: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self._look = look
        self.layer: Any | None = None

    @property
    def is_there(self) -> bool:
        """Whether the layer is in the viewer; the user may have removed it."""
        viewer = self._viewer()
        return viewer is not None and self.layer is not None and self.layer in viewer.layers

    @property
    def was_taken_away(self) -> bool:
        """Whether someone has removed the layer since it was shown."""
        return self.layer is not None and not self.is_there

    def show(self, name: str, data: SurfaceData, **more: Any) -> None:
        """Show a surface in place of the one before, without taking the selection.

        Parameters
        ----------
        name : str
            Of the layer.
        data : tuple of 3 ndarray
            The surface.
        **more
            What belongs to the data, such as a texture and where it lies.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        layer = self.layer
        if layer is None or not self.is_there:
            selected = set(viewer.layers.selection)
            units = {"units": ("angstrom",) * 3, "axis_labels": ("x", "y", "z")}
            self.layer = viewer.add_surface(data, name=name, **units, **self._look, **more)
            viewer.layers.selection = selected
            return
        if layer.name != name:
            layer.name = name
        old = layer.data
        if not all(np.array_equal(a, b) for a, b in zip(old, data, strict=True)):
            layer.data = data
        for key, value in more.items():
            if not np.array_equal(getattr(layer, key), value):
                setattr(layer, key, value)

    def remove(self) -> None:
        """Take the layer away."""
        viewer = self._viewer()
        if viewer is not None and self.is_there:
            viewer.layers.remove(self.layer)
        self.layer = None
