"""What changes while training: networks, their average, the optimiser; kept in checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from eldyn_training.data import Dataset
from eldyn_training.distributed import Processes
from eldyn_training.objective import DistributionLoss, TargetCounts
from eldyn_training.recipe import Recipe
from eldyn_training.runs import RunDirectory
from napari_eldyn.emulator.config import EmulatorConfig, parse_emulator_config
from napari_eldyn.emulator.networks import EmulatorNetworks, build_networks
from napari_eldyn.exceptions import EldynError

__all__ = ["Best", "TrainingState", "averaged_networks", "restart", "restore", "save", "start"]


@dataclass(frozen=True, eq=False)
class Best:
    """The best averaged weights of a stage so far."""

    step: int
    value: float
    weights: dict[str, Tensor]


@dataclass
class TrainingState:
    """What changes while training, and what it is made from."""

    recipe: Recipe
    dataset: Dataset
    config: EmulatorConfig
    device: torch.device
    processes: Processes
    networks: EmulatorNetworks
    average: AveragedModel
    optimiser: torch.optim.AdamW
    distribution: DistributionLoss
    targets: TargetCounts
    step: int = 0
    seconds: float = 0.0
    stage: int = 0
    """Which stage is under way; as many as there are when all are done."""
    stage_begin: int | None = None
    """The step before its first; None until it begins."""
    denoiser_alone: bool = False
    """Whether the optimiser is that of the denoiser alone."""
    best: Best | None = None
    """Of the stage under way."""
    stale: int = 0
    """Validations since the best."""
    done: list[dict[str, Any]] = field(default_factory=list)
    """Of each stage that is over: name, steps, which weights it ended with, and why early."""


def start(
    recipe: Recipe, dataset: Dataset, device: torch.device, processes: Processes
) -> TrainingState:
    """Build fresh networks, seeded by the recipe, and all that trains them."""
    config = _emulator_config(recipe, dataset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        networks = build_networks(config)
    networks.to(device).train()
    distribution = DistributionLoss.over_range(recipe.objective, *dataset.limits)
    return TrainingState(
        recipe=recipe,
        dataset=dataset,
        config=config,
        device=device,
        processes=processes,
        networks=networks,
        average=_averaged(recipe, networks),
        optimiser=_optimiser(recipe, networks),
        distribution=distribution,
        targets=TargetCounts(
            distribution, dataset.density.__getitem__, len(dataset.density), device
        ),
    )


def averaged_networks(training: TrainingState) -> EmulatorNetworks:
    """Return the networks with averaged weights."""
    networks: EmulatorNetworks = training.average.module  # type: ignore[assignment]
    return networks


def restart(training: TrainingState) -> None:
    """Begin anew from the networks as they are, the denoiser alone: optimiser and average."""
    training.denoiser_alone = True
    training.average = _averaged(training.recipe, training.networks)
    training.optimiser = _optimiser(training.recipe, training.networks.denoiser)


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
    extra = {
        name: getattr(training, name)
        for name in ("seconds", "stage", "stage_begin", "denoiser_alone", "stale", "done")
    }
    if training.best is not None:
        extra["best"] = [training.best.step, training.best.value]
        for name, value in training.best.weights.items():
            tensors[f"best.{name}"] = value
    run.save(training.step, tensors, extra)


def restore(training: TrainingState, run: RunDirectory) -> None:
    """Go on from the run's checkpoint, if it has one.

    Raises
    ------
    EldynError
        If the checkpoint is damaged, or the processes do not see the same one.
    """
    found = run.load()
    step = -1 if found is None else found[0]
    if training.processes.largest(step) != -training.processes.largest(-step):
        raise EldynError(
            "the processes of this run see different checkpoints",
            path=run.path,
            remedy="Use a run directory on a file system that all machines share.",
        )
    if found is None:
        return
    training.step, tensors, extra = found
    parts: dict[str, dict[str, Tensor]] = {
        "networks": {}, "average": {}, "optimiser": {}, "best": {}
    }  # fmt: skip
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    if best := extra.pop("best", None):
        training.best = Best(int(best[0]), float(best[1]), parts["best"])
    for name, value in extra.items():
        setattr(training, name, value)
    training.networks.load_state_dict(parts["networks"])
    training.average.load_state_dict(parts["average"])
    if training.denoiser_alone:
        training.optimiser = _optimiser(training.recipe, training.networks.denoiser)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimiser"].items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    groups = training.optimiser.state_dict()["param_groups"]
    training.optimiser.load_state_dict({"state": state, "param_groups": groups})


def _emulator_config(recipe: Recipe, dataset: Dataset) -> EmulatorConfig:
    return parse_emulator_config(
        {
            "grid_shape": dataset.grid.shape,
            "cell": dataset.grid.cell.tolist(),
            "timestep_fs": dataset.timestep,
            "density_kind": dataset.kind,
            **recipe.model.model_dump(),
        },
        path=None,
    )


def _averaged(recipe: Recipe, networks: EmulatorNetworks) -> AveragedModel:
    update = get_ema_multi_avg_fn(recipe.training.ema_decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(networks, multi_avg_fn=update)
    average.requires_grad_(False)
    return average


def _optimiser(recipe: Recipe, module: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        module.parameters(),
        betas=recipe.training.betas,
        weight_decay=recipe.training.weight_decay,
    )
