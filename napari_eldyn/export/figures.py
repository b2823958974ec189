"""Figures from rollouts, a reference and models: for the command line and for the dock."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from napari_eldyn.density import DensityTrajectory, LogNormalisation, fit_normalisation
from napari_eldyn.evaluation.figure_data import (
    collect_fig2,
    collect_fig3,
    collect_figs1,
    collect_figs2,
    describe_sources,
    shared_times,
    start_times,
)
from napari_eldyn.evaluation.inputs import Candidate
from napari_eldyn.evaluation.logs import TrainingLog
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.evaluation.trained_on import TrainingSource
from napari_eldyn.exceptions import EldynError
from napari_eldyn.figures.fig3 import fig3_data
from napari_eldyn.figures.kinds import FIGURE_KINDS
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.published import PublishedFigure
from napari_eldyn.figures.sidecar import FigureData, FigureOptions
from napari_eldyn.observables.levels import ReferenceLevels
from napari_eldyn.observables.statistics import RunningStatistics

if TYPE_CHECKING:
    from napari_eldyn.export.look import Look
    from napari_eldyn.export.render import Clocks, Studio

__all__ = [
    "FigureSources",
    "collect_figure",
    "plan_rendering",
    "refuse_missing",
    "render_figure",
    "story_of",
]

_RENDER_TIMES = {"single": 3, "double": 4}
"""Columns of renderings by width, if no times are asked for."""


@dataclass(frozen=True, eq=False)
class FigureSources:
    """What figures are made from.

    Parameters
    ----------
    candidates : tuple of Candidate
        The rollouts.
    reference : DensityTrajectory or None
        What they are compared with.
    normalisation : LogNormalisation or None
        Of ρ̃; fitted on the reference if it is not given.
    training : tuple of TrainingSource
        Frames that models were trained on.
    runs : mapping of str to TrainingLog
        Logs of training runs.
    cards : mapping of str to mapping
        What model files record of themselves, by the models' names.
    model_hashes : mapping of str to str
        SHA-256 of the model files, by the same names.
    counted : mapping of str to RunningStatistics, optional
        Pooled statistics of the candidates by name, where a window has them already.
    levels : ReferenceLevels, optional
        The same of the reference, counted with the same settings.
    """

    candidates: tuple[Candidate, ...] = ()
    reference: DensityTrajectory | None = None
    normalisation: LogNormalisation | None = None
    training: tuple[TrainingSource, ...] = ()
    runs: Mapping[str, TrainingLog] = field(default_factory=dict)
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    model_hashes: Mapping[str, str | None] = field(default_factory=dict)
    counted: Mapping[str, RunningStatistics] | None = None
    levels: ReferenceLevels | None = None


def refuse_missing(kind: str, sources: FigureSources) -> None:
    """Refuse before any work what cannot be drawn.

    Raises
    ------
    EldynError
        If the kind does not exist or needs what is not given.
    """
    if kind not in FIGURE_KINDS:
        known = list(FIGURE_KINDS)
        raise EldynError(
            f"there is no figure '{kind}'",
            remedy=f"Choose of {', '.join(known[:-1])} and {known[-1]}.",
        )
    if kind == "s2":
        if not sources.runs:
            collect_figs2({}, sources.cards)
    elif kind == "s1":
        if not sources.training and sources.reference is None:
            collect_figs1((), None, Stages(show=False))
    elif sources.reference is None:
        raise EldynError(
            f"“{FIGURE_KINDS[kind].title}” needs a reference", remedy="Give a reference trajectory."
        )
    elif kind == "fig3" and not sources.candidates:
        raise EldynError(
            f"“{FIGURE_KINDS[kind].title}” needs a rollout", remedy="Give one rollout or more."
        )


def collect_figure(
    kind: str,
    sources: FigureSources,
    style: FigureStyle,
    stages: Stages,
    *,
    options: FigureOptions | None = None,
    times: Sequence[float] | None = None,
) -> PublishedFigure:
    """Collect the data of a figure that needs no window; safe on any thread.

    Parameters
    ----------
    kind : str
        ``fig2``, ``fig3``, ``s1`` or ``s2``.
    sources : FigureSources
        What it is made from.
    style : FigureStyle
        How it is drawn.
    stages : Stages
        Shows progress.
    options : FigureOptions, optional
        Of the kind.
    times : sequence of float, optional
        Columns of Fig. 2, fs since the start.

    Raises
    ------
    EldynError
        If something is missing or does not fit together.
    """
    refuse_missing(kind, sources)
    data: FigureData
    if kind == "s2":
        data = collect_figs2(sources.runs, sources.cards)
    elif kind == "s1":
        data = collect_figs1(sources.training, sources.reference, stages)
    else:
        reference, normalisation = sources.reference, sources.normalisation
        assert reference is not None
        if normalisation is None:
            with stages.stage("fitting the normalisation") as report:
                normalisation, _ = fit_normalisation(reference, report)
            sources = replace(sources, normalisation=normalisation)
        if kind == "fig2":
            with stages.stage("slices") as report:
                data = collect_fig2(sources.candidates, reference, normalisation, times, report)
        elif sources.counted is not None and sources.levels is not None:
            data = fig3_data(sources.levels.reference, sources.counted, sources.levels)
        else:
            data = collect_fig3(sources.candidates, reference, normalisation, stages)
    return PublishedFigure(kind, data, style, options, story_of(sources))


def plan_rendering(
    kind: str,
    sources: FigureSources,
    style: FigureStyle,
    look: Look | None,
    times: Sequence[float] | None,
) -> tuple[Clocks, Sequence[float], Look]:
    """Choose what `render_figure` was not told: the rows, the times and the look.

    Raises
    ------
    EldynError
        If something is missing or does not fit together.
    """
    from napari_eldyn.export.look import default_look

    refuse_missing(kind, sources)
    reference = sources.reference
    assert reference is not None
    clocks = start_times(sources.candidates, reference)
    if not times:
        times = shared_times(sources.candidates, reference, _RENDER_TIMES[style.columns])
    return clocks, times, look or default_look(reference[0])


def render_figure(
    kind: str,
    sources: FigureSources,
    style: FigureStyle,
    studio: Studio,
    *,
    look: Look | None = None,
    options: FigureOptions | None = None,
    times: Sequence[float] | None = None,
) -> Generator[tuple[int, int], None, PublishedFigure]:
    """Draw the volumes of a figure, one at every step; on the GUI thread.

    Parameters
    ----------
    kind : str
        ``isosurface`` or ``volume``.
    sources : FigureSources
        What it is made from.
    style : FigureStyle
        How it is drawn.
    studio : Studio
        Draws.
    look : Look, optional
        Camera and colours; by default those of a newly opened trajectory.
    options : FigureOptions, optional
        Of the kind.
    times : sequence of float, optional
        Columns, fs since the start.

    Yields
    ------
    tuple of int
        Pictures drawn, and how many there will be.

    Raises
    ------
    EldynError
        If something is missing or does not fit together.
    """
    from napari_eldyn.export.render import render_panels
    from napari_eldyn.figures.render_figure import RenderOptions

    clocks, times, look = plan_rendering(kind, sources, style, look, times)
    chosen = cast(RenderOptions, options or RenderOptions())
    data = yield from render_panels(studio, cast(Any, kind), clocks, times, look, style, chosen)
    return PublishedFigure(kind, data, style, chosen, story_of(sources))


def story_of(sources: FigureSources) -> dict[str, Any]:
    """Say what a figure was made from."""
    return describe_sources(
        sources.candidates,
        sources.reference,
        normalisation=sources.normalisation,
        cards=sources.model_hashes,
    )
