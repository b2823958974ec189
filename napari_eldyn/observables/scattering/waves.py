"""Which density waves every frame's statistics keep, so that F(q,t) can follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.scattering.modes import lowest_modes, shell_labels

__all__ = ["WAVE_Q_MAX", "DensityWaves", "density_waves"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WAVE_Q_MAX = 2.6
"""Largest wave number kept, 1/Å: the main peak of liquid metals lies below."""

# Waves kept in all, about: 2 kB per frame, and an update of F(q,t) in a fraction of a millisecond.
_MOST_WAVES = 256
_LEAST_PER_SHELL = 4


@dataclass(frozen=True, eq=False)
class DensityWaves:
    """Waves whose amplitudes are kept, one of each pair ±q, shell by shell.

    Parameters
    ----------
    grid : PeriodicGrid
        Grid of the densities.
    h : numpy.ndarray of int, shape (waves, 3)
        q = h·B with the reciprocal cell vectors B; sorted by shell.
    lengths : numpy.ndarray, shape (waves,)
        abs(q), 1/Å.
    starts : numpy.ndarray of int, shape (shells,)
        Where each shell begins in `h`.
    q : numpy.ndarray, shape (shells,)
        Mean abs(q) of all members of each shell, 1/Å, rising.
    counts : numpy.ndarray of int, shape (shells,)
        Reciprocal points of each shell, both of ±q, kept or not.
    indices : numpy.ndarray of int, shape (waves,)
        Flat positions in the half space of `scipy.fft.rfftn`.
    """

    grid: PeriodicGrid
    h: IntArray = field(repr=False)
    lengths: FloatArray = field(repr=False)
    starts: IntArray
    q: FloatArray
    counts: IntArray
    indices: IntArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.h)

    @property
    def members(self) -> IntArray:
        """Waves kept of each shell, shape (shells,)."""
        return np.diff(self.starts, append=len(self.h))


def density_waves(grid: PeriodicGrid) -> DensityWaves:
    """Choose the waves up to 2.6/Å, at most about 256, the same for every frame of a grid.

    Parameters
    ----------
    grid : PeriodicGrid
        Any cell. Where 2.6/Å holds no wave, the shell of the longest waves is taken.

    Returns
    -------
    DensityWaves
        Shells as in `intermediate_scattering`. Of shells with more members than there is room
        for, evenly spaced members in the order of their indices are kept.

    Raises
    ------
    EldynError
        If the grid is too coarse for any wave.
    """
    finest = grid.q_max * (1 - 1e-9)
    try:
        h, lengths = lowest_modes(grid, min(WAVE_Q_MAX, finest))
        labels = shell_labels(lengths, grid)
    except EldynError:
        h, lengths = lowest_modes(grid, finest)
        labels = shell_labels(lengths, grid)
        h, lengths, labels = (part[labels == 0] for part in (h, lengths, labels))
    shells = int(labels.max()) + 1
    all_members = np.bincount(labels)
    room = max(_LEAST_PER_SHELL, _MOST_WAVES // shells)
    kept = np.concatenate([_evenly(np.flatnonzero(labels == s), room) for s in range(shells)])
    place = tuple(h[kept].T % np.array(grid.shape)[:, None])
    nx, ny, nz = grid.shape
    return DensityWaves(
        grid=grid,
        h=h[kept],
        lengths=lengths[kept],
        starts=np.searchsorted(labels[kept], np.arange(shells)).astype(np.int64),
        q=np.bincount(labels, weights=lengths) / all_members,
        counts=2 * all_members.astype(np.int64),
        indices=np.ravel_multi_index(place, (nx, ny, nz // 2 + 1)).astype(np.int64),
    )


def _evenly(members: IntArray, room: int) -> IntArray:
    if len(members) <= room:
        return members
    chosen: IntArray = members[np.linspace(0, len(members) - 1, room).round().astype(np.int64)]
    return chosen
