"""``eldyn movie``: record a trajectory or a rollout as a movie, with a screen or without one."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_eldyn.cli import app
from napari_eldyn.cli.interrupt import interruptible
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.export.movie import Movie, MovieProgress
    from napari_eldyn.export.movie_settings import MovieSettings

__all__ = ["movie"]

_SCREEN = (1600, 1000)


@app.command()
def movie(
    source: Annotated[
        Path,
        typer.Argument(
            help="Trajectory or rollout (.eldyn, or anything that eldyn opens), or a session "
            "(.eldynsession).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Movie to write: .mp4, .webm, .mov or .gif; a name without an ending is a folder "
            "of PNG frames. Settings and provenance go beside it: NAME.json.",
            show_default=False,
        ),
    ],
    settings: Annotated[
        Path | None,
        typer.Option(
            help="Settings of an earlier movie (its NAME.json); the options given change them.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Trajectory that a rollout started from, if it is not where it was.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model of a rollout (.safetensors), if it is not a sample model.",
            show_default=False,
        ),
    ] = None,
    alone: Annotated[
        bool,
        typer.Option(
            "--alone", help="Show a rollout as a plain trajectory: no reference, no plots."
        ),
    ] = False,
    panels: Annotated[
        str | None,
        typer.Option(
            help="Panels of a rollout, such as generated,reference,difference.",
            show_default="as in the session, or generated,reference",
        ),
    ] = None,
    flat: Annotated[
        bool, typer.Option("--2d", help="Show slices of the volumes in 2D instead of volumes.")
    ] = False,
    codec: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="h264, vp9, av1, prores, gif or png.",
            show_default="by the ending of --out",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="WIDTHxHEIGHT in pixels.", show_default="1280x720"),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.", show_default="20")] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            help="Physical time in fs per second of the movie.",
            show_default="every frame once",
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option(help="First frame of the time axis.", show_default="0")
    ] = None,
    last: Annotated[
        int | None, typer.Option(help="Last frame of the time axis.", show_default="the last")
    ] = None,
    frozen: Annotated[
        float | None,
        typer.Option(
            help="Seconds for which the first frame alone is shown, for camera and slices to "
            "move in.",
            show_default=False,
        ),
    ] = None,
    hold_start: Annotated[
        float | None,
        typer.Option(help="Seconds for which the first picture stands still.", show_default="0"),
    ] = None,
    hold_end: Annotated[
        float | None,
        typer.Option(help="Seconds for which the last picture stands still.", show_default="0"),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            help="still, turntable, or keys (camera key frames of --settings).",
            show_default="still",
        ),
    ] = None,
    turns: Annotated[
        float | None, typer.Option(help="Turns of the turntable.", show_default="1")
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option(
            help="none, plane, or cut: a plane that moves through the volumes.",
            show_default="none",
        ),
    ] = None,
    slice_axis: Annotated[
        str | None,
        typer.Option(help="Lattice direction of the plane: a, b or c.", show_default="c"),
    ] = None,
    slice_from: Annotated[
        float | None,
        typer.Option(help="Where the plane starts, as a fraction of the cell.", show_default="0"),
    ] = None,
    slice_to: Annotated[
        float | None,
        typer.Option(help="Where the plane ends, as a fraction of the cell.", show_default="1"),
    ] = None,
    slice_thickness: Annotated[
        float | None, typer.Option(help="Thickness of the plane in Å.", show_default="0.5")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="right, below (plots there), none, or window.",
            show_default="right; none for a trajectory",
        ),
    ] = None,
    plots: Annotated[
        str | None,
        typer.Option(
            help="Plots, such as divergence,structure_factor; also distribution, quantiles, "
            "correlation, electrons, extremes.",
            show_default="divergence,structure_factor",
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Title above the picture.", show_default="none")
    ] = None,
    theme: Annotated[
        str | None, typer.Option(help="window, dark or light.", show_default="window")
    ] = None,
    time: Annotated[
        bool | None, typer.Option(help="Write the time in fs.", show_default="yes")
    ] = None,
    scale_bar: Annotated[
        bool | None, typer.Option(help="Draw a scale bar in Å.", show_default="yes")
    ] = None,
    colour_bar: Annotated[
        bool | None,
        typer.Option(help="Draw colour bars in electrons/Å³.", show_default="yes"),
    ] = None,
    names: Annotated[
        bool | None, typer.Option(help="Write the names of panels.", show_default="yes")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists.")
    ] = False,
) -> None:
    """Record volumes and plots as a movie, exactly one picture for every frame.

    Without a screen the command makes a virtual one (with Xvfb). Ctrl-C ends it and leaves no
    half file.
    """
    from napari_eldyn.export.screen import continue_on_virtual_screen, has_screen

    choices = {
        "format": codec, "size": _size(size), "fps": fps, "speed": speed, "first": first,
        "last": last, "frozen": frozen, "hold_start": hold_start, "hold_end": hold_end,
        "camera": camera, "turns": turns, "slices": slices, "slice_axis": slice_axis,
        "slice_from": slice_from, "slice_to": slice_to, "slice_thickness": slice_thickness,
        "layout": layout, "plots": _list(plots), "title": title, "theme": theme, "time": time,
        "scale_bar": scale_bar, "colour_bar": colour_bar, "names": names,
    }  # fmt: skip
    chosen = _settings(settings, {k: v for k, v in choices.items() if v is not None}, out)
    _check(source, chosen, out, overwrite)
    if not has_screen():
        screen = tuple(max(pair) for pair in zip(_SCREEN, chosen.size, strict=True))
        arguments = [sys.executable, "-m", "napari_eldyn.cli", *sys.argv[1:]]
        continue_on_virtual_screen(arguments, (screen[0], screen[1]))
    from napari_eldyn.viewer._compat import hidden_window

    wants_plots = layout is not None or plots is not None or settings is not None
    with interruptible() as interrupted, hidden_window() as viewer:
        viewer.window.resize(*_SCREEN)
        recorded = _record(
            viewer, source, out, chosen, interrupted,
            parts={"model": model, "reference": reference, "alone": alone},
            panels=_list(panels), flat=flat, wants_plots=wants_plots, overwrite=overwrite,
        )  # fmt: skip
    if recorded is None:
        typer.echo("eldyn: interrupted; no file was left", err=True)
        raise typer.Exit(130)
    width, height = recorded.size
    typer.echo(
        f"{recorded.path}: {recorded.n_frames} frames of {width}×{height} pixels, "
        f"{recorded.fps:g} frames/s. {recorded.note}"
    )


def _settings(file: Path | None, choices: dict[str, Any], out: Path) -> MovieSettings:
    """Merge a file's settings with the options given, and check them together."""
    from napari_eldyn.config import parse_config
    from napari_eldyn.export.formats import FORMATS, format_of
    from napari_eldyn.export.movie_settings import MovieSettings, read_settings

    values: dict[str, Any] = {}
    if file is not None:
        values = read_settings(file).model_dump()
        if "speed" in choices:
            values["frozen"] = None
    values |= choices
    known = FORMATS.get(values.get("format", ""))
    if "format" not in choices and (known is None or out.suffix.lower() not in known.suffixes):
        values["format"] = format_of(out).name
    return parse_config(MovieSettings, values, path=file)


