"""Scores of forecast ensembles: fair CRPS, spread and skill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.exceptions import EldynError

__all__ = ["SpreadSkill", "fair_crps", "spread_skill"]

FloatArray = NDArray[np.float64]

# Values of all members that are sorted at once: 4 MiB.
_CHUNK = 2**20


@dataclass(frozen=True)
class SpreadSkill:
    """How far members lie apart, and how far their mean is from the truth.

    Parameters
    ----------
    spread : float
        √((M + 1)/M · mean variance of M members), the variance unbiased.
    skill : float
        Root mean squared error of the ensemble mean.
    """

    spread: float
    skill: float

    @property
    def ratio(self) -> float:
        """Spread over skill: 1 where members and truth cannot be told apart; NaN without error."""
        return self.spread / self.skill if self.skill > 0 else float("nan")


def fair_crps(members: ArrayLike, truth: ArrayLike) -> float:
    """Continuous ranked probability score, unbiased for ensembles of any size.

    The mean over all points of (1/M) Σ|x_i − y| − 1/(2M(M − 1)) Σ|x_i − x_j| (Ferro 2014, Q. J.
    R. Meteorol. Soc. 140, 1917). Its expectation does not depend on M.

    Parameters
    ----------
    members : array_like, shape (M, ...)
        At least two members.
    truth : array_like, shape (...)
        What happened.

    Returns
    -------
    float
        In the unit of the fields; 0 is perfect. A single point may score below 0.

    Raises
    ------
    EldynError
        If shapes do not fit, there are fewer than two members, or a value is not finite.
    """
    forecasts, truths = _pair(members, truth)
    m = len(forecasts)
    # Σ_{i<j} |x_i − x_j| = Σ_i (2i − M + 1) x_(i) over sorted members, i from 0: no M² terms.
    weights = (2.0 * np.arange(m) - m + 1.0) / (m * (m - 1.0))
    total = 0.0
    points = max(1, _CHUNK // m)
    for start in range(0, truths.size, points):
        part = np.ascontiguousarray(forecasts[:, start : start + points].T)
        errors = np.abs(part - truths[start : start + points, None])
        total += float(errors.sum(dtype=np.float64)) / m
        part.sort(axis=1)
        total -= float(part.sum(axis=0, dtype=np.float64) @ weights)
    return total / truths.size


def spread_skill(members: ArrayLike, truth: ArrayLike) -> SpreadSkill:
    """Spread of an ensemble and error of its mean, comparable for ensembles of any size.

    Parameters
    ----------
    members : array_like, shape (M, ...)
        At least two members.
    truth : array_like, shape (...)
        What happened.

    Returns
    -------
    SpreadSkill
        Both as root mean squares over all points. The mean of M members errs more than the
        mean of infinitely many, which the factor √((M + 1)/M) of the spread allows for
        (Fortin et al. 2014, J. Hydrometeorol. 15, 1708).

    Raises
    ------
    EldynError
        As `fair_crps`.
    """
    forecasts, truths = _pair(members, truth)
    m = len(forecasts)
    variance = error = 0.0
    points = max(1, _CHUNK // m)
    for start in range(0, truths.size, points):
        part = forecasts[:, start : start + points].astype(np.float64)
        variance += float(part.var(axis=0, ddof=1).sum())
        error += float(((part.mean(axis=0) - truths[start : start + points]) ** 2).sum())
    return SpreadSkill(
        spread=float(np.sqrt((m + 1) / m * variance / truths.size)),
        skill=float(np.sqrt(error / truths.size)),
    )


def _pair(
    members: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    forecasts, truths = (_floating(values) for values in (members, truth))
    if forecasts.ndim != truths.ndim + 1 or forecasts.shape[1:] != truths.shape:
        raise EldynError(
            f"members of shape {forecasts.shape} are no forecasts of a truth of shape "
            f"{truths.shape}"
        )
    if len(forecasts) < 2:
        raise EldynError(
            f"an ensemble has at least two members, not {len(forecasts)}",
            remedy="The CRPS of a single forecast is its mean absolute error.",
        )
    if truths.size == 0:
        raise EldynError("there is nothing to score: the truth is empty")
    # A sum is finite only if every term is; no array of flags is needed.
    with np.errstate(invalid="ignore"):
        total = forecasts.sum(dtype=np.float64) + truths.sum(dtype=np.float64)
    if not np.isfinite(total):
        raise EldynError("the ensemble or the truth contains NaN or infinity")
    return forecasts.reshape(len(forecasts), -1), truths.reshape(-1)


def _floating(values: ArrayLike) -> NDArray[np.floating]:
    array = np.asarray(values)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
