"""Frames of a rollout as a source of densities: decoded when asked for, ahead, and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.latents import LatentBuffer
from napari_eldyn.exceptions import EldynError

__all__ = ["DecodedFrames"]

FloatArray = npt.NDArray[np.float32]

READ_AHEAD = 8
"""Frames decoded at once when frames are read one after the other."""


class DecodedFrames:
    """Densities of a growing list of latents.

    Reading frames in order decodes them in batches; reading at random decodes one at a time.
    A frame that is in the cache is returned without waiting for a decoding under way on another
    thread.

    Parameters
    ----------
    model : Emulator
        Decodes.
    latents : LatentBuffer
        One latent per frame; may grow meanwhile.
    cache_bytes : int
        Bound of the cache of decoded frames; the least recently used go first.
    """

    def __init__(self, model: Emulator, latents: LatentBuffer, cache_bytes: int) -> None:
        self._model = model
        self._latents = latents
        self._capacity = 1
        self._cache: OrderedDict[int, FloatArray] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._decode_lock = threading.Lock()
        self._last_read = -2
        self.limit(cache_bytes)

    def __len__(self) -> int:
        return len(self._latents)

    def limit(self, cache_bytes: int) -> None:
        """Change the bound of the cache; the least recently used frames beyond it go."""
        with self._cache_lock:
            self._capacity = max(1, cache_bytes // (4 * self._model.grid.n_points))
            self._drop_oldest()

    def read(self, index: int) -> FloatArray:
        """Return the density of a frame, (nx, ny, nz), electrons/Å³, not to be written to.

        Raises
        ------
        EldynError
            If the latent decodes to values that are not finite.
        """
        in_order = index == self._last_read + 1
        self._last_read = index
        cached = self._cached(index)
        if cached is not None:
            return cached
        with self._decode_lock:
            # Another thread may have decoded it while this one waited.
            cached = self._cached(index)
            if cached is not None:
                return cached
            count = min(READ_AHEAD, self._capacity) if in_order else 1
            return self._decode(range(index, min(index + count, len(self))))

    def _cached(self, index: int) -> FloatArray | None:
        with self._cache_lock:
            density = self._cache.get(index)
            if density is not None:
                self._cache.move_to_end(index)
            return density

    def _decode(self, frames: range) -> FloatArray:
        try:
            densities = self._model.decode(self._latents.view()[frames.start : frames.stop])
        except EldynError as error:
            if len(frames) > 1:
                # Only the frame asked for matters; a later one may be the bad one.
                return self._decode(frames[:1])
            raise EldynError(
                f"frame {frames.start} of the rollout: {error.problem}",
                remedy="The rollout has left the range the model knows; use the frames before.",
            ) from error
        with self._cache_lock:
            for offset, index in enumerate(frames):
                # A copy, so that no frame keeps its whole batch alive.
                density = densities[offset].copy() if len(frames) > 1 else densities[offset]
                density.flags.writeable = False
                self._cache[index] = density
                self._cache.move_to_end(index)
            wanted = self._cache[frames.start]
            self._drop_oldest()
        return wanted

    def _drop_oldest(self) -> None:
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
