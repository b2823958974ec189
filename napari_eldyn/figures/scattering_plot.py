"""Dynamics of density fluctuations: F(q,t), relaxation times and S(q,ω)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.layout import (
    DASHES,
    add_axes,
    colours_of,
    legend_size,
    line_handles,
    new_figure,
    top_legend,
)
from napari_eldyn.figures.style import DOUBLE_WIDTH, LIGHT, Palette, context

__all__ = [
    "Relaxation",
    "ShellCurves",
    "relaxation_figure",
    "scattering_figure",
    "spectrum_figure",
]

FloatArray = NDArray[np.float64]

_MARKERS = ("s", "^", "D", "v")


@dataclass(frozen=True, eq=False)
class ShellCurves:
    """Curves of one trajectory, one for each shell drawn.

    Parameters
    ----------
    x : numpy.ndarray, shape (n,)
        Time lag in fs, or frequency in rad/fs.
    values : numpy.ndarray, shape (shells, n)
        What is drawn.
    band : tuple of numpy.ndarray, shape (shells, n), or None
        Lower and upper limit of the sampling noise.
    """

    x: FloatArray
    values: FloatArray
    band: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Relaxation times of one trajectory.

    Parameters
    ----------
    q : numpy.ndarray, shape (shells,)
        1/Å.
    time : numpy.ndarray, shape (shells,)
        fs; NaN where the correlation does not fall far enough.
    error : numpy.ndarray, shape (shells,), or None
        Standard error, fs.
    """

    q: FloatArray
    time: FloatArray
    error: FloatArray | None


