"""One quantity of all visible rollouts in one plot, for the Compare dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

# isort: split
# After qtpy: matplotlib then uses the Qt binding that is already loaded.
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_eldyn.figures import style
from napari_eldyn.figures.compared_plots import (
    COMPARED_PLOTS,
    COMPARED_TITLES,
    ComparedPlot,
    build_compared_plot,
)
from napari_eldyn.figures.rollout_plot import PlotChoices, Yardstick
from napari_eldyn.figures.single_plot import single_plot
from napari_eldyn.figures.style import COLUMN_WIDTH, DARK, LIGHT, SCREEN_DPI, Palette
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.viewer.controller import RolloutController
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.shelf import ShelvedRollout
from napari_eldyn.widgets.plot_canvas import PlotCanvas
from napari_eldyn.widgets.plot_menu import COPY_DPI, PlotMenu, PlotMenuButton, PlotSource

__all__ = ["ComparePlot"]

_INTERVAL_MS = 150  # between updates while a rollout runs
_PRINT_SIZE = (COLUMN_WIDTH, 2.4)
_GROUP = "compare"


class ComparePlot(QWidget):
    """The plot, the choice of its quantity, and its menu.

    Parameters
    ----------
    controller : RolloutController
        That of the viewer.
    """

    failed = Signal(str)
    """What went wrong with copying or saving."""
    done = Signal(str)
    """What was copied or saved."""

    def __init__(self, controller: RolloutController) -> None:
        super().__init__()
        self.controller = controller
        self._palette = DARK
        self._histories: dict[int, tuple[ShelvedRollout, RolloutHistory]] = {}
        self._drawn: Any = None
        self.quantity = QComboBox()
        self.quantity.setToolTip("What is compared between the rollouts ticked above")
        self.quantity.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.quantity.setMinimumContentsLength(9)
        for name in COMPARED_PLOTS:
            self.quantity.addItem(COMPARED_TITLES[name], name)
        self.log = QCheckBox("log")
        self.log.setToolTip("Logarithmic probability axis: shows the tails")
        self.ratio = QCheckBox("ratio")
        self.ratio.setToolTip("Divide by the reference: shows differences of a few per cent")
        self.canvas: PlotCanvas[ComparedPlot] = PlotCanvas(self._builder(), DARK, self._feed)
        self.canvas.setMinimumHeight(180)
        self.canvas.setAccessibleName("Comparison of rollouts")
        self.menu = PlotMenu(self._source(), self.canvas)
        self.menu.failed.connect(self.failed)
        self.menu.done.connect(self.done)
        self.canvas.menu_wanted.connect(self.menu.pop_up)
        self.hint = QLabel("The plot appears when the reference has been measured.")
        self.hint.setWordWrap(True)
        self.controls = QWidget()
        """Choices and menu, for the header of a section."""
        row = QHBoxLayout(self.controls)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for widget in (self.log, self.ratio, self.quantity, PlotMenuButton(self.menu)):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.hint)
        column.addWidget(self.canvas, 1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self.draw_now)
        self.choose(remembered(_GROUP))
        self.quantity.currentIndexChanged.connect(self._choose)
        self.log.toggled.connect(self._choose)
        self.ratio.toggled.connect(self._choose)
        for signal in (
            controller.shelf.changed,
            controller.updated,
            controller.reference_ready,
            controller.session_started,
        ):
            signal.connect(self._schedule)
        self._update_controls()
        self._schedule()

    @property
    def name(self) -> str:
        """Name of the quantity chosen, one of `COMPARED_PLOTS`."""
        return str(self.quantity.currentData())

    def set_palette(self, palette: Palette) -> None:
        """Draw in the colours of a theme."""
        self._palette = palette
        self._drawn = None
        self._schedule()

    def draw_now(self) -> None:
        """Bring the plot up to date; nothing happens while it is hidden."""
        self._timer.stop()
        yardstick = self._yardstick()
        self.hint.setVisible(yardstick is None)
        self.canvas.setVisible(yardstick is not None)
        if yardstick is None or not self.isVisible():
            return
        shown = [(x.label, x.colour) for x in self._rollouts()]
        drawn = (yardstick.reference, yardstick.levels, tuple(shown), self.name, self._choices())
        if drawn != self._drawn:
            self._drawn = drawn
            self.canvas.set_plot(self._builder(), self._palette)
        self.canvas.refresh()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what came in while hidden."""
        super().showEvent(event)
        self._schedule()

    def _schedule(self, _: object = None) -> None:
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def _choose(self, _: object = None) -> None:
        self._update_controls()
        remember(_GROUP, **self.choices())
        self._schedule()

    def _update_controls(self) -> None:
        self.log.setVisible(self.name == "distribution")
        self.ratio.setVisible(self.name == "structure_factor")

    def choices(self) -> dict[str, Any]:
        """Return what is chosen."""
        log, ratio = self.log.isChecked(), self.ratio.isChecked()
        return {"quantity": self.name, "log": log, "ratio": ratio}

    def choose(self, known: dict[str, Any]) -> None:
        """Take up what was chosen, as far as it is possible."""
        place = self.quantity.findData(known.get("quantity"))
        if place >= 0:
            self.quantity.setCurrentIndex(place)
        self.log.setChecked(known.get("log") is True)
        self.ratio.setChecked(known.get("ratio") is True)

    # -- what is drawn ------------------------------------------------------------------------

    def _yardstick(self) -> Yardstick | None:
        measured, session = self.controller.measured, self.controller.session
        if measured is None or session is None:
            return None
        return measured.yardstick if measured.settings is session.statistics_settings else None

    def _rollouts(self) -> list[ShelvedRollout]:
        return [rollout for rollout in self.controller.shelf.rollouts if rollout.visible]

    def _choices(self) -> PlotChoices:
        return PlotChoices(log=self.log.isChecked(), ratio=self.ratio.isChecked())

    def _builder(self, *, live: bool = True) -> Callable[[Axes, Palette], ComparedPlot]:
        return partial(_build, self, live)

    def _feed(self, plot: ComparedPlot) -> None:
        plot.show({rollout.label: self._history(rollout) for rollout in self._rollouts()})

    def _history(self, rollout: ShelvedRollout) -> RolloutHistory:
        """Return the scores of a rollout, those of new frames added."""
        yardstick = self._yardstick()
        assert yardstick is not None
        known = self._histories.get(id(rollout))
        frames = rollout.statistics
        if known is None or known[0] is not rollout or known[1].n > len(frames):
            history = RolloutHistory(yardstick.settings, yardstick.reference)
            self._histories[id(rollout)] = (rollout, history)
        else:
            history = known[1]
        pairing = rollout.session.pairing
        for index in range(history.n, len(frames)):
            history.add(index, pairing.time(index + 1), frames[index])
        there = {id(x) for x in self.controller.shelf.rollouts}
        self._histories = {key: x for key, x in self._histories.items() if key in there}
        return history

    # -- copy and save ------------------------------------------------------------------------

    def _source(self) -> PlotSource:
        return PlotSource(
            title="Comparison of rollouts",
            picture=self._picture,
            figure=lambda: self._made(LIGHT, _PRINT_SIZE)[0],
            table=lambda: self._made(LIGHT, _PRINT_SIZE)[1].table(),
            provenance=self._provenance,
        )

    def _made(
        self, palette: Palette, size: tuple[float, float], dpi: float = SCREEN_DPI
    ) -> tuple[Figure, ComparedPlot]:
        figure, plot = single_plot(self._builder(live=False), palette, size, dpi=dpi)
        self._feed(plot)
        return figure, plot

    def _picture(self) -> Figure:
        size = (self.canvas.width() / SCREEN_DPI, self.canvas.height() / SCREEN_DPI)
        figure, _ = self._made(self._palette, size, COPY_DPI)
        assert isinstance(figure.canvas, FigureCanvasAgg)
        with style.context(self._palette):
            figure.canvas.draw()  # type: ignore[no-untyped-call]
        return figure

    def _provenance(self) -> dict[str, Any]:
        return {
            rollout.label: {
                "frames": len(rollout.statistics),
                **rollout.session.rollout.origin.model_dump(
                    mode="json", exclude={"start_latent", "normalisation"}
                ),
            }
            for rollout in self._rollouts()
        }


def _build(widget: ComparePlot, live: bool, axes: Axes, palette: Palette) -> ComparedPlot:
    yardstick = widget._yardstick()
    assert yardstick is not None
    curves = [(rollout.label, rollout.colour) for rollout in widget._rollouts()]
    return build_compared_plot(
        widget.name, axes, palette, yardstick, curves, widget._choices(), live=live
    )
