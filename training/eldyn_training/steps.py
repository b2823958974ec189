"""What the steps of all stages have in common.

The randomness of a step depends on the recipe's seed and the number of the step only, so a
resumed run needs no generator states and repeats the uninterrupted one exactly. Every process
draws for the whole batch and works on its share.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from eldyn_training.data import BatchLoader, Symmetries
from eldyn_training.distributed import Processes
from eldyn_training.recipe import Recipe
from eldyn_training.state import TrainingState

__all__ = [
    "ENCODE_BATCH",
    "Check",
    "StoppedError",
    "descend",
    "evenly",
    "learning_rate",
    "loader",
    "means",
    "never",
    "rows_of",
    "symmetries",
]

ENCODE_BATCH = 32
"""States encoded at once."""

Check = Callable[[], None]
"""Called now and then in work that takes long; raises :class:`StoppedError`."""


class StoppedError(Exception):
    """A signal asks to stop."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal


def never() -> None:
    """Go on, whatever happens."""


def symmetries(training: TrainingState) -> Symmetries:
    """Return the symmetry operations that the recipe asks for."""
    recipe = training.recipe.data
    return Symmetries(
        training.dataset.grid,
        shifts=recipe.random_shifts,
        point_group=recipe.random_point_group,
        device=training.device,
    )


def loader(training: TrainingState, batch_size: int) -> BatchLoader:
    """Return this process's share of the batches of transitions."""
    return BatchLoader(
        training.dataset,
        symmetries(training),
        seed=training.recipe.training.seed,
        batch_size=batch_size,
        share=training.processes.share(batch_size),
    )


def descend(training: TrainingState, loss: Tensor, rate: float) -> float:
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


def means(processes: Processes, parts: dict[str, Tensor]) -> dict[str, float]:
    """Return the losses over the whole batch, fetched from the device at once."""
    values = processes.mean(torch.stack([value.detach() for value in parts.values()]))
    return dict(zip(parts, values.tolist(), strict=True))


def learning_rate(recipe: Recipe, peak: float, step: int, total: int) -> float:
    """Linear warm-up, then half a cosine."""
    warmup = min(recipe.training.warmup_steps, total // 2)
    if step < warmup:
        return peak * (step + 1) / warmup
    floor = recipe.training.final_learning_rate
    cosine = 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return peak * (floor + (1.0 - floor) * cosine)


def evenly(rows: Tensor, most: int) -> Tensor:
    """Return evenly spaced rows, at most so many."""
    return rows[torch.linspace(0, len(rows) - 1, min(len(rows), most)).round().long()]


def rows_of(known: Tensor, states: Tensor) -> Tensor:
    """Return where states (..., 2) stand in `known`, (...)."""
    # Sorted by frame, then sign, so frame·4 + sign increases.
    keys = known[:, 0] * 4 + known[:, 1]
    return torch.searchsorted(keys, states[..., 0] * 4 + states[..., 1])
