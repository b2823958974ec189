"""Scores of forecasts against lead time, gathered over several starts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_eldyn.observables.ensemble import fair_crps, spread_skill

__all__ = ["LeadScores", "ScoreAccumulator"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Fields = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LeadScores:
    """Scores of one kind of forecast of the normalised density ρ̃ against lead time.

    Parameters
    ----------
    crps_by_start : numpy.ndarray, shape (starts, leads)
        Fair CRPS, mean over voxels; of a forecast without spread, its mean absolute error.
    spread : numpy.ndarray, shape (leads,), or None
        Root mean square over voxels and starts, corrected for the number of members; None for
        a forecast without spread.
    skill : numpy.ndarray, shape (leads,)
        Root mean square error of the ensemble mean over voxels and starts.
    blocks : numpy.ndarray of int, shape (starts,)
        Starts of one number are so close in time that their forecasts are not independent.
    """

    crps_by_start: FloatArray = field(repr=False)
    spread: FloatArray | None
    skill: FloatArray
    blocks: IntArray = field(repr=False)

    @property
    def crps(self) -> FloatArray:
        """Mean over starts, shape (leads,)."""
        mean: FloatArray = self.crps_by_start.mean(axis=0)
        return mean

    @property
    def crps_error(self) -> FloatArray | None:
        """Standard error of `crps` from the scatter of blocks; None for a single block."""
        return self._error(self.crps_by_start)

    def gain_over(self, other: LeadScores) -> tuple[FloatArray, FloatArray | None]:
        """Compare with another forecast of the same starts, pair by pair.

        Parameters
        ----------
        other : LeadScores
            Of the same starts and leads.

        Returns
        -------
        difference : numpy.ndarray, shape (leads,)
            Mean CRPS of the other less that of this: positive where this one is better.
        error : numpy.ndarray, shape (leads,), or None
            Standard error; much of what makes a start hard to forecast cancels in pairs.
        """
        pairs = other.crps_by_start - self.crps_by_start
        difference: FloatArray = pairs.mean(axis=0)
        return difference, self._error(pairs)

    def _error(self, by_start: FloatArray) -> FloatArray | None:
        """Return the standard error of a mean over starts, of which blocks are independent."""
        sizes = np.bincount(self.blocks).astype(np.float64)
        n = len(sizes)
        if n < 2:
            return None
        total = by_start.mean(axis=0)
        # Deviations of whole blocks, so that blocks of unequal size count by their size.
        sums = np.stack(
            [
                np.bincount(self.blocks, column - mean)
                for column, mean in zip(by_start.T, total, strict=True)
            ],
            axis=1,
        )
        error: FloatArray = np.sqrt(n / (n - 1) * np.sum(sums**2, axis=0)) / len(by_start)
        return error

    @property
    def ratio(self) -> FloatArray | None:
        """Spread over skill, shape (leads,): 1 is honest, below 1 overconfident."""
        return None if self.spread is None else self.spread / self.skill


class ScoreAccumulator:
    """Scores of one kind of forecast, added start by start and lead by lead."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float]] = []

    def add(self, fields: Fields, truth: Fields) -> None:
        """Score members, shape (M, nx, ny, nz), or a single forecast; leads go fastest."""
        if len(fields) > 1:
            both = spread_skill(fields, truth)
            self._rows.append((fair_crps(fields, truth), both.spread**2, both.skill**2))
            return
        error = fields[0].astype(np.float64) - truth
        self._rows.append((float(np.abs(error).mean()), np.nan, float(np.mean(error**2))))

    def result(self, leads: int, blocks: IntArray) -> LeadScores:
        """Return the scores of all starts, each of which has so many leads and one block."""
        rows = np.array(self._rows).reshape(-1, leads, 3)
        spread, skill = np.sqrt(rows[..., 1:].mean(axis=0)).T
        return LeadScores(rows[..., 0], None if np.isnan(spread).any() else spread, skill, blocks)
