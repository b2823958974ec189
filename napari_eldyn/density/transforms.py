"""Log-normal normalisation of densities and the time derivative of the normalised field.

The paper's equation S6: ρ̃ = (ln ρ − μ)/σ, so ρ = exp(σρ̃ + μ) is positive for every ρ̃.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_eldyn.config import StrictModel
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = [
    "LogNormalisation",
    "NormalisationFit",
    "NormalisationReport",
    "backward_rate",
    "central_rate",
    "fit_normalisation",
]

FLOOR = 1e-10
"""Densities below this [electrons/Å³], and all that are not positive, are clipped to it."""


class LogNormalisation(StrictModel):
    """Map between the density ρ and the normalised density ρ̃ = (ln ρ − mean)/std.

    Parameters
    ----------
    mean, std : float
        Of ln ρ with ρ in electrons/Å³; the paper's μ and σ.
    rate_std : float, optional
        Standard deviation of ∂ρ̃/∂τ [1/fs].
    floor : float
        Least density whose logarithm is taken [electrons/Å³].
    n_frames : int
        Frames that the numbers were fitted on; 0 if they were given.
    """

    mean: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0.0, allow_inf_nan=False)
    rate_std: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    floor: float = Field(default=FLOOR, gt=0.0, allow_inf_nan=False)
    n_frames: int = Field(default=0, ge=0)

    def normalise(self, density: npt.ArrayLike) -> tuple[npt.NDArray[np.float32], int]:
        """Return ρ̃ and the number of values that were clipped to the floor.

        Parameters
        ----------
        density : array-like
            [electrons/Å³], any shape.

        Raises
        ------
        EldynError
            If values are NaN or infinite.
        """
        logarithm, n_clipped = _logarithm(density, self.floor)
        logarithm -= self.mean
        logarithm /= self.std
        return logarithm.astype(np.float32), n_clipped

    def denormalise(self, normalised: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return ρ = exp(std·ρ̃ + mean) [electrons/Å³]."""
        exponent = np.asarray(normalised, dtype=np.float64) * self.std + self.mean
        return np.asarray(np.exp(exponent), dtype=np.float32)


class NormalisationReport(StrictModel):
    """How well a log-normal distribution fits the densities.

    Parameters
    ----------
    skew, excess_kurtosis : float
        Of ln ρ; both 0 for a log-normal ρ.
    minimum, maximum : float
        Of ρ before clipping [electrons/Å³].
    n_values, n_clipped : int
        Values in all, and those clipped to the floor.
    """

    skew: float
    excess_kurtosis: float
    minimum: float
    maximum: float
    n_values: int
    n_clipped: int


class NormalisationFit:
    """Sums over frames from which a normalisation follows; frames are added one after the other.

    Parameters
    ----------
    floor : float
        Least density whose logarithm is taken [electrons/Å³].
    """

    def __init__(self, floor: float = FLOOR) -> None:
        self._floor = floor
        # Powers of ln ρ about the first frame's mean: no cancellation, one pass.
        self._origin: float | None = None
        self._sums = np.zeros(4)
        self._limits = (np.inf, -np.inf)
        self._n_frames = self._n_values = self._n_clipped = 0
        self._rate_sum = self._rate_square = 0.0
        self._n_rates = 0
        self._recent: list[npt.NDArray[np.float64]] = []

    def add(self, density: npt.NDArray[Any], timestep: float | None) -> int:
        """Add the next frame of a trajectory; return how many of its values were clipped.

        Parameters
        ----------
        density : ndarray, shape (nx, ny, nz)
            [electrons/Å³].
        timestep : float, optional
            Time to the frame added before it [fs]; None where rates are not to be fitted.

        Raises
        ------
        EldynError
            If the frame holds NaN.
        """
        logarithm, n_clipped = _logarithm(density, self._floor)
        if self._origin is None:
            self._origin = float(logarithm.mean())
        deviation = logarithm - self._origin
        power = np.ones_like(deviation)
        for order in range(4):
            power *= deviation
            self._sums[order] += power.sum()
        self._n_frames += 1
        self._n_values += density.size
        self._n_clipped += n_clipped
        least, greatest = self._limits
        self._limits = min(least, float(density.min())), max(greatest, float(density.max()))
        self._recent = [*self._recent[-2:], logarithm]
        if len(self._recent) == 3 and timestep is not None:
            rate = central_rate(self._recent[0], self._recent[2], timestep)
            self._rate_sum += float(rate.sum())
            self._rate_square += float(np.vdot(rate, rate))
            self._n_rates += rate.size
        return n_clipped

    def end_trajectory(self) -> None:
        """Start another trajectory: no rate is taken from the frames before to those after."""
        self._recent = []

    def result(self, path: Path | None = None) -> tuple[LogNormalisation, NormalisationReport]:
        """Return the normalisation of all frames added, as :func:`fit_normalisation` does.

        Parameters
        ----------
        path : Path, optional
            Named in errors.

        Raises
        ------
        EldynError
            If there are no frames, or all values are the same.
        """
        if self._origin is None:
            raise EldynError("there are no frames to fit", path=path)
        first, second, third, fourth = self._sums / self._n_values
        variance = second - first**2
        if not variance > 0.0:
            raise EldynError("all densities are the same, so they have no spread", path=path)
        std = float(np.sqrt(variance))
        third_central = third - 3.0 * first * second + 2.0 * first**3
        fourth_central = fourth - 4.0 * first * third + 6.0 * first**2 * second - 3.0 * first**4
        rate_std = None
        if self._n_rates:
            spread = self._rate_square / self._n_rates - (self._rate_sum / self._n_rates) ** 2
            # ∂ρ̃/∂τ is ∂(ln ρ)/∂τ over std. A field that stands still has no scale of its rate.
            rate_std = float(np.sqrt(spread)) / std if spread > 0.0 else None
        normalisation = LogNormalisation(
            mean=self._origin + float(first),
            std=std,
            rate_std=rate_std,
            floor=self._floor,
            n_frames=self._n_frames,
        )
        report = NormalisationReport(
            skew=float(third_central / std**3),
            excess_kurtosis=float(fourth_central / std**4 - 3.0),
            minimum=self._limits[0],
            maximum=self._limits[1],
            n_values=self._n_values,
            n_clipped=self._n_clipped,
        )
        return normalisation, report


