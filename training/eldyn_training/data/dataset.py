"""Normalised frames of all trajectories, and the states and transitions made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eldyn_training.data.selection import Selection, Source, select
from eldyn_training.data.storage import (
    Frames,
    Storage,
    in_memory,
    mapped,
    mapped_path,
    plan_storage,
)
from eldyn_training.data.survey import Survey, survey
from eldyn_training.data.transitions import Part, forward_part, training_part
from eldyn_training.recipe import DataRecipe
from napari_eldyn.density import (
    DensityKind,
    DensityTrajectory,
    LogNormalisation,
    NormalisationReport,
    PeriodicGrid,
)

__all__ = ["Dataset", "load_dataset"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Normalised frames and the transitions to learn.

    Attributes
    ----------
    density : Tensor
        ρ̃ of all frames, those of one trajectory after those of another, (frames, nx, ny, nz)
        float32; on the training device, in main memory, or mapped from a file.
    is_mapped : bool
        Whether it is mapped.
    storage : str
        Where it lies, in words.
    device : torch.device
        Where states are made for training.
    training, validation : Part
        Transitions and states for each; validation ones run forward in time, and there are none
        unless the recipe asks for them.
    sources : tuple of Source
        The trajectories.
    frame_time : float
        Time between stored frames [fs].
    timestep : float
        Δτ, time between the states of a pair [fs].
    normalisation : LogNormalisation
        What the frames are normalised with: ``fitted``, unless another was given.
    fitted : LogNormalisation
        Fitted on the training frames in the model's cell.
    report : NormalisationReport
        What those training frames are like.
    limits : tuple of float
        Least and greatest ρ̃ of the training frames in the model's cell.
    fingerprint : str
        sha256 over grid, cell, times and the densities used.
    """

    density: Tensor
    is_mapped: bool
    storage: str
    device: torch.device
    training: Part
    validation: Part
    sources: tuple[Source, ...]
    grid: PeriodicGrid
    kind: DensityKind
    frame_time: float
    timestep: float
    normalisation: LogNormalisation
    fitted: LogNormalisation
    report: NormalisationReport
    limits: tuple[float, float]
    fingerprint: str

    @property
    def is_at_hand(self) -> bool:
        """Whether the frames lie in the training device's own memory."""
        return self.density.device.type == self.device.type and not self.is_mapped

    def batch(self, states: Tensor) -> Tensor:
        """Return states (S8), (B, 2, nx, ny, nz): ρ̃ and its rate in units of its own spread.

        Parameters
        ----------
        states : Tensor
            (B, 2) int64: frame and sign of the rate.

        Notes
        -----
        The rate is the central difference, so the first and last frame of a trajectory have none.
        """
        return self.states_of(self.fetch(states), states[:, 1])

    def fetch(self, states: Tensor) -> Tensor:
        """Return the frames before, at and after states, (B, 3, nx, ny, nz), on the device."""
        middle = states[:, 0]
        if self.density.device.type != "cpu":
            around = middle[:, None] + torch.tensor([-1, 0, 1])
            return self.density[around.to(self.density.device)].to(self.device)
        pinned = self.device.type == "cuda"
        frames = torch.empty((len(middle), 3, *self.density.shape[1:]), pin_memory=pinned)
        source, target = self.density.numpy(), frames.numpy()
        for place, frame in enumerate(middle.tolist()):
            # One stretch of memory or file; numpy copies without holding up other threads.
            target[place] = source[frame - 1 : frame + 2]
        return frames.to(self.device, non_blocking=pinned)

    def states_of(self, frames: Tensor, signs: Tensor) -> Tensor:
        """Make states of the frames around them, as :meth:`batch` does.

        Parameters
        ----------
        frames : Tensor
            (B, 3, nx, ny, nz): before, at and after each state.
        signs : Tensor
            (B,): of the rates.
        """
        rate_std = self.normalisation.rate_std or 1.0
        scale = signs.to(frames.dtype) / (2.0 * self.frame_time * rate_std)
        rate = (frames[:, 2] - frames[:, 0]) * scale.to(frames.device)[:, None, None, None]
        return torch.stack([frames[:, 1], rate], dim=1)


