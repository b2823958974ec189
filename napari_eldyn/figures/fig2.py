"""Mid-plane slices of trajectories at the same times: the paper's Fig. 2."""

from __future__ import annotations

from typing import Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray
from pydantic import model_validator

from napari_eldyn.figures.layout import add_axes
from napari_eldyn.figures.packing import Floats
from napari_eldyn.figures.panel_grid import colour_bar, name_rows, panel_grid
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.sheet import plain_figure
from napari_eldyn.figures.sidecar import FigureData, FigureOptions

__all__ = ["Fig2Data", "Fig2Options", "draw_fig2", "value_range"]

# The scale spans this share of the values of the first row; the few beyond are marked on the bar.
_SHOWN = (0.002, 0.998)


class Fig2Data(FigureData):
    """Planes through trajectories at the same times."""

    names: tuple[str, ...]
    """Of the rows, the reference first."""
    times: tuple[float, ...]
    """Since the start, fs: the columns."""
    planes: Floats
    """ρ̃ in the plane in the middle of the first cell vector, shape (rows, columns, ny, nz);
    NaN where there is no frame."""
    vectors: tuple[tuple[float, float], tuple[float, float]]
    """Second and third cell vector in the plane, Å; the second lies along the horizontal."""

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        wanted = (len(self.names), len(self.times))
        if self.planes.ndim != 4 or self.planes.shape[:2] != wanted or not min(wanted):
            raise ValueError(
                f"planes of the shape {self.planes.shape} do not fill {wanted[0]} rows of "
                f"{wanted[1]} times"
            )
        return self


class Fig2Options(FigureOptions):
    """How it is drawn."""

    colormap: str = "viridis"
    limits: tuple[float, float] | None = None
    """Of the colours; by default what 99.6 % of the first row's values lie in."""


def value_range(planes: NDArray[np.floating]) -> tuple[float, float]:
    """Range of values that colours span: all but the few most extreme ones of the planes."""
    values = planes[np.isfinite(planes)]
    if values.size == 0:
        return -1.0, 1.0
    low, high = (float(v) for v in np.quantile(values, _SHOWN))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def draw_fig2(data: Fig2Data, style: FigureStyle, options: Fig2Options) -> Figure:
    """Draw the mid-plane of each trajectory at each time, with one colour scale.

    Parameters
    ----------
    data : Fig2Data
        What to draw.
    style : FigureStyle
        Two columns wide: the colour bar stands beside the planes, otherwise below them.
    options : Fig2Options
        Colours.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each trajectory, a column for each time.
    """
    low, high = options.limits or value_range(data.planes[0])
    corners = _corners(data)
    span = corners.max(axis=0) - corners.min(axis=0)
    with style.context():
        grid = panel_grid(
            style,
            data.names,
            [f"{time:g} fs" for time in data.times],
            aspect=float(span[1] / span[0]),
            title=options.title,
            axes_below=True,
        )
        figure = plain_figure(style, grid.height)
        image = None
        for i in range(len(data.names)):
            for j in range(len(data.times)):
                axes = add_axes(figure, *grid.box(i, j))
                _dress(axes, corners, style, corner=i == len(data.names) - 1 and j == 0)
                plane = data.planes[i, j]
                if not np.isfinite(plane).any():
                    axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", va="center")
                    continue
                image = _show(axes, plane, data, options.colormap, (low, high))
        name_rows(figure, grid, style)
        if image is not None:
            colour_bar(
                figure, grid, style, image, r"normalised density $\tilde{\rho}$", extend="both"
            )
    return figure


def _corners(data: Fig2Data) -> NDArray[np.float64]:
    b, c = np.array(data.vectors)
    return np.array([0 * b, b, c, b + c])


def _show(
    axes: Axes,
    plane: NDArray[np.floating],
    data: Fig2Data,
    colours: str,
    limits: tuple[float, float],
) -> AxesImage:
    """Draw a plane over its parallelogram; a pixel is centred on its grid point."""
    (bx, by), (cx, cy) = data.vectors
    image = axes.imshow(
        np.asarray(plane).T,
        origin="lower",
        extent=(0, 1, 0, 1),
        vmin=limits[0],
        vmax=limits[1],
        cmap=colours,
        interpolation="nearest",
        aspect="auto",
    )
    corners = _corners(data)
    if abs(by) > 1e-9 or abs(cx) > 1e-9:
        image.set_transform(Affine2D.from_values(bx, by, cx, cy, 0, 0) + axes.transData)
    else:
        image.set_extent((0, bx, 0, cy))
    low, high = corners.min(axis=0), corners.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return image


def _dress(axes: Axes, corners: NDArray[np.float64], style: FigureStyle, *, corner: bool) -> None:
    low, high = corners.min(axis=0), corners.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.minorticks_off()
    side = axes.get_position().width * style.width
    ticks = [_ticks(float(high[k] - low[k]), side, style) for k in (0, 1)]
    axes.set_xticks(ticks[0], labels=None if corner else [""] * len(ticks[0]))
    axes.set_yticks(ticks[1], labels=None if corner else [""] * len(ticks[1]))
    axes.tick_params(color=style.palette.background, length=0.22 * style.rules.size)
    if corner:
        axes.set_xlabel("y (Å)", labelpad=0.1 * style.rules.size)
        axes.set_ylabel("z (Å)", labelpad=0.1 * style.rules.size)


def _ticks(length: float, side: float, style: FigureStyle) -> list[float]:
    most = max(1.0, side / (1.6 * style.em))
    step = next((s for s in (1, 2, 4, 5, 10, 20, 50, 100) if length / s <= min(most, 4)), 1e9)
    return [float(t) for t in np.arange(0, 0.98 * length, step)]
