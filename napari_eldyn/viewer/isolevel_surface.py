"""Isosurfaces in the 3D view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import Colormap

from napari_eldyn.viewer.isolevel_mesh import Mesh
from napari_eldyn.viewer.own_surface import OwnSurface

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["IsoSurface"]

# Those of differences, as in `looks`: less than zero, and more.
_NEGATIVE, _POSITIVE = (0.22, 0.60, 0.95, 1.0), (1.0, 0.62, 0.20, 1.0)
_OPACITY = 0.8


class IsoSurface(OwnSurface):
    """The surfaces of one level, or of both signs of it, there while they are wanted.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            shading="smooth",
            colormap=Colormap(np.array([_NEGATIVE, _POSITIVE]), name="isosurface"),
            contrast_limits=(-1.0, 1.0),
            blending="translucent",
            opacity=_OPACITY,
        )

    def show_mesh(self, name: str, mesh: Mesh) -> None:
        """Show surfaces, in place of those before."""
        self.show(name, (mesh.vertices, mesh.faces, mesh.signs))
