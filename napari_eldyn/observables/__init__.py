"""Numbers that judge a density: value distribution, structure factor, errors, levels."""

from napari_eldyn.observables.distribution import (
    Histogram,
    Moments,
    histogram,
    jsd,
    moments,
    scaled_jsd,
)
from napari_eldyn.observables.levels import Level, ReferenceLevels, reference_levels
from napari_eldyn.observables.statistics import (
    FrameStatistics,
    RunningStatistics,
    StatisticsSettings,
    combine,
    default_settings,
    frame_statistics,
)
from napari_eldyn.observables.structure_factor import Shells, shells, structure_factor
from napari_eldyn.observables.trajectory_statistics import (
    TrajectoryStatistics,
    trajectory_statistics,
)

__all__ = [
    "FrameStatistics",
    "Histogram",
    "Level",
    "Moments",
    "ReferenceLevels",
    "RunningStatistics",
    "Shells",
    "StatisticsSettings",
    "TrajectoryStatistics",
    "combine",
    "default_settings",
    "frame_statistics",
    "histogram",
    "jsd",
    "moments",
    "reference_levels",
    "scaled_jsd",
    "shells",
    "structure_factor",
    "trajectory_statistics",
]
