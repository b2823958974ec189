"""Correlations of density modes in time: F(q,t), relaxation times and S(q,ω).

Definitions as in Hansen and McDonald, *Theory of Simple Liquids* (4th ed., 2013), section 7.4,
with S(q,ω) as the Fourier integral of F(q,t) without a factor 1/2π.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.scattering.modes import DensityModes, shell_labels
from napari_eldyn.observables.uncertainty import block_frames, bootstrap_error

__all__ = [
    "DynamicStructureFactor",
    "IntermediateScattering",
    "dynamic_structure_factor",
    "intermediate_scattering",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

# A dozen relaxation times of a liquid metal's density.
_LONGEST_LAG_FS = 1000.0


@dataclass(frozen=True, eq=False)
class IntermediateScattering:
    """F(q,t) = Re⟨ρ_q(t0 + t) ρ_q*(t0)⟩/N, averaged over the modes of each shell.

    Parameters
    ----------
    lag : numpy.ndarray, shape (lags,)
        t in fs, from 0.
    q : numpy.ndarray, shape (shells,)
        Mean |q| of each shell, 1/Å. In a cubic cell a shell is one |q|; in others, where hardly
        two are equal, a bin π/V^(1/3) wide and centred on a multiple of that, as in `shells`.
    counts : numpy.ndarray of int, shape (shells,)
        Reciprocal points of each shell, both of ±q counted as by `Shells.counts`.
    values : numpy.ndarray, shape (shells, lags)
        F(q,t), per electron and so in electrons (dimensionless for ions); F(q,0) = S(q).
    normalised : numpy.ndarray, shape (shells, lags)
        F(q,t)/F(q,0).
    normalised_error : numpy.ndarray, shape (shells, lags), or None
        Standard error of `normalised` by block bootstrap; None where there are fewer than four
        blocks of 200 fs.
    relaxation_time : numpy.ndarray, shape (shells,)
        τ(q) in fs: the first time at which F(q,t)/F(q,0) is 1/e, interpolated; NaN when not
        reached.
    relaxation_error : numpy.ndarray, shape (shells,), or None
        Standard error of τ by the same bootstrap, NaN where τ is. A resample that does not fall
        to 1/e counts with the longest lag.
    elastic : numpy.ndarray, shape (shells,)
        |mean over time of ρ_q|² over mean |ρ_q|²: about 2τ/T in a liquid followed for T, 1 if
        nothing moves.
    """

    lag: FloatArray
    q: FloatArray
    counts: IntArray
    values: FloatArray = field(repr=False)
    normalised: FloatArray = field(repr=False)
    normalised_error: FloatArray | None = field(repr=False)
    relaxation_time: FloatArray
    relaxation_error: FloatArray | None
    elastic: FloatArray


@dataclass(frozen=True, eq=False)
class DynamicStructureFactor:
    """S(q,ω) = ∫ F(q,t) e^(iωt) dt over all times, so ∫ S(q,ω) dω/2π over all ω is F(q,0).

    Parameters
    ----------
    frequency : numpy.ndarray, shape (n,)
        Angular frequency ω ≥ 0 in rad/fs, equally spaced from 0; S is even in ω.
    q : numpy.ndarray, shape (shells,)
        1/Å.
    counts : numpy.ndarray of int, shape (shells,)
        Reciprocal points of each shell.
    values : numpy.ndarray, shape (shells, n)
        Electrons·fs (fs for ions).
    """

    frequency: FloatArray
    q: FloatArray
    counts: IntArray
    values: FloatArray = field(repr=False)


def intermediate_scattering(
    modes: DensityModes, max_lag_fs: float | None = None
) -> IntermediateScattering:
    """Correlate modes in time: F(q,t) with relaxation times and their errors.

    Parameters
    ----------
    modes : DensityModes
        At least two frames.
    max_lag_fs : float, optional
        Longest lag; by default half of the trajectory, at most 1 ps. Cut to what there is.

    Returns
    -------
    IntermediateScattering
        Every pair of frames that is a lag apart counts once (unbiased).

    Raises
    ------
    EldynError
        If there are fewer than two frames, the longest lag is not positive, or a mode is zero
        throughout.

    Notes
    -----
    The mean of ρ_q over the trajectory is not subtracted. In a fluid it is zero but for
    sampling, so subtracting the mean of a short run would make F(q,t) too small by about 2τ/T
    of F(q,0) at every lag; where things stand still, F(q,t) must not decay. `elastic` tells
    how much of F(q,0) the mean is.

    Time origins are split into blocks of at least 200 fs; the correlation of each block is made
    by FFT with zero padding. Their sum is the estimate, resampling them gives the errors.
    """
    n = len(modes)
    if n < 2:
        raise EldynError(f"a correlation in time needs at least two frames, there are {n}")
    longest = min(n * modes.timestep / 2, _LONGEST_LAG_FS) if max_lag_fs is None else max_lag_fs
    if not longest > 0:
        raise EldynError(f"the longest lag must be positive, but is {longest:g} fs")
    lags = min(n - 1, max(1, int(longest / modes.timestep + 1e-6))) + 1
    labels = shell_labels(modes.q, PeriodicGrid(modes.cell, (1, 1, 1)))
    members = np.bincount(labels)
    sums = _block_sums(modes.values, labels, block_frames(modes.timestep), lags)
    totals = sums.sum(axis=0)
    values = totals[:-1] / totals[-1] / modes.electrons
    if not np.all(values[:, 0] > 0):
        raise EldynError("a mode of the density is zero in every frame, so it has no correlation")
    lag = modes.timestep * np.arange(lags, dtype=np.float64)

    def times_of(samples: FloatArray) -> FloatArray:
        found = _crossing(_normalised(samples), lag)
        return np.where(np.isnan(found), lag[-1], found)

    time = _crossing(values / values[:, :1], lag)
    error = bootstrap_error(sums, _normalised)
    time_error = bootstrap_error(sums, times_of)
    mean = modes.values.mean(axis=0)
    square = np.mean(modes.values.real**2 + modes.values.imag**2, axis=0)
    return IntermediateScattering(
        lag=lag,
        q=np.bincount(labels, weights=modes.q) / members,
        counts=2 * members.astype(np.int64),
        values=values,
        normalised=values / values[:, :1],
        normalised_error=error,
        relaxation_time=time,
        relaxation_error=None
        if time_error is None
        else np.where(np.isnan(time), np.nan, time_error),
        elastic=np.bincount(labels, weights=np.abs(mean) ** 2)
        / np.bincount(labels, weights=square),
    )


def dynamic_structure_factor(scattering: IntermediateScattering) -> DynamicStructureFactor:
    """Fourier transform of F(q,t) in time, under a Hann window.

    Parameters
    ----------
    scattering : IntermediateScattering
        Its longest lag T sets the resolution: the window cos²(πt/2T) makes a sharp line
        2π/T wide (full width at half maximum).

    Returns
    -------
    DynamicStructureFactor
        Up to the Nyquist frequency of the frames. The window is 1 at t = 0, so the sum over all
        frequencies, S(q,0) + 2 Σ_{ω>0} S(q,ω), times Δω/2π is F(q,0) exactly.
    """
    lag = scattering.lag
    # The window reaches zero one step after the last lag, so that this lag still counts.
    step = lag[1] - lag[0]
    windowed = scattering.values * np.cos(0.5 * np.pi * lag / (lag[-1] + step)) ** 2
    # F is even in t: lags 0 … L followed by −L … −1.
    even = np.concatenate([windowed, windowed[:, :0:-1]], axis=1)
    spectrum = scipy.fft.rfft(even, axis=1, workers=1).real * step
    frequency = 2 * np.pi * scipy.fft.rfftfreq(even.shape[1], step)
    return DynamicStructureFactor(frequency, scattering.q, scattering.counts, spectrum)


def _block_sums(values: ComplexArray, labels: IntArray, block: int, lags: int) -> FloatArray:
    """Sum over the time origins of each block of Re ρ(t0 + t) ρ*(t0), mean over each shell.

    Returns shape (blocks, shells + 1, lags); the last row of each block counts the origins.
    """
    n, shells = len(values), int(labels.max()) + 1
    n_blocks = max(1, n // block)
    starts = block * np.arange(n_blocks + 1)
    starts[-1] = n
    mean_of = np.zeros((len(labels), shells))
    mean_of[np.arange(len(labels)), labels] = 1.0 / np.bincount(labels)[labels]
    sums = np.empty((n_blocks, shells + 1, lags))
    for b in range(n_blocks):
        first, last = int(starts[b]), int(starts[b + 1])
        size = scipy.fft.next_fast_len(last - first + lags - 1)
        origins = scipy.fft.fft(values[first:last], size, axis=0, workers=1)
        later = scipy.fft.fft(values[first : last + lags - 1], size, axis=0, workers=1)
        # Shells are averaged before the transform back, which is linear.
        product = (later * origins.conj()) @ mean_of
        sums[b, :-1] = scipy.fft.ifft(product, axis=0, workers=1).real[:lags].T
        sums[b, -1] = np.clip(n - np.arange(lags) - first, 0, last - first)
    return sums


def _normalised(samples: FloatArray) -> FloatArray:
    """F(q,t)/F(q,0) of resampled sums, shape (resamples, shells + 1, lags)."""
    counts = np.maximum(samples[:, -1:], 1e-12)
    # Resamples of late blocks only may lack origins for the longest lags: nothing adds up there.
    values: FloatArray = samples[:, :-1] / counts
    return values / values[..., :1]


def _crossing(normalised: FloatArray, lag: FloatArray) -> FloatArray:
    """First time at which correlations, shape (..., lags), fall to 1/e; NaN if they do not."""
    level = np.exp(-1.0)
    below = normalised <= level
    reached = below.any(axis=-1)
    after = np.maximum(np.argmax(below, axis=-1), 1)[..., None]
    high = np.take_along_axis(normalised, after - 1, axis=-1)[..., 0]
    low = np.take_along_axis(normalised, after, axis=-1)[..., 0]
    step = lag[1] - lag[0]
    drop = np.where(reached, high - low, 1.0)
    times = lag[after[..., 0] - 1] + step * (high - level) / drop
    return np.where(reached, times, np.nan)
