"""Scores of forecasts against lead time, gathered over several starts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from napari_eldyn.observables.ensemble import fair_crps, spread_skill

__all__ = ["LeadScores", "ScoreAccumulator"]

FloatArray = npt.NDArray[np.float64]
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
    """

    crps_by_start: FloatArray = field(repr=False)
    spread: FloatArray | None
    skill: FloatArray

    @property
    def crps(self) -> FloatArray:
        """Mean over starts, shape (leads,)."""
        mean: FloatArray = self.crps_by_start.mean(axis=0)
        return mean

    @property
    def crps_error(self) -> FloatArray | None:
        """Standard error of `crps` from the scatter of starts; None for a single start."""
        n = len(self.crps_by_start)
        if n < 2:
            return None
        error: FloatArray = self.crps_by_start.std(axis=0, ddof=1) / np.sqrt(n)
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

    def result(self, leads: int) -> LeadScores:
        """Return the scores of all starts, each of which has so many leads."""
        rows = np.array(self._rows).reshape(-1, leads, 3)
        spread, skill = np.sqrt(rows[..., 1:].mean(axis=0)).T
        return LeadScores(rows[..., 0], None if np.isnan(spread).any() else spread, skill)
