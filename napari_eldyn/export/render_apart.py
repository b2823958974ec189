"""Render the volumes of a figure in a process of its own, while the window goes on."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_eldyn.density import DensityTrajectory, PeriodicGrid
from napari_eldyn.density.trajectory import check_frame
from napari_eldyn.evaluation.figure_data import frame_at
from napari_eldyn.export.figures import FigureSources, plan_rendering, story_of
from napari_eldyn.export.look import Look, colours_of
from napari_eldyn.export.render import (
    Clocks,
    Rendering,
    finish,
    open_studio,
    render_panels,
)
from napari_eldyn.figures.child import answer_from, run_child
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.published import PublishedFigure, open_published
from napari_eldyn.figures.render_figure import RenderOptions
from napari_eldyn.figures.sidecar import SIDECAR_ENDING, write_sidecar

__all__ = ["render_apart"]

_VOLUMES, _TASK, _RESULT = "volumes.npz", "task.json", f"result{SIDECAR_ENDING}"


def render_apart(
    kind: str,
    sources: FigureSources,
    style: FigureStyle,
    *,
    look: Look | None = None,
    options: RenderOptions | None = None,
    times: Sequence[float] | None = None,
    check: Callable[[], Any] = lambda: None,
    report: Callable[[str, int, int], Any] = lambda what, done, total: None,
) -> PublishedFigure:
    """Make a figure of isosurfaces or volumes; call this on a thread.

    Parameters
    ----------
    kind : str
        ``isosurface`` or ``volume``.
    sources : FigureSources
        What it is made from.
    style : FigureStyle
        How it is drawn.
    look : Look, optional
        Camera and colours; by default those of a newly opened trajectory.
    options : RenderOptions, optional
        Of the kind.
    times : sequence of float, optional
        Columns, fs since the start.
    check : callable
        Called all the time; what it raises ends the work.
    report : callable
        Called with what is done, steps done and steps in all.

    Raises
    ------
    EldynError
        If something is missing or does not fit together.
    """
    clocks, times, look = plan_rendering(kind, sources, style, look, times)
    options = options or RenderOptions()
    with tempfile.TemporaryDirectory(prefix="eldyn-render-") as name:
        folder = Path(name)
        volumes = _volumes(clocks, times, check, report)
        np.savez(folder / _VOLUMES, **cast(Any, volumes))
        task = {
            "kind": kind,
            "names": list(clocks),
            "cells": [t.grid.cell.tolist() for t, _ in clocks.values()],
            "times": list(times),
            "look": asdict(look) | {"colormap": colours_of(look.colormap).tolist()},
            "style": asdict(style),
            "options": options.model_dump(mode="json"),
        }
        (folder / _TASK).write_text(json.dumps(task))
        report("starting to render", 0, 0)
        run_child(
            "napari_eldyn.export.render_apart",
            [str(folder)],
            check,
            lambda done, total: report("rendering", done, total),
            {"NAPARI_CONFIG": ""},  # default settings: the user's are left alone
        )
        rendered = open_published(folder / _RESULT)
    return PublishedFigure(kind, rendered.data, style, options, story_of(sources))


def _volumes(
    clocks: Clocks,
    times: Sequence[float],
    check: Callable[[], Any],
    report: Callable[[str, int, int], Any],
) -> dict[str, Any]:
    """Read the frames; those of row i and column j under the name ``i_j``."""
    volumes: dict[str, Any] = {}
    for i, (trajectory, start) in enumerate(clocks.values()):
        for j, time in enumerate(times):
            check()
            index = frame_at(trajectory, start + time)
            if index is not None:
                density = trajectory[index]
                check_frame(density, trajectory.path, index)
                volumes[f"{i}_{j}"] = density
            report("reading frames", i * len(times) + j + 1, len(clocks) * len(times))
    return volumes


def _work(folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    task = json.loads((folder / _TASK).read_text())
    stored = np.load(folder / _VOLUMES)
    clocks: dict[str, tuple[DensityTrajectory, float]] = {}
    for i, (name, cell) in enumerate(zip(task["names"], task["cells"], strict=True)):
        there = [j for j in range(len(task["times"])) if f"{i}_{j}" in stored]
        frames = [stored[f"{i}_{j}"] for j in there]
        shape = frames[0].shape if frames else (1, 1, 1)
        array = np.array(frames, dtype=np.float32).reshape(len(frames), *shape)
        times = [task["times"][j] for j in there]
        grid = PeriodicGrid(cell, shape)
        clocks[name] = DensityTrajectory.from_array(array, grid, times), 0.0
    look = Look(**{key: _tuple(value) for key, value in task["look"].items()})
    style, options = FigureStyle(**task["style"]), RenderOptions(**task["options"])
    with open_studio() as studio:
        rendering = cast(Rendering, task["kind"])
        steps = render_panels(studio, rendering, clocks, task["times"], look, style, options)
        data = finish(steps, report)
    figure = PublishedFigure(task["kind"], data, style, options)
    write_sidecar(figure.sidecar(), folder / _RESULT)
    return {}


def _tuple(value: Any) -> Any:
    """Turn JSON's lists of a look back; colours are an array."""
    if isinstance(value, list):
        return np.array(value, np.float32) if isinstance(value[0], list) else tuple(value)
    return value


if __name__ == "__main__":
    answer_from(partial(_work, Path(sys.argv[1])))