def _check(source: Path, settings: MovieSettings, out: Path, overwrite: bool) -> None:
    """Refuse what cannot work before a window is opened."""
    from napari_eldyn.export.encoder import check_path
    from napari_eldyn.export.formats import FORMATS, check_request, choose_encoder

    if not source.exists():
        raise EldynError("does not exist", path=source)
    movie_format = FORMATS[settings.format]
    check_request(movie_format, out, settings.size, settings.fps)
    check_path(movie_format, out, overwrite)
    if movie_format.encoders:
        choose_encoder(movie_format, out)


def _record(
    viewer: Viewer,
    path: Path,
    out: Path,
    settings: MovieSettings,
    interrupted: threading.Event,
    *,
    parts: dict[str, Any],
    panels: list[str] | None,
    flat: bool,
    wants_plots: bool,
    overwrite: bool,
) -> Movie | None:
    from tqdm import tqdm

    from napari_eldyn.export.movie import record_movie
    from napari_eldyn.export.movie_source import TrajectorySource
    from napari_eldyn.export.opening import open_source

    with_plots = bool(settings.shown_plots)
    source = open_source(viewer, path, **parts, with_plots=with_plots, stop=interrupted.is_set)
    if source is None:
        return None
    if isinstance(source, TrajectorySource) and not wants_plots:
        settings = settings.model_copy(update={"layout": "none"})
    if panels is not None:
        _show_panels(viewer, panels)
    if flat:
        viewer.dims.ndisplay = 2
        viewer.fit_to_view()
    with tqdm(desc=out.name, unit="frame") as bar:

        def show(news: MovieProgress) -> None:
            bar.total = news.total
            bar.update(news.done - bar.n)
            if news.stage == "finishing" and not bar.postfix:
                bar.set_postfix_str("finishing the file")

        return record_movie(
            viewer, out, settings, source=source, progress=show, stop=interrupted.is_set,
            overwrite=overwrite,
        )  # fmt: skip


def _show_panels(viewer: Viewer, names: list[str]) -> None:
    """Show these panels and no others."""
    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.panel_kinds import PANELS

    panels = controller_of(viewer).panels
    if panels.comparison is None:
        raise EldynError("panels belong to a rollout, and this is none")
    for name in names:
        if name not in PANELS:
            raise EldynError(f"there is no panel '{name}'", remedy=f"Panels are {_words(PANELS)}.")
        if panels.why_not(name):
            raise EldynError(f"the panel '{name}' cannot be shown: {panels.why_not(name)}")
        panels.set_shown(name, True)
    for name in PANELS:
        if name not in names:
            panels.set_shown(name, False)


def _words(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise EldynError(f"'{text}' is not a size", remedy="Give WIDTHxHEIGHT, such as 1920x1080.")
    return int(width), int(height)
