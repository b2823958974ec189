"""The stages of training: stretches of steps of one kind, in the order a recipe asks for."""

from __future__ import annotations

from typing import Protocol

from eldyn_training.autoencoder_stage import AutoencoderStage
from eldyn_training.pooled_denoiser_stage import PooledDenoiserStage
from eldyn_training.recipe import Recipe, SpatialRecipe
from eldyn_training.spatial_denoiser_stage import SpatialDenoiserStage
from eldyn_training.state import TrainingState
from eldyn_training.steps import Check, never
from napari_eldyn.exceptions import EldynError

__all__ = ["Stage", "plan"]


class Stage(Protocol):
    """A stretch of steps of one kind."""

    name: str
    steps: int
    autoencoder: bool
    """Whether it changes the autoencoder."""
    denoiser: bool
    """Whether it changes the denoiser."""

    def begin(self, training: TrainingState, check: Check = never) -> None:
        """Do once what the stage starts from; stopped on the way, it can begin again."""

    def prepare(self, training: TrainingState, check: Check = never) -> None:
        """Get ready for steps, also after resuming."""

    def step(self, training: TrainingState) -> dict[str, float]:
        """Do one step; return losses for the log, and how many frames were learned from."""

    def close(self) -> None:
        """End it, or leave it for now."""


def plan(
    recipe: Recipe, *, trained_autoencoder: bool = False, show_progress: bool = False
) -> list[Stage]:
    """List the stages of a recipe; a trained autoencoder leaves the denoiser alone to train."""
    if trained_autoencoder and not recipe.refinement.steps:
        raise EldynError(
            "with a trained autoencoder only the denoiser is trained, and the recipe has no steps "
            "for it",
            remedy="Set refinement.steps.",
        )
    stages: list[Stage] = [] if trained_autoencoder else [AutoencoderStage(recipe)]
    if isinstance(recipe, SpatialRecipe):
        stages.append(SpatialDenoiserStage(recipe, show_progress=show_progress))
    elif recipe.refinement.steps:
        stages.append(PooledDenoiserStage(recipe))
    return stages
