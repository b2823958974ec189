"""Scores over what they may be: S(q) over its noise, relaxation times, reconstruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
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

__all__ = ["RatioPoints", "noise_ratio_figure", "reconstruction_figure", "relaxation_ratio_figure"]

FloatArray = NDArray[np.float64]

_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True, eq=False)
class RatioPoints:
    """Relaxation times over the reference's.

    Parameters
    ----------
    q : numpy.ndarray, shape (shells,)
        1/Å.
    ratio : numpy.ndarray, shape (shells,)
        NaN where one of the times is not known.
    error : numpy.ndarray, shape (shells,)
        Standard error, NaN where it is not known.
    known : numpy.ndarray of bool, shape (shells,)
        Whether the reference knows its own time well enough to judge by.
    """

    q: FloatArray
    ratio: FloatArray
    error: FloatArray
    known: NDArray[np.bool_]


def noise_ratio_figure(
    q: FloatArray,
    ratios: Mapping[str, Mapping[str, FloatArray]],
    *,
    bound: float = 2.0,
    palette: Palette = LIGHT,
) -> Figure:
    """Draw |ΔS|/S over the noise floor of the reference, shell by shell.

    Parameters
    ----------
    q : numpy.ndarray, shape (shells,)
        1/Å.
    ratios : mapping of str to mapping of str to numpy.ndarray
        For each convention (``amplitude``, ``intensity``) the ratio of each rollout.
    bound : float
        Drawn as a line.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide, a panel for each convention, logarithmic ratios.
    """
    names = list(next(iter(ratios.values())))
    colours = colours_of(names, palette)
    labels = {"amplitude": r"$|\Delta S|/S$ / noise" + "\namplitude", "intensity": "intensity"}
    with context(palette):
        handles = line_handles(names, palette)
        handles.append(_bound_handle(f"asked for: below {bound:g}", palette))
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(0.5 + 1.35 * len(ratios) + legend)
        for i, (convention, by_name) in enumerate(ratios.items()):
            axes = add_axes(figure, 0.63, 0.4 + (len(ratios) - 1 - i) * 1.35, 2.58, 1.28)
            for k, name in enumerate(names):
                axes.plot(
                    q,
                    by_name[name],
                    color=colours[name],
                    ls=DASHES[k % len(DASHES)],
                    lw=1.2,
                    marker=_MARKERS[k % len(_MARKERS)],
                    ms=2.5,
                    zorder=3,
                )
            _bound(axes, bound, palette)
            axes.axhline(1, color=palette.guide, lw=0.7, zorder=1)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
            low, high = axes.get_ylim()
            axes.set_ylim(max(min(low, 0.5), 0.02), max(1.15 * high, 4))
            axes.set_xlim(0, 1.03 * float(q[-1]))
            axes.set_ylabel(labels[convention])
            if i < len(ratios) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel(r"wave number $q$ (1/Å)")
        top_legend(figure, handles, 0.63)
        figure.align_ylabels()
    return figure


def relaxation_ratio_figure(
    generated: Mapping[str, RatioPoints], *, allowed: float = 0.2, palette: Palette = LIGHT
) -> Figure:
    """Draw relaxation times over the reference's.

    Parameters
    ----------
    generated : mapping of str to RatioPoints
        By name; hollow points are of shells whose time the reference hardly knows.
    allowed : float
        Deviation from 1, shaded.
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
            Line2D(
                [], [], color=colours[n], marker=_MARKERS[k % len(_MARKERS)], ms=3, lw=0, label=n
            )
            for k, n in enumerate(generated)
        ]
        handles.append(Patch(color=palette.reference_fill, label=f"within {100 * allowed:g} %"))
        if any(not one.known.all() for one in generated.values()):
            handles.append(
                Line2D(
                    [], [], color=palette.muted, marker="o", mfc="none", ms=3, lw=0,
                    label="hollow: reference known to no better than 10 %",
                )
            )  # fmt: skip
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(2.1 + legend)
        axes = add_axes(figure, 0.5, 0.4, 2.72, 1.65)
        axes.axhspan(1 - allowed, 1 + allowed, color=palette.reference_fill, lw=0, zorder=0.5)
        axes.axhline(1, color=palette.reference, lw=0.8, zorder=1)
        for k, (name, one) in enumerate(generated.items()):
            colour, shift = colours[name], 0.012 * (k - 0.5 * (len(generated) - 1))
            for known in (True, False):
                chosen = (one.known == known) & np.isfinite(one.ratio)
                if not chosen.any():
                    continue
                errors = one.error[chosen]
                axes.errorbar(
                    one.q[chosen] + shift,
                    one.ratio[chosen],
                    errors if np.isfinite(errors).all() else None,
                    color=colour,
                    marker=_MARKERS[k % len(_MARKERS)],
                    mfc=colour if known else "none",
                    ms=3,
                    lw=0,
                    elinewidth=0.8,
                    zorder=3,
                )
        last = max(float(one.q[-1]) for one in generated.values())
        axes.set_xlim(0, 1.06 * last)
        low, high = axes.get_ylim()
        axes.set_ylim(min(0.6, max(low, 0)), max(1.4, high))
        axes.set_xlabel(r"wave number $q$ (1/Å)")
        axes.set_ylabel(r"$\tau(q)$ / reference's")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        top_legend(figure, handles, 0.5)
    return figure


