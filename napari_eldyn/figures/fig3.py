"""Distribution of values and structure factor in one figure: the paper's Fig. 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray
from pydantic import model_validator

from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.distribution_plot import DistributionPlot
from napari_eldyn.figures.layout import DASHES, number
from napari_eldyn.figures.packing import Floats, Integers
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.sheet import (
    constrained_figure,
    legend_on_top,
    letter_panel,
    scale_lines,
    text_size,
)
from napari_eldyn.figures.sidecar import FigureData, FigureOptions
from napari_eldyn.figures.structure_factor_plot import CONVENTION_LABELS, StructureFactorPlot
from napari_eldyn.observables.distribution import scaled_jsd
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.statistics import RunningStatistics

__all__ = ["Fig3Data", "Fig3Options", "add_density_axis", "draw_fig3", "fig3_data", "fig3_tables"]

Panel = Literal["distribution", "structure_factor"]


class Fig3Data(FigureData):
    """Pooled statistics of a reference and of generated trajectories."""

    names: tuple[str, ...]
    """Of the generated trajectories."""
    edges: Floats
    """Bins of ρ̃, shape (bins + 1,)."""
    reference_density: Floats
    """Probability density in the bins."""
    densities: Floats
    """The same of each generated trajectory, shape (names, bins)."""
    sjsd: Floats
    """Scaled JSD of each against the reference."""
    noise_sjsd: float | None
    """The same of the halves of the reference."""
    mean: float
    """μ of the normalisation (eq. S6)."""
    std: float
    """σ of it."""
    q: Floats
    """Wave numbers, 1/Å, shape (shells,)."""
    counts: Integers
    """Reciprocal grid points in each shell."""
    reference_amplitude: Floats
    reference_intensity: Floats
    """S(q), electrons."""
    amplitudes: Floats
    intensities: Floats
    """The same of each generated trajectory, shape (names, shells)."""
    half_amplitudes: Floats | None
    half_intensities: Floats | None
    """The same of the two halves of the reference, shape (2, shells)."""

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        n, bins, shells = len(self.names), len(self.edges) - 1, len(self.q)
        wanted: dict[str, tuple[int, ...]] = {
            "edges": (bins + 1,),
            "reference_density": (bins,),
            "densities": (n, bins),
            "sjsd": (n,),
            "q": (shells,),
            "counts": (shells,),
            "reference_amplitude": (shells,),
            "reference_intensity": (shells,),
            "amplitudes": (n, shells),
            "intensities": (n, shells),
            "half_amplitudes": (2, shells),
            "half_intensities": (2, shells),
        }
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"'{name}' has the shape {array.shape}, not {shape}")
        return self


class Fig3Options(FigureOptions):
    """What is drawn of it."""

    panels: tuple[Panel, ...] = ("distribution", "structure_factor")
    log: bool = False
    """Logarithmic probability."""
    convention: Literal["amplitude", "intensity"] = "amplitude"
    """The paper's ⟨|F|⟩ (eqs. S17-S18), or ⟨|F|²⟩ per electron."""
    ratio: bool = True
    """Below S(q), its ratio to the reference."""
    modes: bool = False
    """Below that, the reciprocal grid points in each shell."""


def fig3_data(
    reference: RunningStatistics,
    generated: Mapping[str, RunningStatistics],
    levels: ReferenceLevels | None = None,
) -> Fig3Data:
    """Take from pooled statistics what the figure shows.

    Parameters
    ----------
    reference : RunningStatistics
        All reference frames pooled.
    generated : mapping of str to RunningStatistics
        Generated trajectories by name, counted with the reference's settings.
    levels : ReferenceLevels, optional
        Adds the reference's own sampling noise.

    Raises
    ------
    EldynError
        If a trajectory was counted in other bins or shells than the reference.
    """
    settings = reference.settings
    for name, one in generated.items():
        if not np.array_equal(one.settings.edges, settings.edges):
            raise EldynError(f"'{name}' was counted in other bins than the reference")
        if not np.array_equal(one.settings.shells.q, settings.shells.q):
            raise EldynError(f"'{name}' was averaged over other shells than the reference")
    shells = settings.shells
    pooled = list(generated.values())
    halves = None if levels is None else levels.halves

    def stacked(rows: Sequence[NDArray[Any]], length: int) -> NDArray[np.float64]:
        return np.array(rows, dtype=np.float64).reshape(len(rows), length)

    return Fig3Data(
        names=tuple(generated),
        edges=settings.edges,
        reference_density=reference.density,
        densities=stacked([one.density for one in pooled], len(settings.edges) - 1),
        sjsd=np.array(
            [float(scaled_jsd(one.probabilities, reference.probabilities)) for one in pooled]
        ),
        noise_sjsd=None if levels is None else float(levels.noise.sjsd),
        mean=settings.normalisation.mean,
        std=settings.normalisation.std,
        q=shells.q,
        counts=shells.counts,
        reference_amplitude=reference.amplitude,
        reference_intensity=reference.intensity,
        amplitudes=stacked([one.amplitude for one in pooled], len(shells.q)),
        intensities=stacked([one.intensity for one in pooled], len(shells.q)),
        half_amplitudes=None if halves is None else np.array([h.amplitude for h in halves]),
        half_intensities=None if halves is None else np.array([h.intensity for h in halves]),
    )


