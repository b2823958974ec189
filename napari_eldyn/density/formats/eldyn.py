"""Our own store, recognised by its metadata and not by its name alone."""

from __future__ import annotations

import json
from pathlib import Path

from napari_eldyn.density.store_reader import open_store
from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["NAME", "accepts", "open_eldyn"]

NAME = ".eldyn store (directory)"


def accepts(path: Path) -> bool:
    """Whether a path is a store, or should be one by its name."""
    if path.suffix == ".eldyn":
        return True
    try:
        metadata = json.loads((path / "zarr.json").read_text())
        return bool(metadata["attributes"]["format"] == "eldyn")
    except (OSError, ValueError, LookupError, TypeError):
        return False


def open_eldyn(path: Path) -> DensityTrajectory:
    """Open a store lazily.

    Raises
    ------
    EldynError
        If it is missing, damaged, or not whole.
    """
    return open_store(path)