def load_dataset(
    recipe: DataRecipe,
    trajectories: Sequence[DensityTrajectory],
    progress: Progress | None = None,
    *,
    device: torch.device | None = None,
    storage: Storage = "memory",
    cache: str | Path = ".",
    normalisation: LogNormalisation | None = None,
) -> Dataset:
    """Read, check, resample, normalise and split the frames a recipe asks for.

    Parameters
    ----------
    recipe : DataRecipe
        Frames, grid, transitions and split.
    trajectories : sequence of DensityTrajectory
        Densities in electrons/Å³ at equal time steps, of one kind and one cell, or scaled copies
        of one cell if the recipe allows. The first one's cell is the model's.
    progress : callable, optional
        Called with (frames done, frames in all); every frame is read twice.
    device : torch.device, optional
        Where to make batches; without it the CPU.
    storage : {"memory", "mapped", "auto"}
        Where to keep frames; see :func:`eldyn_training.data.storage.plan_storage`.
    cache : path-like
        Directory for the file of mapped frames.
    normalisation : LogNormalisation, optional
        With the spread of the rate; used instead of one fitted here.

    Raises
    ------
    EldynError
        If trajectories differ in cell, kind, time step or grid, or share frames, a selection has
        too few frames for the stride, the frames are not equally spaced, a frame holds NaN, the
        density does not move, values are not positive in numbers that a log-normal normalisation
        cannot bear (over 0.1 %), or memory or disk do not suffice.
    """
    target = torch.device("cpu") if device is None else device
    selections = select(recipe, trajectories)
    total = sum(len(selection.trajectory) for selection in selections)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, 2 * total)

    found = survey(selections, report)
    normalisation = found.normalisation if normalisation is None else normalisation
    key = f"{found.sha256} {normalisation.model_dump_json()}"
    frames = _frames(
        selections,
        normalisation,
        lambda done: report(total + done),
        target,
        storage,
        mapped_path(Path(cache), key),
    )
    report(2 * total)
    sources = _sources(selections, found)
    first = selections[0]
    grid = first.trajectory.grid
    edges, _ = normalisation.normalise([found.report.minimum, found.report.maximum])
    return Dataset(
        density=frames.density,
        is_mapped=frames.is_mapped,
        storage=frames.description,
        device=target,
        training=training_part(
            [source.training for source in sources],
            recipe.stride,
            time_reversal=recipe.time_reversal,
            reflect_ends=recipe.reflect_ends,
        ),
        validation=forward_part([source.validation for source in sources], recipe.stride),
        sources=sources,
        grid=grid,
        kind=first.trajectory.kind,
        frame_time=first.timestep,
        timestep=recipe.stride * first.timestep,
        normalisation=normalisation,
        fitted=found.normalisation,
        report=found.report,
        limits=(float(edges[0]), float(edges[1])),
        fingerprint=found.fingerprint,
    )


def _frames(
    selections: Sequence[Selection],
    normalisation: LogNormalisation,
    progress: Callable[[int], None],
    device: torch.device,
    storage: Storage,
    path: Path,
) -> Frames:
    """Normalise all frames into where they are to lie."""
    grid = selections[0].trajectory.grid
    places = [
        (selection.trajectory, index)
        for selection in selections
        for index in range(len(selection.trajectory))
    ]

    def read(number: int) -> npt.NDArray[np.float32]:
        trajectory, index = places[number]
        values, _ = normalisation.normalise(trajectory[index])
        progress(number + 1)
        return values

    shape = (len(places), *grid.shape)
    plan = plan_storage(storage, 4 * int(np.prod(shape)), device)
    if plan.place != "mapped":
        return in_memory(plan, shape, read, device)
    return mapped(plan, path, shape, read)


def _sources(selections: Sequence[Selection], found: Survey) -> tuple[Source, ...]:
    sources = []
    offset = 0
    for selection, sha256, n_clipped in zip(selections, found.sha256, found.n_clipped, strict=True):
        trajectory, chosen = selection.trajectory, selection.chosen
        training, validation = selection.training, selection.validation
        sources.append(
            Source(
                name=selection.name,
                path=trajectory.path,
                sha256=sha256,
                frames=(chosen.start, chosen.stop, chosen.step),
                times=(float(trajectory.times[0]), float(trajectory.times[-1])),
                training=range(offset + training.start, offset + training.stop),
                validation=range(offset + validation.start, offset + validation.stop),
                cell=trajectory.grid.cell if selection.in_other_cell else None,
                n_clipped=n_clipped,
                provenance=dict(trajectory.provenance),
            )
        )
        offset += len(trajectory)
    return tuple(sources)
