"""The plots of the Statistics dock: canvases that fold, with their controls and menus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_eldyn.figures import style
from napari_eldyn.figures.rollout_plots import (
    PLOT_HELP,
    PLOT_TITLES,
    PLOTS,
    RolloutPlot,
    ShownFrame,
    Yardstick,
    build_plot,
)
from napari_eldyn.figures.single_plot import PRINT_SIZE, single_plot
from napari_eldyn.figures.style import LIGHT, SCREEN_DPI, Palette
from napari_eldyn.observables.rollout_history import RolloutHistory
from napari_eldyn.widgets.plot_canvas import PlotCanvas
from napari_eldyn.widgets.plot_menu import COPY_DPI, PlotMenu, PlotMenuButton, PlotSource
from napari_eldyn.widgets.section import Section
from napari_eldyn.widgets.statistics_choices import StatisticsChoices

__all__ = ["StatisticsPlots"]


class StatisticsPlots(QObject):
    """One foldable canvas for each of `PLOTS`.

    Folded and hidden plots cost nothing: they are neither made nor fed.

    Parameters
    ----------
    yardstick : Yardstick
        The reference.
    palette : Palette
        The colours.
    time_range : tuple of float, optional
        Of the plots against time, fs.
    choices : StatisticsChoices
        Their controls.
    provenance : callable
        Returns what the plots show, for saved files.

    Attributes
    ----------
    canvases : dict of str to PlotCanvas
        By name of the plot.
    sections : dict of str to Section
        The same with their headers, to be put into a layout.
    menus : dict of str to PlotMenu
        What can be done with each.
    """

    failed = Signal(str)
    """What went wrong with copying or saving."""
    done = Signal(str)
    """What was copied or saved."""

    def __init__(
        self,
        yardstick: Yardstick,
        palette: Palette,
        time_range: tuple[float, float] | None,
        choices: StatisticsChoices,
        provenance: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__()
        self._yardstick, self._palette, self._time_range = yardstick, palette, time_range
        self._choices = choices
        self._provenance = provenance
        self._history: RolloutHistory | None = None
        self._shown = ShownFrame()
        self.canvases: dict[str, PlotCanvas[RolloutPlot]] = {}
        self.sections: dict[str, Section] = {}
        self.menus: dict[str, PlotMenu] = {}
        choices.shells.set_waves(yardstick.settings.waves)
        for name in PLOTS:
            self._add(name)

    def start_afresh(self, yardstick: Yardstick, palette: Palette) -> None:
        """Make the plots anew, for another reference or other colours."""
        if yardstick.settings is not self._yardstick.settings:
            self._choices.shells.set_waves(yardstick.settings.waves)
        self._yardstick, self._palette = yardstick, palette
        for name in self.canvases:
            self.make_anew(name)

    def make_anew(self, name: str) -> None:
        """Make a plot anew, for other choices."""
        self.canvases[name].set_plot(self._builder(name), self._palette)

    def set_time_range(self, start: float, stop: float) -> None:
        """Lay out the time axis [fs]."""
        self._time_range = (start, stop)
        for name in ("divergence", "electrons", "extremes"):
            self.make_anew(name)

    def show(self, history: RolloutHistory, shown: ShownFrame) -> None:
        """Show the frames so far and the single one looked at, in what is in sight.

        Parameters
        ----------
        history : RolloutHistory
            The frames so far.
        shown : ShownFrame
            The frame looked at.
        """
        self._history, self._shown = history, shown
        for canvas in self.canvases.values():
            canvas.refresh()

    def source(self, name: str) -> PlotSource:
        """Return a plot as menus see it."""
        return PlotSource(
            title=PLOT_TITLES[name],
            picture=lambda: self._picture(name),
            # Without the single frame looked at, which only the window explains.
            figure=lambda: self._made(name, LIGHT, ShownFrame())[0],
            table=lambda: self._made(name, LIGHT, self._shown)[1].table(),
            provenance=lambda: {"definition": PLOT_HELP[name], **self._provenance()},
        )

    def _add(self, name: str) -> None:
        canvas = PlotCanvas(
            self._builder(name), self._palette, lambda plot: plot.show(self._history, self._shown)
        )
        canvas.setAccessibleName(PLOT_TITLES[name])
        menu = self.menus[name] = PlotMenu(self.source(name), canvas)
        menu.failed.connect(self.failed)
        menu.done.connect(self.done)
        canvas.menu_wanted.connect(menu.pop_up)
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for control in (*self._choices.controls(name), PlotMenuButton(menu)):
            row.addWidget(control)
        self.canvases[name] = canvas
        section = Section(PLOT_TITLES[name], canvas, control=holder, stretch=True)
        section.header.setToolTip(PLOT_HELP[name])
        self.sections[name] = section

    def _builder(self, name: str, *, live: bool = True) -> Callable[[Axes, Palette], RolloutPlot]:
        # The choices are those of the moment when the plot is made.
        return lambda axes, palette: build_plot(
            name,
            axes,
            palette,
            self._yardstick,
            self._choices.choices,
            self._time_range,
            live=live,
        )

    def _made(
        self,
        name: str,
        palette: Palette,
        shown: ShownFrame,
        size: tuple[float, float] = PRINT_SIZE,
        *,
        dpi: float = SCREEN_DPI,
        live: bool = False,
    ) -> tuple[Figure, RolloutPlot]:
        figure, plot = single_plot(self._builder(name, live=live), palette, size, dpi=dpi)
        plot.show(self._history, shown)
        return figure, plot

    def _picture(self, name: str) -> Figure:
        """Draw as the canvas does."""
        canvas = self.canvases[name]
        size = (canvas.width() / SCREEN_DPI, canvas.height() / SCREEN_DPI)
        figure, plot = self._made(name, self._palette, self._shown, size, dpi=COPY_DPI, live=True)
        assert isinstance(figure.canvas, FigureCanvasAgg)
        with style.context(self._palette):
            figure.canvas.draw()  # type: ignore[no-untyped-call]
            plot.draw_changing()
        return figure
