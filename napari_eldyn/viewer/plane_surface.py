"""A plane in the 3D view: a polygon with the field on it as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_eldyn.observables.planes import Plane
from napari_eldyn.viewer.own_surface import OwnSurface, SurfaceData

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["PlanePicture", "PlaneSurface", "fan", "picture_of_plane"]

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


class PlaneSurface(OwnSurface):
    """The polygon with its picture.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(
            viewer,
            shading="none",
            colormap="gray",
            contrast_limits=(0.0, 1.0),
            blending="translucent",
        )

    def show_picture(self, name: str, picture: PlanePicture) -> None:
        """Show a picture on its polygon, in place of the one before."""
        if self.layer is not None and len(self.layer.texcoords) != len(picture.places):
            self.remove()  # corners and their places in the picture change together
        self.show(name, fan(picture.corners), texture=picture.texture, texcoords=picture.places)


def fan(corners: FloatArray) -> SurfaceData:
    """Cut a convex polygon into triangles around its first corner, as napari's surface data."""
    n = len(corners)
    faces = np.array([[0, i, i + 1] for i in range(1, n - 1)], np.int32)
    return np.asarray(corners, np.float32), faces, np.ones(n, np.float32)
