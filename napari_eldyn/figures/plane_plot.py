"""A field on a plane through the cell, with atoms near it: a map with axes in Å."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from contourpy import LineType, contour_generator
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_eldyn.figures.live_plot import LivePlot
from napari_eldyn.figures.style import Palette
from napari_eldyn.observables.planes import NearAtoms, Plane

__all__ = ["PlaneMap", "PlanePlot"]

_BAR_POINTS = 62.0  # room of the colour bar with its numbers and label
_BAR_WIDTH = 8.0
_TITLE_POINTS = 12.0
_MARGIN = 0.03  # around the map, as a part of its longer side
_RADIUS = 0.25  # of the circles of atoms, in covalent radii
_LEAST_POINTS = 2.5  # their least radius
_N_CONTOURS = 8  # an even number, so that signed fields have none at zero
_SYMBOL_POINTS = 6.0


@dataclass(frozen=True, eq=False)
class PlaneMap:
    """What is drawn.

    Parameters
    ----------
    plane : Plane
        The plane.
    polygon : ndarray, shape (n, 2)
        The part of it that is shown [Å].
    values : ndarray, shape (rows, columns)
        The field on a rectangle around it, row 0 at the least y.
    box : tuple of 4 float
        That rectangle: x from, x to, y from, y to [Å].
    limits : tuple of 2 float
        Values of the first and the last colour.
    colours : ndarray, shape (n, 4)
        Opaque colours from the first to the last.
    quantity, unit : str
        What the values are; the unit may be empty.
    atoms : NearAtoms, optional
        Atoms to draw.
    numbers : ndarray of int, optional
        Atomic numbers of all atoms.
    contours : bool
        Whether to draw lines of equal value.
    title : str
        Which plane, of what, when.
    """

    plane: Plane
    polygon: NDArray[np.float64]
    values: NDArray[np.float32]
    box: tuple[float, float, float, float]
    limits: tuple[float, float]
    colours: NDArray[np.floating]
    quantity: str
    unit: str
    atoms: NearAtoms | None = None
    numbers: NDArray[np.int64] | None = None
    contours: bool = False
    title: str = ""

    def rgba(self) -> NDArray[np.float32]:
        """Colours of the values, shape (rows, columns, 4)."""
        low, high = self.limits
        shares = np.clip((self.values - low) / (high - low), 0.0, 1.0)
        places = np.rint(shares * (len(self.colours) - 1)).astype(np.intp)
        colours: NDArray[np.float32] = np.asarray(self.colours, np.float32)[places]
        return colours

    def value_at(self, x: float, y: float) -> float | None:
        """Value at a place in the plane [Å], None outside of the rectangle."""
        left, right, low, high = self.box
        if not (left <= x < right and low <= y < high):
            return None
        rows, columns = self.values.shape
        row, column = (
            int((y - low) / (high - low) * rows),
            int((x - left) / (right - left) * columns),
        )
        return float(self.values[row, column])


class PlanePlot(LivePlot):
    """A map of a plane with its colour bar, in equal scales along both axes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw; made inside :func:`napari_eldyn.figures.style.context`.
    palette : Palette
        The colours of what is written.
    live : bool
        Whether a canvas draws the changing artists itself; otherwise the plot has a title.
    """

    def __init__(self, axes: Axes, palette: Palette, *, live: bool = False) -> None:
        super().__init__(axes, palette, live=live)
        self.map: PlaneMap | None = None
        self._image: AxesImage | None = None
        self._clip = Polygon(np.zeros((3, 2)), closed=True, transform=axes.transData)
        self._box: tuple[float, float, float, float] | None = None
        self._scale = 0.0  # points per Å
        self._frame: tuple[object, ...] = ()
        figure = axes.figure
        assert figure is not None
        self._bar_axes = figure.add_axes((0.9, 0.1, 0.02, 0.8))
        axes.set_aspect("equal", adjustable="box", anchor="C")
        axes.set_visible(False)
        self._bar_axes.set_visible(False)

    def update(self, drawn: PlaneMap | None) -> None:
        """Draw another map, or none."""
        self.map = drawn
        for artist in self._changing:
            artist.remove()
        self._changing.clear()
        for axes in (self.axes, self._bar_axes):
            if axes.get_visible() != (drawn is not None):
                axes.set_visible(drawn is not None)
                self._redraw_needed = True
        if drawn is None:
            self._frame = ()
            return
        frame = (
            *np.round(drawn.polygon, 6).ravel(),
            *drawn.limits,
            drawn.quantity,
            drawn.unit,
            drawn.plane.along,
            drawn.colours.tobytes(),
        )
        if frame != self._frame:
            self._frame = frame
            self._lay_out(drawn)
            self._redraw_needed = True
        self._draw_values(drawn)
        if drawn.contours:
            self._draw_contours(drawn)
        outline = Polygon(drawn.polygon, closed=True, fc="none", ec=self.palette.muted, lw=0.7)
        self._add(outline, 3.0)
        if drawn.atoms is not None and drawn.numbers is not None:
            self._draw_atoms(drawn.atoms, drawn.numbers)
        if not self._live:
            self.axes.set_title(drawn.title, size=7, color=self.palette.text, pad=4)

    def read(self, x: float, y: float) -> str:
        """Say the value at a place, and which atom is there."""
        drawn = self.map
        value = None if drawn is None else drawn.value_at(x, y)
        if drawn is None or value is None or not self._clip_contains(x, y):
            return ""
        text = f"{value:.4g} {drawn.unit}".strip() + f" at {x:.2f}, {y:.2f} Å"
        atoms, numbers = drawn.atoms, drawn.numbers
        if atoms is not None and numbers is not None and len(atoms.index):
            distances = np.hypot(*(atoms.places - [x, y]).T)
            nearest = int(np.argmin(distances))
            atom = int(atoms.index[nearest])
            if distances[nearest] <= self._radius(int(numbers[atom])):
                height = float(atoms.heights[nearest])
                where = "in the plane" if abs(height) < 5e-3 else f"{height:+.2f} Å off the plane"
                text += f"\n{chemical_symbols[numbers[atom]]} (atom {atom + 1}), {where}"
        return text.replace("-", "−")

    def set_box(self, box: tuple[float, float, float, float]) -> None:
        """Move the plot within its figure; the colour bar stands at its right."""
        self._box = box
        figure = self.axes.get_figure(root=True)
        assert figure is not None
        width, height = (72.0 * float(inches) for inches in figure.get_size_inches())
        left, bottom, wide, tall = box
        if not self._live:
            tall -= _TITLE_POINTS / height
        inner = max(wide - _BAR_POINTS / width, 0.1 * wide)
        self.axes.set_position((left, bottom, inner, tall))
        # The bar is as high as the map, and stands beside it.
        shown = self._shown_share(inner * width, tall * height)
        map_wide, map_tall = inner * shown[0], tall * shown[1]
        start, end = self.axes.get_xlim()
        self._scale = map_wide * width / (end - start)
        right = left + 0.5 * (inner + map_wide)
        self._bar_axes.set_position(
            (
                right + 9.0 / width,
                bottom + 0.5 * (tall - map_tall),
                _BAR_WIDTH / width,
                map_tall,
            )
        )

    # -- parts --------------------------------------------------------------------------------

    def _shown_share(self, width: float, height: float) -> tuple[float, float]:
        """Share of the free room that a map of equal scales takes, across and upwards."""
        (left, right), (low, high) = self.axes.get_xlim(), self.axes.get_ylim()
        aspect = (high - low) / (right - left)
        return min(1.0, height / (aspect * width)), min(1.0, aspect * width / height)

    def _lay_out(self, drawn: PlaneMap) -> None:
        (left, low), (right, high) = drawn.polygon.min(axis=0), drawn.polygon.max(axis=0)
        margin = _MARGIN * max(right - left, high - low)
        self.axes.set_xlim(left - margin, right + margin)
        self.axes.set_ylim(low - margin, high + margin)
        along = f" along {drawn.plane.along}" if drawn.plane.along else ""
        self.axes.set_xlabel(f"x{along} (Å)".replace("x along", "along"))
        self.axes.set_ylabel("across (Å)" if along else "y (Å)")
        for axis in (self.axes.xaxis, self.axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        self._clip.set_xy(drawn.polygon)
        bar = self._bar_axes
        bar.clear()
        colours = ScalarMappable(Normalize(*drawn.limits), ListedColormap(drawn.colours))
        figure = self.axes.figure
        assert figure is not None
        drawn_bar = figure.colorbar(colours, cax=bar)
        drawn_bar.outline.set_linewidth(0.5)
        bar.minorticks_off()
        bar.tick_params(direction="out", length=2, labelsize=7, colors=self.palette.text)
        bar.yaxis.set_major_locator(MaxNLocator(6))
        bar.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}".replace("-", "−"))
        unit = f" ({drawn.unit})" if drawn.unit else ""
        bar.set_ylabel(f"{drawn.quantity}{unit}", size=7, color=self.palette.text, labelpad=3)
        if self._box is not None:
            self.set_box(self._box)

    def _draw_values(self, drawn: PlaneMap) -> None:
        image = AxesImage(
            self.axes,
            cmap=ListedColormap(drawn.colours),
            norm=Normalize(*drawn.limits),
            origin="lower",
            extent=drawn.box,
            interpolation="bilinear",
        )
        image.set_data(drawn.values)
        self._image = image
        self._add(image, 1.0)
        image.set_clip_path(self._clip)

    def _draw_contours(self, drawn: PlaneMap) -> None:
        low, high = drawn.limits
        levels = low + (np.arange(_N_CONTOURS) + 1) / (_N_CONTOURS + 1) * (high - low)
        left, right, bottom, top = drawn.box
        rows, columns = drawn.values.shape
        x = left + (np.arange(columns) + 0.5) / columns * (right - left)
        y = bottom + (np.arange(rows) + 0.5) / rows * (top - bottom)
        finder = contour_generator(x, y, drawn.values, line_type=LineType.Separate)
        lines: list[Any] = [line for level in levels for line in finder.lines(float(level))]
        ink = "#ffffff" if _is_dark(drawn.colours) else "#000000"
        collection = LineCollection(lines, colors=ink, linewidths=0.5, alpha=0.6)
        self._add(collection, 2.0)
        collection.set_clip_path(self._clip)

    def _draw_atoms(self, atoms: NearAtoms, numbers: NDArray[np.int64]) -> None:
        kinds = numbers[atoms.index]
        sizes = 2.0 * np.array([self._radius(int(z)) for z in kinds])
        circles = EllipseCollection(
            sizes,
            sizes,
            np.zeros(len(sizes)),
            units="xy",
            offsets=atoms.places,
            offset_transform=self.axes.transData,
            facecolors=jmol_colors[kinds],
            edgecolors="#000000",
            linewidths=0.6,
        )
        self._add(circles, 4.0)
        for (x, y), kind in zip(atoms.places, kinds, strict=True):
            if self._radius(int(kind)) * self._scale < 0.7 * _SYMBOL_POINTS:
                continue  # it would not fit
            red, green, blue = jmol_colors[kind]
            text = self.axes.text(
                x,
                y,
                chemical_symbols[kind],
                size=_SYMBOL_POINTS,
                ha="center",
                va="center",
                color="#000000" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.45 else "#ffffff",
                clip_on=True,
            )
            text.set_zorder(5.0)
            self._add_changing(text)

    def _radius(self, number: int) -> float:
        """Radius of an atom's circle [Å]."""
        least = _LEAST_POINTS / self._scale if self._scale else 0.0
        return max(float(_RADIUS * covalent_radii[number]), least)

    def _add(self, artist: Artist, zorder: float) -> None:
        artist.set_zorder(zorder)
        self.axes.add_artist(artist)
        self._add_changing(artist)

    def _clip_contains(self, x: float, y: float) -> bool:
        return bool(self._clip.get_path().contains_point((x, y)))


def _is_dark(colours: NDArray[np.floating]) -> bool:
    return bool(np.mean(colours[:, :3] @ [0.3, 0.6, 0.1]) < 0.5)
