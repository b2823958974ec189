"""A matplotlib canvas for Qt that redraws only what changed, and reads values under the mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QPoint, QRect, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

# isort: split
# After qtpy: matplotlib then uses the Qt binding that is already loaded.
from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure

from napari_eldyn.figures import style
from napari_eldyn.figures.live_plot import LivePlot
from napari_eldyn.figures.single_plot import plot_box
from napari_eldyn.figures.style import Palette

__all__ = ["PlotCanvas"]

PlotT = TypeVar("PlotT", bound=LivePlot)


class PlotCanvas(FigureCanvasQTAgg, Generic[PlotT]):
    """One live plot.

    `refresh` puts the changed lines on the kept picture of the rest (blitting). A full redraw
    happens only after a change of size, theme, range or reference. While the canvas is hidden,
    collapsed or scrolled out of sight nothing is done, the plot is not even made; what was missed
    is made up for when it comes back.

    Moving the mouse shows what `LivePlot.read` says in a tool tip. The wheel goes on to the
    widgets behind; so does everything else but the right button, which asks for a menu.

    Parameters
    ----------
    build : callable
        Makes the plot on new axes: ``build(axes, palette)``.
    palette : Palette
        The colours.
    feed : callable, optional
        Gives the plot what it is to show now; called before every drawing.
    parent : QWidget, optional
        Parent widget.
    """

    menu_wanted = Signal(QPoint)
    """The right button was pressed, at a place of the screen."""

    def __init__(
        self,
        build: Callable[[Axes, Palette], PlotT],
        palette: Palette,
        feed: Callable[[PlotT], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(Figure(dpi=style.SCREEN_DPI, figsize=(4.0, 1.7)))  # type: ignore[no-untyped-call]
        if parent is not None:
            self.setParent(parent)
        self.setMinimumSize(QSize(200, 148))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self._feed = feed
        self._plot: PlotT | None = None
        self._background: Any = None
        self._behind = True
        self.full_redraws = 0
        self.updates = 0
        self.set_plot(build, palette)

    @property
    def plot(self) -> PlotT:
        """The plot, made when first asked for."""
        if self._plot is not None:
            return self._plot
        with style.context(self._palette):
            self.figure.clear()
            self.figure.set_facecolor(self._palette.background)
            plot = self._build(self.figure.add_axes(plot_box(self.figure)), self._palette)
        plot.set_box(plot_box(self.figure))
        self._plot = plot
        return plot

    def set_plot(self, build: Callable[[Axes, Palette], PlotT], palette: Palette) -> None:
        """Replace the plot, for instance to change its colours.

        Parameters
        ----------
        build : callable
            Makes the plot on new axes: ``build(axes, palette)``.
        palette : Palette
            The colours.
        """
        self._build, self._palette = build, palette
        self._plot = None
        self._background = None
        self._behind = True

    def refresh(self) -> None:
        """Bring the canvas up to date with its plot, or note that it is behind while unseen."""
        self._behind = True
        if not self._is_seen():
            return
        self._catch_up()
        if self._background is None or self.plot.redraw_needed:
            self._draw_whole()
        else:
            self.updates += 1
            self.restore_region(self._background)  # type: ignore[no-untyped-call]
            self.plot.draw_changing()
            # Unlike blit(), which repaints at once, this lets Qt paint all plots together.
            self.update(self._axes_rectangle())

    def draw(self) -> None:
        """Draw everything and keep the picture of what stays."""
        if not self._is_seen():
            self._behind = True
            return
        self._catch_up()
        self._draw_whole()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Give the preferred size, for a dock of usual width."""
        return QSize(380, 165)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Keep the margins, in points, at any size."""
        self._background = None
        super().resizeEvent(event)  # type: ignore[no-untyped-call]
        if self._plot is not None:
            self._plot.set_box(plot_box(self.figure))

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what was missed while unseen, then paint."""
        if self._behind:
            self.refresh()
        super().paintEvent(event)  # type: ignore[no-untyped-call]

    # -- the mouse: matplotlib's own handlers would take the wheel and draw ---------------------

    def wheelEvent(self, event: Any) -> None:  # noqa: N802
        """Leave the wheel to the scroll area behind."""
        QToolTip.hideText()
        event.ignore()

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802
        """Read the values under the mouse."""
        text = self.read_at(event.position().toPoint())
        if text:
            QToolTip.showText(event.globalPosition().toPoint(), text, self)
        else:
            QToolTip.hideText()
        event.ignore()

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802
        """Do nothing."""
        event.ignore()

    def mouseReleaseEvent(self, event: Any) -> None:  # noqa: N802
        """Do nothing."""
        event.ignore()

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802
        """Do nothing."""
        event.ignore()

    def enterEvent(self, event: Any) -> None:  # noqa: N802
        """Do nothing."""
        event.ignore()

    def leaveEvent(self, event: Any) -> None:  # noqa: N802
        """Take the values away."""
        QToolTip.hideText()

    def contextMenuEvent(self, event: Any) -> None:  # noqa: N802
        """Ask for the menu of the plot."""
        QToolTip.hideText()
        self.menu_wanted.emit(event.globalPos())
        event.accept()

    def read_at(self, place: QPoint) -> str:
        """Say what is drawn at a place of the widget, nothing outside the axes."""
        if self._plot is None or self._behind:
            return ""
        ratio = self.device_pixel_ratio
        pixel = (place.x() * ratio, (self.height() - 1 - place.y()) * ratio)
        if not self._plot.region.contains(*pixel):
            return ""
        x, y = self._plot.axes.transData.inverted().transform(pixel)
        return self._plot.read(float(x), float(y))

    # -- drawing ------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        self._behind = False
        if self._feed is not None:
            self._feed(self.plot)

    def _draw_whole(self) -> None:
        plot = self.plot
        self.full_redraws += 1
        with style.context(self._palette):
            super().draw()  # type: ignore[no-untyped-call]
        plot.mark_drawn()
        self._background = self.copy_from_bbox(plot.region.padded(2))  # type: ignore[no-untyped-call]
        plot.draw_changing()

    def _is_seen(self) -> bool:
        return self.isVisible() and not self.visibleRegion().isEmpty()

    def _axes_rectangle(self) -> QRect:
        box = self.plot.region.padded(2)
        ratio = self.device_pixel_ratio
        left, right = int(box.x0 / ratio), int(box.x1 / ratio) + 1
        top, bottom = int(self.height() - box.y1 / ratio), int(self.height() - box.y0 / ratio) + 1
        return QRect(left, top, right - left, bottom - top)
