"""Our own store, recognised by its metadata and not by its name alone."""

from __future__ import annotations

from pathlib import Path

from napari_eldyn.density.store_reader import open_store
from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["NAME", "accepts", "open_eldyn"]

NAME = ".eldyn store (directory)"


def accepts(path: Path) -> bool:
    """Whether a path is, or by its name should be, a store."""
    return path.suffix == ".eldyn" or (path.is_dir() and (path / "zarr.json").is_file())


def open_eldyn(path: Path) -> DensityTrajectory:
    """Open a store lazily.

    Raises
    ------
    EldynError
        If it is missing, damaged, or not whole.
    """
    return open_store(path)
