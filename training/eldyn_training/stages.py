"""The two stages of training, and what one step of each does.

The randomness of a step depends on the recipe's seed and the number of the step only, so a
resumed run needs no generator states and repeats the uninterrupted one exactly. Every process
draws for the whole batch and works on its share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from eldyn_training.data import BatchLoader, Symmetries, random_source
from eldyn_training.distributed import Processes
from eldyn_training.objective import (
    NoiseDraws,
    denoising_loss,
    draw_noise,
    reconstruction_loss,
)
from eldyn_training.recipe import Recipe
from eldyn_training.state import TrainingState, averaged_networks, restart
from napari_eldyn.emulator.config import PooledConfig
from napari_eldyn.emulator.networks import EmulatorNetworks
from napari_eldyn.exceptions import EldynError

__all__ = ["AutoencoderStage", "DenoiserStage", "Stage", "plan"]

ENCODE_BATCH = 32


class Stage(Protocol):
    """A stretch of steps of one kind."""

    name: str
    steps: int
    autoencoder: bool
    """Whether it changes the autoencoder."""
    denoiser: bool
    """Whether it changes the denoiser."""

    def begin(self, training: TrainingState) -> None:
        """Do once what the stage starts from."""

    def prepare(self, training: TrainingState) -> None:
        """Get ready for steps, also after resuming."""

    def step(self, training: TrainingState) -> dict[str, float]:
        """Do one step; return losses for the log, and how many frames were learned from."""

    def close(self) -> None:
        """End it, or leave it for now."""


def plan(recipe: Recipe, *, trained_autoencoder: bool = False) -> list[Stage]:
    """List the stages of a recipe; a trained autoencoder leaves the denoiser alone to train."""
    if trained_autoencoder and not recipe.refinement.steps:
        raise EldynError(
            "with a trained autoencoder only the denoiser is trained, and the recipe has no steps "
            "for it",
            remedy="Set refinement.steps.",
        )
    stages: list[Stage] = [] if trained_autoencoder else [AutoencoderStage(recipe)]
    return [*stages, DenoiserStage(recipe)] if recipe.refinement.steps else stages


class AutoencoderStage:
    """All networks on L = L_AE + λ1 L_LDM + λ2 L_sJSD, or the autoencoder without L_LDM."""

    name = "training"

    def __init__(self, recipe: Recipe) -> None:
        self.steps = recipe.training.steps
        self.autoencoder, self.denoiser = True, recipe.training.stages == "joint"

    def begin(self, training: TrainingState) -> None:
        """Start from fresh networks."""

    def prepare(self, training: TrainingState) -> None:
        """Bring the losses together, so that several processes can average gradients."""
        self._losses = training.processes.parallel(_Losses(training))
        self._loader = _loader(training, training.recipe.training.batch_size)

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
        rate = _learning_rate(recipe, recipe.training.learning_rate, training.step, self.steps)
        norm = _descend(training, loss, rate)
        return {
            **_means(processes, parts),
            "learning_rate": rate,
            "gradient_norm": norm,
            "frames": size,
        }

    def _draws(self, training: TrainingState, size: int, part: slice) -> NoiseDraws:
        """Draw the noises of the whole batch, and return this process's share."""
        assert isinstance(training.config, PooledConfig)
        return draw_noise(
            training.recipe.objective,
            training.schedule,
            size,
            training.config.autoencoder.latent_dim,
            random_source(training.recipe.training.seed, training.step),
        )[part]


class _Losses(nn.Module):
    """All losses of a batch, in one module whose gradients can be averaged as they come."""

    def __init__(self, training: TrainingState) -> None:
        super().__init__()
        networks, self.recipe = training.networks, training.recipe
        self.encoder, self.decoder = networks.encoder, networks.decoder
        if self.recipe.training.stages == "joint":
            self.denoiser = networks.denoiser
        self.schedule, self.distribution = training.schedule, training.distribution
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
                self.latents.normalise(z if reaches else z.detach())
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

    def normalise(self, raw: Tensor) -> Tensor:
        return (raw - self.networks.latent_mean) / self.networks.latent_std


