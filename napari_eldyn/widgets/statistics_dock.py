"""The Statistics dock: live value distribution, sJSD and S(q) of a rollout over its reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from napari_eldyn.figures.style import DARK, LIGHT, palette_on
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
)
from napari_eldyn.widgets.section import Section
from napari_eldyn.widgets.statistics_history import RolloutHistory
from napari_eldyn.widgets.statistics_numbers import StatisticsNumbers
from napari_eldyn.widgets.statistics_plots import StatisticsPlots, Yardstick

__all__ = ["StatisticsDock", "Update"]

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

    Attributes
    ----------
    plots : StatisticsPlots or None
        Canvases and their choices; None until there is a reference.
    numbers : StatisticsNumbers
        Headline and tables.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._palette = DARK
        self._yardstick: Yardstick | None = None
        self._history: RolloutHistory | None = None
        self._time_range: tuple[float, float] | None = None
        self._shown: tuple[int | None, FrameStatistics | None] = (None, None)
        self._shown_reference: FrameStatistics | None = None
        self._following = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DRAW_INTERVAL)
        self._timer.timeout.connect(self.draw_now)
        self.plots: StatisticsPlots | None = None
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
        self._start_afresh(Yardstick(settings, reference, levels))

    def set_time_range(self, start: float, stop: float) -> None:
        """Lay out the time axis for the frames that are going to come.

        Parameters
        ----------
        start, stop : float
            Times of the start frame and of the last frame asked for, fs. Later frames widen it.
        """
        self._time_range = (start, stop)
        if self.plots is not None:
            self.plots.set_time_range(start, stop)
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
        if self._yardstick is not None:
            self._start_afresh(self._yardstick)

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
        if self.plots is not None and self._yardstick is not None:
            self.plots.start_afresh(self._yardstick, self._palette)
            self._show_reference()
        self._schedule()

    # -- drawing ------------------------------------------------------------------------------

    def draw_now(self) -> None:
        """Bring plots and numbers up to date at once; nothing happens while hidden."""
        self._timer.stop()
        if not self.isVisible() or self.plots is None or self._history is None:
            return
        index, frame = self._shown
        time = None if index is None else self._history.time_of(index)
        self.plots.show(self._history, time, frame, self._shown_reference)
        self.numbers.show_generated(self._history, index, frame, self.plots.convention)

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

    def _start_afresh(self, yardstick: Yardstick) -> None:
        self._yardstick = yardstick
        self._history = RolloutHistory(yardstick.settings, yardstick.reference)
        self._shown, self._shown_reference, self._following = (None, None), None, True
        if self.plots is None:
            self.plots = StatisticsPlots(yardstick, self._palette, self._time_range)
            self.plots.changed.connect(self._choose)
            self._lay_out(self.plots)
        else:
            self.plots.start_afresh(yardstick, self._palette)
        self._show_reference()
        self._schedule()

    def _choose(self) -> None:
        self._show_reference()
        self._schedule()

    def _show_reference(self) -> None:
        if self._yardstick is not None and self.plots is not None:
            self.numbers.show_reference(
                self._yardstick.reference, self._yardstick.levels, self.plots.convention
            )

    # -- widgets ------------------------------------------------------------------------------

    def _build(self) -> None:
        self._hint = QLabel(
            "Choose a model and a reference trajectory in the Rollout dock. The statistics of the "
            "generated frames then appear here, beside those of the reference."
        )
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._hint.setMargin(8)
        self._contents = QWidget()
        self.numbers = StatisticsNumbers()
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._contents)
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

    def _lay_out(self, plots: StatisticsPlots) -> None:
        """Put plots and tables in the place of the hint."""
        column = QVBoxLayout(self._contents)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for section in (
            *plots.sections,
            Section("Scores", self.numbers.scores),
            Section("Electrons and extremes", self.numbers.extremes),
        ):
            column.addWidget(section)
        column.addStretch(0)
        self._hint.hide()
        self._scroll.show()
        self.numbers.headline.show()
