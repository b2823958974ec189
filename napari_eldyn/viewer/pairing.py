"""Which reference frame stands beside which generated one."""

from __future__ import annotations

from dataclasses import dataclass

from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["Pairing"]


@dataclass(frozen=True)
class Pairing:
    """Which reference frame stands beside which generated one.

    Index 0 is the start frame (generated panel: what the model makes of it); index k pairs
    generated frame k − 1 with reference frame start + k · stride, which has the same time.

    Parameters
    ----------
    trajectory : DensityTrajectory
        The reference.
    start_frame : int
        Its frame from which the rollout starts.
    stride : int
        Reference frames per generated frame.
    time_step : float
        Time between generated frames [fs].
    """

    trajectory: DensityTrajectory
    start_frame: int
    stride: int
    time_step: float

    @property
    def first_time(self) -> float:
        """Time of index 0 [fs]."""
        return float(self.trajectory.times[self.start_frame])

    @property
    def n_reference(self) -> int:
        """Number of indices for which there is a reference frame."""
        return (len(self.trajectory) - 1 - self.start_frame) // self.stride + 1

    def time(self, index: int) -> float:
        """Time of an index [fs]."""
        return self.first_time + index * self.time_step

    def reference_frame(self, index: int) -> int | None:
        """Return the reference frame at an index, or None past the end of the reference."""
        return self.start_frame + index * self.stride if 0 <= index < self.n_reference else None
