"""Training data: trajectories read, checked, split, normalised and served in batches."""

from __future__ import annotations

from eldyn_training.data.augmentation import Moves, Symmetries
from eldyn_training.data.dataset import Dataset, load_dataset
from eldyn_training.data.loader import Batch, BatchLoader, Draw, draw_batch, random_source
from eldyn_training.data.selection import Source
from eldyn_training.data.sources import open_data
from eldyn_training.data.storage import Storage, available_memory
from eldyn_training.data.transitions import Part, chains, reverse, transitions

__all__ = [
    "Batch",
    "BatchLoader",
    "Dataset",
    "Draw",
    "Moves",
    "Part",
    "Source",
    "Storage",
    "Symmetries",
    "available_memory",
    "chains",
    "draw_batch",
    "load_dataset",
    "open_data",
    "random_source",
    "reverse",
    "transitions",
]
