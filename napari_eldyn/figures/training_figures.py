"""What a model was trained on, and how: the paper's Figs. S1 and S2."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from pydantic import model_validator

from napari_eldyn.config import StrictModel
from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.fig3 import add_density_axis
from napari_eldyn.figures.layout import DASHES, smoothed
from napari_eldyn.figures.packing import Floats, Integers
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.sheet import (
    constrained_figure,
    fitted_lines,
    legend_on_top,
    letter_panel,
    scale_lines,
    text_size,
)
from napari_eldyn.figures.sidecar import FigureData, FigureOptions
from napari_eldyn.observables.statistics import RunningStatistics

__all__ = [
    "FigS1Data",
    "FigS1Options",
    "FigS2Data",
    "FigS2Options",
    "TrainingCurve",
    "draw_figs1",
    "draw_figs2",
    "figs1_data",
    "figs1_tables",
    "figs2_tables",
]


class FigS1Data(FigureData):
    """Values of densities, normalised by their own mean and standard deviation."""

    what: str
    """Which frames these are, for the legend."""
    n_frames: int
    edges: Floats
    """Bins of ρ̃, shape (bins + 1,)."""
    density: Floats
    """Probability density in the bins."""
    mean: float
    """μ of the log-normal fit: mean of ln ρ, ρ in electrons/Å³ (eq. S5)."""
    std: float
    """σ of it."""
    skew: float
    excess_kurtosis: float

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        if self.density.ndim != 1 or self.edges.shape != (len(self.density) + 1,):
            raise ValueError(f"{self.edges.shape} edges do not belong to {self.density.shape} bins")
        return self


class FigS1Options(FigureOptions):
    """What is drawn of it."""

    tails: bool = True
    """Also on a logarithmic axis, which shows the tails."""


def figs1_data(pooled: RunningStatistics, what: str) -> FigS1Data:
    """Take from pooled frames what Fig. S1 shows.

    Parameters
    ----------
    pooled : RunningStatistics
        Normalised with the mean and standard deviation of ln ρ over the same frames, so that the
        fit is N(0, 1).
    what : str
        Which frames these are.
    """
    moments, used = pooled.moments, pooled.settings.normalisation
    return FigS1Data(
        what=what,
        n_frames=pooled.n_frames,
        edges=pooled.settings.edges,
        density=pooled.density,
        mean=used.mean,
        std=used.std,
        skew=float(moments.skew),
        excess_kurtosis=float(moments.excess_kurtosis),
    )


def draw_figs1(data: FigS1Data, style: FigureStyle, options: FigS1Options) -> Figure:
    """Draw the distribution of ρ̃ with the log-normal fit, its μ and σ.

    Parameters
    ----------
    data : FigS1Data
        What to draw.
    style : FigureStyle
        Two columns wide: the logarithmic axis stands beside the linear one.
    options : FigS1Options
        Whether there is a logarithmic one.

    Returns
    -------
    matplotlib.figure.Figure
        The lower axis is ρ̃, the upper one the same in electrons/Å³.
    """
    panels = 1 + options.tails
    beside = style.side_by_side and panels == 2
    with style.context():
        palette = style.palette
        handles: list[Artist] = [
            Patch(facecolor=palette.reference_fill, edgecolor=palette.reference, label=data.what),
            Line2D(
                [], [], color=palette.guide, ls=":", lw=1.2 * style.line, label="log-normal fit"
            ),
        ]
        one = 0.52 * (style.width / 2 if beside else style.width) + 4.2 * style.em
        height = one * (1 if beside else panels) + 3.5 * style.em
        figure = constrained_figure(style, min(height, style.largest_height))
        if options.title:
            figure.suptitle(options.title, x=0.0, ha="left", size=style.rules.size)
        shape = (1, panels) if beside else (panels, 1)
        for k in range(panels):
            axes = figure.add_subplot(*shape, k + 1)
            plot = DistributionPlot(axes, palette, data.edges, generated=(), log=k == 1)
            plot.set_reference(data.density)
            scale_lines(axes.lines, style)
            axes.tick_params(top=False, which="both")
            if panels == 2:
                letter_panel(axes, k, style)
            if k == 1:
                axes.set_ylim(top=3.0)
            if beside:  # the axes begin after their own numbers and label
                room = style.width / 2 - 4 * style.em
                axes.set_xlabel(fitted_lines(axes.get_xlabel(), style.rules.size, room))
            elif k < panels - 1:
                axes.set_xlabel("")
            if beside or k == 0:
                add_density_axis(axes, data.mean, data.std)
            if k == 0:
                axes.annotate(
                    _fit(data, style, style.width / (2 if beside else 1)),
                    (0, 1),
                    xycoords="axes fraction",
                    xytext=(
                        0.6 * style.rules.size,
                        -(2.2 if panels == 2 else 0.6) * style.rules.size,
                    ),
                    textcoords="offset points",
                    ha="left",
                    va="top",
                    size=style.rules.small,
                    linespacing=1.35,
                )
        legend_on_top(figure, handles, style)
        figure.align_ylabels()
    return figure


def _fit(data: FigS1Data, style: FigureStyle, width: float) -> str:
    """Say what the fit is, in lines that end before the curve rises (about a third on)."""
    kurtosis = f"excess kurtosis {_signed(data.excess_kurtosis)}"
    if text_size(kurtosis, style.rules.small)[0] > 0.34 * (width - 3.5 * style.em):
        kurtosis = kurtosis.replace(" ", "\n", 1)
    return (
        f"$\\mu$ = {_signed(data.mean, 3)}\n$\\sigma$ = {data.std:.3f}\n"
        f"skew {_signed(data.skew)}\n{kurtosis}"
    )


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", "−").lstrip("+")


def figs1_tables(data: FigS1Data) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the histogram as a table."""
    centres = 0.5 * (data.edges[1:] + data.edges[:-1])
    return {
        "": {
            "normalised density (bin centre)": centres,
            "density (electrons/A^3)": np.exp(data.std * centres + data.mean),
            "probability density": data.density,
            "log-normal fit": np.exp(-0.5 * centres**2) / np.sqrt(2 * np.pi),
        }
    }


