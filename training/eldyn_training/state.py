"""What changes while training: networks, their average, the optimiser; kept in checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from eldyn_training.data import Dataset
from eldyn_training.objective import DistributionLoss
from eldyn_training.recipe import Recipe
from eldyn_training.runs import RunDirectory
from napari_eldyn.emulator.config import EmulatorConfig
from napari_eldyn.emulator.networks import EmulatorNetworks, build_networks
from napari_eldyn.emulator.schedule import NoiseSchedule, linear_schedule

__all__ = ["TrainingState", "begin_refinement", "restore", "save", "start"]

ENCODE_BATCH = 32


@dataclass
class TrainingState:
    """What changes while training, and what it is made from."""

    recipe: Recipe
    dataset: Dataset
    config: EmulatorConfig
    device: torch.device
    networks: EmulatorNetworks
    average: AveragedModel
    optimiser: torch.optim.AdamW
    schedule: NoiseSchedule
    distribution: DistributionLoss
    step: int = 0
    seconds: float = 0.0
    latents: Tensor | None = None
    """Of all states, by the finished encoder, (states, D); while refining."""


def start(recipe: Recipe, dataset: Dataset, device: torch.device) -> TrainingState:
    """Build fresh networks, seeded by the recipe, and all that trains them."""
    config = _emulator_config(recipe, dataset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        networks = build_networks(config)
    networks.to(device).train()
    return TrainingState(
        recipe=recipe,
        dataset=dataset,
        config=config,
        device=device,
        networks=networks,
        average=_averaged(recipe, networks),
        optimiser=_optimiser(recipe, networks),
        schedule=linear_schedule(config.schedule),
        distribution=DistributionLoss.over_range(recipe.objective, *dataset.limits),
    )


def save(training: TrainingState, run: RunDirectory) -> None:
    """Write a checkpoint."""
    tensors: dict[str, Tensor] = {}
    for name, value in training.networks.state_dict().items():
        tensors[f"networks.{name}"] = value
    for name, value in training.average.state_dict().items():
        tensors[f"average.{name}"] = value
    for index, entries in training.optimiser.state_dict()["state"].items():
        for name, value in entries.items():
            tensors[f"optimiser.{index}.{name}"] = value
    run.save(training.step, tensors, {"seconds": training.seconds})


def restore(training: TrainingState, run: RunDirectory) -> None:
    """Go on from the run's checkpoint, if it has one."""
    found = run.load()
    if found is None:
        run.rewind_log(0)
        return
    training.step, tensors, extra = found
    training.seconds = float(extra["seconds"])
    parts: dict[str, dict[str, Tensor]] = {"networks": {}, "average": {}, "optimiser": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    training.networks.load_state_dict(parts["networks"])
    training.average.load_state_dict(parts["average"])
    if training.step > training.recipe.training.steps:
        training.optimiser = _optimiser(training.recipe, training.networks.denoiser)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimiser"].items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    groups = training.optimiser.state_dict()["param_groups"]
    training.optimiser.load_state_dict({"state": state, "param_groups": groups})
    run.rewind_log(training.step)


def begin_refinement(training: TrainingState) -> None:
    """Take the averaged weights, freeze the encoder and encode all states once."""
    if training.step == training.recipe.training.steps:
        training.networks.load_state_dict(training.average.module.state_dict())
        raw = _encode(training.networks, training, raw=True)
        training.networks.latent_mean.copy_(raw.mean(dim=0))
        training.networks.latent_std.copy_(raw.std(dim=0).clamp_min(1e-6))
        training.average = _averaged(training.recipe, training.networks)
        training.optimiser = _optimiser(training.recipe, training.networks.denoiser)
    training.latents = _encode(training.networks, training, raw=False)


@torch.no_grad()
def _encode(networks: EmulatorNetworks, training: TrainingState, *, raw: bool) -> Tensor:
    """Encode all states in float32, (states, D)."""
    encode = networks.encoder if raw else networks.encode
    return torch.cat(
        [
            encode(training.dataset.batch(states).to(training.device))
            for states in torch.split(training.dataset.training.states, ENCODE_BATCH)
        ]
    )


def _emulator_config(recipe: Recipe, dataset: Dataset) -> EmulatorConfig:
    rows = dataset.grid.cell.tolist()
    return EmulatorConfig(
        family=recipe.model.family,
        grid_shape=dataset.grid.shape,
        cell=(tuple(rows[0]), tuple(rows[1]), tuple(rows[2])),
        timestep_fs=dataset.timestep,
        density_kind=dataset.kind,
        autoencoder=recipe.model.autoencoder,
        denoiser=recipe.model.denoiser,
        schedule=recipe.model.schedule,
    )


def _averaged(recipe: Recipe, networks: EmulatorNetworks) -> AveragedModel:
    update = get_ema_multi_avg_fn(recipe.training.ema_decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(networks, multi_avg_fn=update)
    average.requires_grad_(False)
    return average


def _optimiser(recipe: Recipe, module: torch.nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        module.parameters(),
        betas=recipe.training.betas,
        weight_decay=recipe.training.weight_decay,
    )
