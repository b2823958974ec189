"""What the plots of a rollout have in common: what they are drawn from, and what they tell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from napari_eldyn.figures.divergence_plot import Divergence
from napari_eldyn.figures.live_plot import FloatArray, LivePlot
from napari_eldyn.figures.structure_factor_plot import Convention
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.reference_series import ReferenceSeries
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
)

__all__ = ["PlotChoices", "RolloutPlot", "ShownFrame", "Yardstick"]


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What generated frames are compared with.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins, shells and waves.
    reference : RunningStatistics
        All frames of the reference pooled.
    levels : ReferenceLevels or None
        Scores of trivial predictions and of the data against itself.
    series : ReferenceSeries or None
        Frames of the reference in order, for F(q,t) and for the range of electron counts and
        extremes.
    """

    settings: StatisticsSettings
    reference: RunningStatistics
    levels: ReferenceLevels | None
    series: ReferenceSeries | None = None


@dataclass(frozen=True)
class PlotChoices:
    """How plots are drawn.

    Parameters
    ----------
    log : bool
        Logarithmic probability axis of the value distribution.
    divergence : {"sjsd", "jsd"}
        Which divergence is drawn against time.
    convention : {"amplitude", "intensity"}
        Of S(q).
    ratio : bool
        S(q) over the reference's.
    shells : tuple of int or None
        Shells of F(q,t), as indices of the settings' waves; None for a choice near the main peak.
    """

    log: bool = False
    divergence: Divergence = "sjsd"
    convention: Convention = "amplitude"
    ratio: bool = False
    shells: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class ShownFrame:
    """The single frame being looked at.

    Parameters
    ----------
    time : float or None
        fs.
    generated, reference : FrameStatistics or None
        The generated frame, and the reference frame of the same time.
    """

    time: float | None = None
    generated: FrameStatistics | None = None
    reference: FrameStatistics | None = None


class RolloutPlot(LivePlot, ABC):
    """A plot of one rollout beside its reference."""

    @abstractmethod
    def show(self, history: RolloutHistory | None, shown: ShownFrame) -> None:
        """Show the frames so far, and the one being looked at.

        Parameters
        ----------
        history : RolloutHistory or None
            The frames so far; None or an empty one leaves the reference alone.
        shown : ShownFrame
            The single frame.
        """

    @abstractmethod
    def table(self) -> dict[str, FloatArray]:
        """Return what is drawn as columns, named with their units; they may differ in length."""
