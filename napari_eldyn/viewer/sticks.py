"""Thin cylinders as one mesh: bonds, and the edges of cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["stick_faces", "stick_vertices"]

FloatArray = npt.NDArray[np.float64]


def stick_vertices(
    starts: FloatArray, vectors: FloatArray, radius: float, sides: int
) -> npt.NDArray[np.float32]:
    """Return the vertices of cylinders without ends.

    Parameters
    ----------
    starts, vectors : ndarray, shape (n, 3)
        Start and extent of each cylinder's axis [Å]; none of them without length.
    radius : float
        Of all cylinders [Å].
    sides : int
        Faces around each.

    Returns
    -------
    ndarray, shape (n * 2 * sides, 3)
        For each cylinder the circle around its start, then that around its end.
    """
    along = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    # Any direction across will do; that of the axis least along the cylinder is never parallel.
    helper = np.eye(3)[np.argmin(np.abs(along), axis=1)] if len(along) else np.zeros((0, 3))
    across = np.cross(along, helper)
    across /= np.linalg.norm(across, axis=1)[:, None]
    third = np.cross(along, across)
    angle = 2 * np.pi * np.arange(sides) / sides
    circle = radius * (
        across[:, None] * np.cos(angle)[:, None] + third[:, None] * np.sin(angle)[:, None]
    )
    low = starts[:, None] + circle
    both = np.stack([low, low + vectors[:, None]], axis=1)
    return both.reshape(-1, 3).astype(np.float32)


def stick_faces(n: int, sides: int) -> npt.NDArray[np.int32]:
    """Return the triangles of `n` cylinders, looked at from outside, shape (n * 2 * sides, 3)."""
    here = np.arange(sides)
    after = (here + 1) % sides
    one = np.concatenate(
        [
            np.stack([here, after, here + sides], axis=1),
            np.stack([after, after + sides, here + sides], axis=1),
        ]
    )
    return (one[None] + 2 * sides * np.arange(n)[:, None, None]).reshape(-1, 3).astype(np.int32)
