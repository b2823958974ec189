"""The second stage of the pooled family: the denoiser alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from eldyn_training.data import random_source
from eldyn_training.objective import NoiseDraws, denoising_loss, draw_noise
from eldyn_training.recipe import Recipe
from eldyn_training.state import TrainingState, averaged_networks, restart
from eldyn_training.steps import (
    ENCODE_BATCH,
    Check,
    descend,
    learning_rate,
    loader,
    means,
    never,
    rows_of,
    symmetries,
)
from napari_eldyn.emulator.networks import PooledNetworks

__all__ = ["PooledDenoiserStage"]


class PooledDenoiserStage:
    """The denoiser alone on L_LDM, on the latents of the finished encoder."""

    name = "refining"

    def __init__(self, recipe: Recipe) -> None:
        self.steps = recipe.refinement.steps
        self.autoencoder, self.denoiser = False, True

    def begin(self, training: TrainingState, check: Check = never) -> None:
        """Take the averaged weights, and normalise the latents of all training states exactly."""
        training.networks.load_state_dict(averaged_networks(training).state_dict())
        training.processes.copy_first(training.networks)
        raw = _encode(training, training.networks.encoder)
        training.networks.latent_mean.copy_(raw.mean(dim=0))
        training.networks.latent_std.copy_(raw.std(dim=0).clamp_min(1e-6))
        restart(training)

    def prepare(self, training: TrainingState, check: Check = never) -> None:
        """Encode all training states once, or get ready to encode their symmetric copies."""
        self._loader = None
        if symmetries(training).trivial:
            self._latents = _encode(training, training.networks.encode)
        else:
            self._loader = loader(training, training.recipe.refinement.batch_size)
        self._losses = training.processes.parallel(_DenoisingLoss(training))

    def close(self) -> None:
        """Stop reading ahead."""
        if self._loader is not None:
            self._loader.close()

    def step(self, training: TrainingState) -> dict[str, float]:
        """Learn from the transitions of one batch."""
        recipe, processes = training.recipe, training.processes
        size = recipe.refinement.batch_size
        part = processes.share(size)
        generator = random_source(recipe.training.seed, training.step)
        current, following = self._transitions(training, part, generator)
        schedule = cast("PooledNetworks", training.networks).schedule
        draws = draw_noise(recipe.objective, schedule, size, current.shape[1], generator)
        loss, parts = self._losses(current, following, draws[part])
        done = training.step - (training.stage_begin or 0)
        rate = learning_rate(recipe, recipe.refinement.learning_rate, done, self.steps)
        norm = descend(training, loss, rate)
        return {
            **means(processes, parts),
            "learning_rate": rate,
            "gradient_norm": norm,
            "frames": size,
        }

    @torch.no_grad()
    def _transitions(
        self, training: TrainingState, part: slice, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the latents of a step's transitions, (B, D) each."""
        if self._loader is not None:
            batch = self._loader.batch(training.step)
            encode = training.networks.encode
            return encode(batch.current), encode(batch.following)
        known = training.dataset.training
        size = training.recipe.refinement.batch_size
        chosen = torch.randint(len(known.pairs), (size,), generator=generator)
        rows = rows_of(known.states, known.pairs[chosen])[part]
        return self._latents[rows[:, 0]], self._latents[rows[:, 1]]


class _DenoisingLoss(nn.Module):
    def __init__(self, training: TrainingState) -> None:
        super().__init__()
        networks = cast("PooledNetworks", training.networks)
        self.denoiser, self.schedule = networks.denoiser, networks.schedule
        self.recipe = training.recipe.objective

    def forward(
        self, current: Tensor, following: Tensor, draws: NoiseDraws
    ) -> tuple[Tensor, dict[str, Tensor]]:
        loss, error = denoising_loss(
            self.recipe, self.denoiser, self.schedule, current, following, draws
        )
        return loss, {"loss": loss, "denoising": loss, "noise_mse": error}


@torch.no_grad()
def _encode(training: TrainingState, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encode all training states in float32, each in one symmetric copy, (states, D)."""
    copies = symmetries(training)
    # No step has this number.
    generator = random_source(training.recipe.training.seed, 2**32 - 2)
    latents = []
    for states in torch.split(training.dataset.training.states, ENCODE_BATCH):
        fields = training.dataset.batch(states)
        if not copies.trivial:
            fields = copies.apply(fields, copies.draw(len(states), generator))
        latents.append(encode(fields))
    return torch.cat(latents)
