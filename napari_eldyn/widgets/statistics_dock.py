"""The Statistics dock: a rollout beside its reference, plot by plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from qtpy.QtCore import QSize, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_eldyn.figures.rollout_plots import PLOTS, ShownFrame, Yardstick
from napari_eldyn.figures.style import DARK, LIGHT, palette_on
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.observables.statistics import FrameStatistics
from napari_eldyn.widgets.messages import MessageArea
from napari_eldyn.widgets.parts import scrolling
from napari_eldyn.widgets.section import Section
from napari_eldyn.widgets.statistics_choices import StatisticsChoices
from napari_eldyn.widgets.statistics_numbers import StatisticsNumbers
from napari_eldyn.widgets.statistics_plots import StatisticsPlots

__all__ = ["StatisticsDock", "Update"]

# Updates that come faster than this are drawn together (ms).
_DRAW_INTERVAL = 40
_MINIMUM_WIDTH = 320
_NEWS_MS = 8000  # what was saved is told for so long; errors stay
_OPEN_AT_FIRST = ("distribution", "divergence", "structure_factor")
_SCORES = "scores"


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
    of histograms and, where it is shown, F(q,t). Adding a frame is cheap whether or not the dock is
    seen; drawing waits up to 40 ms so that frames that arrive together are drawn once.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.

    Attributes
    ----------
    plots : StatisticsPlots or None
        Canvases and their menus; None until there is a reference.
    choices : StatisticsChoices
        Controls of the plots.
    numbers : StatisticsNumbers
        Headline and table.
    messages : MessageArea
        What was saved, and what went wrong.
    """

    state_changed = Signal(dict)
    """The user folded, unfolded or chose something: the new `session_state`."""

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
        self._news_timer = QTimer(self)
        self._news_timer.setSingleShot(True)
        self._news_timer.setInterval(_NEWS_MS)
        self._provenance: Callable[[], Mapping[str, Any]] = dict
        self._open = set(_OPEN_AT_FIRST)
        self._sections: dict[str, Section] = {}
        self.plots: StatisticsPlots | None = None
        self.choices = StatisticsChoices()
        self.choices.changed.connect(self._choose)
        self._build()
        self.setMinimumWidth(_MINIMUM_WIDTH)

    # -- what comes in ------------------------------------------------------------------------

    def set_reference(self, yardstick: Yardstick) -> None:
        """Set what generated frames are compared with; starts afresh.

        Parameters
        ----------
        yardstick : Yardstick
            The reference, with its levels if it has any.
        """
        self._start_afresh(yardstick)

    def set_provenance(self, provenance: Callable[[], Mapping[str, Any]]) -> None:
        """Set where saved files learn what the plots show.

        Parameters
        ----------
        provenance : callable
            Returns JSON values by name: model, its hash, seed, sampler, versions …
        """
        self._provenance = provenance

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

    def set_theme(self, theme: bool | Mapping[str, str], colour: int = 0) -> None:
        """Follow the colours of the window, and take that of the rollout.

        Parameters
        ----------
        theme : bool or mapping
            True for dark, False for light, or the window's colours by the names "background" and
            "text", in any form matplotlib understands.
        colour : int
            Place of the rollout's colour in `Palette.generated`.
        """
        if isinstance(theme, bool):
            palette = DARK if theme else LIGHT
        else:
            palette = palette_on(theme["background"], theme["text"])
        colours = palette.generated
        first = colour % len(colours)
        self._palette = replace(palette, generated=(*colours[first:], *colours[:first]))
        self.numbers.set_palette(self._palette)
        if self.plots is not None and self._yardstick is not None:
            self.plots.start_afresh(self._yardstick, self._palette)
            self._show_reference()
        self._schedule()

    def session_state(self) -> dict[str, Any]:
        """Return choices and open sections, as JSON values."""
        return {"open": sorted(self._open), **self.choices.state()}

    def restore_session_state(self, state: Mapping[str, Any]) -> None:
        """Take over choices and open sections; what does not fit leaves things as they are.

        Parameters
        ----------
        state : mapping
            From `session_state`.
        """
        self.choices.restore(state)
        is_open = state.get("open")
        if isinstance(is_open, list) and all(isinstance(name, str) for name in is_open):
            self._open = {name for name in is_open if name in (*PLOTS, _SCORES)}
            for name, section in self._sections.items():
                section.set_open(name in self._open)

    # -- drawing ------------------------------------------------------------------------------

    def draw_now(self) -> None:
        """Bring plots and numbers up to date at once; nothing happens while hidden."""
        self._timer.stop()
        if not self.isVisible() or self.plots is None or self._history is None:
            return
        index, frame = self._shown
        time = None if index is None else self._history.time_of(index)
        self.plots.show(self._history, ShownFrame(time, frame, self._shown_reference))
        self.numbers.show_generated(self._history, index, frame, self.choices.convention)

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
            self.plots = StatisticsPlots(
                yardstick,
                self._palette,
                self._time_range,
                self.choices,
                lambda: self._provenance(),
            )
            self.plots.failed.connect(self._complain)
            self.plots.done.connect(self._inform)
            self._lay_out(self.plots)
        else:
            self.plots.start_afresh(yardstick, self._palette)
        self._show_reference()
        self._schedule()

    def _choose(self, name: str) -> None:
        if self.plots is not None:
            self.plots.make_anew(name)
        self._show_reference()
        self._schedule()
        self.state_changed.emit(self.session_state())

    def _complain(self, text: str) -> None:
        self._news_timer.stop()
        self.messages.clear()
        self.messages.complain(text)

    def _inform(self, text: str) -> None:
        self.messages.clear()
        self.messages.inform(text)
        self._news_timer.start()

    def _fold(self, name: str, is_open: bool) -> None:
        if (name in self._open) != is_open:
            self._open ^= {name}
            self.state_changed.emit(self.session_state())
        self._schedule()

    def _show_reference(self) -> None:
        if self._yardstick is not None and self.plots is not None:
            self.numbers.show_reference(
                self._yardstick.reference, self._yardstick.levels, self.choices.convention
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
        self.messages = MessageArea()
        self._news_timer.timeout.connect(self.messages.clear)
        self._scroll = scrolling(self._contents)
        self._scroll.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addWidget(self.numbers.headline)
        column.addWidget(self.messages)
        column.addWidget(self._hint)
        column.addWidget(self._scroll, 1)
        column.addStretch(0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.numbers.headline.hide()

    def _lay_out(self, plots: StatisticsPlots) -> None:
        """Put plots and table in the place of the hint."""
        column = QVBoxLayout(self._contents)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        scores = Section("Scores", self.numbers.scores)
        scores.header.setToolTip("Divergences and S(q) differences, beside those of trivial models")
        self._sections = {**plots.sections, _SCORES: scores}
        for name, section in self._sections.items():
            section.set_open(name in self._open)
            section.header.toggled.connect(lambda is_open, name=name: self._fold(name, is_open))
            column.addWidget(section)
        column.addStretch(0)
        self._hint.hide()
        self._scroll.show()
        self.numbers.headline.show()
