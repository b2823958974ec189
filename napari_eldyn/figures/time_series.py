"""Electron count, step size and divergence of trajectories against time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from napari_eldyn.figures.layout import (
    DASHES,
    add_axes,
    colours_of,
    legend_size,
    line_handles,
    new_figure,
    smoothed,
    top_legend,
)
from napari_eldyn.figures.style import LIGHT, Palette, context

__all__ = ["TimeSeries", "time_series_figure"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """What is drawn of one trajectory.

    Parameters
    ----------
    times : numpy.ndarray, shape (n,)
        Since the start, fs.
    electrons : numpy.ndarray, shape (n,)
        Electron count of each frame.
    sjsd : numpy.ndarray, shape (n,)
        Scaled JSD of each frame against all reference frames.
    steps : numpy.ndarray, shape (m,)
        RMS change of ρ̃ over the common interval; m ≤ n.
    """

    times: FloatArray
    electrons: FloatArray
    sjsd: FloatArray
    steps: FloatArray


def time_series_figure(
    reference: TimeSeries,
    generated: Mapping[str, TimeSeries],
    *,
    interval: float | None,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw what drift, collapse and freezing would change, frame by frame.

    Parameters
    ----------
    reference : TimeSeries
        Drawn as the range of 90 % of its frames, over all times.
    generated : mapping of str to TimeSeries
        By name; each frame light, a running mean strong.
    interval : float or None
        Time over which steps are taken, fs; None if none is common to all.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide: electron count, step size, sJSD of single frames.
    """
    colours = colours_of(list(generated), palette)
    rows = ["electrons", "steps", "sjsd"]
    labels = {
        "electrons": "electrons",
        "steps": "RMS step of\n" + r"$\tilde{\rho}$" + (f" in {interval:g} fs" if interval else ""),
        "sjsd": "sJSD of\nsingle frames",
    }
    with context(palette):
        handles: list[Artist] = [
            Patch(color=palette.reference_fill, label="reference, 90 % of frames"),
            *line_handles(list(generated), palette),
        ]
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(3.82 + legend)
        last = max((series.times[-1] for series in generated.values()), default=1.0)
        for i, quantity in enumerate(rows):
            axes = add_axes(figure, 0.63, 0.4 + (2 - i) * 1.12, 2.58, 1.07)
            _band(axes, getattr(reference, quantity), palette)
            for k, (name, series) in enumerate(generated.items()):
                _line(axes, series.times, getattr(series, quantity), colours[name], k)
            axes.set_xlim(0, last)
            axes.set_ylabel(labels[quantity])
            if quantity == "sjsd":
                axes.set_yscale("log")
                axes.yaxis.set_minor_formatter(NullFormatter())
                axes.set_xlabel("time since the start (fs)")
            else:
                axes.yaxis.set_major_locator(MaxNLocator(4))
                axes.ticklabel_format(axis="y", useOffset=False)
                axes.tick_params(labelbottom=False)
                _margin(axes)
        top_legend(figure, handles, 0.63)
        figure.align_ylabels()
    return figure


def _band(axes: Axes, values: FloatArray, palette: Palette) -> None:
    if len(values) == 0:
        return
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    axes.axhspan(low, high, color=palette.reference_fill, lw=0, zorder=0.5)
    axes.axhline(middle, color=palette.reference, lw=0.9, zorder=1)


def _line(axes: Axes, times: FloatArray, values: FloatArray, colour: str, number: int) -> None:
    if len(values) == 0:
        return
    shown = times[len(times) - len(values) :]
    axes.plot(shown, values, color=colour, lw=0.4, alpha=0.35, zorder=2)
    axes.plot(
        shown,
        smoothed(values, max(1, len(values) // 25)),
        color=colour,
        lw=1.4,
        ls=DASHES[number % len(DASHES)],
        zorder=3,
    )


def _margin(axes: Axes) -> None:
    low, high = axes.dataLim.intervaly
    room = 0.08 * (high - low) if high > low else max(abs(high), 1.0) * 0.05
    axes.set_ylim(low - room, high + room)
