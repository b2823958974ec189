"""Training frames made ready to be searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_eldyn.density.grid import PeriodicGrid, resample
from napari_eldyn.density.symmetry import point_group
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.exceptions import EldynError

__all__ = ["TrainingFrames", "normalised_frame", "spectrum_of", "training_frames"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Fields = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Progress = Callable[[int, int], None]

# Points along the shortest axis of the grid on which copies are ranked: on 12³ points in the
# 8.66 Å cell of liquid lithium, modes up to 4.3/Å with 99.1 % of the variance of ρ̃.
_COARSE = 12


@dataclass(frozen=True, eq=False)
class TrainingFrames:
    """Training frames, ready to be searched.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell and points.
    normalisation : LogNormalisation
        ρ̃ of all frames compared.
    frames : numpy.ndarray of int, shape (n,)
        Indices in the training trajectory, equally spaced.
    times : numpy.ndarray, shape (n,)
        fs.
    operations : sequence of numpy.ndarray of int, shape (3, 3)
        The point group of cell and grid, the identity first.
    scale : float
        RMS of ρ̃ of the frames about its mean: the unit of distances.
    coarse_share : float
        Share of the variance of ρ̃ that the grid of the ranking holds.
    fields : numpy.ndarray, shape (n, nx, ny, nz)
        ρ̃.
    spectra : numpy.ndarray of complex, shape (n, …)
        Fourier coefficients of ρ̃ on the grid of the ranking.
    coarse_shape : tuple of 3 int
        Points of that grid.
    """

    grid: PeriodicGrid
    normalisation: LogNormalisation
    frames: IntArray
    times: FloatArray
    operations: Sequence[IntArray] = field(repr=False)
    scale: float
    coarse_share: float
    fields: Fields = field(repr=False)
    spectra: Spectra = field(repr=False)
    coarse_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.frames)


def training_frames(
    training: DensityTrajectory,
    normalisation: LogNormalisation,
    max_frames: int = 250,
    progress: Progress | None = None,
) -> TrainingFrames:
    """Read training frames and transform them once for all searches.

    Parameters
    ----------
    training : DensityTrajectory
        All that a model was trained on.
    normalisation : LogNormalisation
        Of the densities.
    max_frames : int
        At most so many, equally spaced; all are held in memory. Leaving out every other frame
        of a slow trajectory changes distances by about those of successive frames.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    TrainingFrames
        For `nearest_training_frames`.

    Raises
    ------
    EldynError
        If there is no frame, one is not finite, or the frames do not vary in space.
    """
    if len(training) == 0 or max_frames < 1:
        raise EldynError("there are no training frames to search", path=training.path)
    stride = -(-len(training) // max_frames)
    frames = np.arange(0, len(training), stride)
    grid = training.grid
    operations = point_group(grid)
    coarse = _coarse_shape(grid, operations)
    fields = np.empty((len(frames), *grid.shape), dtype=np.float32)
    spectra = []
    fine_variance = coarse_variance = 0.0
    for done, index in enumerate(frames.tolist()):
        fields[done] = normalised_frame(training, index, normalisation)
        reduced = resample(fields[done], coarse)
        spectra.append(spectrum_of(reduced))
        fine_variance += float(fields[done].var(dtype=np.float64))
        coarse_variance += float(reduced.var(dtype=np.float64))
        if progress is not None:
            progress(done + 1, len(frames))
    if not fine_variance > 0:
        raise EldynError("the training frames do not vary in space", path=training.path)
    return TrainingFrames(
        grid=grid,
        normalisation=normalisation,
        frames=frames,
        times=training.times[frames],
        operations=operations,
        scale=float(np.sqrt(fine_variance / len(frames))),
        coarse_share=coarse_variance / fine_variance,
        fields=fields,
        spectra=np.array(spectra),
        coarse_shape=coarse,
    )


def normalised_frame(
    trajectory: DensityTrajectory, index: int, normalisation: LogNormalisation
) -> Fields:
    """Return ρ̃ of a frame, checked to be finite."""
    density = trajectory[index]
    check_frame(density, trajectory.path, index)
    return normalisation.normalise(density)[0]


def spectrum_of(values: Fields) -> Spectra:
    """Return the Fourier coefficients of a real field on the half space."""
    # scipy keeps single precision, which its annotations do not know.
    return np.asarray(scipy.fft.rfftn(values, workers=1), dtype=np.complex64)


def _coarse_shape(grid: PeriodicGrid, operations: Sequence[IntArray]) -> tuple[int, int, int]:
    """Fewer points in the proportion of the grid's, if all its operations map them."""
    least = min(grid.shape)
    if least <= _COARSE:
        return grid.shape
    x, y, z = (round(n * _COARSE / least) for n in grid.shape)
    kept = {operation.tobytes() for operation in point_group(grid.with_shape((x, y, z)))}
    fits = all(operation.tobytes() in kept for operation in operations)
    return (x, y, z) if fits else grid.shape