def fit_normalisation(
    trajectory: DensityTrajectory,
    progress: Callable[[int, int], None] | None = None,
    floor: float = FLOOR,
) -> tuple[LogNormalisation, NormalisationReport]:
    """Fit mean and std of ln ρ, and the std of ∂ρ̃/∂τ, over all values of all frames.

    Frames are read once, one after the other; three are held at a time.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Training data only, so that nothing of the test data leaks in.
    progress : callable, optional
        Called with (frames done, frames in all).
    floor : float
        Least density whose logarithm is taken [electrons/Å³].

    Returns
    -------
    LogNormalisation
        `rate_std` is None where there are fewer than three frames.
    NormalisationReport
        Shape of the distribution and counts of clipped values.

    Raises
    ------
    EldynError
        If there are no frames, a frame holds NaN, times are not equally spaced, or all values
        are the same.
    """
    n = len(trajectory)
    timestep = trajectory.timestep if n > 2 else None
    fit = NormalisationFit(floor)
    for index in range(n):
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        fit.add(density, timestep)
        if progress is not None:
            progress(index + 1, n)
    return fit.result(trajectory.path)


def central_rate(
    previous: npt.NDArray[Any], following: npt.NDArray[Any], timestep: float
) -> npt.NDArray[Any]:
    """Time derivative by the central difference, of second order.

    Parameters
    ----------
    previous, following : ndarray
        Field one time step before and one after.
    timestep : float
        [fs].

    Returns
    -------
    ndarray
        (following − previous) / (2 timestep) [1/fs].
    """
    return np.asarray((following - previous) / (2.0 * timestep))


def backward_rate(
    current: npt.NDArray[Any],
    previous: npt.NDArray[Any],
    timestep: float,
    before: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Time derivative from past frames only, for the start of a forecast.

    Parameters
    ----------
    current, previous : ndarray
        Field now and one time step before.
    timestep : float
        [fs].
    before : ndarray, optional
        Field two time steps before; with it the difference is of second order.

    Returns
    -------
    ndarray
        (current − previous) / timestep, or (3 current − 4 previous + before) / (2 timestep) [1/fs].
    """
    if before is None:
        return np.asarray((current - previous) / timestep)
    return np.asarray((3.0 * current - 4.0 * previous + before) / (2.0 * timestep))


def _logarithm(density: npt.ArrayLike, floor: float) -> tuple[npt.NDArray[np.float64], int]:
    values = np.array(density, dtype=np.float64)
    n_clipped = int(np.count_nonzero(values < floor))
    if n_clipped:
        np.maximum(values, floor, out=values)
    logarithm = np.log(values, out=values)
    if not np.isfinite(logarithm.sum()):
        raise EldynError(
            "the density holds NaN or infinite values",
            remedy="Leave this frame out, or write it again from its calculation.",
        )
    return logarithm, n_clipped
