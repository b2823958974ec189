"""Recipes: everything that decides a training run except the data, as one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from eldyn_training.recipe_files import read_recipe
from napari_eldyn.config import StrictModel, parse_config
from napari_eldyn.emulator.config import (
    AutoencoderConfig,
    DenoiserConfig,
    DiffusionConfig,
    PositiveInt,
    ScheduleConfig,
    SpatialAutoencoderConfig,
    SpatialDenoiserConfig,
)

__all__ = [
    "DataRecipe",
    "ObjectiveRecipe",
    "PooledModelRecipe",
    "PooledRecipe",
    "Recipe",
    "RefinementRecipe",
    "SpatialModelRecipe",
    "SpatialRecipe",
    "SpatialRefinementRecipe",
    "TrainingRecipe",
    "ValidationRecipe",
    "load_recipe",
    "parse_frames",
    "parse_recipe",
]

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class DataRecipe(StrictModel):
    """Which frames, on which grid, and which transitions between them."""

    grid: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    """Points along the cell vectors; data on another grid are Fourier-resampled. Without it the
    grid of the data is used."""
    frames: str = ":"
    """Training frames as A:B or A:B:S, counted as Python slices are."""
    stride: PositiveInt = 1
    """Frames from a state to the next generated one: Δτ = stride × time step of the data."""
    time_reversal: bool = False
    """Also learn every transition backwards, with the sign of the density rate changed: an exact
    symmetry of the equilibrium ensemble."""
    reflect_ends: bool = False
    """Where a trajectory ends, continue into its time reverse, so that every state has a
    successor. Reversing all velocities keeps the equilibrium distribution (as in generalised
    hybrid Monte Carlo), but the reversal itself is no physical event. Needs time_reversal."""
    random_shifts: bool = False
    """Move every transition by a random number of grid points along each axis, anew each time it
    is used: an exact symmetry."""
    random_point_group: bool = False
    """Rotate or reflect every transition by a random operation of the cell's point group (48 for
    a cube), anew each time it is used. An exact symmetry of liquids; a crystal's density only has
    its own."""
    other_cells: bool = False
    """Also train on trajectories in cells that are the first trajectory's, scaled, with as many
    grid points: the same liquid at another density. Only those in the first one's cell say what
    the model holds (its cell, its normalisation, the range of histograms) and validate; the
    others train with all their frames."""
    validation_trajectories: Annotated[int, Field(ge=0)] | tuple[str, ...] = 0
    """Trajectories held back for validation: the last so many, or those of these names."""
    validation_frames: Annotated[int, Field(ge=0)] = 0
    """Frames held back for validation at the end of every trajectory."""
    validation_fraction: Fraction = 0.0
    """The same as a fraction of the trajectory's chosen frames."""
    validation_gap: PositiveInt | None = None
    """Frames left unused between training and validation frames of a trajectory; without it
    stride + 2, the least that is allowed, so that no two transitions share a frame."""

    @field_validator("frames")
    @classmethod
    def _frames_are_a_slice(cls, value: str) -> str:
        parse_frames(value)
        return value

    @model_validator(mode="after")
    def _reflection_needs_reversal(self) -> Self:
        if self.reflect_ends and not self.time_reversal:
            raise ValueError("reflect_ends needs time_reversal = true")
        return self

    @model_validator(mode="after")
    def _validation_is_split_off_in_one_way(self) -> Self:
        ways = [
            name
            for name in ("validation_trajectories", "validation_frames", "validation_fraction")
            if getattr(self, name)
        ]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other: set one of them")
        if self.validation_gap is not None and self.validation_gap < self.stride + 2:
            raise ValueError(
                f"validation_gap = {self.validation_gap} must be at least stride + 2 = "
                f"{self.stride + 2}"
            )
        return self


class PooledModelRecipe(StrictModel):
    """The paper's networks; see :mod:`napari_eldyn.emulator.config`."""

    family: Literal["pooled"] = "pooled"
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    denoiser: DenoiserConfig = DenoiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()


class SpatialModelRecipe(StrictModel):
    """The networks on a grid of latents; see :mod:`napari_eldyn.emulator.config`."""

    family: Literal["spatial"] = "spatial"
    autoencoder: SpatialAutoencoderConfig = SpatialAutoencoderConfig()
    denoiser: SpatialDenoiserConfig = SpatialDenoiserConfig()
    diffusion: DiffusionConfig = DiffusionConfig()


