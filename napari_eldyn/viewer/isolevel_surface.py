"""Isosurfaces in the 3D view."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap

from napari_eldyn.viewer.isolevel_mesh import Mesh
from napari_eldyn.viewer.plane_surface import add_surface

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["IsoSurface"]

# Those of differences, as in `looks`: less than zero, and more.
_NEGATIVE, _POSITIVE = (0.22, 0.60, 0.95, 1.0), (1.0, 0.62, 0.20, 1.0)
_OPACITY = 0.8


class IsoSurface:
    """The surfaces of one level, or of both signs of it, there while they are wanted.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = weakref.ref(viewer)
        self.layer: Any | None = None

    @property
    def is_there(self) -> bool:
        """Whether the layer is in the viewer; the user may have removed it."""
        viewer = self._viewer()
        return viewer is not None and self.layer is not None and self.layer in viewer.layers

    def show(self, name: str, mesh: Mesh) -> None:
        """Show surfaces, in place of those before."""
        viewer = self._viewer()
        if viewer is None:
            return
        data = (mesh.vertices, mesh.faces, mesh.signs)
        if self.layer is None or not self.is_there:
            self.layer = add_surface(
                viewer,
                name,
                data,
                shading="smooth",
                colormap=Colormap(np.array([_NEGATIVE, _POSITIVE]), name="isosurface"),
                contrast_limits=(-1.0, 1.0),
                blending="translucent",
                opacity=_OPACITY,
            )
            return
        if self.layer.name != name:
            self.layer.name = name
        self.layer.data = data

    def remove(self) -> None:
        """Take the layer away."""
        viewer = self._viewer()
        if viewer is not None and self.is_there:
            viewer.layers.remove(self.layer)
        self.layer = None
