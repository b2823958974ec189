"""A plane that moves through the volumes along a lattice direction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from napari_eldyn.export.movie_settings import MovieSettings
from napari_eldyn.viewer._compat import clips_in_data, is_shown

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["describe_slice", "kept_depiction", "slice_position", "slice_volumes"]

_AXES = "abc"


def slice_position(settings: MovieSettings, progress: float) -> float:
    """Fraction of the lattice vector at which the plane is, at a moment from 0 to 1."""
    return settings.slice_from + progress * (settings.slice_to - settings.slice_from)


def describe_slice(settings: MovieSettings, cell: ArrayLike, progress: float) -> str:
    """Say where the plane is."""
    length = float(np.linalg.norm(np.asarray(cell)[_AXES.index(settings.slice_axis)]))
    here = slice_position(settings, progress)
    return f"plane at {here * length:.2f} of {length:.2f} Å along {settings.slice_axis}"


def slice_volumes(
    viewer: Viewer,
    layers: Sequence[Image],
    settings: MovieSettings,
    progress: float,
    view: ArrayLike,
) -> None:
    """Put the plane where it is at a moment of the movie.

    Parameters
    ----------
    viewer : napari.Viewer
        The layers' viewer.
    layers : sequence of Image
        Volumes against time, in 3D; axes 1 to 3 are the lattice directions a, b, c.
    settings : MovieSettings
        Kind of slices, axis, range, thickness.
    progress : float
        Moment, from 0 to 1.
    view : array_like, shape (3,)
        Direction into the screen at the start: what is cut away is what stands in front.
    """
    axis = _AXES.index(settings.slice_axis)
    here = slice_position(settings, progress)
    for layer in layers:
        shape = np.array(layer.data.shape[-3:])
        position = (shape - 1) / 2
        position[axis] = here * shape[axis] - 0.5  # voxels reach half a step around their middles
        normal = np.eye(3)[axis]
        if settings.slices == "plane":
            layer.depiction = "plane"
            layer.plane.normal = tuple(normal)
            layer.plane.position = tuple(position)
            layer.plane.thickness = max(
                settings.slice_thickness / float(layer.scale[-3:][axis]), 1.0
            )
            continue
        edges = _voxel_vectors(layer)
        facing = np.cross(edges[(axis + 1) % 3], edges[(axis + 2) % 3])
        facing = facing / np.linalg.norm(facing) * np.sign(facing @ edges[axis])
        # What lies on the side to which the normal points is kept: the far side.
        side = 1.0 if float(facing @ np.asarray(view)) >= 0 else -1.0
        if clips_in_data(viewer, layer):
            normal = side * normal
        else:
            time_and_space = np.concatenate([np.zeros(layer.ndim - 3), position])
            position = np.asarray(layer.data_to_world(time_and_space))[-3:]
            normal = side * facing
        layer.experimental_clipping_planes = [
            {"position": tuple(position), "normal": tuple(normal), "enabled": True}
        ]


def _voxel_vectors(layer: Any) -> np.ndarray[Any, Any]:
    """Give the steps from voxel to voxel along the three axes, as rows [Å]."""
    matrix = np.asarray(layer.affine.affine_matrix)[-4:-1, -4:-1]
    return np.asarray((matrix * np.asarray(layer.scale)[-3:]).T)


@contextmanager
def kept_depiction(viewer: Viewer) -> Iterator[None]:
    """Bring planes and clipping of volumes back as they were, unless the window is closed."""
    volumes = [layer for layer in viewer.layers if hasattr(layer, "depiction")]
    before = [
        (
            layer,
            layer.depiction,
            layer.plane.model_dump(include={"position", "normal", "thickness"}),
            [plane.model_dump() for plane in layer.experimental_clipping_planes],
        )
        for layer in volumes
    ]
    try:
        yield
    finally:
        for layer, depiction, plane, clipping in before if is_shown(viewer) else ():
            layer.depiction = depiction
            for name, value in plane.items():
                setattr(layer.plane, name, value)
            layer.experimental_clipping_planes = clipping
