"""Value distributions of a density: histogram, moments, Jensen-Shannon divergences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, rel_entr

from napari_eldyn.exceptions import EldynError

__all__ = [
    "Histogram",
    "Moments",
    "bin_density",
    "bin_probabilities",
    "histogram",
    "jsd",
    "moments",
    "moments_from_power_sums",
    "normal_quantiles",
    "power_sums",
    "scaled_jsd",
    "uniform_edges",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The mixture weight of (P + Q)/2 is one half: Z = -(1 - 1/2) ln(1 - 1/2).
_CONSTANT_SCALE = 0.5 * np.log(2.0)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of values in bins, with what fell outside.

    Parameters
    ----------
    edges : numpy.ndarray, shape (bins + 1,)
        Rising bin edges.
    counts : numpy.ndarray, shape (bins,)
        Values per bin; the last bin holds its upper edge too.
    n_below, n_above : int
        Values outside the edges.
    """

    edges: FloatArray
    counts: IntArray
    n_below: int
    n_above: int

    @property
    def centres(self) -> FloatArray:
        """Bin centres, shape (bins,)."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each bin; the end bins take what lies outside (the clip of eq. S13)."""
        return bin_probabilities(self.counts, self.n_below, self.n_above)

    @property
    def density(self) -> FloatArray:
        """Probability density in each bin; values outside count in the norm, not in a bin."""
        return bin_density(self.counts, self.edges, self.n_below, self.n_above)


def bin_probabilities(counts: ArrayLike, n_below: int = 0, n_above: int = 0) -> FloatArray:
    """Turn counts into probabilities that sum to one, outliers in the end bins.

    Parameters
    ----------
    counts : array_like, shape (bins,)
        Values per bin.
    n_below, n_above : int
        Values outside, added to the first and last bin as in the clip of eq. S13: a
        distribution with stray values is then never mistaken for one without.

    Returns
    -------
    numpy.ndarray, shape (bins,)
        Probabilities.

    Raises
    ------
    EldynError
        If there is no value at all.
    """
    weights = np.array(counts, dtype=np.float64)
    weights[0] += n_below
    weights[-1] += n_above
    total = weights.sum()
    if not total > 0:
        raise EldynError("the histogram is empty, so it has no probabilities")
    probabilities: FloatArray = weights / total
    return probabilities


def bin_density(
    counts: ArrayLike, edges: ArrayLike, n_below: int = 0, n_above: int = 0
) -> FloatArray:
    """Turn counts into a probability density, for drawing.

    Parameters
    ----------
    counts : array_like, shape (bins,)
        Values per bin.
    edges : array_like, shape (bins + 1,)
        Bin edges.
    n_below, n_above : int
        Values outside; they count in the norm, so the integral is the fraction inside.

    Returns
    -------
    numpy.ndarray, shape (bins,)
        Density, in the inverse of the edges' unit.
    """
    values = np.asarray(counts, dtype=np.float64)
    total = values.sum() + n_below + n_above
    if not total > 0:
        raise EldynError("the histogram is empty, so it has no density")
    density: FloatArray = values / (total * np.diff(np.asarray(edges, dtype=np.float64)))
    return density


def normal_quantiles(counts: ArrayLike, n_below: int = 0, n_above: int = 0) -> FloatArray:
    """Quantiles of the normal distribution that belong to the bin edges.

    Drawn against the edges they make a quantile plot: values with mean 0 and standard deviation 1
    that are normally distributed lie on the diagonal.

    Parameters
    ----------
    counts : array_like, shape (bins,)
        Values per bin.
    n_below, n_above : int
        Values outside.

    Returns
    -------
    numpy.ndarray, shape (bins + 1,)
        Φ⁻¹(share of values below the edge); NaN where the share is 0 or 1, beyond the extremes.

    Raises
    ------
    EldynError
        If there is no value at all.
    """
    below = np.concatenate([[0], np.cumsum(np.asarray(counts))]) + n_below
    total = int(below[-1]) + n_above
    if total <= 0:
        raise EldynError("the histogram is empty, so it has no quantiles")
    # From the nearer end: 1 − 1e-17 would be 1.
    tail = np.minimum(below, total - below)
    quantiles = np.where(2 * below <= total, 1.0, -1.0) * ndtri(tail / total)
    return np.where(tail > 0, quantiles, np.nan)


