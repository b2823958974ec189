"""Standard errors of time averages by block bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.exceptions import EldynError

__all__ = ["BLOCK_FS", "block_frames", "block_means", "bootstrap_error"]

FloatArray = NDArray[np.float64]

# A liquid metal's density decorrelates in 50-100 fs; blocks must be clearly longer.
BLOCK_FS = 200.0


def block_frames(timestep: float) -> int:
    """Count the frames in a block of at least 200 fs.

    Parameters
    ----------
    timestep : float
        Time between frames, fs.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, int(np.ceil(BLOCK_FS / timestep - 1e-9)))


def block_means(values: ArrayLike, block: int) -> FloatArray:
    """Average over consecutive blocks of frames.

    Parameters
    ----------
    values : array_like, shape (n, ...)
        One entry per frame.
    block : int
        Frames per block; a shorter rest at the end is joined to the last block.

    Returns
    -------
    numpy.ndarray, shape (blocks, ...)
        At least one block.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) == 0 or block < 1:
        raise EldynError("block means need at least one frame and one frame per block")
    n_blocks = max(1, len(array) // block)
    starts = np.arange(n_blocks) * block
    sizes = np.diff(np.append(starts, len(array)))
    sums = np.add.reduceat(array, starts, axis=0)
    means: FloatArray = sums / sizes.reshape(-1, *[1] * (array.ndim - 1))
    return means


def bootstrap_error(
    blocks: ArrayLike,
    statistic: Callable[[FloatArray], ArrayLike] | None = None,
    *,
    resamples: int = 500,
    seed: int = 0,
) -> FloatArray | None:
    """Estimate the standard error of a statistic of a time average by resampling blocks.

    Parameters
    ----------
    blocks : array_like, shape (blocks, ...)
        Block means, as of `block_means`.
    statistic : callable, optional
        Maps resampled averages, shape (resamples, ...), to the statistic with the same first
        axis; the default is the average itself.
    resamples : int
        Bootstrap samples.
    seed : int
        Seed of the resampling.

    Returns
    -------
    numpy.ndarray or None
        Standard error; None when there are fewer than four blocks: nothing honest can be
        said then.
    """
    means = np.asarray(blocks, dtype=np.float64)
    n = len(means)
    if n < 4:
        return None
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1.0 / n), size=resamples) / n
    averages: FloatArray = np.tensordot(weights, means, axes=1)
    samples = np.asarray(averages if statistic is None else statistic(averages))
    # The bootstrap's variance of a mean of n blocks is biased low by (n - 1)/n.
    error: FloatArray = np.asarray(samples.std(axis=0) * np.sqrt(n / (n - 1)))
    return error
