"""What a density trajectory is: grids, lazy frames, the store, normalisation and symmetry."""

from napari_eldyn.density.grid import PeriodicGrid, resample
from napari_eldyn.density.store import StoreWriter
from napari_eldyn.density.store_reader import open_store, store_encoding
from napari_eldyn.density.supercell import repeat_cell
from napari_eldyn.density.symmetry import apply_operation, point_group, shift, time_reverse
from napari_eldyn.density.trajectory import (
    DensityKind,
    DensityTrajectory,
    FrameSource,
    check_frame,
)
from napari_eldyn.density.transforms import (
    LogNormalisation,
    NormalisationFit,
    NormalisationReport,
    backward_rate,
    central_rate,
    fit_normalisation,
)

__all__ = [
    "DensityKind",
    "DensityTrajectory",
    "FrameSource",
    "LogNormalisation",
    "NormalisationFit",
    "NormalisationReport",
    "PeriodicGrid",
    "StoreWriter",
    "apply_operation",
    "backward_rate",
    "central_rate",
    "check_frame",
    "fit_normalisation",
    "open_store",
    "point_group",
    "repeat_cell",
    "resample",
    "shift",
    "store_encoding",
    "time_reverse",
]
