"""Which reference frame stands beside which generated one."""

from __future__ import annotations

from dataclasses import dataclass

from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["Pairing"]


@dataclass(frozen=True)
class Pairing:
    """Which reference frame stands beside which generated one.

    Index 0 is the start frame (generated panel: what the model makes of it); index k pairs
    generated frame k − 1 with reference frame start + offset + k · stride. Without an offset both
    have the same time.

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
    offset : int
        Reference frames by which the reference is shown later (negative: earlier).
    """

    trajectory: DensityTrajectory
    start_frame: int
    stride: int
    time_step: float
    offset: int = 0

    @property
    def first_time(self) -> float:
        """Time of index 0 [fs]."""
        return float(self.trajectory.times[self.start_frame])

    @property
    def frame_step(self) -> float:
        """Time between reference frames [fs]."""
        return self.time_step / self.stride

    @property
    def offset_time(self) -> float:
        """The offset [fs]."""
        return self.offset * self.frame_step

    @property
    def offset_range(self) -> tuple[int, int]:
        """Least and greatest offset with which index 0 has a reference frame."""
        return -self.start_frame, len(self.trajectory) - 1 - self.start_frame

    @property
    def n_reference(self) -> int:
        """Number of indices up to the last for which there is a reference frame."""
        last = len(self.trajectory) - 1 - self.start_frame - self.offset
        return max(0, last // self.stride + 1)

    def time(self, index: int) -> float:
        """Time of an index [fs]."""
        return self.first_time + index * self.time_step

    def reference_frame(self, index: int) -> int | None:
        """Return the reference frame at an index, or None outside of the reference."""
        frame = self.start_frame + self.offset + index * self.stride
        return frame if index >= 0 and 0 <= frame < len(self.trajectory) else None

    def why_no_reference(self, index: int) -> str:
        """Say why there is no reference frame at an index; empty if there is one."""
        if self.reference_frame(index) is not None:
            return ""
        times = self.trajectory.times
        if index >= self.n_reference:
            return f"the reference ends at {times[-1]:g} fs"
        return f"the reference begins at {times[0]:g} fs"
