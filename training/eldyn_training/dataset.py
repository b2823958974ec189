"""Training data in memory: normalised frames, their rates, and the transitions between states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eldyn_training.recipe import DataRecipe, parse_frames
from napari_eldyn.density import (
    DensityKind,
    DensityTrajectory,
    LogNormalisation,
    NormalisationReport,
    PeriodicGrid,
    fit_normalisation,
)
from napari_eldyn.exceptions import EldynError

__all__ = ["Dataset", "load_dataset", "reverse", "transitions"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Normalised frames and the transitions to learn.

    Attributes
    ----------
    density : Tensor
        ρ̃ of all frames, (frames, nx, ny, nz) float32.
    pairs : Tensor
        Transitions, (pairs, 2, 2) int64: for state and successor, the frame and the sign of the
        rate (+1 forward in time, −1 reversed).
    states : Tensor
        All distinct states to learn, (states, 2) int64: frame and sign.
    frame_time : float
        Time between stored frames [fs].
    timestep : float
        Δτ, time between the states of a pair [fs].
    normalisation, report
        Fitted on these frames.
    fingerprint : str
        sha256 over grid, cell, times and the densities used.
    frames : tuple of int
        First, one past the last, and step of the frames in the trajectory given.
    """

    density: Tensor
    pairs: Tensor
    states: Tensor
    grid: PeriodicGrid
    kind: DensityKind
    frame_time: float
    timestep: float
    normalisation: LogNormalisation
    report: NormalisationReport
    fingerprint: str
    frames: tuple[int, int, int]

    def batch(self, states: Tensor) -> Tensor:
        """Return states (S8), (B, 2, nx, ny, nz): ρ̃ and its rate in units of its own spread.

        Parameters
        ----------
        states : Tensor
            (B, 2) int64: frame and sign of the rate.

        Notes
        -----
        The rate is the central difference, so the first and last frame have none.
        """
        frame, sign = states[:, 0], states[:, 1].to(self.density.dtype)
        rate_std = self.normalisation.rate_std or 1.0
        scale = sign / (2.0 * self.frame_time * rate_std)
        rate = (self.density[frame + 1] - self.density[frame - 1]) * scale[:, None, None, None]
        return torch.stack([self.density[frame], rate], dim=1)


def transitions(n_frames: int, stride: int, *, reflect_ends: bool = False) -> Tensor:
    """List the transitions forward in time between states that have a central rate.

    Parameters
    ----------
    n_frames : int
        Frames; states are the frames 1 … n_frames − 2.
    stride : int
        Frames from a state to its successor.
    reflect_ends : bool
        Add the transitions from states without a successor into the time reverse, as if the
        trajectory were mirrored half a frame beyond its last and before its first state.

    Returns
    -------
    Tensor
        (pairs, 2, 2) int64: for state and successor, frame and sign of the rate.
    """
    first, last = 1, n_frames - 2
    pairs = [((i, 1), (i + stride, 1)) for i in range(first, last - stride + 1)]
    if reflect_ends:
        pairs += [
            ((i, 1), (2 * last + 1 - i - stride, -1))
            for i in range(max(first, last - stride + 1), last + 1)
        ]
        pairs += [
            ((i, -1), (2 * first - 1 - i + stride, 1))
            for i in range(first, min(last, first + stride - 1) + 1)
        ]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2, 2)


def reverse(pairs: Tensor) -> Tensor:
    """Return transitions run backwards: states exchanged, rates of opposite sign."""
    return pairs.flip(1) * torch.tensor([1, -1])


def load_dataset(
    recipe: DataRecipe, trajectory: DensityTrajectory, progress: Progress | None = None
) -> Dataset:
    """Read, check, resample and normalise the frames a recipe asks for.

    Parameters
    ----------
    recipe : DataRecipe
        Frames, grid and transitions.
    trajectory : DensityTrajectory
        Densities in electrons/Å³ at equal time steps.
    progress : callable, optional
        Called with (frames done, frames in all); every frame is read twice.

    Raises
    ------
    EldynError
        If the selection has too few frames for the stride, the frames are not equally spaced,
        a frame holds NaN, the density does not move, or values are not positive in numbers that
        a log-normal normalisation cannot bear (over 0.1 %).
    """
    chosen = range(len(trajectory))[parse_frames(recipe.frames)]
    n = len(chosen)
    needed = recipe.stride + 3
    if n < needed:
        raise EldynError(
            f"frames {recipe.frames} select {n} of {len(trajectory)} frames, but stride "
            f"{recipe.stride} with central rates needs at least {needed}",
            path=trajectory.path,
            remedy="Select more frames or lower data.stride in the recipe.",
        )
    selected = trajectory[slice(chosen.start, chosen.stop, chosen.step)]
    if recipe.grid is not None:
        selected = selected.resampled(recipe.grid)
    frame_time = selected.timestep

    def report_progress(offset: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, _total: progress(offset + done, 2 * n)

    normalisation, report = fit_normalisation(selected, report_progress(0))
    if report.n_clipped > 1e-3 * report.n_values:
        raise EldynError(
            f"{report.n_clipped} of {report.n_values} density values are not positive "
            f"(minimum {report.minimum:g} e/Å³), and the model learns ln ρ",
            path=trajectory.path,
            remedy="Use the pseudo density without compensation charges, or a recipe whose grid "
            "is that of the data.",
        )
    if normalisation.rate_std is None:
        raise EldynError("the density does not change with time", path=trajectory.path)
    density = torch.empty((n, *selected.grid.shape), dtype=torch.float32)
    digest = hashlib.sha256(repr((selected.grid.shape, selected.grid.cell.tolist())).encode())
    digest.update(np.ascontiguousarray(selected.times).tobytes())
    count = report_progress(n)
    for index in range(n):
        values = np.ascontiguousarray(selected[index], dtype=np.float32)
        digest.update(values.tobytes())
        density[index] = torch.from_numpy(normalisation.normalise(values)[0])
        if count is not None:
            count(index + 1, n)
    pairs = transitions(n, recipe.stride, reflect_ends=recipe.reflect_ends)
    if recipe.time_reversal:
        pairs = torch.unique(torch.cat([pairs, reverse(pairs)]), dim=0)
    return Dataset(
        density=density,
        pairs=pairs,
        states=torch.unique(pairs.reshape(-1, 2), dim=0),
        grid=selected.grid,
        kind=selected.kind,
        frame_time=frame_time,
        timestep=recipe.stride * frame_time,
        normalisation=normalisation,
        report=report,
        fingerprint=digest.hexdigest(),
        frames=(chosen.start, chosen.stop, chosen.step),
    )
