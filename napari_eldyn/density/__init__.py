"""What a density trajectory is: grids, lazy frames, the store, normalisation and symmetry."""

from napari_eldyn.density.grid import PeriodicGrid, resample
from napari_eldyn.density.store import StoreWriter, open_store
from napari_eldyn.density.trajectory import (
    DensityKind,
    DensityTrajectory,
    FrameSource,
    check_frame,
)

__all__ = [
    "DensityKind",
    "DensityTrajectory",
    "FrameSource",
    "PeriodicGrid",
    "StoreWriter",
    "check_frame",
    "open_store",
    "resample",
]
