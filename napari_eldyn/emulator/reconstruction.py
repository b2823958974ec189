"""The autoencoder alone: frames encoded and decoded, as they lie, shifted and turned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import (
    DensityTrajectory,
    FrameSource,
    apply_operation,
    point_group,
    shift,
)
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.start import start_state
from napari_eldyn.observables.errors import mse, nmae
from napari_eldyn.observables.levels import Level
from napari_eldyn.observables.statistics import (
    RunningStatistics,
    StatisticsSettings,
    frame_statistics,
)

__all__ = ["VARIANTS", "Reconstruction", "ReconstructionScores", "reconstruction"]

Progress = Callable[[int, int], None]
IntArray = npt.NDArray[np.int64]

VARIANTS = ("plain", "shifted", "rotated")
"""Frames as they lie; moved by less than a latent cell; and under the cell's point group."""


@dataclass(frozen=True, eq=False)
class ReconstructionScores:
    """Errors of encode → decode over some frames.

    Parameters
    ----------
    nmae : float
        Mean of 100 Σ|ρ̂ − ρ|/Σ|ρ|, percent.
    nmae_std : float
        Its standard deviation over frames.
    mse : float
        Mean squared error of the normalised density.
    rate_mse : float
        Mean squared error of the normalised density rate, in units of its own variance over the
        training data.
    level : Level
        Pooled reconstructions against the same frames pooled.
    """

    nmae: float
    nmae_std: float
    mse: float
    rate_mse: float
    level: Level = field(repr=False)


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What an autoencoder keeps of the state, and how few numbers it keeps.

    Parameters
    ----------
    frames : tuple of int
        Frames of the reference, the same for all variants.
    scores : mapping of str to ReconstructionScores
        By variant.
    state_numbers, latent_numbers : int
        Numbers of the state (ρ̃ and ∂ρ̃/∂τ) and of the latent of one frame.
    shift_below : tuple of 3 int
        Shifts are drawn from 0 … this − 1 grid points along each axis, none of them zero
        altogether: one latent cell, or the whole grid where a latent has no places.
    seed : int
        Of shifts and operations.
    """

    frames: tuple[int, ...]
    scores: Mapping[str, ReconstructionScores]
    state_numbers: int
    latent_numbers: int
    shift_below: tuple[int, int, int]
    seed: int

    @property
    def compression(self) -> float:
        """Numbers of the state over numbers of the latent."""
        return self.state_numbers / self.latent_numbers


class _Moved:
    """Frames of a trajectory under one symmetry operation and shift."""

    def __init__(self, source: DensityTrajectory, operation: IntArray, by: IntArray) -> None:
        self._source, self._operation, self._by = source, operation, by.tolist()

    def __len__(self) -> int:
        return len(self._source)

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`, moved."""
        turned: npt.NDArray[np.float32] = apply_operation(self._source[index], self._operation)
        return shift(turned, self._by)


def reconstruction(
    model: Emulator,
    reference: DensityTrajectory,
    settings: StatisticsSettings,
    max_frames: int = 48,
    seed: int = 0,
    progress: Progress | None = None,
) -> Reconstruction:
    """Encode and decode reference frames: what a rollout could at best look like.

    Shifts and operations are exact symmetries of the data, so an autoencoder that has learned
    densities and not places does as well on moved frames.

    Parameters
    ----------
    model : Emulator
        The model.
    reference : DensityTrajectory
        Frames the model fits.
    settings : StatisticsSettings
        Bins and shells.
    max_frames : int
        Evenly spaced frames looked at.
    seed : int
        Of the shifts and operations.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    Reconstruction
        Errors voxel by voxel, and of the distribution and S(q), by variant.

    Raises
    ------
    EldynError
        If the reference does not fit the model, or a frame holds NaN.
    """
    n = len(reference)
    chosen = np.unique(np.linspace(0, n - 1, min(n, max_frames)).round().astype(int)).tolist()
    operations = point_group(reference.grid)
    identity, none = operations[0], np.zeros(3, dtype=np.int64)
    below = _latent_cell(model)
    rng = np.random.default_rng(seed)
    running = {name: _Scores(model, settings) for name in VARIANTS}
    for done, index in enumerate(chosen, start=1):
        # Something other than the frame itself: no zero shift, no identity.
        by = np.array(np.unravel_index(rng.integers(1, max(2, prod(below))), below))
        turn = operations[int(rng.integers(1, len(operations)))]
        running["plain"].add(reference, index)
        running["shifted"].add(_moved(reference, identity, by), index)
        running["rotated"].add(_moved(reference, turn, none), index)
        if progress is not None:
            progress(done, len(chosen))
    return Reconstruction(
        frames=tuple(chosen),
        scores={name: one.result() for name, one in running.items()},
        state_numbers=2 * model.grid.n_points,
        latent_numbers=prod(model.noise_shape),
        shift_below=below,
        seed=seed,
    )


def _latent_cell(model: Emulator) -> tuple[int, int, int]:
    """Grid points per latent cell along each axis; all of them for a latent without places."""
    shape = model.grid.shape
    cells = model.noise_shape[1:] or (1, 1, 1)
    x, y, z = (points // n for points, n in zip(shape, cells, strict=True))
    return x, y, z


def _moved(trajectory: DensityTrajectory, operation: IntArray, by: IntArray) -> DensityTrajectory:
    frames: FrameSource = _Moved(trajectory, operation, by)
    return DensityTrajectory(
        frames, trajectory.grid, trajectory.times, kind=trajectory.kind, path=trajectory.path
    )


class _Scores:
    """Errors of one variant, added frame by frame."""

    def __init__(self, model: Emulator, settings: StatisticsSettings) -> None:
        self._model = model
        self._settings = settings
        self._ours, self._theirs = RunningStatistics(settings), RunningStatistics(settings)
        self._rows: list[tuple[float, float, float]] = []

    def add(self, trajectory: DensityTrajectory, index: int) -> None:
        """Encode and decode one frame."""
        model, normalise = self._model, self._settings.normalisation.normalise
        truth = trajectory[index]
        before = start_state(trajectory, index, model.normalisation).state
        state = model.decode_states(model.encode_states(before[None]))[0]
        decoded = model.normalisation.denormalise(state[0])
        self._ours.add(frame_statistics(decoded, self._settings))
        self._theirs.add(frame_statistics(truth, self._settings))
        self._rows.append(
            (
                nmae(decoded, truth),
                mse(normalise(decoded)[0], normalise(truth)[0]),
                mse(state[1], before[1]),
            )
        )

    def result(self) -> ReconstructionScores:
        """Average over the frames."""
        rows = np.array(self._rows)
        absolute, squared, rates = rows.mean(axis=0).tolist()
        return ReconstructionScores(
            nmae=absolute,
            nmae_std=float(rows[:, 0].std()),
            mse=squared,
            rate_mse=rates,
            level=Level.of(self._ours, self._theirs),
        )
