"""Latents of a rollout, grown by one thread while others read."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

__all__ = ["LatentBuffer"]

FloatArray = npt.NDArray[np.float32]


class LatentBuffer:
    """A list of latents in one array that grows by doubling.

    A frame counts once its latent is written, and written latents never change, so readers need
    no copy.

    Parameters
    ----------
    initial : ndarray, (n, *latent)
        Latents to begin with, copied.
    """

    def __init__(self, initial: FloatArray) -> None:
        self._values = np.array(initial, dtype=np.float32)
        self._n = len(initial)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._n

    def append(self, latent: FloatArray) -> None:
        """Add one latent."""
        with self._lock:
            if self._n == len(self._values):
                room = max(64, len(self._values))
                spare = np.empty((room, *self._values.shape[1:]), dtype=np.float32)
                self._values = np.concatenate([self._values, spare])
            self._values[self._n] = latent
            self._n += 1

    def view(self) -> FloatArray:
        """Return the latents so far, (n, *latent), not to be written to."""
        with self._lock:
            view = self._values[: self._n]
        view.flags.writeable = False
        return view
