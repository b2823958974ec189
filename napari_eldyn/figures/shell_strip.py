"""A thin strip above S(q): how many reciprocal points each shell has."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from napari_eldyn.figures.style import Palette

__all__ = ["add_shell_strip", "below_strip"]

_GAP, _HEIGHT = 0.03, 0.26  # of the height of the axes below


def add_shell_strip(axes: Axes, palette: Palette, q: ArrayLike, counts: ArrayLike) -> Axes:
    """Draw the points per shell as bars on a logarithmic scale.

    The axes give up the upper fifth of their height for it; the strip follows when they move.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Of S(q), with its limits along q.
    palette : Palette
        The colours.
    q : array_like, shape (shells,)
        1/Å, rising.
    counts : array_like, shape (shells,)
        Reciprocal points of each shell.

    Returns
    -------
    matplotlib.axes.Axes
        The strip.
    """
    wave_numbers = np.asarray(q, dtype=np.float64)
    points = np.asarray(counts, dtype=np.float64)
    strip = axes.inset_axes((0.0, 1.0 + _GAP, 1.0, _HEIGHT))
    strip.set_xlim(axes.get_xlim())
    strip.set_yscale("log")
    # Bars take the lower half, numbers the upper.
    strip.set_ylim(1.0, max(10.0, float(points.max()) ** 1.9))
    spacing = float(np.diff(wave_numbers).min()) if len(wave_numbers) > 1 else 0.1
    strip.bar(wave_numbers, points, width=0.6 * spacing, color=palette.muted, lw=0, alpha=0.7)
    for place, side in {0: "center", len(points) - 1: "right"}.items():
        strip.annotate(
            f"{points[place]:.0f}",
            (wave_numbers[place], points[place]),
            (0, 1),
            textcoords="offset points",
            size="x-small",
            color=palette.muted,
            ha=side,
        )
    strip.yaxis.set_major_locator(NullLocator())
    strip.yaxis.set_minor_locator(NullLocator())
    strip.tick_params(labelbottom=False)
    strip.set_ylabel(
        "points\nper shell",
        size="x-small",
        color=palette.muted,
        rotation=0,
        ha="right",
        va="center",
    )
    return strip


def below_strip(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Return the box left for the axes below a strip, in a box (left, bottom, width, height)."""
    left, bottom, width, height = box
    return left, bottom, width, height / (1.0 + _GAP + _HEIGHT)
