"""What lies beside a saved figure: its data and settings, from which it is drawn again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError
from napari_eldyn.versions import installed_versions

__all__ = [
    "FORMAT_VERSION",
    "SIDECAR_ENDING",
    "FigureData",
    "FigureOptions",
    "Sidecar",
    "StyleRecord",
    "read_sidecar",
    "sidecar_path",
    "write_sidecar",
]

SIDECAR_ENDING = ".figure.json"
FORMAT_VERSION = 1
_FORMAT: Literal["napari-eldyn figure"] = "napari-eldyn figure"
_LARGEST_FILE = 2 * 2**30


class FigureData(StrictModel):
    """Base of what a kind of figure is drawn from: plain numbers, arrays and pictures."""


class FigureOptions(StrictModel):
    """Base of what can be chosen of a kind of figure besides its style."""

    title: str = ""
    """Written above the figure."""


class StyleRecord(StrictModel):
    """How the figure was drawn."""

    preset: str
    columns: str
    theme: str
    dpi: int
    font: str
    """The font that was there."""


class Sidecar(StrictModel):
    """The head of a sidecar; its data are checked by the kind of figure."""

    format: Literal["napari-eldyn figure"] = _FORMAT
    format_version: int = FORMAT_VERSION
    kind: str
    style: StyleRecord
    options: dict[str, Any] = Field(default_factory=dict)
    """What else was chosen, by the names of the kind of figure."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Rollouts (model hash, seed, sampler, evaluations, start) and reference (fingerprint)."""
    versions: dict[str, str] = Field(
        default_factory=lambda: installed_versions("napari-eldyn", "matplotlib", "numpy", "napari")
    )
    data: dict[str, Any]


def sidecar_path(base: Path) -> Path:
    """Return where the sidecar of the figure NAME lies: NAME.figure.json."""
    return base.with_name(base.name + SIDECAR_ENDING)


def write_sidecar(sidecar: Sidecar, path: Path) -> None:
    """Write a sidecar, whole or not at all.

    Raises
    ------
    EldynError
        If the file cannot be written.
    """
    text = json.dumps(sidecar.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_whole(path, (text + "\n").encode())


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar.

    Parameters
    ----------
    path : Path
        ``NAME.figure.json``.

    Raises
    ------
    EldynError
        If it cannot be read, is damaged, of a newer format, or no sidecar at all.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise EldynError("the file is larger than 2 GB, which no sidecar is", path=path)
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EldynError(
            f"the sidecar cannot be read ({error.strerror or error})",
            path=path,
            remedy=f"Give the {SIDECAR_ENDING} file that lies beside a saved figure.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise EldynError(
            f"the sidecar is damaged: it is not JSON ({error})",
            path=path,
            remedy="Take it from a copy, or draw the figure from its trajectories.",
        ) from error
    if not isinstance(content, Mapping) or content.get("format") != _FORMAT:
        raise EldynError(
            "this is not the sidecar of a figure",
            path=path,
            remedy=f"Give the {SIDECAR_ENDING} file that lies beside a saved figure.",
        )
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise EldynError(
            f"the sidecar has format {version}; this program knows formats up to {FORMAT_VERSION}",
            path=path,
            remedy="Update napari-eldyn.",
        )
    return parse_config(Sidecar, content, path=path)
