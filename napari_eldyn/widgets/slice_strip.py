"""Slices of the panels at several times, below the canvas in 2D (the paper's Fig. 2, live)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import QSize, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

# isort: split
# After qtpy: matplotlib then uses the Qt binding that is already loaded.
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure

from napari_eldyn.figures import style
from napari_eldyn.figures.slice_strip import Scale, StripLayout, StripRow, draw_strip
from napari_eldyn.figures.style import DOUBLE_WIDTH, LIGHT, SCREEN_DPI, Palette, palette_on
from napari_eldyn.viewer._compat import unwrap
from napari_eldyn.viewer.cell_view import cell_view_of
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import place_dock
from napari_eldyn.viewer.slice_planes import PlaneKey
from napari_eldyn.widgets.plot_menu import COPY_DPI, PlotMenu, PlotMenuButton, PlotSource

if TYPE_CHECKING:
    import napari

__all__ = ["SliceStrip"]

_INTERVAL_MS = 120
_SHARE = 4  # of the window's time: drawing takes a quarter of it at most
_SCALE_LABELS = {"difference": "Δρ (e/Å³)", "std": "std (e/Å³)"}
_DENSITY_LABEL = "ρ (e/Å³)"
_N_COLOURS = 256


class SliceStrip(QWidget):
    """Rows are the panels shown, columns are times; a click on a column goes there.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer, in 2D.
    """

    failed = Signal(str)
    """What went wrong with copying or saving."""
    done = Signal(str)
    """What was copied or saved."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = unwrap(napari_viewer)
        self.controller = controller_of(self.viewer)
        self._palette = LIGHT
        self._layout: StripLayout | None = None
        self.indices: list[int] = []
        """Index of each column."""
        self.canvas = _Canvas()
        self.canvas.setToolTip("A click shows the frame of that time; the framed one is shown now")
        self.canvas.pressed.connect(self._pressed)
        self.canvas.resized.connect(self._schedule)
        self.menu = PlotMenu(self._source(), self)
        self.menu.failed.connect(self.failed)
        self.menu.done.connect(self.done)
        button = PlotMenuButton(self.menu)
        side = QVBoxLayout()
        side.setContentsMargins(0, 0, 0, 0)
        side.addWidget(button)
        side.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 0, 2, 0)
        row.setSpacing(0)
        row.addWidget(self.canvas, 1)
        row.addLayout(side)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self.draw_now)
        self._connect()
        self._follow_theme()
        place_dock(napari_viewer, self, "bottom")

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for planes large enough to be looked at."""
        rows = max(1, len(self.controller.panels.layers))
        return QSize(560, min(60 + 75 * rows, 300))

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Draw what was missed while hidden."""
        super().showEvent(event)
        self._schedule()

    # -- what it follows ----------------------------------------------------------------------

    def _connect(self) -> None:
        control, panels = self.controller, self.controller.panels
        for signal in (
            panels.index_changed,
            panels.shown_changed,
            panels.possible_changed,
            panels.offset_changed,
            panels.member_changed,
            panels.planes.made,
            control.updated,
            control.session_started,
        ):
            signal.connect(self._schedule)
        self.viewer.dims.events.current_step.connect(self._schedule)
        self.viewer.dims.events.order.connect(self._schedule)
        self.viewer.events.theme.connect(self._follow_theme)
        self._watched: set[int] = set()

    def _watch_colours(self) -> None:
        for layer in self.controller.panels.layers.values():
            if id(layer) not in self._watched:
                self._watched.add(id(layer))
                for event in (layer.events.contrast_limits, layer.events.colormap):
                    event.connect(self._schedule)

    def _schedule(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _follow_theme(self, event: object = None) -> None:
        theme = get_theme(self.viewer.theme)
        self._palette = palette_on(str(theme.background), str(theme.text))
        self._schedule()

    # -- drawing ------------------------------------------------------------------------------

    def draw_now(self) -> None:
        """Bring the strip up to date, and have missing planes made; nothing while hidden."""
        self._timer.stop()
        comparison = self.controller.comparison
        if comparison is None or not self.isVisible() or self.viewer.dims.ndisplay != 2:
            return
        began = time.perf_counter()
        self._watch_colours()
        figure = self.canvas.figure
        width, height = figure.get_size_inches()
        rows = self._rows([])
        names = tuple(row.name for row in rows)
        layout = StripLayout(
            width, height, len(rows), _n_scales(rows), self._extent()[1] / self._extent()[0], names
        )
        self.indices = self._columns(layout.n_columns)
        self._want(comparison.index)
        with style.context(self._palette):
            self._layout = self._draw(figure, self._palette)
            self.canvas.draw()  # type: ignore[no-untyped-call]
        took = 1000 * (time.perf_counter() - began)
        self._timer.setInterval(max(_INTERVAL_MS, round(_SHARE * took)))

    def _draw(self, figure: Figure, palette: Palette) -> StripLayout:
        comparison = self.controller.comparison
        assert comparison is not None
        times = [comparison.pairing.time(index) for index in self.indices]
        here = comparison.index
        marked = self.indices.index(here) if here in self.indices else None
        return draw_strip(figure, self._rows(self.indices), times, self._extent(), palette, marked)

    def _columns(self, most: int) -> list[int]:
        """Choose times in equal steps over the whole rollout, and the one shown."""
        comparison, session = self.controller.comparison, self.controller.session
        if comparison is None or session is None:
            return []
        here = comparison.index
        last = max(session.n_generated, here)
        step = max(1, -(-last // max(most - 1, 1)))
        columns = list(range(0, last + 1, step))[:most]
        if here not in columns:
            nearest = min(range(len(columns)), key=lambda k: abs(columns[k] - here))
            if nearest == 0 and len(columns) > 1:
                nearest = 1
            columns[nearest] = here
        return sorted(columns)

    def _rows(self, indices: list[int]) -> list[StripRow]:
        planes, axis_point = self.controller.panels.planes, self._plane()
        rows = []
        for name, layer in self.controller.panels.layers.items():
            kept = [planes.get((name, index, *axis_point)) for index in indices]
            turned = [None if plane is None else self._turned(plane) for plane in kept]
            rows.append(StripRow(layer.name, turned, _scale_of(name, layer)))
        return rows

    def _want(self, here: int) -> None:
        session = self.controller.session
        if session is None:
            return
        axis_point = self._plane()
        nearest = sorted(self.indices, key=lambda index: abs(index - here))
        keys: list[PlaneKey] = [
            (name, index, *axis_point)
            for index in nearest
            for name in self.controller.panels.layers
            if index <= session.n_generated or name in ("reference", "reconstruction")
        ]
        self.controller.panels.planes.want(keys)

    def _plane(self) -> tuple[int, int]:
        """Axis across the plane shown on the canvas, and the grid point on it."""
        comparison, dims = self.controller.comparison, self.viewer.dims
        assert comparison is not None
        first = dims.ndim - 3
        axis = next((a for a in dims.not_displayed if a >= first), first)
        shape = comparison.pairing.trajectory.grid.shape
        along, layer = axis - first, comparison.reference
        shown = round((dims.point[axis] - layer.translate[along + 1]) / layer.scale[along + 1])
        # The canvas may show the cell shifted, and several of it; the strip shows one, as it is.
        shift = cell_view_of(self.viewer).shift_on(shape)[along]
        last = layer.data.shape[along + 1] - 1
        return along, (min(max(shown, 0), last) - shift) % shape[along]

    def _extent(self) -> tuple[float, float]:
        """Width and height of a plane as the canvas shows it, Å."""
        comparison, dims = self.controller.comparison, self.viewer.dims
        assert comparison is not None
        grid, first = comparison.pairing.trajectory.grid, dims.ndim - 3
        lengths = np.linalg.norm(grid.voxel_vectors, axis=1) * np.array(grid.shape)
        down, right = (max(axis - first, 0) for axis in dims.displayed[-2:])
        return float(lengths[right]), float(lengths[down])

    def _turned(self, plane: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Rows downwards and columns to the right, as on the canvas."""
        down, right = self.viewer.dims.displayed[-2:]
        return plane if down < right else plane.T

    # -- the mouse ----------------------------------------------------------------------------

    def _pressed(self, x: float) -> None:
        """Go to the column at a distance (inches) from the left edge."""
        comparison, layout = self.controller.comparison, self._layout
        column = None if layout is None else layout.column_at(x)
        if comparison is not None and column is not None and column < len(self.indices):
            comparison.go_to(self.indices[column])

    # -- copy and save ------------------------------------------------------------------------

    def _source(self) -> PlotSource:
        return PlotSource(
            title="Slices",
            picture=self._picture,
            figure=self._figure,
            table=self._table,
            provenance=self._provenance,
        )

    def _made(self, palette: Palette, size: tuple[float, float], dpi: float = SCREEN_DPI) -> Figure:
        with style.context(palette):
            figure = Figure(figsize=size, dpi=dpi)
            FigureCanvasAgg(figure)
            self._draw(figure, palette)
        return figure

    def _picture(self) -> Figure:
        width, height = self.canvas.figure.get_size_inches()
        figure = self._made(self._palette, (width, height), COPY_DPI)
        with style.context(self._palette):
            figure.canvas.draw()
        return figure

    def _figure(self) -> Figure:
        """Draw for print: two columns wide, as many times as in the window."""
        rows = self._rows([])
        names = tuple(row.name for row in rows)
        width, height = self._extent()
        layout = StripLayout(DOUBLE_WIDTH, 1.0, len(rows), _n_scales(rows), height / width, names)
        return self._made(LIGHT, (DOUBLE_WIDTH, layout.fitted(max(len(self.indices), 3)) + 0.01))

    def _table(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all values: one row for each point of each plane."""
        comparison = self.controller.comparison
        assert comparison is not None
        rows = self._rows(self.indices)
        shapes = [x.shape for row in rows for x in row.planes if x is not None]
        if not shapes:
            return {}
        n_down, n_right = shapes[0]
        width, height = self._extent()
        down, right = np.meshgrid(
            np.arange(n_down) * height / n_down, np.arange(n_right) * width / n_right, indexing="ij"
        )
        labels = [self.viewer.dims.axis_labels[axis] for axis in self.viewer.dims.displayed[-2:]]
        table: dict[str, np.ndarray[Any, Any]] = {
            f"{labels[0]} (Å)": down.ravel(),
            f"{labels[1]} (Å)": right.ravel(),
        }
        for row in rows:
            for index, plane in zip(self.indices, row.planes, strict=True):
                if plane is not None:
                    time = comparison.pairing.time(index)
                    table[f"{row.name} at {time:g} fs (electrons/Å³)"] = plane.ravel()
        return table

    def _provenance(self) -> dict[str, Any]:
        session, comparison = self.controller.session, self.controller.comparison
        if session is None or comparison is None:
            return {}
        axis, point = self._plane()
        grid = comparison.pairing.trajectory.grid
        place = float(np.linalg.norm(grid.voxel_vectors[axis])) * point
        origin = session.rollout.origin.model_dump(
            mode="json", exclude={"start_latent", "normalisation"}
        )
        return {
            "plane": f"{'xyz'[axis]} = {place:.4g} Å",
            "offset of the reference (fs)": comparison.pairing.offset_time,
            **origin,
        }


class _Canvas(FigureCanvasQTAgg):
    """A canvas that tells where it was pressed."""

    pressed = Signal(float)
    """Inches from the left edge."""
    resized = Signal()

    def __init__(self) -> None:
        super().__init__(Figure(figsize=(6.0, 1.8), dpi=SCREEN_DPI))  # type: ignore[no-untyped-call]
        self.setMinimumSize(QSize(300, 110))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802
        """Tell where."""
        ratio = self.device_pixel_ratio
        self.pressed.emit(event.position().x() * ratio / float(self.figure.dpi))

    def wheelEvent(self, event: Any) -> None:  # noqa: N802
        """Leave the wheel to others."""
        event.ignore()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Lay out anew."""
        super().resizeEvent(event)  # type: ignore[no-untyped-call]
        self.resized.emit()


def _scale_of(name: str, layer: Any) -> Scale:
    """Return the colours of a layer."""
    low, high = (float(limit) for limit in layer.contrast_limits)
    steps = np.linspace(0.0, 1.0, _N_COLOURS) ** float(layer.gamma)
    return Scale(
        np.asarray(layer.colormap.map(steps)), (low, high), _SCALE_LABELS.get(name, _DENSITY_LABEL)
    )


def _n_scales(rows: list[StripRow]) -> int:
    scales: list[Scale] = []
    for row in rows:
        if not any(row.scale.same_as(scale) for scale in scales):
            scales.append(row.scale)
    return len(scales)