class DenoiserStage:
    """The denoiser alone on L_LDM, on the latents of the finished encoder."""

    name = "refining"

    def __init__(self, recipe: Recipe) -> None:
        self.steps = recipe.refinement.steps
        self.autoencoder, self.denoiser = False, True

    def begin(self, training: TrainingState) -> None:
        """Take the averaged weights, and normalise the latents of all training states exactly."""
        training.networks.load_state_dict(averaged_networks(training).state_dict())
        training.processes.copy_first(training.networks)
        raw = _encode(training, training.networks.encoder)
        training.networks.latent_mean.copy_(raw.mean(dim=0))
        training.networks.latent_std.copy_(raw.std(dim=0).clamp_min(1e-6))
        restart(training)

    def prepare(self, training: TrainingState) -> None:
        """Encode all training states once, or get ready to encode their symmetric copies."""
        self._loader = None
        if _symmetries(training).trivial:
            self._latents = _encode(training, training.networks.encode)
        else:
            self._loader = _loader(training, training.recipe.refinement.batch_size)
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
        draws = draw_noise(recipe.objective, training.schedule, size, current.shape[1], generator)
        loss, parts = self._losses(current, following, draws[part])
        done = training.step - (training.stage_begin or 0)
        rate = _learning_rate(recipe, recipe.refinement.learning_rate, done, self.steps)
        norm = _descend(training, loss, rate)
        return {
            **_means(processes, parts),
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
        rows = _rows_of(known.states, known.pairs[chosen])[part]
        return self._latents[rows[:, 0]], self._latents[rows[:, 1]]


class _DenoisingLoss(nn.Module):
    def __init__(self, training: TrainingState) -> None:
        super().__init__()
        self.denoiser = training.networks.denoiser
        self.recipe, self.schedule = training.recipe.objective, training.schedule

    def forward(
        self, current: Tensor, following: Tensor, draws: NoiseDraws
    ) -> tuple[Tensor, dict[str, Tensor]]:
        loss, error = denoising_loss(
            self.recipe, self.denoiser, self.schedule, current, following, draws
        )
        return loss, {"loss": loss, "denoising": loss, "noise_mse": error}


def _symmetries(training: TrainingState) -> Symmetries:
    """Return the symmetry operations that the recipe asks for."""
    recipe = training.recipe.data
    return Symmetries(
        training.dataset.grid,
        shifts=recipe.random_shifts,
        point_group=recipe.random_point_group,
        device=training.device,
    )


def _loader(training: TrainingState, batch_size: int) -> BatchLoader:
    return BatchLoader(
        training.dataset,
        _symmetries(training),
        seed=training.recipe.training.seed,
        batch_size=batch_size,
        share=training.processes.share(batch_size),
    )


@torch.no_grad()
def _encode(training: TrainingState, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encode all training states in float32, each in one symmetric copy, (states, D)."""
    symmetries = _symmetries(training)
    # No step has this number.
    generator = random_source(training.recipe.training.seed, 2**32 - 2)
    latents = []
    for states in torch.split(training.dataset.training.states, ENCODE_BATCH):
        fields = training.dataset.batch(states)
        if not symmetries.trivial:
            fields = symmetries.apply(fields, symmetries.draw(len(states), generator))
        latents.append(encode(fields))
    return torch.cat(latents)


def _descend(training: TrainingState, loss: Tensor, rate: float) -> float:
    """Step against the gradient and update the averaged weights; return the gradient's norm."""
    for group in training.optimiser.param_groups:
        group["lr"] = rate
    training.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in training.optimiser.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, training.recipe.training.gradient_clip)
    training.optimiser.step()
    training.average.update_parameters(training.networks)
    return norm.item()


def _means(processes: Processes, parts: dict[str, Tensor]) -> dict[str, float]:
    """Return the losses over the whole batch, fetched from the device at once."""
    values = processes.mean(torch.stack([value.detach() for value in parts.values()]))
    return dict(zip(parts, values.tolist(), strict=True))


def _learning_rate(recipe: Recipe, peak: float, step: int, total: int) -> float:
    """Linear warm-up, then half a cosine."""
    warmup = min(recipe.training.warmup_steps, total // 2)
    if step < warmup:
        return peak * (step + 1) / warmup
    floor = recipe.training.final_learning_rate
    cosine = 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return peak * (floor + (1.0 - floor) * cosine)


def _sjsd_weight(recipe: Recipe, step: int) -> float:
    """Return λ2 at a step."""
    start = recipe.objective.sjsd_start
    ramp = min(1.0, max(0.0, (step - start) / start)) if start else 1.0
    return recipe.objective.sjsd_weight * ramp


def _rows_of(known: Tensor, states: Tensor) -> Tensor:
    """Return where states (..., 2) stand in `known`, (...)."""
    # Sorted by frame, then sign, so frame·4 + sign increases.
    keys = known[:, 0] * 4 + known[:, 1]
    return torch.searchsorted(keys, states[..., 0] * 4 + states[..., 1])
