"""How far a trajectory has got."""

from __future__ import annotations

from pathlib import Path

from napari_eldyn.density import store_layout
from napari_eldyn.density.store_reader import open_group

__all__ = ["frames_in"]


def frames_in(store: Path) -> int:
    """Return the number of whole frames in a store, 0 if there is none yet."""
    if not store.is_dir():
        return 0
    return store_layout.read_header(open_group(store, "r"), store).n_frames
