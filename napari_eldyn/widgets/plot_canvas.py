"""A matplotlib canvas for Qt that redraws only what changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtWidgets import QSizePolicy, QWidget

# isort: split
# After qtpy: matplotlib then uses the Qt binding that is already loaded.
from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure

from napari_eldyn.figures import style
from napari_eldyn.figures.live_plot import LivePlot
from napari_eldyn.figures.style import Palette

__all__ = ["PlotCanvas"]

PlotT = TypeVar("PlotT", bound=LivePlot)

# Room around the axes in points (1/72 inch): tick labels and axis labels at 8 pt.
_LEFT, _RIGHT, _BOTTOM, _TOP = 43.0, 7.0, 29.0, 5.0


class PlotCanvas(FigureCanvasQTAgg, Generic[PlotT]):
    """One live plot.

    `refresh` puts the changed lines on the kept picture of the rest (blitting). A full redraw
    happens only after a change of size, theme, range or reference. Nothing is drawn while the
    canvas is hidden, collapsed or scrolled out of sight; what was missed is drawn when it comes
    back. Mouse events, the wheel among them, go to the widgets behind.

    Parameters
    ----------
    build : callable
        Makes the plot on new axes: ``build(axes, palette)``.
    palette : Palette
        The colours.
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(
        self,
        build: Callable[[Axes, Palette], PlotT],
        palette: Palette,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(Figure(dpi=style.SCREEN_DPI, figsize=(4.0, 1.7)))  # type: ignore[no-untyped-call]
        if parent is not None:
            self.setParent(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setMinimumSize(QSize(200, 148))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._background: Any = None
        self._behind = True
        self.full_redraws = 0
        self.updates = 0
        self.set_plot(build, palette)

    def set_plot(self, build: Callable[[Axes, Palette], PlotT], palette: Palette) -> None:
        """Replace the plot, for instance to change its colours.

        Parameters
        ----------
        build : callable
            Makes the plot on new axes: ``build(axes, palette)``.
        palette : Palette
            The colours.
        """
        self._palette = palette
        with style.context(palette):
            self.figure.clear()
            self.figure.set_facecolor(palette.background)
            self.plot: PlotT = build(self.figure.add_axes((0.1, 0.1, 0.8, 0.8)), palette)
        self._fit_margins()
        self._background = None
        self._behind = True

    def refresh(self) -> None:
        """Bring the canvas up to date with its plot, or note that it is behind while unseen."""
        if not self._is_seen():
            self._behind = True
        elif self._background is None or self.plot.redraw_needed:
            self.draw()
        else:
            self._behind = False
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
        self._behind = False
        self.full_redraws += 1
        with style.context(self._palette):
            super().draw()  # type: ignore[no-untyped-call]
        self.plot.mark_drawn()
        self._background = self.copy_from_bbox(self.plot.axes.bbox.padded(2))  # type: ignore[no-untyped-call]
        self.plot.draw_changing()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Give the preferred size, for a dock of usual width."""
        return QSize(380, 165)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Keep the margins, in points, at any size."""
        self._background = None
        super().resizeEvent(event)  # type: ignore[no-untyped-call]
        self._fit_margins()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what was missed while unseen, then paint."""
        if self._behind:
            self.refresh()
        super().paintEvent(event)  # type: ignore[no-untyped-call]

    def _is_seen(self) -> bool:
        return self.isVisible() and not self.visibleRegion().isEmpty()

    def _fit_margins(self) -> None:
        width, height = (72.0 * inches for inches in self.figure.get_size_inches())
        inner = (max(width - _LEFT - _RIGHT, 10.0), max(height - _BOTTOM - _TOP, 10.0))
        self.plot.axes.set_position(
            (_LEFT / width, _BOTTOM / height, inner[0] / width, inner[1] / height)
        )

    def _axes_rectangle(self) -> QRect:
        box = self.plot.axes.bbox.padded(2)
        ratio = self.device_pixel_ratio
        left, right = int(box.x0 / ratio), int(box.x1 / ratio) + 1
        top, bottom = int(self.height() - box.y1 / ratio), int(self.height() - box.y0 / ratio) + 1
        return QRect(left, top, right - left, bottom - top)
