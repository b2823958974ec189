"""The plots of a rollout that the dock, movies, figures and comparisons share, by name."""

from __future__ import annotations

from matplotlib.axes import Axes

from napari_eldyn.figures.rollout_plot import PlotChoices, RolloutPlot, ShownFrame, Yardstick
from napari_eldyn.figures.rollout_traces import (
    RolloutDivergence,
    RolloutElectrons,
    RolloutExtremes,
)
from napari_eldyn.figures.rollout_values import RolloutDistribution, RolloutQuantiles
from napari_eldyn.figures.rollout_waves import RolloutCorrelation, RolloutStructureFactor
from napari_eldyn.figures.style import Palette
from napari_eldyn.figures.time_axis import TimePlot

__all__ = [
    "PLOTS",
    "PLOT_HELP",
    "PLOT_TITLES",
    "PlotChoices",
    "RolloutPlot",
    "ShownFrame",
    "Yardstick",
    "build_plot",
]

#: What each plot is called.
PLOT_TITLES: dict[str, str] = {
    "distribution": "Values of the density",
    "quantiles": "Quantiles against the normal",
    "divergence": "Divergence from the reference",
    "structure_factor": "Structure factor",
    "correlation": "Intermediate scattering",
    "electrons": "Electron count",
    "extremes": "Minimum and maximum",
}

#: What each plot shows, with conventions and units.
PLOT_HELP: dict[str, str] = {
    "distribution": (
        "Probability density of ρ̃ = (ln ρ − μ)/σ over all voxels.\n"
        "Thick: mean over the frames so far; thin: the frame looked at"
    ),
    "quantiles": (
        "Quantiles of ρ̃ over those of the standard normal distribution, from the histogram;\n"
        "log-normal densities lie on the diagonal. Percentages: share of values below"
    ),
    "divergence": (
        "Jensen-Shannon divergence of the values from the whole reference.\n"
        "Thin: each frame; thick: all frames so far pooled; shaded: 90 % of single reference frames"
    ),
    "structure_factor": (
        "F(q) = Σ ρ exp(−iq·r) ΔV in electrons, averaged over shells of |q| and over frames,\n"
        "as the amplitude ⟨|F|⟩ or the intensity ⟨|F|²⟩/N; shaded: between the halves of the "
        "reference"
    ),
    "correlation": (
        "F(q,t) = Re⟨ρ_q(t0 + t) ρ_q*(t0)⟩/N in electrons, over F(q,0), averaged over time origins "
        "t0\nand the points of a shell; up to half of the frames, and at most 500 fs"
    ),
    "electrons": (
        "Integral of ρ over the cell, frame by frame; expected: the mean of the reference.\n"
        "Shaded: 90 % of the reference frames"
    ),
    "extremes": (
        "Largest and smallest density of each frame, electrons/Å³; line: median of the reference.\n"
        "Shaded: 90 % of the reference frames"
    ),
}

PLOTS: tuple[str, ...] = tuple(PLOT_TITLES)
"""Names of the plots, in the order in which they are shown."""


def build_plot(
    name: str,
    axes: Axes,
    palette: Palette,
    yardstick: Yardstick,
    choices: PlotChoices,
    time_range: tuple[float, float] | None = None,
    *,
    live: bool = False,
) -> RolloutPlot:
    """Make a plot with its reference and legend; `show` adds the rollout.

    Parameters
    ----------
    name : str
        One of `PLOTS`.
    axes : matplotlib.axes.Axes
        Where to draw, made inside `style.context`; its place in the figure is what the plot and
        all that belongs to it fill.
    palette : Palette
        The colours.
    yardstick : Yardstick
        The reference.
    choices : PlotChoices
        How to draw it.
    time_range : tuple of float, optional
        First and last time to leave room for, fs; plots not against time disregard it.
    live : bool
        Whether a canvas draws the changing lines itself (`LivePlot.draw_changing`).

    Returns
    -------
    RolloutPlot
        With neither frame nor rollout yet.

    Raises
    ------
    KeyError
        If there is no plot of the name.
    """
    plot: RolloutPlot
    match name:
        case "distribution":
            plot = RolloutDistribution(axes, palette, yardstick, choices, live=live)
        case "quantiles":
            plot = RolloutQuantiles(axes, palette, yardstick, live=live)
        case "divergence":
            plot = RolloutDivergence(axes, palette, yardstick, choices, live=live)
        case "structure_factor":
            plot = RolloutStructureFactor(axes, palette, yardstick, choices, live=live)
        case "correlation":
            plot = RolloutCorrelation(axes, palette, yardstick, choices, live=live)
        case "electrons":
            plot = RolloutElectrons(axes, palette, yardstick, live=live)
        case "extremes":
            plot = RolloutExtremes(axes, palette, yardstick, live=live)
        case _:
            raise KeyError(name)
    if time_range is not None and isinstance(plot, TimePlot):
        plot.set_time_range(*time_range)
    return plot
