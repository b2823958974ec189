"""Whether generated frames are copies of training frames, moved or turned."""

from napari_eldyn.observables.memorisation.search import (
    NearestFrames,
    nearest_training_frames,
    nearest_within_training,
)
from napari_eldyn.observables.memorisation.training import TrainingFrames, training_frames

__all__ = [
    "NearestFrames",
    "TrainingFrames",
    "nearest_training_frames",
    "nearest_within_training",
    "training_frames",
]