def uniform_edges(minimum: float, maximum: float, bins: int, *, margin: float = 0.0) -> FloatArray:
    """Edges of equal bins over a range.

    Parameters
    ----------
    minimum, maximum : float
        Range of the data.
    bins : int
        Number of bins.
    margin : float
        Fraction of the range added on both sides.

    Returns
    -------
    numpy.ndarray, shape (bins + 1,)
        Rising edges.

    Raises
    ------
    EldynError
        If the range is empty or not finite, or there is no bin.
    """
    if bins < 1:
        raise EldynError(f"a histogram needs at least one bin, not {bins}")
    if not (np.isfinite(minimum) and np.isfinite(maximum) and maximum > minimum):
        raise EldynError(
            f"no histogram range lies between {minimum:g} and {maximum:g}",
            remedy="The data must be finite and not constant.",
        )
    extra = margin * (maximum - minimum)
    edges: FloatArray = np.linspace(minimum - extra, maximum + extra, bins + 1)
    return edges


def histogram(values: ArrayLike, edges: ArrayLike) -> Histogram:
    """Count values in bins.

    Parameters
    ----------
    values : array_like, any shape
        Finite values.
    edges : array_like, shape (bins + 1,)
        Rising bin edges.

    Returns
    -------
    Histogram
        Counts, also of the values outside the edges.

    Raises
    ------
    EldynError
        If the edges do not rise or a value is not finite.
    """
    limits = np.asarray(edges, dtype=np.float64)
    if limits.ndim != 1 or limits.size < 2 or not np.all(np.diff(limits) > 0):
        raise EldynError("histogram edges must rise and be at least two")
    flat = np.ravel(np.asarray(values))
    if not np.all(np.isfinite(flat)):
        raise EldynError("the values to count contain NaN or infinity")
    counts, _ = np.histogram(flat, bins=limits)
    return Histogram(
        edges=limits,
        counts=counts.astype(np.int64),
        n_below=int(np.count_nonzero(flat < limits[0])),
        n_above=int(np.count_nonzero(flat > limits[-1])),
    )


@dataclass(frozen=True)
class Moments:
    """Moments of a set of values, as a population (no small-sample correction)."""

    mean: float
    std: float
    skew: float
    excess_kurtosis: float
    min: float
    max: float


def power_sums(values: ArrayLike) -> FloatArray:
    """Count values and sum their first four powers, from which moments follow.

    Parameters
    ----------
    values : array_like, any shape
        Values of order one (normalised densities): sums of powers lose digits otherwise.

    Returns
    -------
    numpy.ndarray, shape (5,)
        n, Σx, Σx², Σx³, Σx⁴; those of several sets add up.
    """
    x = np.ravel(np.asarray(values))
    square = x * x
    # Powers in the precision of the values, sums in double. No dot products: BLAS threads cost
    # tens of milliseconds on busy cores.
    terms = (x, square, square * x, square * square)
    return np.array([x.size, *(term.sum(dtype=np.float64) for term in terms)])


def moments_from_power_sums(sums: ArrayLike, minimum: float, maximum: float) -> Moments:
    """Moments from the sums of `power_sums`.

    Parameters
    ----------
    sums : array_like, shape (5,)
        n, Σx, Σx², Σx³, Σx⁴.
    minimum, maximum : float
        Extremes of the same values.

    Returns
    -------
    Moments
        Skew and excess kurtosis are 0 for a constant.
    """
    n, s1, s2, s3, s4 = (float(s) for s in np.asarray(sums, dtype=np.float64))
    if n < 1:
        raise EldynError("no values, so no moments")
    m1, m2, m3, m4 = s1 / n, s2 / n, s3 / n, s4 / n
    variance = max(m2 - m1**2, 0.0)
    if variance <= 1e-14 * max(m2, 1e-300):
        return Moments(m1, 0.0, 0.0, 0.0, minimum, maximum)
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return Moments(
        mean=m1,
        std=float(np.sqrt(variance)),
        skew=third / variance**1.5,
        excess_kurtosis=fourth / variance**2 - 3.0,
        min=minimum,
        max=maximum,
    )


