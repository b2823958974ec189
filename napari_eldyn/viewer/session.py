"""A live session without Qt: model, reference, rollout, and what is worked out on threads.

Everything here runs on worker threads, apart from what only reads. torch is imported inside the
functions, so that opening napari does not load it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.levels import ReferenceLevels, levels_from_statistics
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    StatisticsSettings,
    default_settings,
)
from napari_eldyn.observables.trajectory_statistics import (
    TrajectoryStatistics,
    trajectory_statistics,
)
from napari_eldyn.viewer.frames import FrameCache
from napari_eldyn.viewer.judging import Agreements
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.torch_threads import free_device_memory, leave_a_core_to_the_window

if TYPE_CHECKING:
    from napari_eldyn.emulator.rollout import Rollout

__all__ = [
    "FrameUpdate",
    "MeasuredReference",
    "RolloutSettings",
    "Session",
    "measure_reference",
]

_DECODE_AHEAD_BYTES = 32 * 2**20
_NEAR = 32  # frames around the one shown that are compared ahead


@dataclass(frozen=True)
class RolloutSettings:
    """What a rollout is made with.

    Parameters
    ----------
    start_frame : int
        Frame of the reference to start from.
    sampler : str
        Name of the sampler; empty until a model brings its own.
    evaluations : int
        Evaluations of the denoiser per generated frame; 0 until a model brings its own.
    n_frames : int
        Frames that Run generates.
    seed : int
        Seed of the noise.
    """

    start_frame: int = 0
    sampler: str = ""
    evaluations: int = 0
    n_frames: int = 100
    seed: int = 0

    def for_model(self, model: LoadedModel, before: LoadedModel | None) -> RolloutSettings:
        """Return the settings to run a model with.

        What was chosen is kept if the model supports it, unless it was chosen for a model with
        other samplers or other usual evaluations.

        Parameters
        ----------
        model : LoadedModel
            The model.
        before : LoadedModel, optional
            The one for which the settings were.
        """
        sampler, evaluations = self.sampler, self.evaluations
        if before is not None and before.samplers != model.samplers:
            sampler, evaluations = "", 0
        if sampler not in model.samplers:
            evaluations = evaluations if not sampler else 0
            sampler = model.default_sampler
        return replace(self, sampler=sampler, evaluations=evaluations or model.samplers[sampler])

    def same_rollout(self, other: RolloutSettings) -> bool:
        """Whether both give the same frames, however many."""
        return (self.start_frame, self.sampler, self.evaluations, self.seed) == (
            other.start_frame,
            other.sampler,
            other.evaluations,
            other.seed,
        )


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


@dataclass(frozen=True, eq=False)
class MeasuredReference:
    """Statistics of a reference trajectory, and the levels that give scores a meaning.

    ``levels`` is None, with the reason in ``problem``, for a reference too short to have any.
    """

    trajectory: DensityTrajectory
    settings: StatisticsSettings
    statistics: TrajectoryStatistics
    levels: ReferenceLevels | None
    problem: str = ""


def measure_reference(
    session: Session, known: MeasuredReference | None, check: Callable[..., None]
) -> MeasuredReference:
    """Measure the reference of a session.

    Parameters
    ----------
    session : Session
        Gives trajectory, settings and start frame.
    known : MeasuredReference, optional
        What was measured before: its frames are not counted again if they are the same.
    check : callable
        Progress callback; raises to end the work.
    """
    trajectory, settings = session.pairing.trajectory, session.statistics_settings
    if known is not None and known.settings is settings:
        statistics = known.statistics
    else:
        statistics = trajectory_statistics(trajectory, settings, check)
    start = session.pairing.start_frame
    try:
        levels = levels_from_statistics(statistics, statistics[start], start)
    except EldynError as error:
        return MeasuredReference(trajectory, settings, statistics, None, str(error))
    return MeasuredReference(trajectory, settings, statistics, levels)


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
    known : MeasuredReference, optional
        Statistics of the same reference, whose bins are used again.

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
        known: MeasuredReference | None = None,
    ) -> None:
        from napari_eldyn.emulator.rollout import Rollout

        emulator = model.emulator
        stride = emulator.check_compatible(trajectory)
        self.model = model
        self.settings = settings
        self.rollout: Rollout = Rollout(
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
        if known is not None and known.trajectory is trajectory:
            self.statistics_settings = known.settings
        else:
            self.statistics_settings = default_settings(trajectory, emulator.normalisation)
        self.cache = FrameCache()
        self.cache.put(0, self.rollout.start_density)
        self.agreements = Agreements(self.pairing, aligned=not model.positions_comparable)
        self.measures_agreement = model.positions_comparable
        if self.measures_agreement:
            self.agree(0)

    @property
    def n_generated(self) -> int:
        """Frames generated so far."""
        return len(self.rollout)

    def is_like(self, other: Session) -> bool:
        """Whether both fit the same panels."""
        return self.model is other.model and self.pairing == other.pairing

    def save(self, path: Path, overwrite: bool, check: Callable[..., None]) -> None:
        """Write the rollout as an ``.eldyn`` store; `check` raises to end the work."""
        self.rollout.save(path, overwrite=overwrite, progress=check)

    def advance(
        self,
        n_frames: int,
        put: Callable[[FrameUpdate], None],
        stop: Callable[[], bool],
        pause: Callable[[], bool],
    ) -> None:
        """Generate frames, decode and measure each, and report it.

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
        from napari_eldyn.emulator.live import live_rollout

        leave_a_core_to_the_window()
        try:
            for update in live_rollout(self.rollout, n_frames, self.statistics_settings, stop=stop):
                if self.measures_agreement:
                    self.agreements.measure(update.index + 1, update.density)
                self.cache.put(update.index + 1, update.density)
                put(
                    FrameUpdate(
                        update.index,
                        self.pairing.time(update.index + 1),
                        update.statistics,
                        update.seconds,
                        time.perf_counter(),
                    )
                )
                if stop() or pause():
                    break
        finally:
            free_device_memory()

    def decode(self, index: int) -> npt.NDArray[np.float32]:
        """Return the generated volume at an index of the comparison, and keep it in the cache."""
        leave_a_core_to_the_window()
        volume = self.rollout.start_density if index == 0 else self.rollout[index - 1]
        if self.measures_agreement:
            self.agreements.measure(index, volume)
        self.cache.put(index, volume)
        return volume

    def agree(self, index: int) -> None:
        """Compare a generated frame that is in the cache with the reference (worker thread)."""
        volume = self.cache.get(index)
        if volume is not None:
            self.agreements.measure(index, volume)

    def next_to_decode(self, index: int) -> int | None:
        """Return an index if its frame has been generated but is not in the cache."""
        return index if index <= self.n_generated and index not in self.cache else None

    def next_to_agree(self, index: int) -> int | None:
        """Return the generated frame nearest to an index that is not compared yet, or None."""
        last = min(self.n_generated, self.pairing.n_reference - 1, index + _NEAR)
        near = range(max(0, index - _NEAR), last + 1)
        missing = (k for k in near if k in self.cache and k not in self.agreements)
        return min(missing, key=lambda k: abs(k - index), default=None)
