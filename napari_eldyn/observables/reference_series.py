"""What plots against time show of a reference: F(q,t) and the usual range of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.observables.scattering.correlation import (
    IntermediateScattering,
    intermediate_scattering,
)
from napari_eldyn.observables.scattering.growing import LONGEST_LAG_FS
from napari_eldyn.observables.scattering.modes import DensityModes
from napari_eldyn.observables.statistics import FrameStatistics, StatisticsSettings

__all__ = ["ReferenceSeries"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceSeries:
    """Reference frames in order.

    Parameters
    ----------
    frames : sequence of FrameStatistics
        Equally spaced in time.
    settings : StatisticsSettings
        Which they were counted with.
    timestep : float or None
        Time between frames, fs; None where it is not equal or not known.
    """

    frames: Sequence[FrameStatistics] = field(repr=False)
    settings: StatisticsSettings
    timestep: float | None

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def scattering(self) -> IntermediateScattering | None:
        """F(q,t) of the same waves and by the same estimator as that of rollouts.

        None where it cannot be known: fewer than two frames, unequal steps, or a wave that is
        zero throughout.
        """
        if self.timestep is None or len(self.frames) < 2:
            return None
        values = np.array([frame.modes for frame in self.frames], dtype=np.complex128)
        if not np.all(np.any(values != 0, axis=0)):
            return None
        waves = self.settings.waves
        modes = DensityModes(
            h=waves.h,
            q=waves.lengths,
            values=values,
            timestep=self.timestep,
            electrons=float(self.electrons.mean()),
            cell=waves.grid.cell,
        )
        return intermediate_scattering(modes, LONGEST_LAG_FS)

    @cached_property
    def electrons(self) -> FloatArray:
        """Electron count of each frame, shape (n,)."""
        return np.array([frame.electrons for frame in self.frames])

    @cached_property
    def minimum(self) -> FloatArray:
        """Smallest density of each frame, electrons/Å³, shape (n,)."""
        return np.array([frame.minimum for frame in self.frames])

    @cached_property
    def maximum(self) -> FloatArray:
        """Largest density of each frame, electrons/Å³, shape (n,)."""
        return np.array([frame.maximum for frame in self.frames])