def moments(values: ArrayLike) -> Moments:
    """Mean, standard deviation, skew and excess kurtosis of values.

    Parameters
    ----------
    values : array_like, any shape
        Finite values, in any unit.

    Returns
    -------
    Moments
        Population moments; mean, std, min and max in the unit of the values.

    Raises
    ------
    EldynError
        If there is no value, or one is not finite.
    """
    x = np.ravel(np.asarray(values, dtype=np.float64))
    if x.size == 0 or not np.all(np.isfinite(x)):
        raise EldynError("moments need finite values, and at least one")
    mean = float(x.mean())
    shifted = x - mean
    central = moments_from_power_sums(power_sums(shifted), 0.0, 0.0)
    return Moments(
        mean=mean,
        std=central.std,
        skew=central.skew,
        excess_kurtosis=central.excess_kurtosis,
        min=float(x.min()),
        max=float(x.max()),
    )


def _distribution(weights: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim == 0 or not np.all(np.isfinite(array)) or np.any(array < 0):
        raise EldynError(f"distribution {name} must hold finite, non-negative weights")
    total = array.sum(axis=-1, keepdims=True)
    if np.any(total <= 0):
        raise EldynError(f"distribution {name} is empty")
    normalised: FloatArray = array / total
    return normalised


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = _distribution(p, "p"), _distribution(q, "q")
    if first.shape[-1] != second.shape[-1]:
        raise EldynError(
            f"the distributions have {first.shape[-1]} and {second.shape[-1]} bins",
            remedy="Count both in the same bins.",
        )
    return first, second


def jsd(p: ArrayLike, q: ArrayLike) -> Any:
    """Jensen-Shannon divergence of two discrete distributions.

    Parameters
    ----------
    p, q : array_like, shape (..., bins)
        Non-negative weights over the same bins; each is normalised. Leading axes broadcast.

    Returns
    -------
    float or numpy.ndarray, shape (...)
        D_JS(P‖Q) = ½ D_KL(P‖M) + ½ D_KL(Q‖M) with M = (P + Q)/2, in nats: 0 for equal
        distributions, ln 2 for disjoint ones (eq. S14 before scaling).

    Raises
    ------
    EldynError
        If the bins differ in number, or a distribution is empty, negative or not finite.
    """
    first, second = _pair(p, q)
    mixture = 0.5 * (first + second)
    terms = rel_entr(first, mixture) + rel_entr(second, mixture)
    # Rounding leaves about -1e-17 for equal distributions.
    return _scalar(np.maximum(0.5 * terms.sum(axis=-1), 0.0))


def scaled_jsd(
    p: ArrayLike,
    q: ArrayLike,
    *,
    scale: Literal["constant", "per_bin"] = "constant",
    epsilon: float = 1e-6,
) -> Any:
    """Scaled Jensen-Shannon divergence (eq. S14).

    Parameters
    ----------
    p, q : array_like, shape (..., bins)
        Generated and reference weights over the same bins; each is normalised.
    scale : {"constant", "per_bin"}
        "constant": Z = ½ ln 2, the scalar mixture weight of Englesson & Azizpour (2021), so the
        result lies in [0, 2]. "per_bin": Z(j) = −(1 − q_j) ln(1 − q_j) + `epsilon` inside the
        sum; its value depends on `epsilon`, so never compare it with the other.
    epsilon : float
        Regulariser of "per_bin"; 0 gives infinity where p has weight and q has none.

    Returns
    -------
    float or numpy.ndarray, shape (...)
        sJSD, dimensionless.

    Raises
    ------
    EldynError
        As `jsd`; also for an unknown scale or a negative `epsilon`.
    """
    if scale == "constant":
        return jsd(p, q) / _CONSTANT_SCALE
    if scale != "per_bin":
        raise EldynError(f"unknown sJSD scale '{scale}'", remedy="Choose 'constant' or 'per_bin'.")
    if epsilon < 0:
        raise EldynError(f"the sJSD regulariser must not be negative, but is {epsilon:g}")
    first, second = _pair(p, q)
    mixture = 0.5 * (first + second)
    terms = 0.5 * (rel_entr(first, mixture) + rel_entr(second, mixture))
    # z -> 0 both for q -> 0 and for q -> 1; xlogy-like limit at q = 1.
    rest = 1.0 - second
    weights = -rest * np.log(np.where(rest > 0, rest, 1.0)) + epsilon
    ratio = np.divide(terms, weights, out=np.full_like(terms, np.inf), where=weights > 0)
    return _scalar(np.where(terms == 0, 0.0, ratio).sum(axis=-1))


def _scalar(values: FloatArray) -> Any:
    return float(values) if np.ndim(values) == 0 else values
