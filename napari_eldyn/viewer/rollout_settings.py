"""What a rollout is made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_eldyn.viewer.models import LoadedModel

__all__ = ["RolloutSettings"]


@dataclass(frozen=True)
class RolloutSettings:
    """What a rollout is made with.

    Parameters
    ----------
    start_frame : int
        Frame of the reference to start from.
    sampler : str
        Name of the sampler; empty until a model brings its own.
    evaluations : int
        Evaluations of the denoiser per generated frame; 0 until a model brings its own.
    n_frames : int
        Frames that Run generates.
    seed : int
        Seed of the noise.
    """

    start_frame: int = 0
    sampler: str = ""
    evaluations: int = 0
    n_frames: int = 100
    seed: int = 0

    def for_model(self, model: LoadedModel, before: LoadedModel | None) -> RolloutSettings:
        """Return the settings to run a model with.

        What was chosen is kept if the model supports it, unless it was chosen for a model with
        other samplers or other usual evaluations.

        Parameters
        ----------
        model : LoadedModel
            The model.
        before : LoadedModel, optional
            The one for which the settings were.
        """
        sampler, evaluations = self.sampler, self.evaluations
        if before is not None and before.samplers != model.samplers:
            sampler, evaluations = "", 0
        if sampler not in model.samplers:
            evaluations = evaluations if not sampler else 0
            sampler = model.default_sampler
        return replace(self, sampler=sampler, evaluations=evaluations or model.samplers[sampler])

    def same_rollout(self, other: RolloutSettings) -> bool:
        """Whether both give the same frames, however many."""
        return self.same_ensemble(other) and self.seed == other.seed

    def same_ensemble(self, other: RolloutSettings) -> bool:
        """Whether both give rollouts that differ in their noise alone, if at all."""
        return (self.start_frame, self.sampler, self.evaluations) == (
            other.start_frame,
            other.sampler,
            other.evaluations,
        )