def draw_fig3(data: Fig3Data, style: FigureStyle, options: Fig3Options) -> Figure:
    """Draw distribution and structure factor, side by side or one below the other.

    Parameters
    ----------
    data : Fig3Data
        What to draw.
    style : FigureStyle
        Two columns wide: side by side.
    options : Fig3Options
        Which panels, and how.

    Returns
    -------
    matplotlib.figure.Figure
        The lower axis of the distribution is ρ̃, the upper one the same in electrons/Å³.
    """
    with style.context():
        handles = _handles(data, style, options)
        beside = style.side_by_side and len(options.panels) > 1
        width = style.width / 2 if beside else style.width
        heights = {
            "distribution": 0.55 * width + 4.5 * style.em,
            "structure_factor": (0.5 + 0.2 * options.ratio + 0.16 * options.modes) * width
            + 2.5 * style.em,
        }
        chosen = [heights[panel] for panel in options.panels]
        legend = 1.4 * style.rules.small / 72 * len(handles) / (2.5 if beside else 1.5)
        height = (max(chosen) if beside else sum(chosen)) + legend
        figure = constrained_figure(style, min(height, style.largest_height))
        if options.title:
            figure.suptitle(options.title, x=0.0, ha="left", size=style.rules.size)
        if beside:
            grid = figure.add_gridspec(1, len(options.panels))
        else:
            grid = figure.add_gridspec(len(options.panels), 1, height_ratios=chosen)
        for place, panel in enumerate(options.panels):
            if panel == "distribution":
                axes = _draw_distribution(figure, grid[place], data, style, options)
            else:
                tall = chosen[place] * min(1.0, style.largest_height / height)
                axes = _draw_structure_factor(figure, grid[place], data, style, options, tall)
            if len(options.panels) > 1:
                letter_panel(axes, place, style, right=panel == "structure_factor")
        legend_on_top(figure, handles, style)
        if not beside:
            figure.align_ylabels()
    return figure


def _handles(data: Fig3Data, style: FigureStyle, options: Fig3Options) -> list[Artist]:
    """Name each line once: colours and dashes are the same in both panels."""
    palette = style.palette
    noise = "" if data.noise_sjsd is None else f" (sJSD of its halves {number(data.noise_sjsd)})"
    shows_values = "distribution" in options.panels
    handles: list[Artist] = [
        Line2D(
            [], [], color=palette.reference, lw=1.1 * style.line,
            label="reference" + (noise if shows_values else ""),
        )
    ]  # fmt: skip
    for k, (name, sjsd) in enumerate(zip(data.names, data.sjsd, strict=True)):
        handles.append(
            Line2D(
                [],
                [],
                color=palette.generated[k % len(palette.generated)],
                ls=DASHES[k % len(DASHES)],
                lw=1.7 * style.line,
                label=f"{name}, sJSD {number(float(sjsd))}" if shows_values else name,
            )
        )
    if shows_values:
        handles.append(
            Line2D([], [], color=palette.guide, ls=":", lw=style.line, label="normal N(0, 1)")
        )
    if "structure_factor" in options.panels and data.half_amplitudes is not None:
        handles.append(Patch(color=palette.reference_fill, label="between halves of the reference"))
    return handles


def _draw_distribution(
    figure: Figure, place: SubplotSpec, data: Fig3Data, style: FigureStyle, options: Fig3Options
) -> Axes:
    axes = figure.add_subplot(place)
    plot = DistributionPlot(
        axes, style.palette, data.edges, generated=list(data.names), log=options.log
    )
    plot.set_reference(data.reference_density)
    for name, density in zip(data.names, data.densities, strict=True):
        plot.set_running(density, name)
    scale_lines(axes.lines, style)
    axes.tick_params(top=False, which="both")
    add_density_axis(axes, data.mean, data.std)
    return axes