def reconstruction_figure(
    variants: Sequence[str],
    nmae: Mapping[str, Sequence[float]],
    noise_ratio: Mapping[str, Sequence[float]],
    *,
    bounds: tuple[float, float] = (2.0, 2.0),
    palette: Palette = LIGHT,
) -> Figure:
    """Draw errors of encode → decode of plain, shifted and rotated frames.

    Parameters
    ----------
    variants : sequence of str
        Names of the groups of bars.
    nmae : mapping of str to sequence of float
        NMAE in percent of each variant, by name of the model.
    noise_ratio : mapping of str to sequence of float
        sJSD over the reference's half-against-half noise.
    bounds : tuple of 2 float
        Of both.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide, two panels side by side.
    """
    colours = colours_of(list(nmae), palette)
    width = 0.8 / len(nmae)
    with context(palette):
        handles: list[Artist] = [Patch(color=colours[name], label=name) for name in nmae]
        handles.append(_bound_handle("asked for: below", palette))
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(1.95 + legend)
        panels = (("NMAE of ρ (%)", nmae, bounds[0]), ("sJSD / noise", noise_ratio, bounds[1]))
        for i, (label, values, bound) in enumerate(panels):
            axes = add_axes(figure, 0.5 + 1.62 * i, 0.3, 1.15, 1.6)
            for k, (name, heights) in enumerate(values.items()):
                places = np.arange(len(variants)) + (k - 0.5 * (len(values) - 1)) * width
                axes.bar(places, heights, 0.9 * width, color=colours[name], zorder=2)
            _bound(axes, bound, palette)
            highest = max(max(heights) for heights in values.values())
            axes.set_ylim(0, 1.12 * max(highest, bound))
            axes.set_xlim(-0.55, len(variants) - 0.45)
            axes.set_xticks(range(len(variants)), variants, fontsize=6.2)
            axes.tick_params(axis="x", which="both", length=0)
            axes.set_ylabel(label)
            axes.yaxis.set_major_locator(MaxNLocator(5))
        top_legend(figure, handles, 0.5)
    return figure


def _bound(axes: Axes, bound: float, palette: Palette) -> None:
    axes.axhline(bound, color=palette.warning, lw=0.9, ls=(0, (4, 2)), zorder=4)


def _bound_handle(label: str, palette: Palette) -> Line2D:
    return Line2D([], [], color=palette.warning, lw=0.9, ls=(0, (4, 2)), label=label)
