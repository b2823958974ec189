"""Statistics of consecutive windows of long rollouts: drift shows as a slope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_eldyn.figures.layout import (
    DASHES,
    add_axes,
    colours_of,
    legend_size,
    line_handles,
    new_figure,
    top_legend,
)
from napari_eldyn.figures.style import LIGHT, Palette, context

__all__ = ["WindowCurves", "windows_figure"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WindowCurves:
    """Statistics of the windows of one rollout; NaN where something is not known.

    Parameters
    ----------
    time : numpy.ndarray, shape (windows,)
        Middle of each window since the start, ps.
    electrons : numpy.ndarray, shape (windows,)
        Mean count over the reference's less 1, percent.
    sjsd : numpy.ndarray, shape (windows,)
        Against the whole reference.
    structure_factor : numpy.ndarray, shape (windows,)
        Σ|ΔS|/ΣS, percent.
    steps : numpy.ndarray, shape (windows,)
        Step size over the reference's.
    """

    time: FloatArray
    electrons: FloatArray
    sjsd: FloatArray
    structure_factor: FloatArray
    steps: FloatArray


_LABELS = {
    "electrons": "electrons\noff by (%)",
    "sjsd": "sJSD",
    "structure_factor": "error of\n$S(q)$ (%)",
    "steps": "step size\nratio",
}


def windows_figure(
    generated: Mapping[str, WindowCurves],
    noise: Mapping[str, tuple[float, float]],
    *,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw what must not drift, window by window.

    Parameters
    ----------
    generated : mapping of str to WindowCurves
        By name.
    noise : mapping of str to (float, float)
        For quantities of `WindowCurves`, the range that the reference's own halves span, or that
        is allowed.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide, four panels.
    """
    colours = colours_of(list(generated), palette)
    handles: list[Artist] = line_handles(list(generated), palette)
    if noise:
        handles.insert(0, Patch(color=palette.reference_fill, label="reference, half against half"))
    with context(palette):
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(4.2 + legend)
        for i, (quantity, label) in enumerate(_LABELS.items()):
            axes = add_axes(figure, 0.63, 0.4 + (3 - i) * 0.94, 2.58, 0.89)
            if quantity in noise:
                axes.axhspan(*noise[quantity], color=palette.reference_fill, lw=0, zorder=0.5)
            for k, (name, curves) in enumerate(generated.items()):
                axes.plot(
                    curves.time,
                    getattr(curves, quantity),
                    color=colours[name],
                    ls=DASHES[k % len(DASHES)],
                    lw=1.3,
                    marker="o",
                    ms=2.5,
                    zorder=3,
                )
            axes.set_ylabel(label)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.margins(y=0.12)
            axes.autoscale_view(scalex=False)
            low, high = axes.get_ylim()
            if quantity in ("sjsd", "structure_factor"):
                axes.set_ylim(0, 1.05 * high)
            elif quantity == "steps":
                axes.axhline(1, color=palette.guide, lw=0.7, zorder=1)
                axes.set_ylim(min(low, 0.9), max(high, 1.1))
            else:
                axes.axhline(0, color=palette.guide, lw=0.7, zorder=1)
                axes.set_ylim(min(low, -0.6), max(high, 0.6))
                for bound in (-0.5, 0.5):
                    axes.axhline(bound, color=palette.warning, lw=0.7, ls=(0, (4, 2)), zorder=1)
            last = max(float(curves.time[-1] + curves.time[0]) for curves in generated.values())
            axes.set_xlim(0, last)
            if i < len(_LABELS) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("time since the first frame (ps)")
        top_legend(figure, handles, 0.63)
        figure.align_ylabels()
    return figure
