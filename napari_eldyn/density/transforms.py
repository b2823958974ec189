"""Log-normal normalisation of densities and the time derivative of the normalised field.

The paper's equation S6: ρ̃ = (ln ρ − μ)/σ, so ρ = exp(σρ̃ + μ) is positive for every ρ̃.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_eldyn.config import StrictModel
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError

__all__ = [
    "LogNormalisation",
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
    if n == 0:
        raise EldynError("there are no frames to fit", path=trajectory.path)
    timestep = trajectory.timestep if n > 2 else None
    # Powers of ln ρ about the first frame's mean: no cancellation, one pass.
    sums = np.zeros(4)
    origin: float | None = None
    n_values = n_clipped = 0
    minimum, maximum = np.inf, -np.inf
    rate_sum = rate_square = 0.0
    n_rates = 0
    recent: list[npt.NDArray[np.float64]] = []
    for index in range(n):
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        logarithm, clipped = _logarithm(density, floor)
        if origin is None:
            origin = float(logarithm.mean())
        deviation = logarithm - origin
        power = np.ones_like(deviation)
        for order in range(4):
            power *= deviation
            sums[order] += power.sum()
        n_values += density.size
        n_clipped += clipped
        minimum, maximum = min(minimum, float(density.min())), max(maximum, float(density.max()))
        recent = [*recent[-2:], logarithm]
        if len(recent) == 3 and timestep is not None:
            rate = central_rate(recent[0], recent[2], timestep)
            rate_sum += float(rate.sum())
            rate_square += float(np.vdot(rate, rate))
            n_rates += rate.size
        if progress is not None:
            progress(index + 1, n)
    first, second, third, fourth = sums / n_values
    variance = second - first**2
    if origin is None or not variance > 0.0:
        raise EldynError("all densities are the same, so they have no spread", path=trajectory.path)
    std = float(np.sqrt(variance))
    third_central = third - 3.0 * first * second + 2.0 * first**3
    fourth_central = fourth - 4.0 * first * third + 6.0 * first**2 * second - 3.0 * first**4
    rate_std = None
    if n_rates:
        spread = rate_square / n_rates - (rate_sum / n_rates) ** 2
        # ∂ρ̃/∂τ is ∂(ln ρ)/∂τ over std. A field that stands still has no scale of its rate.
        rate_std = float(np.sqrt(spread)) / std if spread > 0.0 else None
    normalisation = LogNormalisation(
        mean=origin + float(first), std=std, rate_std=rate_std, floor=floor, n_frames=n
    )
    report = NormalisationReport(
        skew=float(third_central / std**3),
        excess_kurtosis=float(fourth_central / std**4 - 3.0),
        minimum=minimum,
        maximum=maximum,
        n_values=n_values,
        n_clipped=n_clipped,
    )
    return normalisation, report


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
