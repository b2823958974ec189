"""Mid-plane slices of trajectories at the same times: the paper's Fig. 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.layout import add_axes, new_figure
from napari_eldyn.figures.style import DOUBLE_WIDTH, LIGHT, Palette, context

__all__ = ["slices_figure"]

FloatArray = NDArray[np.floating]

# The scale spans this share of the values of the first row; the few beyond are marked on the bar.
_SHOWN = (0.002, 0.998)


def slices_figure(
    planes: Mapping[str, Sequence[FloatArray | None]],
    leads: Sequence[float],
    extent: tuple[float, float],
    *,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw the mid-plane of each trajectory at each time, with one colour scale.

    Parameters
    ----------
    planes : mapping of str to sequence of numpy.ndarray, shape (ny, nz)
        Normalised density in the plane x = L/2, one plane (or None) per time; a row of the
        figure each. The first row (the reference) sets the colour scale.
    leads : sequence of float
        Times since the start, fs: the columns.
    extent : tuple of float
        Lengths of the second and third cell vector, Å.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        Two columns wide.

    Raises
    ------
    EldynError
        If a row does not have one plane for each time.
    """
    for name, row in planes.items():
        if len(row) != len(leads):
            raise EldynError(f"'{name}' has {len(row)} slices for {len(leads)} times")
    first = next(iter(planes.values()))
    values = np.concatenate([plane.ravel() for plane in first if plane is not None])
    low, high = np.quantile(values, _SHOWN)
    n_rows, n_columns = len(planes), len(leads)
    width, left, right, gap = DOUBLE_WIDTH, 1.1, 0.72, 0.05
    side = (width - left - right - gap * (n_columns - 1)) / n_columns
    tall = side * extent[1] / extent[0]
    top, bottom = 0.24, 0.42
    height = top + bottom + n_rows * tall + gap * (n_rows - 1)
    with context(palette):
        figure = new_figure(height, width)
        image = None
        for i, (name, row) in enumerate(planes.items()):
            y = bottom + (n_rows - 1 - i) * (tall + gap)
            figure.text(
                0.06 / width, (y + tall / 2) / height, _wrapped(name), va="center", ha="left"
            )
            for j, (plane, lead) in enumerate(zip(row, leads, strict=True)):
                x = left + j * (side + gap)
                axes = add_axes(figure, x, y, side, tall)
                if i == 0:
                    axes.set_title(f"{lead:g} fs", pad=3)
                axes.set(xlim=(0, extent[0]), ylim=(0, extent[1]))
                axes.minorticks_off()
                ticks = _ticks(extent[0]), _ticks(extent[1])
                corner = i == n_rows - 1 and j == 0
                axes.set_xticks(ticks[0], labels=None if corner else [""] * len(ticks[0]))
                axes.set_yticks(ticks[1], labels=None if corner else [""] * len(ticks[1]))
                axes.tick_params(color=palette.background, length=2, width=0.5)
                if corner:
                    axes.set_xlabel("y (Å)", labelpad=1)
                    axes.set_ylabel("z (Å)", labelpad=1)
                if plane is None:
                    axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", va="center")
                    continue
                image = axes.imshow(
                    np.asarray(plane).T,
                    origin="lower",
                    extent=(0, extent[0], 0, extent[1]),
                    vmin=low,
                    vmax=high,
                    cmap="viridis",
                    interpolation="nearest",
                    aspect="auto",
                )
        if image is not None:
            span = min(height - top - bottom, 2.2)
            middle = bottom + (height - top - bottom - span) / 2
            box = add_axes(figure, width - right + 0.1, middle, 0.09, span)
            bar = figure.colorbar(image, cax=box, extend="both")
            bar.set_label(r"normalised density $\tilde{\rho}$ (dimensionless)")
            bar.ax.minorticks_off()
            bar.ax.tick_params(direction="out", length=2)
    return figure


def _ticks(length: float) -> list[float]:
    step = next(s for s in (1, 2, 4, 5, 10, 20, 50, 100, 1e9) if length / s < 4)
    return [float(t) for t in np.arange(0, length, step)]


def _wrapped(name: str, width: int = 11) -> str:
    """Break a name into lines that fit beside the row, at blanks, dashes and underscores."""
    lines, line = [], ""
    for word in name.replace("_", "_ ").replace("-", "- ").split(" "):
        joint = "" if not line or line[-1] in "_-" else " "
        if line and len(line) + len(word) + len(joint) > width:
            lines.append(line)
            line = word
        else:
            line += joint + word
    return "\n".join([*lines, line])
