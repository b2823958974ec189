"""What is remembered of a rollout: scores of every frame, the mean so far, F(q,t) so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.observables.distribution import scaled_jsd
from napari_eldyn.observables.scattering.growing import GrowingScattering
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
)

__all__ = ["JSD_PER_SJSD", "RolloutHistory"]

FloatArray = NDArray[np.float64]

#: JSD in nats of an sJSD of 1, with the constant scale Z = ½ ln 2 (eq. S14).
JSD_PER_SJSD = 0.5 * float(np.log(2.0))

# Frames that nobody looks at are judged together, this many at a time.
_BATCH = 256
_INDEX, _TIME, _FRAME, _RUNNING, _ELECTRONS, _MINIMUM, _MAXIMUM = range(7)


class RolloutHistory:
    """Scores of the frames generated so far, in order.

    Adding a frame is next to free; frames are judged when something is read, all that are
    waiting together.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins and shells.
    reference : RunningStatistics
        What the frames are judged against.

    Attributes
    ----------
    n : int
        Number of frames.
    last : FrameStatistics or None
        The newest.
    n_clipped_frames : int
        Frames with values clipped before the logarithm.
    """

    def __init__(self, settings: StatisticsSettings, reference: RunningStatistics) -> None:
        self.settings = settings
        self.n = 0
        self.last: FrameStatistics | None = None
        self.n_clipped_frames = 0
        self._reference = reference.probabilities
        self._running = RunningStatistics(settings)
        self._scattering = GrowingScattering(settings.waves)
        self._waiting: list[FrameStatistics] = []
        self._columns: FloatArray = np.empty((7, 256))

    @classmethod
    def of(
        cls,
        frames: Iterable[FrameStatistics],
        times: Iterable[float],
        settings: StatisticsSettings,
        reference: RunningStatistics,
    ) -> Self:
        """Remember frames that are all there already.

        Parameters
        ----------
        frames : iterable of FrameStatistics
            Counted with the settings; they get the indices 0, 1, 2 …
        times : iterable of float
            fs, one for each frame.
        settings, reference
            As for the class.
        """
        history = cls(settings, reference)
        for index, (frame, time) in enumerate(zip(frames, times, strict=True)):
            history.add(index, time, frame)
        return history

    def add(self, index: int, time: float, frame: FrameStatistics) -> None:
        """Remember one more frame.

        Parameters
        ----------
        index : int
            Its index in the rollout, higher than those before.
        time : float
            fs.
        frame : FrameStatistics
            Counted with the settings.
        """
        if self.n == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.empty_like(self._columns)], axis=1)
        column = self._columns[:, self.n]
        column[_INDEX], column[_TIME], column[_ELECTRONS] = index, time, frame.electrons
        column[_MINIMUM], column[_MAXIMUM] = frame.minimum, frame.maximum
        self.n += 1
        self.last = frame
        self.n_clipped_frames += frame.n_clipped > 0
        self._scattering.add(time, frame.modes, frame.electrons)
        self._waiting.append(frame)
        if len(self._waiting) >= _BATCH:
            self._judge()

    @property
    def running(self) -> RunningStatistics:
        """All frames so far pooled."""
        self._judge()
        return self._running

    @property
    def scattering(self) -> GrowingScattering:
        """F(q,t) of the frames so far."""
        return self._scattering

    @property
    def times(self) -> FloatArray:
        """Times in fs, shape (n,)."""
        return self._columns[_TIME, : self.n]

    @property
    def frame_sjsd(self) -> FloatArray:
        """The sJSD of each frame, shape (n,)."""
        self._judge()
        return self._columns[_FRAME, : self.n]

    @property
    def running_sjsd(self) -> FloatArray:
        """The sJSD of the mean distribution of all frames up to each, shape (n,)."""
        self._judge()
        return self._columns[_RUNNING, : self.n]

    @property
    def frame_jsd(self) -> FloatArray:
        """The JSD of each frame in nats, shape (n,)."""
        return JSD_PER_SJSD * self.frame_sjsd

    @property
    def running_jsd(self) -> FloatArray:
        """The JSD in nats of the mean distribution of all frames up to each, shape (n,)."""
        return JSD_PER_SJSD * self.running_sjsd

    @property
    def electrons(self) -> FloatArray:
        """Electron count of each frame, shape (n,)."""
        return self._columns[_ELECTRONS, : self.n]

    @property
    def minimum(self) -> FloatArray:
        """Smallest density of each frame, electrons/Å³, shape (n,)."""
        return self._columns[_MINIMUM, : self.n]

    @property
    def maximum(self) -> FloatArray:
        """Largest density of each frame, electrons/Å³, shape (n,)."""
        return self._columns[_MAXIMUM, : self.n]

    def index_at(self, position: int) -> int:
        """Index in the rollout of the frame added as number `position`."""
        return int(self._columns[_INDEX, : self.n][position])

    def time_of(self, index: int) -> float | None:
        """Time in fs of a rollout frame, None if it was not added."""
        position = self.position_of(index)
        return None if position is None else float(self._columns[_TIME, position])

    def position_of(self, index: int) -> int | None:
        """Tell as which number, from 0, a rollout frame was added; None if it was not."""
        position = int(np.searchsorted(self._columns[_INDEX, : self.n], index))
        there = position < self.n and self._columns[_INDEX, position] == index
        return position if there else None

    def _judge(self) -> None:
        """Fill in the divergences of the frames waiting."""
        if not self._waiting:
            return
        frames, self._waiting = self._waiting, []
        counts = np.array([frame.counts for frame in frames], dtype=np.float64)
        counts[:, 0] += [frame.n_below for frame in frames]
        counts[:, -1] += [frame.n_above for frame in frames]
        before = self._running.counts.astype(np.float64)
        before[0] += self._running.n_below
        before[-1] += self._running.n_above
        pooled = before + np.cumsum(counts, axis=0)
        columns = self._columns[:, self.n - len(frames) : self.n]
        columns[_FRAME] = scaled_jsd(counts, self._reference)
        columns[_RUNNING] = scaled_jsd(pooled, self._reference)
        for frame in frames:
            self._running.add(frame)
