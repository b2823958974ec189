"""What validation measures of a denoiser, always with the same noises."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from eldyn_training.data import random_source
from eldyn_training.edm_objective import draw_levels, residual_loss
from eldyn_training.latent_bank import context_chains
from eldyn_training.objective import denoising_loss, draw_noise
from eldyn_training.recipe import PooledRecipe, SpatialRecipe
from eldyn_training.state import TrainingState
from eldyn_training.steps import ENCODE_BATCH, evenly
from napari_eldyn.emulator.networks import EmulatorNetworks, PooledNetworks, SpatialNetworks

__all__ = ["DenoisingScores", "denoising_scores"]

_DRAWS = 2**32 - 1
"""The step whose random numbers are validation's: no training step has it."""


class DenoisingScores(Protocol):
    """Scores networks on the validation transitions."""

    def __call__(self, networks: EmulatorNetworks) -> dict[str, float]:
        """Return the loss as ``denoising``, and what else says how good it is."""


def denoising_scores(training: TrainingState) -> DenoisingScores:
    """Return what scores the denoiser of a training's family."""
    if isinstance(training.recipe, SpatialRecipe):
        return _SpatialScores(training, training.recipe)
    return _PooledScores(training, training.recipe)


class _PooledScores:
    """L_LDM and the error of the noise."""

    def __init__(self, training: TrainingState, recipe: PooledRecipe) -> None:
        self._training, self._objective = training, recipe.objective
        self._pairs = evenly(training.dataset.validation.pairs, recipe.validation.max_states)
        self._draws = draw_noise(
            recipe.objective,
            cast("PooledNetworks", training.networks).schedule,
            len(self._pairs),
            recipe.model.autoencoder.latent_dim,
            random_source(recipe.training.seed, _DRAWS),
        )

    @torch.no_grad()
    def __call__(self, networks: EmulatorNetworks) -> dict[str, float]:
        networks = cast("PooledNetworks", networks)
        latents = _encode(self._training, networks, self._pairs)
        loss, error = denoising_loss(
            self._objective,
            networks.denoiser,
            networks.schedule,
            latents[:, 0],
            latents[:, 1],
            self._draws,
        )
        return {"denoising": loss.item(), "noise_mse": error.item()}


class _SpatialScores:
    """The loss, and the error of the expected next latents over that of persistence."""

    def __init__(self, training: TrainingState, recipe: SpatialRecipe) -> None:
        self._training, self._recipe = training, recipe
        chains = context_chains(training, training.dataset.validation.pairs, "validation")
        self._chains = evenly(chains, recipe.validation.max_states)

    @torch.no_grad()
    def __call__(self, networks: EmulatorNetworks) -> dict[str, float]:
        networks = cast("SpatialNetworks", networks)
        latents = _encode(self._training, networks, self._chains)
        draws = draw_levels(
            self._recipe,
            len(latents),
            tuple(latents.shape[2:]),
            random_source(self._recipe.training.seed, _DRAWS),
        )
        losses, errors, changes = 0.0, 0.0, 0.0
        for part in torch.split(torch.arange(len(latents)), ENCODE_BATCH):
            some = slice(int(part[0]), int(part[-1]) + 1)
            chains = latents[some]
            loss = residual_loss(networks.denoiser, networks.residual_std, chains, draws[some])
            losses += loss.item() * len(part)
            # At the highest noise the denoiser has only the context to go by.
            sigma = self._recipe.model.diffusion.sigma_max
            noisy = sigma * draws.noise[0, some].to(chains)
            context = chains[:, :-1].flatten(1, 2)
            expected = networks.denoiser(noisy, noisy.new_full((len(part),), sigma), context)
            change = chains[:, -1] - chains[:, -2]
            errors += (expected * networks.residual_std - change).square().sum().item()
            changes += change.square().sum().item()
        return {"denoising": losses / len(latents), "step_mse": errors / changes}


def _encode(training: TrainingState, networks: EmulatorNetworks, states: Tensor) -> Tensor:
    """Encode states (n, m, 2) to (n, m, *latents of one frame)."""
    parts = [
        networks.encode(training.dataset.batch(part))
        for part in torch.split(states.reshape(-1, 2), ENCODE_BATCH)
    ]
    latents = torch.cat(parts)
    return latents.view(*states.shape[:2], *latents.shape[1:])
