"""What users have said of files that leave something open: remembered, and not asked again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from napari_eldyn.density.formats.density_units import UNITS
from napari_eldyn.density.formats.volume_file import OpenOptions
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.viewer.preferences import remember, remembered

__all__ = ["keep_answers", "known_answers"]

_GROUP, _KEY = "opening", "answers"
_MOST_FILES = 100  # whose answers are remembered


def known_answers(path: Path) -> OpenOptions:
    """Return what was answered for a file before."""
    kept = _kept().get(str(path), {})
    options = OpenOptions()
    try:
        if "cell" in kept:
            cell = np.asarray(kept["cell"], dtype=np.float64).reshape(3, 3)
            options = replace(options, cell=cell)
        if "timestep" in kept:
            options = replace(options, timestep=float(kept["timestep"]))
    except (TypeError, ValueError):  # the file of choices was edited
        return OpenOptions()
    texts = {
        name: kept[name]
        for name, choices in (
            ("unit", UNITS),
            ("kind", get_args(DensityKind)),
            ("dataset", (kept.get("dataset"),)),
        )
        if isinstance(kept.get(name), str) and kept[name] in choices
    }
    return replace(options, **texts)


def keep_answers(path: Path, options: OpenOptions) -> None:
    """Remember what was answered for a file; what fails to open is not to be kept."""
    answers = {
        name: value
        for name in ("timestep", "unit", "dataset", "kind")
        if (value := getattr(options, name)) is not None
    }
    if options.cell is not None:
        answers["cell"] = options.cell.tolist()
    if not answers:
        return
    kept = {name: value for name, value in _kept().items() if name != str(path)}
    recent = dict(list(kept.items())[-(_MOST_FILES - 1) :])
    remember(_GROUP, **{_KEY: {**recent, str(path): answers}})


def _kept() -> dict[str, dict[str, Any]]:
    kept = remembered(_GROUP).get(_KEY)
    if not isinstance(kept, dict):
        return {}
    return {name: value for name, value in kept.items() if isinstance(value, dict)}
