"""What a model was trained on, and how: the paper's Figs. S1 and S2."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.layout import (
    add_axes,
    colours_of,
    legend_size,
    new_figure,
    smoothed,
    top_legend,
)
from napari_eldyn.figures.paper import add_density_axis
from napari_eldyn.figures.style import LIGHT, Palette, context
from napari_eldyn.observables.statistics import RunningStatistics

__all__ = ["training_curves_figure", "training_distribution_figure"]


def training_distribution_figure(
    training: RunningStatistics, *, n_frames: int, palette: Palette = LIGHT
) -> Figure:
    """Draw the distribution of ρ̃ in the training frames with the normal fit (Fig. S1).

    Parameters
    ----------
    training : RunningStatistics
        All training frames pooled, normalised with the mean and standard deviation of ln ρ over
        the same frames, so that the fit is N(0, 1).
    n_frames : int
        Number of frames, for the label.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide: on a linear axis, and on a logarithmic one, which shows the tails.
    """
    moments, used = training.moments, training.settings.normalisation
    with context(palette):
        figure = new_figure(3.6)
        for box, log in (((0.14, 0.475, 0.835, 0.405), False), ((0.14, 0.11, 0.835, 0.345), True)):
            axes = figure.add_axes(box)
            plot = DistributionPlot(axes, palette, training.settings.edges, generated=(), log=log)
            plot.set_reference(training.density)
            axes.tick_params(top=False, which="both")
            if log:
                axes.set_ylim(top=0.9)
                continue
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
            axes.set_ylim(top=1.1 * axes.get_ylim()[1])
            plot.legend({"reference": f"{n_frames} training frames"})
            axes.text(
                0.03,
                0.7,
                f"fit of ln ρ: $\\mu$ = {_signed(used.mean, 3)}\n"
                f"                $\\sigma$ = {used.std:.3f}\n"
                f"skew {_signed(moments.skew)}\n"
                f"excess kurtosis {_signed(moments.excess_kurtosis)}",
                transform=axes.transAxes,
                ha="left",
                va="top",
                size=7,
                linespacing=1.35,
            )
            add_density_axis(axes, used.mean, used.std)
    return figure


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", "−").lstrip("+")


def training_curves_figure(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], *, palette: Palette = LIGHT
) -> Figure:
    """Draw the autoencoder's mean squared error at each training step (Fig. S2).

    Parameters
    ----------
    curves : mapping of str to tuple of array_like
        Steps and MSE of the normalised state (ρ̃ and its rate) of each training run, by name.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide, on a logarithmic axis: every step light, a running geometric mean strong.

    Raises
    ------
    EldynError
        If there is no step to draw.
    """
    if not any(len(np.asarray(steps)) for steps, _ in curves.values()):
        raise EldynError("there are no training steps to draw")
    colours = colours_of(list(curves), palette)
    with context(palette):
        _, legend = legend_size(list(curves))
        figure = new_figure(2.2 + legend)
        axes = add_axes(figure, 0.52, 0.4, 2.72, 1.75)
        axes.set_yscale("log")
        for name, (steps, values) in curves.items():
            x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
            y = np.where(y > 0, y, np.nan)
            axes.plot(x, y, color=colours[name], lw=0.4, alpha=0.3, zorder=2)
            known = np.isfinite(y)
            mean = np.exp(smoothed(np.log(y[known]), max(1, len(y) // 60)))
            axes.plot(x[known], mean, color=colours[name], lw=1.5, label=name, zorder=3)
        axes.set_xlabel("training step")
        axes.set_ylabel("autoencoder MSE (dimensionless)")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        top_legend(figure, axes.get_legend_handles_labels()[0], 0.52)
    return figure
