"""Statistics of frames, and of frames pooled, that judge a generated density.

One frame gives a `FrameStatistics`; frames pool into a `RunningStatistics`. The live session,
the Statistics dock and ``eldyn evaluate`` all use these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.distribution import (
    Moments,
    bin_density,
    bin_probabilities,
    moments_from_power_sums,
    power_sums,
    uniform_edges,
)
from napari_eldyn.observables.scattering.waves import DensityWaves, density_waves
from napari_eldyn.observables.structure_factor import (
    Shells,
    average_coefficients,
    fourier_coefficients,
    shells,
)

__all__ = [
    "FrameStatistics",
    "RunningStatistics",
    "StatisticsSettings",
    "combine",
    "default_settings",
    "frame_statistics",
    "measure",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ModeArray = NDArray[np.complex64]

# Frames looked at to choose the histogram range.
_RANGE_FRAMES = 64
# Room on both sides for generated values beyond the reference's, as a fraction of its range.
_RANGE_MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class StatisticsSettings:
    """What is counted, shared by everything that is compared.

    Parameters
    ----------
    normalisation : LogNormalisation
        Gives ρ̃ = (ln ρ − μ)/σ, the quantity in the histogram.
    edges : numpy.ndarray, shape (bins + 1,)
        Equal bins of ρ̃.
    shells : Shells
        Shells of S(q), which also fix the grid.
    """

    normalisation: LogNormalisation
    edges: FloatArray
    shells: Shells

    def __post_init__(self) -> None:
        widths = np.diff(self.edges)
        if widths.size == 0 or not np.all(widths > 0) or np.ptp(widths) > 1e-6 * widths.mean():
            raise EldynError("the histogram bins of ρ̃ must rise and be equally wide")

    @property
    def grid(self) -> PeriodicGrid:
        """Grid of the densities."""
        return self.shells.grid

    @property
    def centres(self) -> FloatArray:
        """Bin centres of ρ̃, shape (bins,)."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    @cached_property
    def waves(self) -> DensityWaves:
        """Density waves whose amplitudes are kept of every frame; they follow from the grid."""
        return density_waves(self.grid)


def default_settings(
    reference: DensityTrajectory, normalisation: LogNormalisation, bins: int = 128
) -> StatisticsSettings:
    """Choose settings whose histogram range comes from the data.

    Parameters
    ----------
    reference : DensityTrajectory
        Up to 64 of its frames, evenly spaced, give the range of ρ̃, widened by a tenth on both
        sides for generated values beyond it.
    normalisation : LogNormalisation
        μ and σ of ln ρ.
    bins : int
        Number of bins.

    Returns
    -------
    StatisticsSettings
        With the default shells of the reference's grid.

    Raises
    ------
    EldynError
        If the reference is empty, constant, or a frame read has NaN.
    """
    n = len(reference)
    if n == 0:
        raise EldynError("the reference holds no frame", path=reference.path)
    low, high = np.inf, -np.inf
    for index in np.unique(np.linspace(0, n - 1, min(n, _RANGE_FRAMES)).round().astype(int)):
        density = reference[int(index)]
        check_frame(density, reference.path, int(index))
        extremes, _ = normalisation.normalise(np.array([density.min(), density.max()]))
        low, high = min(low, float(extremes[0])), max(high, float(extremes[1]))
    return StatisticsSettings(
        normalisation=normalisation,
        edges=uniform_edges(low, high, bins, margin=_RANGE_MARGIN),
        shells=shells(reference.grid),
    )


