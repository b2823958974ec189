"""A plane in the 3D view: a polygon with the field on it as a picture."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.observables.planes import Plane

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["OwnSurface", "PlanePicture", "add_surface", "fan", "picture_of_plane"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlanePicture:
    """A picture on a polygon in space.

    Parameters
    ----------
    corners : ndarray, shape (n, 3)
        Of the polygon, in world coordinates [Å].
    texture : ndarray, shape (rows, columns, 4)
        Red, green, blue, opacity from 0 to 1; row 0 at the greatest y, as napari wants it.
    places : ndarray, shape (n, 2)
        Of the corners in the picture, from 0 to 1.
    """

    corners: FloatArray
    texture: npt.NDArray[np.float32]
    places: npt.NDArray[np.float32]


def picture_of_plane(
    plane: Plane,
    polygon: FloatArray,
    box: tuple[float, float, float, float],
    colours: npt.NDArray[np.floating],
    offset: npt.ArrayLike,
) -> PlanePicture:
    """Put the colours of a rectangle on the polygon within it.

    Parameters
    ----------
    plane : Plane
        The plane.
    polygon : ndarray, shape (n, 2)
        Corners in the plane [Å].
    box : tuple of 4 float
        The rectangle: x from, x to, y from, y to [Å].
    colours : ndarray, shape (rows, columns, 4)
        Row 0 at the least y.
    offset : array-like, shape (3,)
        From the file's coordinates to the world's [Å].
    """
    left, right, low, high = box
    places = (polygon - [left, low]) / [right - left, high - low]
    return PlanePicture(
        plane.to_space(polygon) + np.asarray(offset, np.float64),
        np.ascontiguousarray(np.asarray(colours, np.float32)[::-1]),
        places.astype(np.float32),
    )


class OwnSurface:
    """A surface layer of ours, there while it is wanted.

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

    def show(self, name: str, picture: PlanePicture) -> None:
        """Show a picture on its polygon, in place of the one before."""
        viewer = self._viewer()
        if viewer is None:
            return
        data = fan(picture.corners)
        if not self.is_there:
            self.layer = add_surface(
                viewer,
                name,
                data,
                texture=picture.texture,
                texcoords=picture.places,
                shading="none",
                colormap="gray",
                contrast_limits=(0.0, 1.0),
                blending="translucent",
            )
            return
        layer = self.layer
        assert layer is not None
        if layer.name != name:
            layer.name = name
        before = layer.data[0]
        if before.shape != data[0].shape or not np.array_equal(before, data[0]):
            if len(layer.texcoords) != len(picture.places):
                # Corners and their places in the picture change together or not at all.
                self.remove()
                self.show(name, picture)
                return
            layer.data = data
        if not np.array_equal(layer.texcoords, picture.places):
            layer.texcoords = picture.places
        layer.texture = picture.texture

    def remove(self) -> None:
        """Take the layer away."""
        viewer = self._viewer()
        if viewer is not None and self.is_there:
            viewer.layers.remove(self.layer)
        self.layer = None


def fan(
    corners: FloatArray,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Cut a convex polygon into triangles around its first corner, as napari's surface data."""
    n = len(corners)
    faces = np.array([[0, i, i + 1] for i in range(1, n - 1)], np.int32)
    return np.asarray(corners, np.float32), faces, np.ones(n, np.float32)


def add_surface(viewer: Viewer, name: str, data: Any, **look: Any) -> Any:
    """Add a surface in Å on top of the volumes, without taking the selection from them."""
    selected = set(viewer.layers.selection)
    units = {"units": ("angstrom",) * 3, "axis_labels": ("x", "y", "z")}
    layer = viewer.add_surface(data, name=name, **units, **look)
    viewer.layers.selection = selected
    return layer
