"""A short name for the content of a trajectory, by which results tell what they were made from."""

from __future__ import annotations

import hashlib

import numpy as np

from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["trajectory_fingerprint"]

_FRAMES = 8


def trajectory_fingerprint(trajectory: DensityTrajectory) -> str:
    """Hash cell, grid, times, and up to eight frames evenly spread over a trajectory.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Of any length; reading eight frames takes as long whatever the length.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits; the same wherever the file lies and whatever it is called.
    """
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(trajectory.grid.cell, dtype="<f8").tobytes())
    digest.update(np.array([*trajectory.grid.shape, len(trajectory)], dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(trajectory.times, dtype="<f8").tobytes())
    last = len(trajectory) - 1
    for index in np.unique(np.linspace(0, last, min(last + 1, _FRAMES)).round().astype(int)):
        digest.update(np.ascontiguousarray(trajectory[int(index)], dtype="<f4").tobytes())
    return digest.hexdigest()
