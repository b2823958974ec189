"""The second stage of the spatial family: the denoiser alone, on a bank of latents."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from eldyn_training.data import random_source
from eldyn_training.edm_objective import EdmDraws, draw_levels, residual_loss, residual_spread
from eldyn_training.latent_bank import LatentBank, encode_bank
from eldyn_training.recipe import SpatialRecipe
from eldyn_training.state import TrainingState, averaged_networks, restart
from eldyn_training.steps import ENCODE_BATCH, Check, descend, evenly, learning_rate, means, never
from napari_eldyn.emulator.conservation import fit_density_response
from napari_eldyn.emulator.networks import SpatialNetworks

__all__ = ["SpatialDenoiserStage"]

RESPONSE_STATES = 64
"""Training states that the density response is fitted to, at most: one number per channel from
all latent cells of each."""


class SpatialDenoiserStage:
    """The denoiser alone on the change of the latents, those of the finished encoder."""

    name = "refining"

    def __init__(self, recipe: SpatialRecipe, *, show_progress: bool) -> None:
        self.steps = recipe.refinement.steps
        self.autoencoder, self.denoiser = False, True
        self._recipe, self._show_progress = recipe, show_progress
        self._bank: LatentBank | None = None

    def begin(self, training: TrainingState, check: Check = never) -> None:
        """Take the averaged weights; measure the latents, their changes and what they count."""
        networks = _networks(training)
        networks.load_state_dict(averaged_networks(training).state_dict())
        training.processes.copy_first(networks)
        self._bank = encode_bank(training, check, show_progress=self._show_progress)
        mean, std = self._bank.moments()
        std = std.clamp_min(1e-6)
        change = self._bank.mean_square_change() / std.square()
        networks.latent_mean.copy_(mean)
        networks.latent_std.copy_(std)
        networks.residual_std.copy_(residual_spread(change, self._recipe.objective.context_noise))
        networks.density_response.copy_(_density_response(training, networks))
        restart(training)

    def prepare(self, training: TrainingState, check: Check = never) -> None:
        """Encode the bank, if a run goes on."""
        if self._bank is None:
            self._bank = encode_bank(training, check, show_progress=self._show_progress)
        self._losses = training.processes.parallel(_ResidualLoss(training))

    def close(self) -> None:
        """Give the bank's memory back."""
        self._bank = None

    def step(self, training: TrainingState) -> dict[str, float]:
        """Learn from the transitions of one batch."""
        assert self._bank is not None
        recipe, size = self._recipe, self._recipe.refinement.batch_size
        part = training.processes.share(size)
        generator = random_source(recipe.training.seed, training.step)
        raw = self._bank.draw(size, part, generator)
        draws = draw_levels(recipe, size, self._bank.shape, generator)[part]
        loss = self._losses(_networks(training).normalise(raw), draws)
        done = training.step - (training.stage_begin or 0)
        rate = learning_rate(recipe, recipe.refinement.learning_rate, done, self.steps)
        norm = descend(training, loss, rate)
        return {
            **means(training.processes, {"loss": loss, "denoising": loss}),
            "learning_rate": rate,
            "gradient_norm": norm,
            "frames": size,
        }


class _ResidualLoss(nn.Module):
    """The loss in a module whose gradients can be averaged as they come."""

    def __init__(self, training: TrainingState) -> None:
        super().__init__()
        networks = _networks(training)
        self.denoiser = networks.denoiser
        self.residual_std = networks.residual_std
        self.device_type = training.device.type
        self.precise = training.recipe.training.precision == "float32"

    def forward(self, chains: Tensor, draws: EdmDraws) -> Tensor:
        """Score transitions with their context, (B, K + 1, C, gx, gy, gz), normalised."""
        with torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=not self.precise):
            return residual_loss(self.denoiser, self.residual_std, chains, draws)


@torch.no_grad()
def _density_response(training: TrainingState, networks: SpatialNetworks) -> Tensor:
    """Fit what conserves the electron count to training states in the model's cell."""
    dataset = training.dataset
    places = [source.training for source in dataset.sources if source.cell is None]
    frames = dataset.training.states[:, 0]
    own = torch.zeros(len(frames), dtype=torch.bool)
    for place in places:
        own |= (frames >= place.start) & (frames < place.stop)
    fields = dataset.batch(evenly(dataset.training.states[own], RESPONSE_STATES))
    latents = torch.cat([networks.encode(part) for part in torch.split(fields, ENCODE_BATCH)])
    return fit_density_response(latents, (dataset.normalisation.std * fields[:, 0]).exp())


def _networks(training: TrainingState) -> SpatialNetworks:
    return cast("SpatialNetworks", training.networks)
