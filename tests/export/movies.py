"""Read movies back."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray


def read_movie(path: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Frames (n, height, width, 3) and metadata; imageio's reader leaves its pipes to the GC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        frames, meta = iio.imread(path, plugin="FFMPEG"), iio.immeta(path, plugin="FFMPEG")
        gc.collect()
    return frames, meta