@dataclass(frozen=True, eq=False)
class FrameStatistics:
    """Statistics of one frame.

    Parameters
    ----------
    counts : numpy.ndarray, shape (bins,)
        Voxels per bin of ρ̃.
    n_below, n_above : int
        Voxels outside the bins.
    n_clipped : int
        Voxels clipped to the normalisation's floor before the logarithm, among them all that
        are not positive.
    power_sums : numpy.ndarray, shape (5,)
        n, Σρ̃, Σρ̃², Σρ̃³, Σρ̃⁴ over voxels, for moments.
    amplitude, intensity : numpy.ndarray, shape (shells,)
        S(q) as ⟨|F|⟩ and as ⟨|F|²⟩/N_e, electrons.
    electrons : float
        Σ ρ ΔV.
    minimum, maximum : float
        Extremes of ρ, electrons/Å³.
    normalised_minimum, normalised_maximum : float
        Extremes of ρ̃.
    modes : numpy.ndarray of complex64, shape (waves,)
        ρ_q = Σ_r ρ(r) e^(−iq·r) ΔV of the settings' `waves`, electrons.
    """

    counts: IntArray
    n_below: int
    n_above: int
    n_clipped: int
    power_sums: FloatArray
    amplitude: FloatArray
    intensity: FloatArray
    electrons: float
    minimum: float
    maximum: float
    normalised_minimum: float
    normalised_maximum: float
    modes: ModeArray

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each bin of ρ̃, outliers in the end bins; shape (bins,)."""
        return bin_probabilities(self.counts, self.n_below, self.n_above)

    @property
    def moments(self) -> Moments:
        """Moments of ρ̃ over the voxels."""
        return moments_from_power_sums(
            self.power_sums, self.normalised_minimum, self.normalised_maximum
        )


def frame_statistics(density: ArrayLike, settings: StatisticsSettings) -> FrameStatistics:
    """Histogram, S(q), electron count and extremes of one frame.

    Parameters
    ----------
    density : array_like, shape (nx, ny, nz)
        Electrons/Å³ on the grid of the settings.
    settings : StatisticsSettings
        Bins and shells.

    Returns
    -------
    FrameStatistics
        Non-positive voxels are clipped and counted, never dropped.

    Raises
    ------
    EldynError
        If the grid is another one, a value is not finite, or the electron count not positive.
    """
    return measure(np.asarray(density), settings)[0]


def measure(
    density: NDArray[Any], settings: StatisticsSettings
) -> tuple[FrameStatistics, NDArray[np.float32]]:
    """Do as `frame_statistics`, and return the normalised density on the way.

    Parameters
    ----------
    density : numpy.ndarray, shape (nx, ny, nz)
        Electrons/Å³ on the grid of the settings.
    settings : StatisticsSettings
        Bins and shells.

    Returns
    -------
    FrameStatistics
        Of the frame.
    numpy.ndarray, shape (nx, ny, nz)
        ρ̃.
    """
    coefficients = fourier_coefficients(density, settings.grid)
    amplitude, intensity, electrons = average_coefficients(coefficients, settings.shells)
    normalised, n_clipped = settings.normalisation.normalise(density)
    flat = normalised.ravel()
    edges = settings.edges
    bins = len(edges) - 1
    # Bin 0 takes what lies below, bin `bins` + 1 what lies above.
    position = flat - float(edges[0])
    position *= bins / float(edges[-1] - edges[0])
    position += 1.0
    np.clip(position, 0, bins + 1, out=position)
    counts = np.bincount(position.astype(np.int32), minlength=bins + 2)
    low, high = normalised.min(), normalised.max()
    statistics = FrameStatistics(
        counts=counts[1:-1],
        n_below=int(counts[0]),
        n_above=int(counts[-1]),
        n_clipped=int(n_clipped),
        power_sums=power_sums(flat),
        amplitude=amplitude,
        intensity=intensity,
        electrons=electrons,
        minimum=float(density.min()),
        maximum=float(density.max()),
        normalised_minimum=float(low),
        normalised_maximum=float(high),
        modes=coefficients.reshape(-1)[settings.waves.indices].astype(np.complex64),
    )
    return statistics, normalised


class RunningStatistics:
    """Pooled statistics of the frames added so far.

    Parameters
    ----------
    settings : StatisticsSettings
        Bins and shells, those of every frame added.
    """

    def __init__(self, settings: StatisticsSettings) -> None:
        self.settings = settings
        self.n_frames = 0
        self.counts: IntArray = np.zeros(len(settings.edges) - 1, dtype=np.int64)
        self.n_below = 0
        self.n_above = 0
        self.n_clipped = 0
        self.minimum = np.inf
        self.maximum = -np.inf
        self._amplitude: FloatArray = np.zeros(len(settings.shells))
        self._intensity: FloatArray = np.zeros(len(settings.shells))
        self._electrons = 0.0
        self._power_sums: FloatArray = np.zeros(5)
        self._normalised_minimum = np.inf
        self._normalised_maximum = -np.inf

    def add(self, frame: FrameStatistics) -> None:
        """Pool one more frame.

        Parameters
        ----------
        frame : FrameStatistics
            Counted with the same settings.

        Raises
        ------
        EldynError
            If its bins or shells are others.
        """
        if frame.counts.shape != self.counts.shape or frame.amplitude.shape != self.amplitude_shape:
            raise EldynError("the frame was counted in other bins or shells than those pooled")
        self.n_frames += 1
        self.counts += frame.counts
        self.n_below += frame.n_below
        self.n_above += frame.n_above
        self.n_clipped += frame.n_clipped
        self.minimum = min(self.minimum, frame.minimum)
        self.maximum = max(self.maximum, frame.maximum)
        self._amplitude += frame.amplitude
        self._intensity += frame.intensity
        self._electrons += frame.electrons
        self._power_sums += frame.power_sums
        self._normalised_minimum = min(self._normalised_minimum, frame.normalised_minimum)
        self._normalised_maximum = max(self._normalised_maximum, frame.normalised_maximum)

    @property
    def amplitude_shape(self) -> tuple[int, ...]:
        """Shape of S(q)."""
        return self._amplitude.shape

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each bin of ρ̃, outliers in the end bins; shape (bins,)."""
        return bin_probabilities(self.counts, self.n_below, self.n_above)

    @property
    def density(self) -> FloatArray:
        """Probability density of ρ̃ in each bin, shape (bins,)."""
        return bin_density(self.counts, self.settings.edges, self.n_below, self.n_above)

    @property
    def amplitude(self) -> FloatArray:
        """Frame mean of ⟨|F|⟩ per shell, electrons."""
        return self._amplitude / self._frames()

    @property
    def intensity(self) -> FloatArray:
        """Frame mean of ⟨|F|²⟩/N_e per shell, electrons."""
        return self._intensity / self._frames()

    @property
    def electrons(self) -> float:
        """Frame mean of the electron count."""
        return self._electrons / self._frames()

    @property
    def moments(self) -> Moments:
        """Moments of ρ̃ over all voxels of all frames."""
        return moments_from_power_sums(
            self._power_sums, self._normalised_minimum, self._normalised_maximum
        )

    def copy(self) -> RunningStatistics:
        """Return an independent copy, safe to hand to another thread."""
        twin = RunningStatistics(self.settings)
        for name, value in vars(self).items():
            setattr(twin, name, value.copy() if isinstance(value, np.ndarray) else value)
        return twin

    def _frames(self) -> int:
        if self.n_frames == 0:
            raise EldynError("no frame has been added, so there is no mean")
        return self.n_frames


def combine(frames: Iterable[FrameStatistics], settings: StatisticsSettings) -> RunningStatistics:
    """Pool frames.

    Parameters
    ----------
    frames : iterable of FrameStatistics
        Counted with `settings`.
    settings : StatisticsSettings
        Bins and shells.

    Returns
    -------
    RunningStatistics
        All frames pooled.
    """
    running = RunningStatistics(settings)
    for frame in frames:
        running.add(frame)
    return running
