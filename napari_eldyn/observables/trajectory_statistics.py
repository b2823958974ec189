"""Statistics of every frame of a trajectory, from one pass over it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
    combine,
    measure,
)

__all__ = ["TrajectoryStatistics", "trajectory_statistics"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrajectoryStatistics(Sequence[FrameStatistics]):
    """Statistics of every frame of a stretch of a trajectory, from one pass over it.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins and shells.
    frames : tuple of FrameStatistics
        One per frame; this object is a sequence of them.
    first : int
        Index of the first frame in the trajectory.
    mean_density : numpy.ndarray, shape (nx, ny, nz)
        Mean of ρ over the frames, electrons/Å³.
    lag : int
        Frames between the two ends of a step.
    steps : numpy.ndarray, shape (n - lag,)
        RMS over voxels of ρ̃(i + lag) − ρ̃(i).
    """

    settings: StatisticsSettings
    frames: tuple[FrameStatistics, ...] = field(repr=False)
    first: int
    mean_density: FloatArray = field(repr=False)
    lag: int
    steps: FloatArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> FrameStatistics: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FrameStatistics, ...]: ...
    def __getitem__(self, index: int | slice) -> FrameStatistics | tuple[FrameStatistics, ...]:
        return self.frames[index]

    def __iter__(self) -> Iterator[FrameStatistics]:
        return iter(self.frames)

    @property
    def probabilities(self) -> FloatArray:
        """Bin probabilities of each frame, shape (n, bins)."""
        return np.array([frame.probabilities for frame in self.frames])

    @property
    def amplitude(self) -> FloatArray:
        """⟨|F|⟩ of each frame, shape (n, shells), electrons."""
        return np.array([frame.amplitude for frame in self.frames])

    @property
    def intensity(self) -> FloatArray:
        """⟨|F|²⟩/N_e of each frame, shape (n, shells), electrons."""
        return np.array([frame.intensity for frame in self.frames])

    @property
    def electrons(self) -> FloatArray:
        """Electron count of each frame, shape (n,)."""
        return np.array([frame.electrons for frame in self.frames])

    @property
    def pooled(self) -> RunningStatistics:
        """All frames pooled."""
        return combine(self.frames, self.settings)


def trajectory_statistics(
    trajectory: DensityTrajectory,
    settings: StatisticsSettings,
    progress: Callable[[int, int], None] | None = None,
    start: int = 0,
    stop: int | None = None,
    *,
    lag: int = 1,
) -> TrajectoryStatistics:
    """Statistics of every frame, in one pass.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Generated or reference, on the grid of the settings.
    settings : StatisticsSettings
        Bins and shells.
    progress : callable, optional
        Called with (frames done, frames in all); what it raises ends the pass.
    start, stop : int, optional
        Frames start … stop − 1; the default is all of them.
    lag : int
        Frames between the two ends of a step, for the step size.

    Returns
    -------
    TrajectoryStatistics
        A sequence of `FrameStatistics`, with the mean density and the step sizes.

    Raises
    ------
    EldynError
        If there is no frame, the grid is another one, or a frame is not finite.
    """
    if not trajectory.grid.matches(settings.grid):
        raise EldynError(
            f"the grid of {trajectory.grid.shape} points in this cell is not that of the "
            f"statistics ({settings.grid.shape})",
            path=trajectory.path,
            remedy="Bring both to one grid (eldyn convert --grid) and compare equal cells only.",
        )
    indices = range(len(trajectory))[start:stop]
    if len(indices) == 0:
        raise EldynError("there is no frame to take statistics of", path=trajectory.path)
    if lag < 1:
        raise EldynError(f"the lag of a step must be at least one frame, not {lag}")
    frames: list[FrameStatistics] = []
    steps: list[float] = []
    total: FloatArray = np.zeros(trajectory.grid.shape)
    previous: deque[NDArray[np.float32]] = deque(maxlen=lag)
    for done, index in enumerate(indices, start=1):
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        statistics, normalised = measure(density, settings)
        frames.append(statistics)
        total += density
        if len(previous) == lag:
            steps.append(float(np.sqrt(np.mean((normalised - previous[0]) ** 2))))
        previous.append(normalised)
        if progress is not None:
            progress(done, len(indices))
    return TrajectoryStatistics(
        settings=settings,
        frames=tuple(frames),
        first=indices[0],
        mean_density=total / len(frames),
        lag=lag,
        steps=np.array(steps),
    )
