"""Errors of a forecast against lead time, beside those of forecasts without a model."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

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
from napari_eldyn.figures.style import LIGHT, Palette, context
from napari_eldyn.observables.forecast import ForecastErrors

__all__ = ["forecast_figure"]


def forecast_figure(forecasts: Mapping[str, ForecastErrors], *, palette: Palette = LIGHT) -> Figure:
    """Draw NMAE of the density and MSE of ρ̃ against lead time.

    Parameters
    ----------
    forecasts : mapping of str to ForecastErrors
        By name of the generated trajectory. The naive forecasts are those of the first.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide. Thin lines of the same colour: after the best circular shift.

    Raises
    ------
    EldynError
        If there is no forecast.
    """
    if not forecasts:
        raise EldynError("there is no forecast to draw")
    first = next(iter(forecasts.values()))
    colours = colours_of(list(forecasts), palette)
    naive = (
        ("persistence", "persistence", palette.persistence, (0, (5, 2))),
        ("mean_field", "trajectory mean", palette.mean_field, (0, (5, 1.5, 1.2, 1.5))),
    )
    handles: list[Artist] = line_handles(list(forecasts), palette)
    handles.append(Line2D([], [], color=palette.muted, lw=0.6, label="thin: best shift"))
    handles += [
        Line2D([], [], color=colour, ls=dashes, lw=1.0, label=label)
        for _, label, colour, dashes in naive
    ]
    with context(palette):
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(3.3 + legend)
        for i, (quantity, label) in enumerate(
            (("nmae", r"NMAE of $\rho$ (%)"), ("mse", r"MSE of $\tilde{\rho}$"))
        ):
            axes = add_axes(figure, 0.5, 0.4 + (1 - i) * 1.44, 2.72, 1.32)
            for attribute, _, colour, dashes in naive:
                values = getattr(first, f"{attribute}_{quantity}")
                axes.plot(first.lead, values, color=colour, ls=dashes, lw=1.0, zorder=2)
            for k, (name, errors) in enumerate(forecasts.items()):
                colour = colours[name]
                axes.plot(
                    errors.lead,
                    getattr(errors, quantity),
                    color=colour,
                    ls=DASHES[k % len(DASHES)],
                    lw=1.5,
                    zorder=3,
                )
                if quantity == "nmae":
                    axes.plot(errors.lead, errors.aligned_nmae, color=colour, lw=0.6, zorder=3)
            axes.set_xlim(0, max(float(errors.lead[-1]) for errors in forecasts.values()))
            axes.set_ylim(bottom=0)
            axes.set_ylabel(label)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            if i == 0:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("lead time (fs)")
        top_legend(figure, handles, 0.5)
        figure.align_ylabels()
    return figure
