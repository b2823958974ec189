"""Where the camera is in each frame of a movie: still, on a turntable, or between key frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation, Slerp

from napari_eldyn.export.canvas import panel_size
from napari_eldyn.export.movie_settings import CameraKey, MovieSettings

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["CameraPath", "aim", "camera_path", "look", "vertical_axis"]

FloatArray = NDArray[np.float64]
CameraPath = Callable[[float], CameraKey]
"""Gives the camera at a moment of the movie from 0 to 1."""


def look(viewer: Viewer, at: float = 0.0) -> CameraKey:
    """Return where the viewer's camera is.

    Parameters
    ----------
    viewer : napari.Viewer
        In 3D.
    at : float
        Moment of the movie, from 0 to 1.
    """
    camera = viewer.scene.camera
    return CameraKey(
        at=at,
        view=_vector(camera.view_direction),
        up=_vector(camera.up_direction),
        centre=_vector(camera.center),
        field=float(min(panel_size(viewer)) / camera.zoom),
        perspective=float(camera.perspective),
    )


def aim(viewer: Viewer, key: CameraKey) -> None:
    """Bring the viewer's camera to a place; panels of any size show the same length [Å]."""
    camera = viewer.scene.camera
    camera.set_view_direction(key.view, key.up)
    camera.center = key.centre
    camera.zoom = min(panel_size(viewer)) / key.field
    camera.perspective = key.perspective


def camera_path(
    settings: MovieSettings, start: CameraKey, axis: ArrayLike, pivot: ArrayLike
) -> CameraPath:
    """Return the way of the camera.

    Parameters
    ----------
    settings : MovieSettings
        Kind of camera, turns, key frames.
    start : CameraKey
        Where the camera stands, unless key frames say otherwise.
    axis : array_like, shape (3,)
        Axis of the turntable.
    pivot : array_like, shape (3,)
        Point on that axis [Å].

    Returns
    -------
    callable
        Gives the camera at a moment from 0 to 1. Between key frames, orientation is interpolated
        on the shortest arc (slerp), field and perspective and centre alongside; the camera
        starts and stops smoothly at every key frame.
    """
    if settings.camera == "turntable":
        return _turntable(settings.turns, start, np.asarray(axis), np.asarray(pivot))
    if settings.camera == "keys":
        return _between(settings.keys)
    return lambda at: start


def vertical_axis(cell: ArrayLike, up: ArrayLike) -> FloatArray:
    """Return the cell vector that points up the screen most, as a unit vector.

    Parameters
    ----------
    cell : array_like, shape (3, 3)
        Cell vectors as rows.
    up : array_like, shape (3,)
        Direction up the screen.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    upward = units @ np.asarray(up, dtype=np.float64)
    chosen = int(np.argmax(np.abs(upward)))
    return np.asarray(units[chosen] * (1.0 if upward[chosen] >= 0 else -1.0))


def _turntable(turns: float, start: CameraKey, axis: FloatArray, pivot: FloatArray) -> CameraPath:
    def at(moment: float) -> CameraKey:
        # The camera goes round one way, so that the cell turns the other way.
        turn = Rotation.from_rotvec(2 * np.pi * turns * moment * axis)
        return start.model_copy(
            update={
                "at": moment,
                "view": _vector(turn.apply(start.view)),
                "up": _vector(turn.apply(start.up)),
                "centre": _vector(pivot + turn.apply(np.asarray(start.centre) - pivot)),
            }
        )

    return at


def _between(keys: tuple[CameraKey, ...]) -> CameraPath:
    ordered = sorted({key.at: key for key in keys}.values(), key=lambda key: key.at)
    moments = np.array([key.at for key in ordered])
    turn = Slerp(moments, Rotation.concatenate([_orientation(key) for key in ordered]))
    centres = np.array([key.centre for key in ordered])
    fields = np.log([key.field for key in ordered])
    openings = np.array([key.perspective for key in ordered])

    def at(moment: float) -> CameraKey:
        eased = _eased(moment, moments)
        matrix = turn(eased).as_matrix()
        return CameraKey(
            at=moment,
            view=_vector(matrix[:, 0]),
            up=_vector(matrix[:, 1]),
            centre=_vector([np.interp(eased, moments, centres[:, axis]) for axis in range(3)]),
            field=float(np.exp(np.interp(eased, moments, fields))),
            perspective=float(np.interp(eased, moments, openings)),
        )

    return at


def _eased(moment: float, moments: FloatArray) -> float:
    """Move to and from every key frame with a speed of zero (smoothstep)."""
    if moment <= moments[0] or moment >= moments[-1]:
        return float(np.clip(moment, moments[0], moments[-1]))
    before = int(np.searchsorted(moments, moment, side="right")) - 1
    start, stop = moments[before], moments[before + 1]
    share = (moment - start) / (stop - start)
    return float(start + (stop - start) * share**2 * (3 - 2 * share))


def _orientation(key: CameraKey) -> Rotation:
    view, up = np.asarray(key.view), np.asarray(key.up)
    view = view / np.linalg.norm(view)
    up = up - (up @ view) * view
    up = up / np.linalg.norm(up)
    return Rotation.from_matrix(np.stack([view, up, np.cross(view, up)], axis=-1))


def _vector(values: ArrayLike) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in np.asarray(values))
    return x, y, z
