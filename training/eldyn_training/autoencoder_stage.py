"""The first stage: all networks together, or the autoencoder alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from eldyn_training.data import random_source
from eldyn_training.distributed import Processes
from eldyn_training.objective import (
    NoiseDraws,
    denoising_loss,
    draw_noise,
    reconstruction_loss,
)
from eldyn_training.recipe import Recipe
from eldyn_training.state import TrainingState
from eldyn_training.steps import Check, descend, learning_rate, loader, means, never
from napari_eldyn.emulator.networks import EmulatorNetworks, PooledNetworks

__all__ = ["AutoencoderStage"]


class AutoencoderStage:
    """All networks on L = L_AE + λ1 L_LDM + λ2 L_sJSD, or the autoencoder without L_LDM."""

    name = "training"

    def __init__(self, recipe: Recipe) -> None:
        self.steps = recipe.training.steps
        self.autoencoder, self.denoiser = True, recipe.training.stages == "joint"

    def begin(self, training: TrainingState, check: Check = never) -> None:
        """Start from fresh networks."""

    def prepare(self, training: TrainingState, check: Check = never) -> None:
        """Bring the losses together, so that several processes can average gradients."""
        self._losses = training.processes.parallel(_Losses(training))
        self._loader = loader(training, training.recipe.training.batch_size)

    def close(self) -> None:
        """Stop reading ahead."""
        self._loader.close()

    def step(self, training: TrainingState) -> dict[str, float]:
        """Learn from the transitions of one batch."""
        recipe, processes = training.recipe, training.processes
        size = recipe.training.batch_size
        part = processes.share(size)
        batch = self._loader.batch(training.step)
        draws = self._draws(training, size, part) if self.denoiser else None
        weight = _sjsd_weight(recipe, training.step)
        loss, parts = self._losses(
            batch.current,
            batch.following if self.denoiser else None,
            training.targets(self._loader.draw(training.step).pairs[:, 0, 0]),
            draws,
            weight,
            first=training.step == 0,
        )
        rate = learning_rate(recipe, recipe.training.learning_rate, training.step, self.steps)
        norm = descend(training, loss, rate)
        return {
            **means(processes, parts),
            "learning_rate": rate,
            "gradient_norm": norm,
            "frames": size,
        }

    def _draws(self, training: TrainingState, size: int, part: slice) -> NoiseDraws:
        """Draw the noises of the whole batch, and return this process's share."""
        networks = cast("PooledNetworks", training.networks)
        return draw_noise(
            training.recipe.objective,
            networks.schedule,
            size,
            len(networks.latent_mean),
            random_source(training.recipe.training.seed, training.step),
        )[part]


class _Losses(nn.Module):
    """All losses of a batch, in one module whose gradients can be averaged as they come."""

    def __init__(self, training: TrainingState) -> None:
        super().__init__()
        networks, self.recipe = training.networks, training.recipe
        self.encoder, self.decoder = networks.encoder, networks.decoder
        if self.recipe.training.stages == "joint":
            pooled = cast("PooledNetworks", networks)
            self.denoiser, self.schedule = pooled.denoiser, pooled.schedule
        self.distribution = training.distribution
        self.processes, self.device_type = training.processes, training.device.type
        self.latents = _RunningLatents(
            networks, self.recipe.training.latent_momentum, training.processes
        )

    def forward(
        self,
        current: Tensor,
        following: Tensor | None,
        target_counts: Tensor,
        draws: NoiseDraws | None,
        sjsd_weight: float,
        *,
        first: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the objective, and its parts without gradient."""
        objective = self.recipe.objective
        reaches = objective.denoising_reaches_encoder
        with torch.autocast(
            self.device_type,
            dtype=torch.bfloat16,
            enabled=self.recipe.training.precision == "bfloat16",
        ):
            raw = self.encoder(current)
            generated = self.decoder(raw)
            if following is not None:
                with torch.set_grad_enabled(reaches):
                    raw_following = self.encoder(following)
        raw, generated = raw.float(), generated.float()
        self.latents.update(raw, first=first)
        channels = reconstruction_loss(generated, current)
        sjsd, jsd = self.distribution(generated[:, 0], target_counts, self.processes.sum)
        loss = channels.mean() + sjsd_weight * sjsd
        parts = {
            "mse": channels.mean(),
            "mse_density": channels[0],
            "mse_rate": channels[1],
            "sjsd": sjsd,
            "jsd": jsd,
        }
        if following is not None and draws is not None:
            z_0, z_next = (
                self.latents.networks.normalise(z if reaches else z.detach())
                for z in (raw, raw_following.float())
            )
            denoising, noise_error = denoising_loss(
                objective, self.denoiser, self.schedule, z_0, z_next, draws
            )
            loss = loss + objective.denoising_weight * denoising
            parts |= {"denoising": denoising, "noise_mse": noise_error}
        return loss, {"loss": loss, **parts}


@dataclass(frozen=True)
class _RunningLatents:
    """Running mean and standard deviation of the raw latents of all processes' batches."""

    networks: EmulatorNetworks
    momentum: float
    processes: Processes

    def update(self, raw: Tensor, *, first: bool) -> None:
        networks, weight = self.networks, 1.0 if first else self.momentum
        latents = self.processes.gather(raw)
        # Over everything but the channels: (D,) of vectors, (C, 1, 1, 1) of grids.
        others = (0, *range(2, latents.ndim))
        shape = networks.latent_mean.shape
        networks.latent_mean.lerp_(latents.mean(dim=others).view(shape), weight)
        variance = networks.latent_std.square()
        square = (latents - networks.latent_mean).square()
        variance.lerp_(square.mean(dim=others).view(shape), weight)
        networks.latent_std.copy_(variance.sqrt().clamp_min(1e-6))


def _sjsd_weight(recipe: Recipe, step: int) -> float:
    """Return λ2 at a step."""
    start = recipe.objective.sjsd_start
    ramp = min(1.0, max(0.0, (step - start) / start)) if start else 1.0
    return recipe.objective.sjsd_weight * ramp