def scattering_figure(
    q: Sequence[float],
    counts: Sequence[int],
    reference: ShellCurves,
    generated: Mapping[str, ShellCurves],
    *,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw F(q,t)/F(q,0) of up to four shells.

    Parameters
    ----------
    q : sequence of float
        Wave number of each shell, 1/Å.
    counts : sequence of int
        Fourier modes in each shell.
    reference : ShellCurves
        With its noise band, if known.
    generated : mapping of str to ShellCurves
        By name.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        Two columns wide, a panel for each shell; a dotted line at 1/e.

    Raises
    ------
    EldynError
        If there is no shell.
    """
    with context(palette):
        figure, panels = _panels(q, counts, reference, generated, palette)
        limit = float(reference.x[-1]) or 1.0
        for i, axes in enumerate(panels):
            axes.axhline(1 / np.e, color=palette.guide, ls=":", lw=0.9, zorder=1)
            axes.axhline(0, color=palette.grid, lw=0.7, zorder=0.6)
            axes.set_xlim(0, limit)
            shown = [reference, *generated.values()]
            lowest = min(float(np.nanmin(c.values[i][c.x <= limit])) for c in shown)
            # Room for the name of the shell above curves that stay near 1.
            axes.set_ylim(min(-0.1, 1.15 * lowest), 1.3)
            if i == 0:
                axes.text(
                    limit, 1 / np.e, "1/e ", ha="right", va="bottom", size=7, color=palette.muted
                )
        _label(panels, "time $t$ (fs)", r"$F(q,t)\,/\,F(q,0)$")
    return figure


def spectrum_figure(
    q: Sequence[float],
    counts: Sequence[int],
    reference: ShellCurves,
    generated: Mapping[str, ShellCurves],
    *,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw the dynamic structure factor S(q,ω) of up to four shells.

    Parameters
    ----------
    q, counts, reference, generated, palette
        As `scattering_figure`, but against angular frequency and in electrons·fs.

    Returns
    -------
    matplotlib.figure.Figure
        Two columns wide, a panel for each shell.

    Raises
    ------
    EldynError
        If there is no shell.
    """
    with context(palette):
        figure, panels = _panels(q, counts, reference, generated, palette)
        limit = _frequency_limit(reference)
        for i, axes in enumerate(panels):
            axes.set_xlim(0, limit)
            shown = [reference, *generated.values()]
            top = max(float(np.nanmax(curves.values[i])) for curves in shown)
            axes.set_ylim(0, 1.3 * top if top > 0 else 1.0)
        _label(panels, r"angular frequency $\omega$ (rad/fs)", r"$S(q,\omega)$ (electrons fs)")
    return figure


def relaxation_figure(
    reference: Relaxation, generated: Mapping[str, Relaxation], *, palette: Palette = LIGHT
) -> Figure:
    """Draw the relaxation time τ(q), after which F(q,t) has fallen to 1/e.

    Parameters
    ----------
    reference : Relaxation
        With standard errors, if known.
    generated : mapping of str to Relaxation
        By name.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide.
    """
    colours = colours_of(list(generated), palette)
    with context(palette):
        handles: list[Artist] = [
            Line2D([], [], color=palette.reference, marker="o", ms=3, lw=1.1, label="reference")
        ]
        handles += [
            Line2D(
                [],
                [],
                color=colours[name],
                marker=_MARKERS[k % len(_MARKERS)],
                ms=3,
                # Without this a reader would look for points that are not there.
                label=name if np.isfinite(one.time).any() else f"{name}: nowhere within the lags",
            )
            for k, (name, one) in enumerate(generated.items())
        ]
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(2.3 + legend)
        axes = add_axes(figure, 0.5, 0.4, 2.72, 1.85)
        lines = [(reference, palette.reference, "o")]
        lines += [
            (one, colours[name], _MARKERS[k % len(_MARKERS)])
            for k, (name, one) in enumerate(generated.items())
        ]
        for one, colour, marker in lines:
            axes.errorbar(
                one.q,
                one.time,
                one.error,
                color=colour,
                marker=marker,
                ms=3,
                lw=1.1,
                elinewidth=0.8,
            )
        axes.set_xlim(0, 1.04 * float(reference.q[-1]))
        axes.set_ylim(bottom=0)
        axes.set_xlabel(r"wave number $q$ (1/Å)")
        axes.set_ylabel(r"relaxation time $\tau(q)$ (fs)")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        top_legend(figure, handles, 0.5)
    return figure


def _panels(
    q: Sequence[float],
    counts: Sequence[int],
    reference: ShellCurves,
    generated: Mapping[str, ShellCurves],
    palette: Palette,
) -> tuple[Figure, list[Axes]]:
    if not 0 < len(q) <= 4:
        raise EldynError(f"a figure of shells has one to four, not {len(q)}")
    colours = colours_of(list(generated), palette)
    handles: list[Artist] = [Line2D([], [], color=palette.reference, lw=1.1, label="reference")]
    if reference.band is not None:
        handles.append(Patch(color=palette.reference_fill, label="reference noise"))
    handles += line_handles(list(generated), palette)
    _, legend = legend_size([str(handle.get_label()) for handle in handles], DOUBLE_WIDTH)
    rows = -(-len(q) // 2)
    height, width, gap = 1.4, 2.92, 0.42
    figure = new_figure(0.45 + rows * height + (rows - 1) * 0.08 + legend, DOUBLE_WIDTH)
    panels = []
    for i in range(len(q)):
        column, row = i % 2, i // 2
        axes = add_axes(
            figure,
            0.55 + column * (width + gap),
            0.4 + (rows - 1 - row) * (height + 0.08),
            width,
            height,
        )
        if reference.band is not None:
            low, high = reference.band
            axes.fill_between(
                reference.x, low[i], high[i], color=palette.reference_fill, lw=0, zorder=1
            )
        axes.plot(reference.x, reference.values[i], color=palette.reference, lw=1.1, zorder=2.5)
        for k, (name, curves) in enumerate(generated.items()):
            axes.plot(
                curves.x,
                curves.values[i],
                color=colours[name],
                ls=DASHES[k % len(DASHES)],
                lw=1.4,
                zorder=3,
            )
        axes.text(
            0.97,
            0.93,
            f"$q$ = {q[i]:.2f}/Å, {counts[i]} modes",
            transform=axes.transAxes,
            ha="right",
            va="top",
            size=7,
        )
        panels.append(axes)
    top_legend(figure, handles, 0.55)
    return figure, panels


def _label(panels: Sequence[Axes], x: str, y: str) -> None:
    """Label the outer axes only."""
    for i, axes in enumerate(panels):
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if i % 2 == 0:
            axes.set_ylabel(y)
        if i + 2 < len(panels):
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel(x)


def _frequency_limit(reference: ShellCurves) -> float:
    """Frequency beyond which no shell of the reference has much."""
    highest = reference.values / reference.values.max(axis=1, keepdims=True)
    alive = np.flatnonzero((highest > 0.02).any(axis=0))
    last = int(alive[-1]) if len(alive) else len(reference.x) - 1
    return float(reference.x[min(last + 2, len(reference.x) - 1)])