class TrainingCurve(StrictModel):
    """What was logged of one run."""

    name: str
    steps: Integers
    values: Floats
    source: Literal["log", "model card"]
    """A run's log has every step; a model card a few of them."""

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        if self.steps.ndim != 1 or self.steps.shape != self.values.shape or not len(self.steps):
            raise ValueError(
                f"'{self.name}' has {self.steps.shape} steps and {self.values.shape} values"
            )
        return self


class FigS2Data(FigureData):
    """Training curves of autoencoders."""

    curves: tuple[TrainingCurve, ...]
    quantity: Literal["mse", "objective"]
    """Mean squared error of the normalised state (ρ̃ and its rate), or the whole objective."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.curves:
            raise ValueError("there is no curve")
        return self


class FigS2Options(FigureOptions):
    """How it is drawn."""


def draw_figs2(data: FigS2Data, style: FigureStyle, options: FigS2Options) -> Figure:
    """Draw the autoencoder's reconstruction error at each training step.

    Parameters
    ----------
    data : FigS2Data
        What to draw.
    style : FigureStyle
        How.
    options : FigS2Options
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        On a logarithmic axis: every step light, a running geometric mean strong. The few points
        of a model card are drawn as points.
    """
    with style.context():
        palette = style.palette
        height = 0.6 * min(style.width, 0.6 * style.width + 2) + 4 * style.em
        figure = constrained_figure(style, min(height, style.largest_height))
        if options.title:
            figure.suptitle(options.title, x=0.0, ha="left", size=style.rules.size)
        axes = figure.add_subplot()
        axes.set_yscale("log")
        handles: list[Artist] = []
        for k, curve in enumerate(data.curves):
            colour = palette.generated[k % len(palette.generated)]
            known = np.isfinite(curve.values) & (curve.values > 0)
            x, y = curve.steps[known], curve.values[known].astype(np.float64)
            dense = curve.source == "log" and len(y) > 120
            if dense:
                axes.plot(x, y, color=colour, lw=0.4 * style.line, alpha=0.3, zorder=2)
            mean = np.exp(smoothed(np.log(y), max(1, len(y) // 60))) if dense else y
            (line,) = axes.plot(
                x, mean, color=colour, ls=DASHES[k % len(DASHES)], lw=1.5 * style.line,
                marker="" if dense else "o", ms=2.5 * style.line, label=curve.name, zorder=3,
            )  # fmt: skip
            handles.append(line)
        axes.set_xlabel("optimisation step")
        axes.set_ylabel("reconstruction MSE" if data.quantity == "mse" else "training objective")
        axes.set_xlim(0, 1.01 * max(float(curve.steps[-1]) for curve in data.curves))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        legend_on_top(figure, handles, style)
    return figure


def figs2_tables(data: FigS2Data) -> dict[str, dict[str, NDArray[Any]]]:
    """Return each curve as two columns; short ones end in blanks."""
    longest = max(len(curve.steps) for curve in data.curves)
    table: dict[str, NDArray[Any]] = {}
    for curve in data.curves:
        for what, values in (("step", curve.steps), (data.quantity, curve.values)):
            column = np.full(longest, np.nan)
            column[: len(values)] = values
            table[f"{curve.name}: {what}"] = column
    return {"": table}
