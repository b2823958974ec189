"""A live session without Qt: model, reference, rollout, and what is worked out on threads.

Everything here runs on worker threads, apart from what only reads. torch is imported inside the
functions, so that opening napari does not load it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    StatisticsSettings,
    default_settings,
    frame_statistics,
)
from napari_eldyn.viewer.frames import FrameCache
from napari_eldyn.viewer.judging import Agreements
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.torch_threads import free_device_memory, leave_a_core_to_the_window

if TYPE_CHECKING:
    from napari_eldyn.emulator.rollout import Rollout

__all__ = ["FrameUpdate", "Session"]

_CACHE_BYTES = 512 * 2**20
_SHELVED_CACHE_BYTES = 2**20  # many rollouts may lie on the shelf
_DECODE_AHEAD_BYTES = 32 * 2**20


@dataclass(frozen=True)
class FrameUpdate:
    """News of one generated frame; its volume is in the session's cache.

    Parameters
    ----------
    index : int
        Index in the rollout, from 0.
    time : float
        Time of the frame [fs].
    statistics : FrameStatistics
        Counted with the session's settings.
    seconds : float
        What generating and decoding it took.
    finished_at : float
        ``time.perf_counter`` when it was done.
    """

    index: int
    time: float
    statistics: FrameStatistics
    seconds: float
    finished_at: float


class Session:
    """One rollout beside one reference.

    Parameters
    ----------
    model : LoadedModel
        The model.
    trajectory : DensityTrajectory
        The reference, with the grid, cell and a divisor of the time step of the model.
    settings : RolloutSettings
        Start frame, sampler, evaluations and seed.
    counted_with : StatisticsSettings, optional
        Bins and shells of the same reference; chosen from the data if not given.
    rollout : Rollout, optional
        A stored one to go on with, which `settings` describe; a new one is begun if not given.

    Attributes
    ----------
    statistics : list of FrameStatistics
        Of the generated frames from the first on, as far as the window has heard of them.

    Raises
    ------
    EldynError
        If model and reference do not fit together, or the start frame does not exist.
    """

    def __init__(
        self,
        model: LoadedModel,
        trajectory: DensityTrajectory,
        settings: RolloutSettings,
        counted_with: StatisticsSettings | None = None,
        rollout: Rollout | None = None,
    ) -> None:
        from napari_eldyn.emulator.rollout import Rollout

        emulator = model.emulator
        stride = emulator.check_compatible(trajectory)
        self.model = model
        self.settings = settings
        self.rollout: Rollout = rollout or Rollout(
            emulator,
            start=trajectory,
            frame=settings.start_frame,
            sampler=settings.sampler,
            evaluations=settings.evaluations,
            seed=settings.seed,
            # What is shown is kept in `cache`, which tells without decoding what is there.
            cache_bytes=_DECODE_AHEAD_BYTES,
        )
        self.pairing = Pairing(trajectory, settings.start_frame, stride, emulator.timestep)
        self.statistics_settings = counted_with or default_settings(
            trajectory, emulator.normalisation
        )
        self.statistics: list[FrameStatistics] = []
        self._n_measured = 0  # ahead of `statistics`, which grows on the window's thread
        self.cache = FrameCache(_CACHE_BYTES)
        self.cache.put(0, self.rollout.start_density)
        self.agreements = Agreements(self.pairing)
        self.measures_agreement = model.positions_comparable
        if self.measures_agreement:
            self.agreements.measure(0, self.rollout.start_density)

    @property
    def n_generated(self) -> int:
        """Frames generated so far."""
        return len(self.rollout)

    @property
    def n_unmeasured(self) -> int:
        """Frames of a stored rollout whose statistics have not been counted yet."""
        return self.n_generated - self._n_measured

    def is_like(self, other: Session) -> bool:
        """Whether both fit the same panels."""
        return self.model is other.model and self.pairing == other.pairing

    def save(self, path: Path, overwrite: bool, check: Callable[..., None]) -> None:
        """Write the rollout as an ``.eldyn`` store; `check` raises to end the work."""
        self.rollout.save(path, overwrite=overwrite, progress=check)

    def know(self, statistics: list[FrameStatistics]) -> None:
        """Take over the statistics of the first frames of a stored rollout.

        Parameters
        ----------
        statistics : list of FrameStatistics
            Counted with the settings of this session.
        """
        self.statistics = list(statistics)
        self._n_measured = len(statistics)

    def rest(self) -> None:
        """Keep latents and statistics, and but a few volumes."""
        self.cache.limit(_SHELVED_CACHE_BYTES)
        self.rollout.limit_cache(_SHELVED_CACHE_BYTES)

    def wake(self) -> None:
        """Keep as many volumes as a rollout that is looked at may."""
        self.cache.limit(_CACHE_BYTES)
        self.rollout.limit_cache(_DECODE_AHEAD_BYTES)

    def advance(
        self,
        n_frames: int,
        put: Callable[[FrameUpdate], None],
        stop: Callable[[], bool],
        pause: Callable[[], bool],
    ) -> None:
        """Generate frames, decode and measure each, and report it.

        Frames of a stored rollout that have not been measured come first.

        Parameters
        ----------
        n_frames : int
            How many.
        put : callable
            Takes the news of each frame.
        stop : callable
            Whether to give up the frame in the making and end.
        pause : callable
            Whether to end after the frame in the making.
        """
        leave_a_core_to_the_window()
        try:
            for index, density, statistics, seconds in self._frames(n_frames, stop):
                if self.measures_agreement:
                    self.agreements.measure(index + 1, density)
                self.cache.put(index + 1, density)
                self._n_measured = index + 1
                put(
                    FrameUpdate(
                        index,
                        self.pairing.time(index + 1),
                        statistics,
                        seconds,
                        time.perf_counter(),
                    )
                )
                if stop() or pause():
                    break
        finally:
            free_device_memory()

    def _frames(
        self, n_frames: int, stop: Callable[[], bool]
    ) -> Iterator[tuple[int, npt.NDArray[np.float32], FrameStatistics, float]]:
        from napari_eldyn.emulator.live import live_rollout

        for index in range(self._n_measured, self.n_generated):
            began = time.perf_counter()
            density = self.rollout[index]
            statistics = frame_statistics(density, self.statistics_settings)
            yield index, density, statistics, time.perf_counter() - began
        for update in live_rollout(self.rollout, n_frames, self.statistics_settings, stop=stop):
            yield update.index, update.density, update.statistics, update.seconds

    def decode(self, index: int) -> npt.NDArray[np.float32]:
        """Return the generated volume at an index of the comparison, and keep it in the cache."""
        leave_a_core_to_the_window()
        volume = self.rollout.start_density if index == 0 else self.rollout[index - 1]
        if self.measures_agreement:
            self.agreements.measure(index, volume)
        self.cache.put(index, volume)
        return volume

    def next_to_decode(self, index: int) -> int | None:
        """Return an index if its frame has been generated but is not in the cache."""
        return index if index <= self.n_generated and index not in self.cache else None
