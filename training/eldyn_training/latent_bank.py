"""Latents of all training states in symmetric copies, encoded once, drawn from in every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from eldyn_training.data import Moves, Symmetries, available_memory, chains, random_source
from eldyn_training.recipe import SpatialRecipe
from eldyn_training.state import TrainingState
from eldyn_training.steps import ENCODE_BATCH, Check, rows_of, symmetries
from napari_eldyn.density import PeriodicGrid
from napari_eldyn.emulator.config import BLOCK
from napari_eldyn.exceptions import EldynError

__all__ = ["LatentBank", "context_chains"]

_COPIES = 2**32 - 3
"""The step whose random numbers choose the copies: no training step has it."""


@dataclass(frozen=True, eq=False)
class LatentBank:
    """Raw latents of the training states.

    Attributes
    ----------
    latents : Tensor
        (copies, states, C, gx, gy, gz) float16, on the training device: latents are bounded, and
        rounding them changes a step of the dynamics by less than 1 %.
    rows : Tensor
        (chains, K + 1) int64: the states of each transition with its context, oldest first.
    shifts : Symmetries
        Shifts by whole latent cells, if the recipe allows shifts.
    """

    latents: Tensor
    rows: Tensor
    shifts: Symmetries

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame's latents, (C, gx, gy, gz)."""
        return tuple(self.latents.shape[2:])

    def draw(self, size: int, part: slice, generator: torch.Generator) -> Tensor:
        """Draw raw latents of transitions with their context.

        Parameters
        ----------
        size : int
            Transitions of the whole batch.
        part : slice
            Those wanted.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        Tensor
            (B, K + 1, C, gx, gy, gz) float32.
        """
        copies = torch.randint(len(self.latents), (size,), generator=generator)[part]
        chosen = torch.randint(len(self.rows), (size,), generator=generator)[part]
        moves = self.shifts.draw(size, generator)[part]
        device = self.latents.device
        rows = self.rows[chosen].to(device)
        found = self.latents[copies.to(device)[:, None], rows].float()
        if self.shifts.trivial:
            return found
        return self.shifts.apply(found.flatten(1, 2), moves).view_as(found)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each channel, (C, 1, 1, 1) each."""
        total = square = torch.zeros(())
        for copy in self.latents:
            values = copy.double()
            total = total + values.mean((0, 2, 3, 4))
            square = square + values.square().mean((0, 2, 3, 4))
        mean, square = total / len(self.latents), square / len(self.latents)
        std = (square - mean.square()).clamp_min(0.0).sqrt()
        return mean.float().view(-1, 1, 1, 1), std.float().view(-1, 1, 1, 1)

    def mean_square_change(self) -> Tensor:
        """Return the mean square change of each channel in one model step, (C, 1, 1, 1)."""
        before, after = (self.rows[:, column].to(self.latents.device) for column in (-2, -1))
        total = torch.zeros(())
        for copy in self.latents:
            values = copy.double()
            total = total + (values[after] - values[before]).square().mean((0, 2, 3, 4))
        return (total / len(self.latents)).float().view(-1, 1, 1, 1)


def context_chains(training: TrainingState, pairs: Tensor, purpose: str) -> Tensor:
    """Return transitions with the context that the denoiser sees, (chains, K + 1, 2).

    Raises
    ------
    EldynError
        If no stretch of frames is long enough.
    """
    assert isinstance(training.recipe, SpatialRecipe)
    frames = training.recipe.model.denoiser.context_frames
    found = chains(pairs, frames)
    if len(found) or not len(pairs):
        return found
    raise EldynError(
        f"no stretch of {purpose} frames is long enough for {frames} context frames "
        f"{training.dataset.timestep:g} fs apart",
        remedy="Choose fewer model.denoiser.context_frames, a smaller data.stride, or more frames.",
    )


@torch.no_grad()
def encode_bank(training: TrainingState, check: Check, *, show_progress: bool) -> LatentBank:
    """Encode symmetric copies of all training states, the same ones whenever it is asked.

    Parameters
    ----------
    training : TrainingState
        Its encoder is used as it is, in float32. Several processes share the work.
    check : callable
        Called after each batch.
    show_progress : bool
        A progress bar on stderr.

    Raises
    ------
    EldynError
        If memory does not suffice, or no stretch is long enough for the context.
    """
    assert isinstance(training.recipe, SpatialRecipe)
    dataset, processes = training.dataset, training.processes
    states = dataset.training.states
    chosen = context_chains(training, dataset.training.pairs, "training")
    operations = symmetries(training)
    copies = 1 if operations.trivial else training.recipe.refinement.copies
    grid = dataset.grid
    coarse = PeriodicGrid(grid.cell, [points // BLOCK for points in grid.shape])
    channels = training.recipe.model.autoencoder.latent_channels
    latents = _room(training, (copies, len(states), channels, *coarse.shape))
    # One operation for each copy of each trajectory, so that transitions stay transitions.
    starts = torch.tensor([source.training.start for source in dataset.sources])
    origin = torch.bucketize(states[:, 0].contiguous(), starts, right=True) - 1
    generator = random_source(training.recipe.training.seed, _COPIES)
    moves = operations.draw(copies * len(starts), generator)
    shared = copies % processes.count == 0
    mine = range(copies)[processes.share(copies)] if shared else range(copies)
    batches = torch.split(torch.arange(len(states)), ENCODE_BATCH)
    with tqdm(
        desc="encoding latents",
        total=len(mine) * len(states),
        unit="state",
        disable=not show_progress,
        leave=False,
    ) as bar:
        for copy in mine:
            for batch in batches:
                fields = dataset.batch(states[batch])
                if not operations.trivial:
                    which = copy * len(starts) + origin[batch]
                    fields = operations.apply(
                        fields, Moves(moves.shifts[which], moves.operations[which])
                    )
                latents[copy, batch] = training.networks.encoder(fields).half()
                bar.update(len(batch))
                check()
    if shared and processes.count > 1:
        latents = processes.gather(latents[mine.start : mine.stop])
    return LatentBank(
        latents,
        rows_of(states, chosen),
        Symmetries(
            coarse,
            shifts=training.recipe.data.random_shifts,
            point_group=False,
            device=training.device,
        ),
    )


def _room(training: TrainingState, shape: tuple[int, ...]) -> Tensor:
    """Return memory for the bank, on the training device."""
    latents = torch.Size(shape)
    n_bytes = 2 * latents.numel()
    free = (
        torch.cuda.mem_get_info(training.device)[0]
        if training.device.type == "cuda"
        else available_memory()
    )
    if n_bytes > free:
        raise EldynError(
            f"{shape[0]} copies of {shape[1]} states' latents take {n_bytes / 1e9:.3g} GB, but "
            f"only {free / 1e9:.3g} GB of memory are free on {training.device}",
            remedy="Lower refinement.copies.",
        )
    return torch.empty(latents, dtype=torch.float16, device=training.device)