def _draw_structure_factor(
    figure: Figure,
    place: SubplotSpec,
    data: Fig3Data,
    style: FigureStyle,
    options: Fig3Options,
    tall: float,
) -> Axes:
    amplitude = options.convention == "amplitude"
    reference = data.reference_amplitude if amplitude else data.reference_intensity
    values = data.amplitudes if amplitude else data.intensities
    halves = data.half_amplitudes if amplitude else data.half_intensities
    parts = [0.5] + [0.2] * options.ratio + [0.15] * options.modes
    grid = place.subgridspec(len(parts), 1, height_ratios=parts, hspace=0.0)
    rows = [figure.add_subplot(grid[row, 0]) for row in range(len(parts))]
    for axes, relative in zip(rows, [False] + [True] * options.ratio, strict=False):
        plot = StructureFactorPlot(
            axes,
            style.palette,
            data.q,
            convention=options.convention,
            relative=relative,
            generated=list(data.names),
        )
        plot.set_reference(reference, None if halves is None else (halves[0], halves[1]))
        for name, line in zip(data.names, values, strict=True):
            plot.set_running(line, name)
        _dash(axes, data.names)
        scale_lines(axes.lines, style)
        if relative:
            axes.set_ylabel("ratio")
            axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        else:
            label = f"{CONVENTION_LABELS[options.convention]} (electrons)"
            room = 0.5 / sum(parts) * tall - 4 * style.em
            if text_size(label, style.rules.size)[0] > room:
                label = "$S(q)$ (electrons)"
            if text_size(label, style.rules.size)[0] > room - style.em / 4:  # with a long legend
                label = "$S(q)$\n(electrons)"
            axes.set_ylabel(label)
    if options.modes:
        axes = rows[-1]
        lines = axes.plot(
            data.q, data.counts, color=style.palette.muted, lw=0.8, marker="o", ms=1.8
        )
        scale_lines(lines, style)
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(rows[0].get_xlim())
        axes.set_ylabel("modes")
    for axes in rows[:-1]:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    rows[-1].set_xlabel(r"wave number $q$ (1/Å)")
    figure.align_ylabels(rows)
    return rows[0]


def _dash(axes: Axes, names: Sequence[str]) -> None:
    """Give the lines of S(q) the dashes that tell them apart in the distribution."""
    for line in axes.lines:
        if line.get_label() in names:
            line.set_linestyle(DASHES[list(names).index(str(line.get_label())) % len(DASHES)])


def add_density_axis(axes: Axes, mean: float, std: float) -> None:
    """Add an axis in electrons/Å³ on top, by eq. S6."""
    top = axes.secondary_xaxis(
        "top",
        functions=(
            lambda x: np.exp(std * np.asarray(x) + mean),
            lambda rho: (np.log(np.maximum(rho, 1e-300)) - mean) / std,
        ),
    )
    low, high = axes.get_xlim()
    ticks = [
        t for t in _ROUND_DENSITIES if np.exp(std * low + mean) <= t <= np.exp(std * high + mean)
    ]
    # Labels that would touch are left out, those of fewer digits last.
    figure = axes.get_figure(root=True)
    assert figure is not None
    room = 0.8 * figure.get_size_inches()[0] / max(1, _columns(axes))
    size = _points(matplotlib.rcParams["xtick.labelsize"])
    shown: list[float] = []
    for tick in sorted(ticks, key=lambda t: (len(f"{t:g}".strip("0.")), f"{t:g}"[-1] != "1", t)):
        width = 1.5 * text_size(f"{tick:g}", size)[0] / room * (high - low)
        place = (np.log(tick) - mean) / std
        if all(abs(place - (np.log(other) - mean) / std) >= width for other in shown):
            shown.append(tick)
    shown.sort()
    top.set_xticks(shown, [f"{t:g}" for t in shown])
    top.set_xticks([], minor=True)
    top.set_xlabel(r"density $\rho$ (electrons/Å³)")


def _points(size: float | str) -> float:
    return float(FontProperties(size=size).get_size_in_points())


def _columns(axes: Axes) -> int:
    spec = axes.get_subplotspec()
    if spec is None:
        return 1
    grid = spec.get_topmost_subplotspec().get_gridspec()
    return grid.ncols if isinstance(grid, GridSpec) else 1


# 1, 2, 5 per decade.
_ROUND_DENSITIES = [m * 10.0**e for e in range(-12, 6) for m in (1, 2, 5)]


def fig3_tables(data: Fig3Data) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the numbers of both panels as tables, by the ending of their names."""
    values: dict[str, NDArray[Any]] = {
        "normalised density (bin centre)": 0.5 * (data.edges[1:] + data.edges[:-1]),
        "density (electrons/A^3)": np.exp(
            data.std * 0.5 * (data.edges[1:] + data.edges[:-1]) + data.mean
        ),
        "reference: probability density": data.reference_density,
    }
    waves: dict[str, NDArray[Any]] = {"q (1/A)": data.q, "modes": data.counts}
    for convention, real, made in (
        ("mean |F| (electrons)", data.reference_amplitude, data.amplitudes),
        ("mean |F|^2 per electron (electrons)", data.reference_intensity, data.intensities),
    ):
        waves[f"reference: {convention}"] = real
        for name, line in zip(data.names, made, strict=True):
            waves[f"{name}: {convention}"] = line
    for name, line in zip(data.names, data.densities, strict=True):
        values[f"{name}: probability density"] = line
    return {"distribution": values, "structure_factor": waves}
