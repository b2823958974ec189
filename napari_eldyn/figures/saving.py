"""Save figures for print, and as inline SVG for a page that needs no other file."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from napari_eldyn.density.files import write_whole
from napari_eldyn.figures.presets import FigureStyle
from napari_eldyn.figures.style import LIGHT, context

__all__ = ["FIGURE_FORMATS", "inline_svg", "save_figure"]

#: The formats in which every figure is saved.
FIGURE_FORMATS = ("pdf", "png", "svg")

_PNG_DPI = 300
# The same figure gives the same identifiers, hence the same bytes.
_SALT = "napari-eldyn"


def save_figure(
    figure: Figure,
    path: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    style: FigureStyle | None = None,
    formats: Sequence[str] = FIGURE_FORMATS,
) -> tuple[Path, ...]:
    """Save a figure as PDF and SVG (text as text) and as PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made with any palette.
    path : path-like
        Final name without ending, or with one of the endings.
    provenance : mapping, optional
        What the figure shows (model, seed, sampler ...); stored as JSON in each file.
    style : FigureStyle, optional
        What it was drawn with: gives the fonts and the dots per inch (300 without it).
    formats : sequence of str
        Which of the formats.

    Returns
    -------
    tuple of Path
        The files, in the order of `formats`. Each appears under its name only when whole. The same
        figure gives the same bytes: no date is stored.

    Raises
    ------
    EldynError
        If a file cannot be written; an earlier file of that name is unharmed.
    """
    base = Path(path)
    if base.suffix.lower().lstrip(".") in FIGURE_FORMATS:
        base = base.with_suffix("")
    story = json.dumps(dict(provenance or {}), default=str, sort_keys=True, ensure_ascii=False)
    saved = []
    dpi = _PNG_DPI if style is None else style.dpi
    for kind in formats:
        target = base.with_name(f"{base.name}.{kind}")
        buffer = io.BytesIO()
        settings: AbstractContextManager[None] = (
            context(LIGHT) if style is None else style.context()
        )
        with settings, matplotlib.rc_context({"svg.hashsalt": _SALT}):
            figure.savefig(buffer, format=kind, dpi=dpi, metadata=_metadata(kind, base, story))
        write_whole(target, buffer.getvalue())
        saved.append(target)
    return tuple(saved)


def _metadata(kind: str, base: Path, story: str) -> dict[str, Any]:
    title: dict[str, Any] = {"Title": base.name}
    if kind == "pdf":
        return title | {"Creator": "napari-eldyn", "Subject": story, "CreationDate": None}
    if kind == "svg":
        return title | {"Creator": "napari-eldyn", "Description": story, "Date": None}
    return title | {"Software": "napari-eldyn", "Description": story}


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """Draw a figure as an SVG element to stand inside a page.

    Letters are outlines, so that the page looks the same whatever fonts a machine has.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to draw.
    name : str
        Put in front of every identifier: several figures share one page.
    description : str
        Read out in place of the picture.

    Returns
    -------
    str
        An ``svg`` element without width and height, which the page sets.
    """
    buffer = io.StringIO()
    settings: dict[Any, Any] = {"svg.hashsalt": _SALT, "svg.fonttype": "path"}
    with context(LIGHT), matplotlib.rc_context(settings):
        # Pictures inside the figure are stored at this resolution.
        figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    opening, rest = text.split(">", 1)
    opening = re.sub(r'\s(?:width|height|xmlns:xlink|xmlns|version)="[^"]*"', "", opening)
    spoken = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'{opening} role="img" aria-label="{spoken}">{rest}'
