"""The state of a trajectory's frame, as an emulator's encoder wants it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import DensityTrajectory, LogNormalisation, backward_rate, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = ["StartState", "start_state"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StartState:
    """Normalised state of one frame and how it came about.

    Attributes
    ----------
    state : ndarray, (2, nx, ny, nz) float32
        Normalised density and normalised density rate (S8).
    frame : int
        Index of the frame, counted from the start of the trajectory.
    rate : str
        How the rate was differenced, in words.
    n_clipped : int
        Values of the frame, and of the frames its rate needs, that were clipped before the
        logarithm.
    """

    state: FloatArray
    frame: int
    rate: str
    n_clipped: int


def start_state(
    trajectory: DensityTrajectory, frame: int, normalisation: LogNormalisation
) -> StartState:
    """Build a frame's state from that frame and earlier ones, so that no later one leaks in.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Densities in electrons/Å³.
    frame : int
        Index of the frame; negative ones count from the end.
    normalisation : LogNormalisation
        With the scale of the density rate.

    Returns
    -------
    StartState
        The rate is a backward difference of second order where two earlier frames exist, of
        first order with one; frame 0 has none, so its rate is the forward difference.

    Raises
    ------
    EldynError
        If the trajectory has fewer than two frames or no such frame, or a frame holds NaN.
    """
    n = len(trajectory)
    if n < 2:
        raise EldynError(
            f"a start needs two frames for the rate of the density, the trajectory has {n}",
            path=trajectory.path,
        )
    if not -n <= frame < n:
        raise EldynError(
            f"there is no frame {frame}: the trajectory has {n} frames",
            path=trajectory.path,
            remedy=f"Choose a start frame from 0 to {n - 1}.",
        )
    frame %= n
    if normalisation.rate_std is None:
        raise EldynError("the normalisation lacks the scale of the density rate")
    needed = range(max(frame - 2, 0), frame + 1) if frame else range(2)
    fields, n_clipped = [], 0
    for index in needed:
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        field, clipped = normalisation.normalise(density)
        fields.append(field)
        n_clipped += clipped
    timestep = trajectory.timestep
    if frame == 0:
        # The backward difference at frame 1 is the forward difference at frame 0.
        current, rate = fields[0], backward_rate(fields[1], fields[0], timestep)
        note = "forward difference: frame 0 has no earlier frame, so frame 1 was used"
    elif frame == 1:
        current, rate = fields[1], backward_rate(fields[1], fields[0], timestep)
        note = "backward difference of first order"
    else:
        current = fields[2]
        rate = backward_rate(fields[2], fields[1], timestep, fields[0])
        note = "backward difference of second order"
    state = np.stack([current, rate / normalisation.rate_std]).astype(np.float32)
    return StartState(state=state, frame=frame, rate=note, n_clipped=n_clipped)
