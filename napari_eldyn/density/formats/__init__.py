"""Readers of trajectories: one module per file format, and a registry that finds the right one."""

from napari_eldyn.density.formats.opening import open_any
from napari_eldyn.density.formats.sniffing import (
    FORMATS,
    TRAJECTORY_FORMATS,
    VOLUME_FORMATS,
    TrajectoryFormat,
    find_format,
    find_series,
)

__all__ = [
    "FORMATS",
    "TRAJECTORY_FORMATS",
    "VOLUME_FORMATS",
    "TrajectoryFormat",
    "find_format",
    "find_series",
    "open_any",
]
