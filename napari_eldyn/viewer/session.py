"""A live session without Qt: model, reference, rollout, and what is worked out on threads.

Everything here runs on worker threads, apart from what only reads. torch is imported inside the
functions, so that opening napari does not load it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from napari_eldyn.viewer.comparison import Pairing
from napari_eldyn.viewer.frames import FrameCache

if TYPE_CHECKING:
    from napari_eldyn.emulator.emulator import Emulator
    from napari_eldyn.emulator.rollout import Rollout

__all__ = [
    "FrameUpdate",
    "LoadedModel",
    "MeasuredReference",
    "RolloutSettings",
    "Session",
    "load_model",
    "measure_reference",
]

_DECODE_AHEAD_BYTES = 32 * 2**20


@dataclass(frozen=True)
class RolloutSettings:
    """What a rollout is made with.

    Parameters
    ----------
    start_frame : int
        Frame of the reference to start from.
    sampler : str
        Name of the sampler.
    evaluations : int
        Evaluations of the denoiser per generated frame.
    n_frames : int
        Frames that Run generates.
    seed : int
        Seed of the noise.
    """

    start_frame: int = 0
    sampler: str = "ddim"
    evaluations: int = 20
    n_frames: int = 100
    seed: int = 0

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


@dataclass(frozen=True)
class LoadedModel:
    """A model with what the window says of it.

    Parameters
    ----------
    emulator : Emulator
        The model on its device.
    path : Path
        Its file.
    device : str
        The device in words.
    devices : tuple of str
        All devices of this machine.
    samplers : mapping of str to int
        Samplers, and the evaluations that are usual for them with this model.
    """

    emulator: Emulator
    path: Path
    device: str
    devices: tuple[str, ...]
    samplers: Mapping[str, int]


def load_model(path: Path, device: str) -> LoadedModel:
    """Load a model on a device.

    Raises
    ------
    EldynError
        If the file is not a sound checkpoint, or the device does not exist.
    """
    from napari_eldyn.emulator import (
        SAMPLERS,
        Emulator,
        available_devices,
        default_evaluations,
        describe_device,
        resolve_device,
    )

    _leave_a_core_to_the_window()
    chosen = resolve_device(device)
    emulator = Emulator.load(path, device=chosen)
    return LoadedModel(
        emulator,
        Path(path),
        describe_device(chosen),
        tuple(available_devices()),
        {name: default_evaluations(name, emulator.schedule) for name in SAMPLERS},
    )


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

    @property
    def n_generated(self) -> int:
        """Frames generated so far."""
        return len(self.rollout)

    @property
    def positions_comparable(self) -> bool:
        """Whether generated atoms may be expected where the reference's are.

        A pooled latent carries value statistics and S(q), not the positions of the atoms.
        """
        return self.model.emulator.config.family != "pooled"

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

        _leave_a_core_to_the_window()
        try:
            for update in live_rollout(self.rollout, n_frames, self.statistics_settings, stop=stop):
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
            _free_device_memory()

    def decode(self, index: int) -> npt.NDArray[np.float32]:
        """Return the generated volume at an index of the comparison, and keep it in the cache."""
        _leave_a_core_to_the_window()
        volume = self.rollout.start_density if index == 0 else self.rollout[index - 1]
        self.cache.put(index, volume)
        return volume


def _leave_a_core_to_the_window() -> None:
    """Keep torch from taking every core: a starved window also slows the worker down."""
    import torch

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))


def _free_device_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
