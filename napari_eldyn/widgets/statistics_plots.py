"""The three plots of the Statistics dock, with the choices that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QWidget

from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.divergence_plot import DivergencePlot
from napari_eldyn.figures.structure_factor_plot import Convention, StructureFactorPlot
from napari_eldyn.figures.style import Palette
from napari_eldyn.observables.distribution import bin_density
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
)
from napari_eldyn.widgets.plot_canvas import PlotCanvas
from napari_eldyn.widgets.section import Section
from napari_eldyn.widgets.statistics_history import RolloutHistory

__all__ = ["StatisticsPlots", "Yardstick"]

# Share of single reference frames outside the band of sJSD, on each side.
_BAND_TAIL = 0.05


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What generated frames are compared with.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins and shells.
    reference : RunningStatistics
        All frames of the reference pooled.
    levels : ReferenceLevels or None
        Scores of trivial predictions and of the data against itself.
    """

    settings: StatisticsSettings
    reference: RunningStatistics
    levels: ReferenceLevels | None


class StatisticsPlots(QObject):
    """Canvases of value distribution, sJSD and S(q).

    Parameters
    ----------
    yardstick : Yardstick
        The reference.
    palette : Palette
        The colours.
    time_range : tuple of float, optional
        Of the sJSD plot, fs.

    Attributes
    ----------
    canvases : tuple of PlotCanvas
        Distribution, divergence, structure factor.
    sections : tuple of Section
        The same with their headers, to be put into a layout.
    log, ratio : QCheckBox
        Logarithmic probability axis; S(q) divided by the reference.
    """

    changed = Signal()
    """The user made a choice, and something is to be drawn."""

    def __init__(
        self, yardstick: Yardstick, palette: Palette, time_range: tuple[float, float] | None
    ) -> None:
        super().__init__()
        self._yardstick, self._palette, self._time_range = yardstick, palette, time_range
        self.log = QCheckBox("log")
        self.log.setToolTip("Logarithmic probability axis: shows the tails")
        self.log.toggled.connect(self._change_distribution)
        self.conventions = QComboBox()
        self.conventions.addItems(["amplitude", "intensity"])
        self.conventions.setToolTip(
            "amplitude: shell mean of |F(q)|, as in the paper\n"
            "intensity: shell mean of |F(q)|² per electron, the usual convention"
        )
        self.conventions.currentIndexChanged.connect(self._change_structure_factor)
        self.ratio = QCheckBox("ratio")
        self.ratio.setToolTip("Divide by the reference: shows differences of per cents")
        self.ratio.toggled.connect(self._change_structure_factor)
        choices = QWidget()
        row = QHBoxLayout(choices)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.ratio)
        row.addWidget(self.conventions)
        self._distribution = PlotCanvas(self._new_distribution, palette)
        self._divergence = PlotCanvas(self._new_divergence, palette)
        self._structure_factor = PlotCanvas(self._new_structure_factor, palette)
        self.canvases: tuple[PlotCanvas[Any], ...] = (
            self._distribution,
            self._divergence,
            self._structure_factor,
        )
        self.sections = (
            Section("Values of the density", self._distribution, control=self.log, stretch=True),
            Section("Divergence from the reference", self._divergence, stretch=True),
            Section("Structure factor", self._structure_factor, control=choices, stretch=True),
        )

    @property
    def convention(self) -> Convention:
        """Convention of S(q) chosen."""
        return "intensity" if self.conventions.currentIndex() else "amplitude"

    def start_afresh(self, yardstick: Yardstick, palette: Palette) -> None:
        """Make the plots anew, for another reference or other colours; lines are gone."""
        self._yardstick, self._palette = yardstick, palette
        self._distribution.set_plot(self._new_distribution, palette)
        self._divergence.set_plot(self._new_divergence, palette)
        self._structure_factor.set_plot(self._new_structure_factor, palette)

    def set_time_range(self, start: float, stop: float) -> None:
        """Lay out the time axis [fs]."""
        self._time_range = (start, stop)
        self._divergence.plot.set_time_range(start, stop)

    def show(
        self,
        history: RolloutHistory,
        time: float | None,
        generated: FrameStatistics | None,
        reference: FrameStatistics | None,
    ) -> None:
        """Show the frames so far as thick lines, single frames as thin ones.

        Parameters
        ----------
        history : RolloutHistory
            The frames so far.
        time : float or None
            Of the frame looked at, fs.
        generated, reference : FrameStatistics or None
            The frame looked at and its counterpart.
        """
        running = history.running if history.n else None
        distribution = self._distribution.plot
        distribution.set_running(None if running is None else running.density)
        distribution.set_frame(self._density(generated), self._density(reference))
        divergence = self._divergence.plot
        divergence.set_history(history.times, history.frame_sjsd, history.running_sjsd)
        divergence.set_cursor(time)
        structure_factor = self._structure_factor.plot
        structure_factor.set_running(None if running is None else self._s_of_q(running))
        structure_factor.set_frame(
            *(None if f is None else self._s_of_q(f) for f in (generated, reference))
        )
        for canvas in self.canvases:
            canvas.refresh()

    def _density(self, frame: FrameStatistics | None) -> NDArray[np.float64] | None:
        """Probability density of the normalised density in one frame."""
        if frame is None:
            return None
        edges = self._yardstick.settings.edges
        return bin_density(frame.counts, edges, frame.n_below, frame.n_above)

    def _s_of_q(self, statistics: FrameStatistics | RunningStatistics) -> NDArray[np.float64]:
        return statistics.intensity if self.convention == "intensity" else statistics.amplitude

    def _new_distribution(self, axes: Axes, palette: Palette) -> DistributionPlot:
        edges = self._yardstick.settings.edges
        plot = DistributionPlot(axes, palette, edges, live=True, log=self.log.isChecked())
        plot.set_reference(self._yardstick.reference.density)
        plot.legend()
        return plot

    def _new_divergence(self, axes: Axes, palette: Palette) -> DivergencePlot:
        plot = DivergencePlot(axes, palette, live=True)
        levels = self._yardstick.levels
        if levels is not None:
            low, high = np.quantile(levels.frame_sjsd, (_BAND_TAIL, 1 - _BAND_TAIL))
            plot.set_levels(
                {
                    "noise": levels.noise.sjsd,
                    "persistence": levels.persistence.sjsd,
                    "mean_field": levels.mean_field.sjsd,
                },
                (float(low), float(high)),
            )
        if self._time_range is not None:
            plot.set_time_range(*self._time_range)
        return plot

    def _new_structure_factor(self, axes: Axes, palette: Palette) -> StructureFactorPlot:
        plot = StructureFactorPlot(
            axes,
            palette,
            self._yardstick.settings.shells.q,
            convention=self.convention,
            relative=self.ratio.isChecked(),
            live=True,
        )
        levels = self._yardstick.levels
        plot.set_reference(
            self._s_of_q(self._yardstick.reference),
            None
            if levels is None
            else (self._s_of_q(levels.halves[0]), self._s_of_q(levels.halves[1])),
        )
        plot.legend(with_noise=plot.relative)
        return plot

    def _change_distribution(self) -> None:
        self._distribution.set_plot(self._new_distribution, self._palette)
        self.changed.emit()

    def _change_structure_factor(self) -> None:
        self._structure_factor.set_plot(self._new_structure_factor, self._palette)
        self.changed.emit()
