"""F(q,t) of a rollout that grows frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_eldyn.observables.scattering.waves import DensityWaves

__all__ = ["LONGEST_LAG_FS", "GrowingScattering"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ModeArray = NDArray[np.complex64]

LONGEST_LAG_FS = 500.0
"""Longest lag followed: several relaxation times of a liquid metal's density."""

_MOST_LAGS = 250
# Frames that came in together are correlated by FFT, in blocks of this length.
_BLOCK = 1024
_FEW = 8


class GrowingScattering:
    """F(q,t) = Re⟨ρ_q(t0 + t) ρ_q*(t0)⟩/N_e of the frames added so far, mean over each shell.

    The estimator is that of `intermediate_scattering`: every pair of frames that is a lag apart
    counts once, the mean of ρ_q is not subtracted. A frame added costs O(lags × waves).

    Parameters
    ----------
    waves : DensityWaves
        Which waves the frames keep.

    Attributes
    ----------
    n_frames : int
        Frames taken in.
    """

    def __init__(self, waves: DensityWaves) -> None:
        self.waves = waves
        self.n_frames = 0
        self._waiting: list[ModeArray] = []
        self._times: list[float] = []
        self._last_time = np.nan
        self._electrons = 0.0
        self._step = np.nan
        self._before = 0  # frames of the present unbroken stretch
        self._earlier: ModeArray = np.zeros((0, len(waves)), np.complex64)
        self._sums: FloatArray = np.zeros((1, len(waves.q)))
        self._origins: IntArray = np.zeros(1, np.int64)

    def add(self, time: float, modes: ModeArray, electrons: float) -> None:
        """Take note of one more frame; it is correlated when a result is asked for.

        Parameters
        ----------
        time : float
            fs. Frames come at equal steps; after a gap no pair reaches across it.
        modes : numpy.ndarray of complex64, shape (waves,)
            Amplitudes of the waves, electrons.
        electrons : float
            Electron count of the frame.
        """
        self.n_frames += 1
        self._waiting.append(modes)
        self._times.append(time)
        self._electrons += electrons

    @property
    def lag(self) -> FloatArray:
        """Lags t in fs, from 0; shape (lags,). One, 0, until there are two frames."""
        self._take_in()
        step = self._step if np.isfinite(self._step) else 0.0
        return step * np.arange(len(self._origins), dtype=np.float64)

    @property
    def origins(self) -> IntArray:
        """Time origins at each lag, shape (lags,)."""
        self._take_in()
        return self._origins

    @property
    def values(self) -> FloatArray:
        """F(q,t) in electrons, shape (shells, lags); NaN at lags without origins."""
        self._take_in()
        mean = self._electrons / max(self.n_frames, 1)
        # Without origins the sums hold rounding of the transform.
        origins = np.where(self._origins > 0, self._origins * mean, np.nan)
        values: FloatArray = (self._sums / origins[:, None]).T
        return values

    @property
    def normalised(self) -> FloatArray:
        """F(q,t)/F(q,0), shape (shells, lags); NaN at lags without origins."""
        values = self.values
        with np.errstate(invalid="ignore", divide="ignore"):
            result: FloatArray = values / values[:, :1]
        return result

    def _take_in(self) -> None:
        if not self._waiting or (not np.isfinite(self._step) and len(self._waiting) < 2):
            return
        if not np.isfinite(self._step):
            self._settle_step(self._times[1] - self._times[0])
        modes, times = np.asarray(self._waiting), np.asarray(self._times)
        self._waiting, self._times = [], []
        steps = np.diff(times, prepend=self._last_time)
        breaks = np.flatnonzero(np.abs(steps - self._step) > 0.01 * self._step)
        self._last_time = float(times[-1])
        for stretch in np.split(np.arange(len(times)), breaks):
            if len(stretch) and stretch[0] in breaks:
                self._before = 0
                self._earlier[:] = 0
            for first in range(0, len(stretch), _BLOCK):
                self._correlate(modes[stretch[first : first + _BLOCK]])

    def _settle_step(self, step: float) -> None:
        self._step = step
        lags = int(np.clip(round(LONGEST_LAG_FS / step), 1, _MOST_LAGS)) if step > 0 else 1
        self._earlier = np.zeros((lags, len(self.waves)), np.complex64)
        self._sums = np.zeros((lags + 1, len(self.waves.q)))
        self._origins = np.zeros(lags + 1, np.int64)

    def _correlate(self, modes: ModeArray) -> None:
        """Add the pairs of which the later frame is new."""
        new, lags = len(modes), len(self._earlier)
        together = np.concatenate([self._earlier, modes])
        if new > _FEW:
            size = scipy.fft.next_fast_len(lags + new)
            spectrum = scipy.fft.fft(together, size, axis=0, workers=1)
            spectrum *= scipy.fft.fft(modes, size, axis=0, workers=1).conj()
            # Shells are averaged before the transform back, which is linear.
            sums = scipy.fft.ifft(self._shell_means(spectrum), axis=0, workers=1)
            self._sums += sums[: lags + 1].real[::-1]
        else:
            for k in range(new):
                products = together[k : k + lags + 1] * together[k + lags].conj()
                self._sums += self._shell_means(products.real)[::-1]
        reach = np.arange(lags + 1) - self._before
        self._origins += new - np.clip(reach, 0, new)
        self._before += new
        self._earlier = together[new:]

    def _shell_means(self, values: NDArray[Any]) -> NDArray[Any]:
        sums: NDArray[Any] = np.add.reduceat(values, self.waves.starts, axis=1)
        return sums / self.waves.members
