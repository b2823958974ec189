"""Linear autoregression of latents: the forecast that a diffusion model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError

__all__ = ["LatentAutoregression"]

FloatArray = npt.NDArray[np.float64]

# Ridge parameters tried, relative to the largest squared singular value.
_RIDGES = np.geomspace(1e-8, 10.0, 46)


@dataclass(frozen=True, eq=False)
class LatentAutoregression:
    """z(τ + Δτ) = m + A (z(τ) − m) + e with Gaussian e, fitted by ridge regression.

    A and the covariance of e are kept as factors of low rank, so that latents may be much longer
    than the number of frames.

    Parameters
    ----------
    shape : tuple of int
        Shape of one latent; D numbers in all.
    mean : numpy.ndarray, shape (D,)
        m.
    directions : numpy.ndarray, shape (D, r)
        Orthonormal directions of latent space in which the training latents vary.
    response : numpy.ndarray, shape (r, D)
        Change of the next latent per unit along each direction: A = (directions · response)ᵀ.
    noise : numpy.ndarray, shape (k, D)
        e = g · noise with k standard normal numbers g.
    ridge : float
        Ridge parameter relative to the largest squared singular value of the latents.
    spectral_radius : float
        Largest |eigenvalue| of A, below 1: forecasts stay bounded.
    n_transitions : int
        Pairs of frames fitted.
    """

    shape: tuple[int, ...]
    mean: FloatArray = field(repr=False)
    directions: FloatArray = field(repr=False)
    response: FloatArray = field(repr=False)
    noise: FloatArray = field(repr=False)
    ridge: float
    spectral_radius: float
    n_transitions: int

    @property
    def matrix(self) -> FloatArray:
        """A, shape (D, D)."""
        matrix: FloatArray = (self.directions @ self.response).T
        return matrix

    @property
    def noise_covariance(self) -> FloatArray:
        """Covariance of e, shape (D, D)."""
        covariance: FloatArray = self.noise.T @ self.noise
        return covariance

    @classmethod
    def fit(cls, latents: npt.ArrayLike | Sequence[npt.NDArray[Any]]) -> Self:
        """Fit to consecutive latents of one or several trajectories.

        Parameters
        ----------
        latents : array-like, (n, *shape), or list of such arrays
            Latents a model step apart; a list holds separate stretches, between which no
            transition is taken.

        Returns
        -------
        LatentAutoregression
            The ridge parameter is the one of least generalised cross-validation error (Golub,
            Heath & Wahba 1979), raised further if A would not be stable.

        Raises
        ------
        EldynError
            If there are fewer than four transitions, shapes differ, a value is not finite, or
            the latents do not vary.
        """
        stretches = latents if isinstance(latents, list) else [latents]
        arrays = [np.asarray(stretch, dtype=np.float64) for stretch in stretches]
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) != 1:
            raise EldynError(f"latents of different shapes cannot be fitted together: {shapes}")
        flat = [array.reshape(len(array), -1) for array in arrays]
        before = np.concatenate([array[:-1] for array in flat])
        after = np.concatenate([array[1:] for array in flat])
        n = len(before)
        if n < 4:
            raise EldynError(f"an autoregression needs at least four transitions, there are {n}")
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            raise EldynError("the latents to fit contain NaN or infinity")
        mean = np.concatenate(flat).mean(axis=0)
        left, singular, right = np.linalg.svd(before - mean, full_matrices=False)
        if not singular[0] > 0:
            raise EldynError("the latents do not vary, so no dynamics can be fitted")
        # Directions beyond rounding error only.
        kept = singular > 1e-7 * singular[0]
        left, singular, directions = left[:, kept], singular[kept], right[kept].T
        target = after - mean
        projected = left.T @ target
        ridge, response, radius = _stable_response(
            singular, projected, directions, float(np.sum(target**2)), n
        )
        freedom = n - 1 - float(np.sum(_shrinkage(singular, ridge)))
        residual = target - (left * singular) @ response
        # The residuals' own covariance is too small by the freedom spent on the fit.
        root = np.linalg.svd(residual / np.sqrt(freedom), full_matrices=False)
        return cls(
            shape=next(iter(shapes)),
            mean=mean,
            directions=directions,
            response=response,
            noise=root[1][:, None] * root[2],
            ridge=ridge,
            spectral_radius=radius,
            n_transitions=n,
        )

    def sample(
        self, start: npt.ArrayLike, steps: int, seed: int | Sequence[int] = 0
    ) -> npt.NDArray[np.float32]:
        """Draw forecasts.

        Parameters
        ----------
        start : array-like, (B, *shape)
            Latents to start from; repeat one for an ensemble.
        steps : int
            Model steps.
        seed : int or sequence of int
            Of numpy's generator.

        Returns
        -------
        ndarray, (steps, B, *shape) float32
            Latents after 1 … `steps` steps.

        Raises
        ------
        EldynError
            If the latents have another shape than those fitted.
        """
        latents = np.asarray(start, dtype=np.float64)
        if latents.shape[1:] != self.shape:
            raise EldynError(
                f"the latents have the shape {latents.shape}, "
                f"not (B, {', '.join(map(str, self.shape))})"
            )
        rng = np.random.default_rng(seed)
        deviation = latents.reshape(len(latents), -1) - self.mean
        result = np.empty((steps, len(latents), self.mean.size), dtype=np.float32)
        for step in range(steps):
            draws = rng.standard_normal((len(latents), len(self.noise)))
            deviation = (deviation @ self.directions) @ self.response + draws @ self.noise
            result[step] = deviation + self.mean
        return result.reshape(steps, *latents.shape)


def _shrinkage(singular: FloatArray, ridge: float) -> FloatArray:
    square = singular**2
    shrinkage: FloatArray = square / (square + ridge * square[0])
    return shrinkage


def _stable_response(
    singular: FloatArray,
    projected: FloatArray,
    directions: FloatArray,
    total: float,
    n: int,
) -> tuple[float, FloatArray, float]:
    """Choose the ridge: least GCV error, among those whose A has all eigenvalues inside 1."""
    power = np.sum(projected**2, axis=1)
    scores = []
    for ridge in _RIDGES:
        kept = _shrinkage(singular, ridge)
        residual = total - float(np.sum(power * (2 * kept - kept**2)))
        freedom = n - 1 - float(kept.sum())
        # With no freedom left, a perfect fit says nothing.
        scores.append(max(residual, 0.0) / freedom**2 if freedom > 0.02 * n else np.inf)
    for ridge in _RIDGES[int(np.argmin(scores)) :]:
        kept = _shrinkage(singular, ridge)
        response = (kept / singular)[:, None] * projected
        radius = float(np.max(np.abs(np.linalg.eigvals(response @ directions))))
        if radius < 1.0:
            break
    else:
        # Latents that grow more than tenfold a step: no ridge tried makes A stable.
        scale = 0.999 / radius
        response, radius = response * scale, 0.999
    return float(ridge), response, radius
