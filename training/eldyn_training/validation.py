"""Scores on states that do not train: losses, and a short rollout judged as evaluations judge."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eldyn_training.denoising_scores import denoising_scores
from eldyn_training.objective import reconstruction_loss
from eldyn_training.recipe import SpatialRecipe
from eldyn_training.state import TrainingState
from eldyn_training.steps import ENCODE_BATCH, evenly
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.networks import EmulatorNetworks
from napari_eldyn.emulator.rollout import Rollout
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.levels import Level, levels_from_statistics
from napari_eldyn.observables.statistics import default_settings
from napari_eldyn.observables.trajectory_statistics import trajectory_statistics

__all__ = ["Scores", "Validation", "reconstruction_scores"]

Scores = dict[str, float | None]

MAX_FRAMES = 256
"""Validation frames that the rollout is compared with, at most."""


class Validation:
    """Scores networks on the validation part of the data, always with the same noises.

    Parameters
    ----------
    training : TrainingState
        With validation states in its data.
    """

    def __init__(self, training: TrainingState) -> None:
        self._training = training
        recipe, part = training.recipe, training.dataset.validation
        self._states = evenly(part.states, recipe.validation.max_states)
        self._denoising = denoising_scores(training)
        self._start = _first_start(training)
        self._reference = None
        if recipe.validation.rollout_frames:
            self._reference = _trajectory(training, self._start)
        if self._reference is not None:
            settings = default_settings(self._reference, training.dataset.normalisation)
            stride = round(training.dataset.timestep / training.dataset.frame_time)
            self._measured = trajectory_statistics(self._reference, settings, lag=stride)

    def __call__(
        self, networks: EmulatorNetworks, *, autoencoder: bool = True, denoiser: bool = True
    ) -> Scores:
        """Score networks.

        Parameters
        ----------
        networks : EmulatorNetworks
            On the training device; left as they are.
        autoencoder, denoiser : bool
            What is scored.
        """
        scores: Scores = {}
        objective = self._training.recipe.objective
        loss = 0.0
        if autoencoder:
            found = reconstruction_scores(self._training, networks, self._states)
            scores |= found
            loss += found["mse"] + objective.sjsd_weight * found["sjsd"]
        if denoiser:
            measured = self._denoising(networks)
            scores |= measured
            # Alone, the denoiser learns its loss as it is.
            weight = objective.denoising_weight if autoencoder else 1.0
            loss += weight * measured["denoising"]
            if self._reference is not None:
                scores |= self._rollout(networks, self._reference)
        return {"loss": loss, **scores}

    @property
    def reference_scores(self) -> Scores:
        """Scores of one half of the reference frames against the other: a perfect rollout's."""
        if self._reference is None or len(self._measured) < 4:
            return {}
        noise = levels_from_statistics(self._measured, self._measured[0], 0).noise
        return {
            "reference_sjsd": float(noise.sjsd),
            "reference_structure_factor": noise.amplitude_error,
        }

    def _rollout(self, networks: EmulatorNetworks, reference: DensityTrajectory) -> Scores:
        """Score a rollout; one that leaves all bounds has no scores."""
        training = self._training
        recipe = training.recipe.validation
        model = Emulator(
            networks, training.config, training.dataset.normalisation, device=training.device
        )
        names = ("rollout_sjsd", "rollout_structure_factor", "rollout_step_ratio")
        try:
            rollout = Rollout(
                model,
                reference,
                self._start,
                networks.default_sampler,
                recipe.rollout_evaluations,
                training.recipe.training.seed,
            )
            rollout.advance(recipe.rollout_frames)
            ours = trajectory_statistics(rollout, self._measured.settings)
        except EldynError:
            return dict.fromkeys(names)
        level = Level.of(ours.pooled, self._measured.pooled)
        step, real = (_rms(part.steps) for part in (ours, self._measured))
        ratio = step / real if step is not None and real else None
        return dict(zip(names, (float(level.sjsd), level.amplitude_error, ratio), strict=True))


@torch.no_grad()
def reconstruction_scores(
    training: TrainingState, networks: EmulatorNetworks, states: Tensor
) -> dict[str, float]:
    """Score the reconstruction of states (n, 2), in float32."""
    totals = dict.fromkeys(("mse", "mse_density", "mse_rate", "sjsd", "jsd"), 0.0)
    for part in torch.split(states, ENCODE_BATCH):
        batch = training.dataset.batch(part)
        generated = networks.decode(networks.encode(batch))
        channels = reconstruction_loss(generated, batch)
        sjsd, jsd = training.distribution(generated[:, 0], training.targets(part[:, 0]))
        values = torch.stack([channels.mean(), *channels, sjsd, jsd]).tolist()
        for key, value in zip(totals, values, strict=True):
            totals[key] += value * len(part) / len(states)
    return totals


def _first_start(training: TrainingState) -> int:
    """Return the first validation frame that a rollout's context and rate of change end at."""
    if isinstance(training.recipe, SpatialRecipe):
        return 2 + training.recipe.data.stride * (training.recipe.model.denoiser.context_frames - 1)
    return 2


def _trajectory(training: TrainingState, first: int) -> DensityTrajectory | None:
    """Return the first validation frames that follow each other, or None if they are too few."""
    dataset = training.dataset
    states = dataset.validation.states
    states = states[states[:, 1] == 1]
    breaks = (states[1:, 0] - states[:-1, 0] != 1).nonzero().flatten().tolist()
    end = min((breaks[0] + 1) if breaks else len(states), MAX_FRAMES)
    if end < round(dataset.timestep / dataset.frame_time) + first + 1:
        return None
    normalised = np.concatenate(
        [
            dataset.batch(part)[:, 0].cpu().numpy()
            for part in torch.split(states[:end], ENCODE_BATCH)
        ]
    )
    return DensityTrajectory.from_array(
        dataset.normalisation.denormalise(normalised),
        dataset.grid,
        dataset.frame_time * np.arange(end),
        kind=dataset.kind,
    )


def _rms(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else None