class ObjectiveRecipe(StrictModel):
    """L = L_AE + λ1 L_LDM + λ2 L_sJSD (S15)."""

    denoising_weight: NonNegative = 0.1
    """λ1."""
    sjsd_weight: NonNegative = 10.0
    """λ2."""
    sjsd_start: Annotated[int, Field(ge=0)] = 0
    """Step at which L_sJSD enters; λ2 then rises linearly over as many steps. From the start it
    asks for fields of the right spread in places not learned yet, and with time reversal that
    drowns what the rate has to teach."""
    sjsd_scale: Literal["constant", "per_bin"] = "constant"
    """Z of (S14): the scalar ½ ln 2 of the cited source, or one value per bin."""
    sjsd_epsilon: Positive = 1e-6
    """Regulariser of the per_bin scale."""
    histogram_bins: Annotated[int, Field(ge=2)] = 128
    histogram_range: tuple[float, float] | None = None
    """First and last bin centre of the normalised density; without it, the range of the data."""
    histogram_width: Positive = 1.0
    """Standard deviation of the Gaussian kernel, in bins."""
    histogram_over: Literal["frame", "batch"] = "frame"
    """One histogram per frame, or one of the whole batch."""
    denoising_reaches_encoder: bool = False
    """Let the gradient of L_LDM into the encoder; it tends to collapse the latents."""
    noise_draws: PositiveInt = 1
    """Diffusion steps and noises drawn per transition and training step: the same expectation
    with less variance."""
    context_noise: NonNegative = 0.0
    """Largest standard deviation of Gaussian noise on the condition of the denoiser, in units of
    the normalised latents; every draw takes one between zero and this. It teaches the denoiser
    to return from latents that no training state has; without it, rollouts can settle there. The
    spatial family's denoiser learns the change from the noisy latents to the true next ones."""
    denoising_weighting: Literal["noise", "velocity"] = "noise"
    """``noise``: every diffusion step weighs alike in the error of the noise (S12).
    ``velocity``: in the error of the velocity √ᾱ ε − √(1 − ᾱ) z_0 (Salimans & Ho 2022), which
    weighs the noisiest steps, where the next frame is decided, far more. Needs
    ``model.denoiser.output = "velocity"``."""

    @field_validator("histogram_range")
    @classmethod
    def _range_increases(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError(f"histogram_range {value} must increase")
        return value


class TrainingRecipe(StrictModel):
    """The first stage: the autoencoder, and the denoiser with it if training is joint."""

    stages: Literal["joint", "two_stage"] = "joint"
    """``joint``: all networks learn together on the whole objective, as in the paper; the
    refinement that may follow goes on with the denoiser alone. ``two_stage``: the autoencoder
    alone on L_AE + λ2 L_sJSD, then the denoiser alone, in the refinement."""
    steps: PositiveInt
    batch_size: PositiveInt = 16
    """Transitions per step: their first states are reconstructed, and their second states are
    encoded for the denoiser to learn."""
    learning_rate: Positive = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    """Steps over which the learning rate rises from zero; it falls as a cosine after that."""
    final_learning_rate: Fraction = 0.01
    """At the last step, as a fraction of learning_rate."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    """Of AdamW."""
    weight_decay: NonNegative = 1e-4
    gradient_clip: Positive = 1.0
    """Largest norm of the gradient."""
    ema_decay: Fraction = 0.999
    """Of the moving average of the weights, which is what the model file holds."""
    latent_momentum: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of the newest batch in the running mean and variance of the latents."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the convolutions; weights, losses and the pooled family's denoiser stay in float32."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class RefinementRecipe(StrictModel):
    """The second stage: the denoiser alone on L_LDM, on latents of the finished encoder."""

    steps: Annotated[int, Field(ge=0)] = 0
    batch_size: PositiveInt = 64
    """Transitions per step."""
    learning_rate: Positive = 1e-3


class SpatialRefinementRecipe(RefinementRecipe):
    """The second stage of the spatial family: the denoiser alone, on a bank of latents.

    The bank is encoded before the first step, as encoding costs more than a step of the denoiser.
    """

    copies: PositiveInt = 32
    """Symmetric copies of all training states in the bank, each trajectory with one shift and
    operation of the point group per copy, as the data recipe allows; without symmetries the bank
    holds the states once. Shifts by whole latent cells come on top in every step. A copy takes
    the encoder's time for each state, and 2 bytes for each number of its latents."""
    noise_log_mean: Annotated[float, Field(allow_inf_nan=False)] = -0.5
    """Mean of ln σ over the noise levels in training (Karras et al. 2022: P_mean), σ in units of
    the spread of the change of the latents in one step."""
    noise_log_std: Positive = 1.7
    """Standard deviation of ln σ (P_std). By default the levels of a sampler, from 0.02 to 20, lie
    within two standard deviations."""


class ValidationRecipe(StrictModel):
    """Scores of the averaged weights on states that do not train, while training."""

    every: PositiveInt = 500
    """Steps from one validation to the next; the last step of a stage is always validated. Only
    where the data hold validation frames."""
    max_states: PositiveInt = 256
    """Evenly spaced validation states that are scored, at most."""
    rollout_frames: Annotated[int, Field(ge=0)] = 50
    """Frames of a rollout that starts at the first validation state; 0 for none."""
    rollout_evaluations: PositiveInt = 10
    """Evaluations of the denoiser per frame of it, by the family's default sampler."""
    quantity: Literal[
        "loss", "mse", "sjsd", "denoising", "step_mse", "rollout_sjsd", "rollout_structure_factor"
    ] = "loss"
    """The score that decides which weights are best: the stage's own loss, a part of it, or the
    rollout's. In a stage that does not measure it the last weights are kept."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Validations without a new best after which the stage ends early; 0 for never."""
    keep: Literal["last", "best"] = "last"
    """Which averaged weights a stage ends with."""


class _Recipe(StrictModel):
    """What recipes of all families have."""

    data: DataRecipe = DataRecipe()
    objective: ObjectiveRecipe = ObjectiveRecipe()
    training: TrainingRecipe
    refinement: RefinementRecipe = RefinementRecipe()
    validation: ValidationRecipe = ValidationRecipe()

    @model_validator(mode="after")
    def _denoiser_is_trained(self) -> Self:
        if self.training.stages == "two_stage" and self.refinement.steps == 0:
            raise ValueError(
                'training.stages = "two_stage" trains the denoiser in the second stage only: '
                "refinement.steps must be above 0"
            )
        return self

    @property
    def total_steps(self) -> int:
        """Steps of both stages together, unless validation ends one early."""
        return self.training.steps + self.refinement.steps


class PooledRecipe(_Recipe):
    """A training run of the paper's family."""

    model: PooledModelRecipe = PooledModelRecipe()

    @model_validator(mode="after")
    def _few_enough_evaluations(self) -> Self:
        validation, steps = self.validation, self.model.schedule.steps
        if validation.rollout_frames and validation.rollout_evaluations > steps:
            raise ValueError(
                f"validation.rollout_evaluations = {validation.rollout_evaluations} is more than "
                f"the {steps} diffusion steps of model.schedule.steps"
            )
        return self

    @model_validator(mode="after")
    def _weighting_needs_output(self) -> Self:
        if (
            self.objective.denoising_weighting == "velocity"
            and self.model.denoiser.output != "velocity"
        ):
            raise ValueError(
                'objective.denoising_weighting = "velocity" needs '
                'model.denoiser.output = "velocity"'
            )
        return self


class SpatialRecipe(_Recipe):
    """A training run of the spatial family."""

    model: SpatialModelRecipe
    refinement: SpatialRefinementRecipe = SpatialRefinementRecipe()

    @model_validator(mode="after")
    def _in_two_stages(self) -> Self:
        if self.training.stages != "two_stage":
            raise ValueError('model.family = "spatial" needs training.stages = "two_stage"')
        return self


Recipe = PooledRecipe | SpatialRecipe
"""A training run."""


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name : path-like
        A TOML file, or the name of a shipped recipe such as ``paper``. With a key
        ``extends = "NAME"`` on top, the file holds only what differs from another recipe: a
        shipped one, or a file beside it.

    Raises
    ------
    EldynError
        If there is no such recipe, the file is not TOML, it extends itself, or a key is unknown
        or of a wrong type.
    """
    values, path = read_recipe(name)
    return parse_recipe(values, path=path)


def parse_recipe(values: dict[str, Any], *, path: Path | None = None) -> Recipe:
    """Check a recipe of any family; see :func:`load_recipe`."""
    model = values.get("model")
    family = model.get("family") if isinstance(model, dict) else None
    if family == "spatial":
        return parse_config(SpatialRecipe, values, path=path)
    return parse_config(PooledRecipe, values, path=path)


def parse_frames(text: str) -> slice:
    """Read ``A:B`` or ``A:B:S`` as a slice that runs forward in time.

    Raises
    ------
    ValueError
        If the text is no such slice.
    """
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or (len(numbers) == 3 and (numbers[2] or 1) < 1):
        raise ValueError(f"frames '{text}' is not A:B or A:B:S with S ≥ 1")
    return slice(*numbers)
