"""The engine of a live session, without a window: generate, decode, measure, one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.emulator.rollout import Rollout
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    StatisticsSettings,
    frame_statistics,
)

__all__ = ["LiveUpdate", "live_rollout"]


@dataclass(frozen=True, eq=False)
class LiveUpdate:
    """One generated frame with its statistics.

    Attributes
    ----------
    index : int
        Index of the frame in the rollout.
    time : float
        Its time, in fs.
    density : ndarray, (nx, ny, nz) float32
        Electrons/Å³, not to be written to.
    statistics : FrameStatistics
        Histogram, S(q), electrons, extremes.
    seconds : float
        Wall time of generating, decoding and measuring it.
    """

    index: int
    time: float
    density: npt.NDArray[np.float32]
    statistics: FrameStatistics
    seconds: float


def live_rollout(
    rollout: Rollout,
    n_frames: int,
    settings: StatisticsSettings,
    stop: Callable[[], bool] | None = None,
) -> Iterator[LiveUpdate]:
    """Generate frames one after the other, each decoded and measured.

    Parameters
    ----------
    rollout : Rollout
        Grows by each frame that is yielded.
    n_frames : int
        How many frames to generate.
    settings : StatisticsSettings
        Bins and shells, shared with the reference.
    stop : callable, optional
        Once it returns True, the frame in the making is given up and the iteration ends.

    Yields
    ------
    LiveUpdate
        One per frame.

    Raises
    ------
    EldynError
        If a frame's latent or density is not finite; frames before stay in the rollout.
    """
    for _ in range(n_frames):
        began = time.perf_counter()
        if rollout.advance(1, stop=stop) == 0:
            return
        index = len(rollout) - 1
        density = rollout[index]
        statistics = frame_statistics(density, settings)
        yield LiveUpdate(
            index=index,
            time=rollout.origin.start.time_fs + (index + 1) * rollout.timestep,
            density=density,
            statistics=statistics,
            seconds=time.perf_counter() - began,
        )
