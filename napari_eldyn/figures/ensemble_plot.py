"""Skill of forecast ensembles against lead time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
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

__all__ = ["EnsembleCurves", "ensemble_figure"]

FloatArray = NDArray[np.float64]

# Spread over skill of an ensemble that knows how wrong it is, shaded.
_HONEST = (0.8, 1.25)


@dataclass(frozen=True, eq=False)
class EnsembleCurves:
    """Scores of one kind of ensemble.

    Parameters
    ----------
    lead : numpy.ndarray, shape (leads,)
        fs.
    crps : numpy.ndarray, shape (leads,)
        Fair CRPS of ρ̃, mean over voxels and starts.
    ratio : numpy.ndarray, shape (leads,), or None
        Spread over skill; None for a forecast without spread.
    """

    lead: FloatArray
    crps: FloatArray
    ratio: FloatArray | None


def ensemble_figure(
    generated: Mapping[str, EnsembleCurves],
    baselines: Mapping[str, EnsembleCurves],
    *,
    truth: str = "",
    palette: Palette = LIGHT,
) -> Figure:
    """Draw fair CRPS, and spread over skill, against lead time.

    Parameters
    ----------
    generated : mapping of str to EnsembleCurves
        Ensembles of the models by name.
    baselines : mapping of str to EnsembleCurves
        Forecasts without a diffusion model, by name.
    truth : str
        What forecasts are scored against, if not the truth itself.
    palette : Palette
        The colours.

    Returns
    -------
    matplotlib.figure.Figure
        One column wide; CRPS 0 is perfect, spread/skill 1 is honest.
    """
    colours = colours_of(list(generated), palette)
    known: dict[str, tuple[str, Any]] = {
        "persistence": (palette.persistence, (0, (5, 2))),
        "climatology": (palette.reference, (0, (1.2, 1.2))),
        "mean field": (palette.mean_field, (0, (5, 1.5, 1.2, 1.5))),
        "latent autoregression": (palette.guide, (0, (8, 2))),
        "autoencoder": (palette.muted, (0, (1, 2.5))),
    }
    # Each forecast looks the same in every figure.
    looks = [known.get(name, list(known.values())[k % 5]) for k, name in enumerate(baselines)]
    handles: list[Artist] = line_handles(list(generated), palette)
    handles += [
        Line2D([], [], color=looks[k][0], ls=looks[k][1], lw=1.0, label=name)
        for k, name in enumerate(baselines)
    ]
    with context(palette):
        _, legend = legend_size([str(handle.get_label()) for handle in handles])
        figure = new_figure(3.3 + legend)
        everything = [*generated.values(), *baselines.values()]
        for i, (quantity, label) in enumerate(
            (
                ("crps", r"fair CRPS of $\tilde{\rho}$" + (f"\nagainst {truth}" if truth else "")),
                ("ratio", "spread / skill"),
            )
        ):
            axes = add_axes(figure, 0.5, 0.4 + (1 - i) * 1.44, 2.72, 1.32)
            lines = [
                (c, colours[n], DASHES[k % len(DASHES)], 1.5)
                for k, (n, c) in enumerate(generated.items())
            ]
            lines += [(c, looks[k][0], looks[k][1], 1.0) for k, c in enumerate(baselines.values())]
            for curves, colour, dashes, width in lines:
                values = getattr(curves, quantity)
                if values is not None:
                    axes.plot(curves.lead, values, color=colour, ls=dashes, lw=width, zorder=3)
            if quantity == "ratio":
                axes.axhspan(*_HONEST, color=palette.reference_fill, lw=0, zorder=0.5)
                axes.axhline(1, color=palette.guide, lw=0.7, zorder=1)
                axes.set_xlabel("lead time (fs)")
            else:
                axes.tick_params(labelbottom=False)
            axes.set_xlim(0, max(float(curves.lead[-1]) for curves in everything))
            axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
            axes.set_ylabel(label)
            axes.yaxis.set_major_locator(MaxNLocator(5))
        top_legend(figure, handles, 0.5)
        figure.align_ylabels()
    return figure
