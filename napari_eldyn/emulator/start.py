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
    """Normalised states that a model starts from, and how they came about.

    Attributes
    ----------
    states : ndarray, (context_frames, 2, nx, ny, nz) float32
        Normalised density and normalised density rate (S8) of the frame and of those before it,
        oldest first.
    frame : int
        Index of the newest frame, counted from the start of the trajectory.
    rate : str
        How its rate was differenced, in words; and the oldest frame's, if otherwise.
    n_clipped : int
        Values of all frames read that were clipped before the logarithm.
    """

    states: FloatArray
    frame: int
    rate: str
    n_clipped: int

    @property
    def state(self) -> FloatArray:
        """State of the newest frame, (2, nx, ny, nz)."""
        newest: FloatArray = self.states[-1]
        return newest


def start_state(
    trajectory: DensityTrajectory,
    frame: int,
    normalisation: LogNormalisation,
    *,
    context_frames: int = 1,
    stride: int = 1,
) -> StartState:
    """Build the states that a model starts from, of a frame and earlier ones only.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Densities in electrons/Å³.
    frame : int
        Index of the newest frame; negative ones count from the end.
    normalisation : LogNormalisation
        With the scale of the density rate.
    context_frames : int
        States wanted.
    stride : int
        Frames of the trajectory between them.

    Returns
    -------
    StartState
        A rate is a backward difference of second order where two earlier frames exist, of
        first order with one; frame 0 has none, so its rate is the forward difference.

    Raises
    ------
    EldynError
        If the trajectory has fewer than two frames or no such frame, there are too few frames
        before it, or a frame holds NaN.
    """
    n = len(trajectory)
    if n < 2:
        raise EldynError(
            f"a start needs two frames for the rate of the density, the trajectory has {n}",
            path=trajectory.path,
        )
    span = (context_frames - 1) * stride
    if not -n <= frame < n:
        raise EldynError(
            f"there is no frame {frame}: the trajectory has {n} frames",
            path=trajectory.path,
            remedy=f"Choose a start frame from {min(span, n - 1)} to {n - 1}.",
        )
    frame %= n
    if frame < span:
        raise EldynError(
            f"the model starts from {context_frames} frames, {stride} apart, and frame {frame} "
            f"has too few before it",
            path=trajectory.path,
            remedy=f"Choose a start frame from {span} on; the trajectory has {n} frames.",
        )
    scale = normalisation.rate_std
    if scale is None:
        raise EldynError("the normalisation lacks the scale of the density rate")
    chosen = range(frame - span, frame + 1, stride)
    needed = {index: _needed(index) for index in chosen}
    fields: dict[int, FloatArray] = {}
    n_clipped = 0
    for index in sorted({one for indices in needed.values() for one in indices}):
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        fields[index], clipped = normalisation.normalise(density)
        n_clipped += clipped
    timestep = trajectory.timestep
    states = [
        np.stack([fields[index], _rate(fields, needed[index], timestep) / scale])
        for index in chosen
    ]
    note, oldest = _note(frame), _note(chosen[0])
    return StartState(
        states=np.stack(states).astype(np.float32),
        frame=frame,
        rate=note if oldest == note else f"{note}; of the oldest frame, {oldest}",
        n_clipped=n_clipped,
    )


def _needed(index: int) -> range:
    """Frames that a frame's rate is differenced from."""
    return range(max(index - 2, 0), index + 1) if index else range(2)


def _rate(fields: dict[int, FloatArray], needed: range, timestep: float) -> FloatArray:
    """Difference the newest of two or three fields [1/fs].

    The backward difference at frame 1 is the forward difference at frame 0.
    """
    *earlier, before, current = (fields[index] for index in needed)
    return backward_rate(current, before, timestep, *earlier)


def _note(index: int) -> str:
    if index == 0:
        return "forward difference: frame 0 has no earlier frame, so frame 1 was used"
    return f"backward difference of {'first' if index == 1 else 'second'} order"
