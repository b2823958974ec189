"""What the Statistics dock remembers of a rollout: scores of every frame, and the running mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.observables.distribution import scaled_jsd
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
)

__all__ = ["RolloutHistory"]

FloatArray = NDArray[np.float64]


class RolloutHistory:
    """Scores of the frames generated so far, in order.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins and shells.
    reference : RunningStatistics
        What the frames are judged against.
    """

    def __init__(self, settings: StatisticsSettings, reference: RunningStatistics) -> None:
        self.running = RunningStatistics(settings)
        self._reference = reference.probabilities
        self._columns: FloatArray = np.empty((4, 256))
        self.n = 0
        self.last: FrameStatistics | None = None
        self.n_clipped_frames = 0

    def add(self, index: int, time: float, frame: FrameStatistics) -> None:
        """Judge one more frame.

        Parameters
        ----------
        index : int
            Its index in the rollout.
        time : float
            fs.
        frame : FrameStatistics
            Counted with the settings.
        """
        self.running.add(frame)
        if self.n == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.empty_like(self._columns)], axis=1)
        self._columns[:, self.n] = (
            index,
            time,
            scaled_jsd(frame.probabilities, self._reference),
            scaled_jsd(self.running.probabilities, self._reference),
        )
        self.n += 1
        self.last = frame
        self.n_clipped_frames += frame.n_clipped > 0

    @property
    def times(self) -> FloatArray:
        """Times in fs, shape (n,)."""
        return self._columns[1, : self.n]

    @property
    def frame_sjsd(self) -> FloatArray:
        """The sJSD of each frame, shape (n,)."""
        return self._columns[2, : self.n]

    @property
    def running_sjsd(self) -> FloatArray:
        """The sJSD of the mean distribution of all frames up to each, shape (n,)."""
        return self._columns[3, : self.n]

    def index_at(self, position: int) -> int:
        """Index in the rollout of the frame added as number `position`."""
        return int(self._columns[0, : self.n][position])

    def time_of(self, index: int) -> float | None:
        """Time in fs of a rollout frame, None if it was not added."""
        position = int(np.searchsorted(self._columns[0, : self.n], index))
        if position < self.n and self._columns[0, position] == index:
            return float(self._columns[1, position])
        return None
