"""The Statistics dock: live value distribution, sJSD and S(q) of a rollout over its reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.divergence_plot import DivergencePlot
from napari_eldyn.figures.structure_factor_plot import StructureFactorPlot
from napari_eldyn.figures.style import DARK, LIGHT, Palette, palette_on
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
from napari_eldyn.widgets.statistics_numbers import StatisticsNumbers

__all__ = ["StatisticsDock", "Update"]

FloatArray = NDArray[np.float64]

# Updates that come faster than this are drawn together (ms).
_DRAW_INTERVAL = 40
_MINIMUM_WIDTH = 340


class Update(Protocol):
    """What the dock reads of one new frame of a rollout."""

    @property
    def index(self) -> int:
        """Index in the rollout, from 0."""

    @property
    def time(self) -> float:
        """Time in fs."""

    @property
    def statistics(self) -> FrameStatistics:
        """Counted with the settings given to the dock."""


class StatisticsDock(QWidget):
    """Statistics of a rollout beside those of its reference.

    Everything comes in through the methods, on the GUI thread; the dock computes only divergences
    of histograms. Adding a frame is cheap whether or not the dock is seen; drawing waits up to
    40 ms so that frames that arrive together are drawn once.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._palette = DARK
        self._settings: StatisticsSettings | None = None
        self._reference: RunningStatistics | None = None
        self._levels: ReferenceLevels | None = None
        self._history: RolloutHistory | None = None
        self._time_range: tuple[float, float] | None = None
        self._shown: tuple[int | None, FrameStatistics | None] = (None, None)
        self._shown_reference: FrameStatistics | None = None
        self._following = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DRAW_INTERVAL)
        self._timer.timeout.connect(self.draw_now)
        self.canvases: list[PlotCanvas[Any]] = []
        self._build()
        self.setMinimumWidth(_MINIMUM_WIDTH)

    # -- what comes in ------------------------------------------------------------------------

    def set_reference(
        self,
        settings: StatisticsSettings,
        reference: RunningStatistics,
        levels: ReferenceLevels | None = None,
    ) -> None:
        """Set what generated frames are compared with; starts afresh.

        Parameters
        ----------
        settings : StatisticsSettings
            Bins and shells of everything that follows.
        reference : RunningStatistics
            All frames of the reference pooled.
        levels : ReferenceLevels, optional
            Scores of trivial predictions and of the data against itself.
        """
        self._settings, self._reference, self._levels = settings, reference, levels
        self._history = RolloutHistory(settings, reference)
        self._shown, self._shown_reference, self._following = (None, None), None, True
        self._hint.hide()
        self._scroll.show()
        self._build_plots()
        self._schedule()

    def set_time_range(self, start: float, stop: float) -> None:
        """Lay out the time axis for the frames that are going to come.

        Parameters
        ----------
        start, stop : float
            Times of the start frame and of the last frame asked for, fs. Later frames widen it.
        """
        self._time_range = (start, stop)
        if self.canvases:
            self._divergence.plot.set_time_range(start, stop)
            self._schedule()

    def add_update(self, update: Update) -> None:
        """Take in one more generated frame.

        Parameters
        ----------
        update : Update
            Index, time in fs and `FrameStatistics` of the frame.

        Raises
        ------
        RuntimeError
            If no reference has been set, so that there is nothing to compare with.
        """
        if self._history is None:
            raise RuntimeError("set_reference comes before add_update")
        self._history.add(update.index, update.time, update.statistics)
        if self._following:
            self._shown = (update.index, update.statistics)
        self._schedule()

    def show_frame(
        self,
        index: int | None,
        generated: FrameStatistics | None = None,
        reference: FrameStatistics | None = None,
    ) -> None:
        """Show single frames as thin lines, until `follow_live` or the next call.

        Parameters
        ----------
        index : int or None
            Index in the rollout; None where it has no frame.
        generated, reference : FrameStatistics, optional
            The generated frame and the reference frame of the same time, where there is one.
        """
        self._following = False
        self._shown, self._shown_reference = (index, generated), reference
        self._schedule()

    def follow_live(self) -> None:
        """Show the newest generated frame from now on."""
        self._following = True
        self._shown_reference = None
        if self._history is not None and self._history.n:
            self._shown = (self._history.index_at(-1), self._history.last)
        self._schedule()

    def clear(self) -> None:
        """Forget the generated frames; the reference stays."""
        if self._settings is not None and self._reference is not None:
            self.set_reference(self._settings, self._reference, self._levels)

    def set_theme(self, theme: bool | Mapping[str, str]) -> None:
        """Follow the colours of the window.

        Parameters
        ----------
        theme : bool or mapping
            True for dark, False for light, or the window's colours by the names "background" and
            "text", in any form matplotlib understands.
        """
        if isinstance(theme, bool):
            self._palette = DARK if theme else LIGHT
        else:
            self._palette = palette_on(theme["background"], theme["text"])
        self.numbers.set_palette(self._palette)
        if self.canvases:
            self._build_plots()
        self._schedule()

    # -- drawing ------------------------------------------------------------------------------

    def draw_now(self) -> None:
        """Bring plots and numbers up to date at once; nothing happens while hidden."""
        self._timer.stop()
        if not self.isVisible() or self._settings is None or self._history is None:
            return
        self._show_distribution(self._settings)
        self._show_divergence(self._history)
        self._show_structure_factor()
        for canvas in self.canvases:
            canvas.refresh()
        self._show_numbers(self._history)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Give the preferred size: three plots in sight."""
        return QSize(400, 690)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what came in while hidden."""
        super().showEvent(event)
        self._schedule()

    def _schedule(self) -> None:
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def _show_distribution(self, settings: StatisticsSettings) -> None:
        plot = self._distribution.plot
        running = self._history.running if self._history else None
        plot.set_running(running.density if running and running.n_frames else None)
        plot.set_frame(
            _density(self._shown[1], settings), _density(self._shown_reference, settings)
        )

    def _show_divergence(self, history: RolloutHistory) -> None:
        plot = self._divergence.plot
        plot.set_history(history.times, history.frame_sjsd, history.running_sjsd)
        index = self._shown[0]
        plot.set_cursor(None if index is None else history.time_of(index))

    def _show_structure_factor(self) -> None:
        plot = self._structure_factor.plot
        running = self._history.running if self._history else None
        has_frames = running is not None and running.n_frames > 0
        plot.set_running(getattr(running, plot.convention) if has_frames else None)
        plot.set_frame(
            *(
                None if frame is None else getattr(frame, plot.convention)
                for frame in (self._shown[1], self._shown_reference)
            )
        )

    def _show_numbers(self, history: RolloutHistory) -> None:
        self.numbers.show_generated(history, *self._shown, self.convention.currentData())

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self._hint = QLabel(
            "Choose a model and a reference trajectory in the Rollout dock. The statistics of the "
            "generated frames then appear here, beside those of the reference."
        )
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._hint.setMargin(8)
        self.log = QCheckBox("log")
        self.log.setToolTip("Logarithmic probability axis: shows the tails")
        self.log.toggled.connect(self._change_distribution)
        self.convention = QComboBox()
        self.convention.addItem("amplitude", "amplitude")
        self.convention.addItem("intensity", "intensity")
        self.convention.setToolTip(
            "amplitude: shell mean of |F(q)|, as in the paper\n"
            "intensity: shell mean of |F(q)|² per electron, the usual convention"
        )
        self.convention.currentIndexChanged.connect(self._change_structure_factor)
        self.ratio = QCheckBox("ratio")
        self.ratio.setToolTip("Divide by the reference: shows differences of per cents")
        self.ratio.toggled.connect(self._change_structure_factor)
        choices = QWidget()
        row = QHBoxLayout(choices)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.ratio)
        row.addWidget(self.convention)
        self._structure_factor_choices = choices
        self._plots = QWidget()
        self._plots_layout = QVBoxLayout(self._plots)
        self._plots_layout.setContentsMargins(0, 0, 0, 0)
        self._plots_layout.setSpacing(2)
        self.numbers = StatisticsNumbers()
        self.numbers.set_palette(self._palette)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._plots)
        self._scroll.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addWidget(self.numbers.headline)
        column.addWidget(self._hint)
        column.addWidget(self._scroll, 1)
        column.addStretch(0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.numbers.headline.hide()

    def _build_plots(self) -> None:
        """Make the plots anew for the reference and the colours."""
        assert self._settings is not None
        builders = (self._new_distribution, self._new_divergence, self._new_structure_factor)
        if not self.canvases:
            self._distribution = PlotCanvas(self._new_distribution, self._palette)
            self._divergence = PlotCanvas(self._new_divergence, self._palette)
            self._structure_factor = PlotCanvas(self._new_structure_factor, self._palette)
            self.canvases = [self._distribution, self._divergence, self._structure_factor]
            self._add_sections()
            return
        for canvas, build in zip(self.canvases, builders, strict=True):
            canvas.set_plot(build, self._palette)

    def _add_sections(self) -> None:
        sections = (
            Section("Values of the density", self._distribution, control=self.log, stretch=True),
            Section("Divergence from the reference", self._divergence, stretch=True),
            Section(
                "Structure factor",
                self._structure_factor,
                control=self._structure_factor_choices,
                stretch=True,
            ),
            Section("Scores", self.numbers.scores),
            Section("Electrons and extremes", self.numbers.extremes),
        )
        for section in sections:
            self._plots_layout.addWidget(section)
        self._plots_layout.addStretch(0)
        self.numbers.headline.show()

    def _new_distribution(self, axes: Axes, palette: Palette) -> DistributionPlot:
        assert self._settings is not None
        assert self._reference is not None
        plot = DistributionPlot(
            axes, palette, self._settings.edges, live=True, log=self.log.isChecked()
        )
        plot.set_reference(self._reference.density)
        plot.legend()
        return plot

    def _new_divergence(self, axes: Axes, palette: Palette) -> DivergencePlot:
        plot = DivergencePlot(axes, palette, live=True)
        levels = self._levels
        if levels is not None:
            low, high = np.quantile(levels.frame_sjsd, (0.05, 0.95))
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
        assert self._settings is not None
        plot = StructureFactorPlot(
            axes,
            palette,
            self._settings.shells.q,
            convention=self.convention.currentData(),
            relative=self.ratio.isChecked(),
            live=True,
        )
        self._set_structure_factor_reference(plot)
        plot.legend(with_noise=plot.relative)
        return plot

    def _set_structure_factor_reference(self, plot: StructureFactorPlot) -> None:
        assert self._reference is not None
        name = plot.convention
        self.numbers.show_reference(self._reference, self._levels, name)
        halves = None if self._levels is None else self._levels.halves
        plot.set_reference(
            getattr(self._reference, name),
            None if halves is None else (getattr(halves[0], name), getattr(halves[1], name)),
        )

    def _change_distribution(self) -> None:
        if self.canvases:
            self._distribution.set_plot(self._new_distribution, self._palette)
            self._schedule()

    def _change_structure_factor(self) -> None:
        if self.canvases:
            self._structure_factor.set_plot(self._new_structure_factor, self._palette)
            self._schedule()


def _density(frame: FrameStatistics | None, settings: StatisticsSettings) -> FloatArray | None:
    """Probability density of the normalised density in one frame."""
    if frame is None:
        return None
    return bin_density(frame.counts, settings.edges, frame.n_below, frame.n_above)
