"""What a movie is made with: shared by the Movie dock, the command line and the stored sidecar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.formats import FormatName
from napari_eldyn.figures.rollout_plots import PLOTS

__all__ = ["CameraKey", "MovieSettings", "read_settings", "sidecar_path", "sidecar_text"]

Vector = tuple[float, float, float]
_SETTINGS, _PROVENANCE = "movie", "provenance"


class CameraKey(StrictModel):
    """Where the camera is at one moment of the movie.

    Parameters
    ----------
    at : float
        Moment: 0 is the start of the movie, 1 its end (times held still not counted).
    view, up : tuple of 3 float
        Directions into the screen and up it, in the cell's Cartesian axes.
    centre : tuple of 3 float
        Point looked at [Å].
    field : float
        Length that the shorter side of a panel spans at that point [Å].
    perspective : float
        Opening angle in degrees; 0 for parallel rays.
    """

    at: Annotated[float, Field(ge=0, le=1)]
    view: Vector
    up: Vector
    centre: Vector
    field: Annotated[float, Field(gt=0)]
    perspective: Annotated[float, Field(ge=0, lt=180)] = 0.0


class MovieSettings(StrictModel):
    """Everything a movie is made with, apart from what the viewer shows.

    Parameters
    ----------
    format : {"h264", "vp9", "av1", "prores", "gif", "png"}
        How it is encoded.
    size : tuple of int
        Width and height in pixels.
    fps : float
        Frames per second.
    speed : float or None
        Physical time per second of the movie [fs/s]; None shows every frame of the time axis once.
    first, last : int
        Steps of the time axis between which it runs; None is the last one.
    frozen : float or None
        Seconds for which the movie shows the step `first` alone, for camera and slices to move in.
    hold_start, hold_end : float
        Seconds for which the first and the last picture stand still.
    camera : {"still", "turntable", "keys"}
        As in the window, turning about the vertical cell axis, or along camera key frames.
    turns : float
        Turns of the turntable over the movie; negative turns the other way.
    keys : tuple of CameraKey
        Camera key frames.
    slices : {"none", "plane", "cut"}
        Show the whole volumes, a plane that moves through them, or what lies behind that plane.
    slice_axis : {"a", "b", "c"}
        Lattice direction along which the plane moves.
    slice_from, slice_to : float
        Where it starts and ends, as fractions of that lattice vector.
    slice_thickness : float
        Of the plane [Å].
    layout : {"right", "below", "none", "window"}
        Plots in a column at the right, in a row below, no plots, or the whole window.
    plots : tuple of str
        Names of plots (`napari_eldyn.figures.rollout_plots.PLOTS`).
    title : str
        Above the picture; also stored in the movie.
    time, scale_bar, colour_bar, names : bool
        What is written beside the volumes: time [fs], scale bar [Å], colour bars [electrons/Å³],
        names of the panels.
    theme : {"window", "dark", "light"}
        Colours around volumes and plots.
    """

    format: FormatName = "h264"
    size: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] = (1280, 720)
    fps: Annotated[float, Field(ge=0.1, le=240)] = 20.0
    speed: Annotated[float, Field(gt=0)] | None = None
    first: Annotated[int, Field(ge=0)] = 0
    last: Annotated[int, Field(ge=0)] | None = None
    frozen: Annotated[float, Field(gt=0, le=3600)] | None = None
    hold_start: Annotated[float, Field(ge=0, le=60)] = 0.0
    hold_end: Annotated[float, Field(ge=0, le=60)] = 0.0
    camera: Literal["still", "turntable", "keys"] = "still"
    turns: Annotated[float, Field(ge=-100, le=100)] = 1.0
    keys: tuple[CameraKey, ...] = ()
    slices: Literal["none", "plane", "cut"] = "none"
    slice_axis: Literal["a", "b", "c"] = "c"
    slice_from: Annotated[float, Field(ge=0, le=1)] = 0.0
    slice_to: Annotated[float, Field(ge=0, le=1)] = 1.0
    slice_thickness: Annotated[float, Field(gt=0, le=100)] = 0.5
    layout: Literal["right", "below", "none", "window"] = "right"
    plots: tuple[Literal[PLOTS], ...] = ("divergence", "structure_factor")  # type: ignore[valid-type]
    title: Annotated[str, Field(max_length=200)] = ""
    time: bool = True
    scale_bar: bool = True
    colour_bar: bool = True
    names: bool = True
    theme: Literal["window", "dark", "light"] = "window"

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.camera == "keys" and len({key.at for key in self.keys}) < 2:
            raise ValueError("camera key frames need at least two different moments")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"the last step {self.last} lies before the first {self.first}")
        if len(set(self.plots)) < len(self.plots):
            raise ValueError("a plot is named twice")
        return self

    @property
    def shown_plots(self) -> tuple[str, ...]:
        """Plots that the layout shows."""
        return self.plots if self.layout in ("right", "below") else ()

    @property
    def looks_in_3d(self) -> bool:
        """Whether camera or slices need the 3D view."""
        return self.camera != "still" or self.slices != "none"


def sidecar_path(movie: Path) -> Path:
    """Return the file beside a movie that holds its settings: ``movie.mp4.json``."""
    return movie.with_name(movie.name + ".json")


def sidecar_text(settings: MovieSettings, provenance: Mapping[str, Any]) -> str:
    """Return settings and provenance as JSON, as `read_settings` reads it."""
    content = {_SETTINGS: settings.model_dump(mode="json"), _PROVENANCE: dict(provenance)}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_settings(path: Path) -> MovieSettings:
    """Read the settings of a movie from its sidecar, or from a file with nothing but settings.

    Raises
    ------
    EldynError
        If the file cannot be read, or its settings are not valid.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EldynError(f"the settings cannot be read ({error.strerror})", path=path) from error
    except ValueError as error:
        raise EldynError(f"is not JSON ({error})", path=path) from error
    if not isinstance(content, dict):
        raise EldynError("holds no movie settings", path=path)
    values = content.get(_SETTINGS, content)
    if not isinstance(values, dict):
        raise EldynError("holds no movie settings", path=path)
    return parse_config(MovieSettings, values, path=path)
