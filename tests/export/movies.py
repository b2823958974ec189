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
    """Frames (n, height, width, 3) and metadata: codec, fps."""
    if path.is_dir():
        pictures = [iio.imread(item) for item in sorted(path.glob("*.png"))]
        return np.stack(pictures), {"codec": "png"}
    if path.suffix == ".gif":
        meta = iio.immeta(path, plugin="pillow")
        frames = iio.imread(path, plugin="pillow", mode="RGB")
        return frames, meta | {"codec": "gif", "fps": 1000 / meta["duration"]}
    with warnings.catch_warnings():  # imageio's reader leaves its pipes to the GC
        warnings.simplefilter("ignore", ResourceWarning)
        frames, meta = iio.imread(path, plugin="FFMPEG"), iio.immeta(path, plugin="FFMPEG")
        gc.collect()
    return frames, meta
