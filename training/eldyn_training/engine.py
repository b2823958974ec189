"""Fit a model: data, networks, run directory, the training loop, the model file.

The loop is in :mod:`eldyn_training.loop`, what a step does in the stages that
:mod:`eldyn_training.stages` lists, what changes in :mod:`eldyn_training.state`. With several
processes (``torchrun``) all go through it together, and the first writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from eldyn_training.data import Dataset, Storage, load_dataset
from eldyn_training.distributed import Processes, join_processes
from eldyn_training.log import Log
from eldyn_training.loop import Loop
from eldyn_training.origin import AutoencoderOrigin
from eldyn_training.recipe import Recipe
from eldyn_training.report import provenance
from eldyn_training.runs import RunDirectory
from eldyn_training.stages import plan
from eldyn_training.state import TrainingState, averaged_networks, restore, start
from eldyn_training.validation import Scores, Validation, reconstruction_scores
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["FitResult", "fit"]

SCORED_STATES = 512
"""Training states that the finished model is scored on, at most."""


@dataclass(frozen=True)
class FitResult:
    """How a call of :func:`fit` ended.

    Attributes
    ----------
    step : int
        Steps done in all.
    finished : bool
        False if a signal stopped the run; the same call goes on with it.
    signal : int
        Number of the signal that stopped it, or 0.
    model : Path
        The model file, written if finished.
    scores : dict
        Of the model's weights over the training states, if finished.
    validation_scores : dict
        The same over the validation states, with those of a rollout; empty without any.
    """

    step: int
    finished: bool
    signal: int
    model: Path
    scores: dict[str, float]
    validation_scores: Scores


def fit(
    recipe: Recipe,
    trajectories: Sequence[DensityTrajectory],
    out: str | Path,
    *,
    autoencoder: str | Path | None = None,
    device: str = "auto",
    checkpoint_minutes: float = 5.0,
    storage: Storage = "auto",
    tensorboard: bool = False,
    show_progress: bool = True,
    recipe_name: str | None = None,
) -> FitResult:
    """Train a model, or go on with a run that was stopped.

    SIGINT and SIGTERM save a checkpoint after the step under way and return.

    Parameters
    ----------
    recipe : Recipe
        What to train and how.
    trajectories : sequence of DensityTrajectory
        Training data; the recipe chooses frames and grid, and what validates.
    out : path-like
        Run directory: ``model.safetensors``, ``log.jsonl``, ``checkpoint.safetensors``, and
        ``best.safetensors`` where validation found better weights than the model's.
    autoencoder : path-like, optional
        A model whose autoencoder is used as it is, with its normalisation; only the denoiser is
        trained.
    device : str
        ``auto``, ``cpu``, ``cuda``, …
    checkpoint_minutes : float
        Wall time between checkpoints.
    storage : {"auto", "memory", "mapped"}
        Where normalised frames are kept; a mapped file lies beside the run directory.
    tensorboard : bool
        Write the log for TensorBoard, too, to ``out/tensorboard``.
    show_progress : bool
        Progress bars with ETA on stderr.
    recipe_name : str, optional
        Recorded in the model.

    Raises
    ------
    EldynError
        If data and recipe do not fit, the directory belongs to another run, the device or
        TensorBoard is missing, the processes cannot divide a batch, or the loss diverges.
    """
    with join_processes(device) as (processes, target):
        show_progress = show_progress and processes.is_first
        processes.check_divides(recipe.training.batch_size, "training.batch_size")
        if recipe.refinement.steps:
            processes.check_divides(recipe.refinement.batch_size, "refinement.batch_size")
        origin = None if autoencoder is None else AutoencoderOrigin.load(autoencoder)
        dataset = _load(
            processes,
            target,
            recipe,
            trajectories,
            Path(out).parent,
            storage,
            show_progress,
            origin,
        )
        training = start(recipe, dataset, target, processes)
        if origin is not None:
            origin.give_to(training)
        stages = plan(recipe, trained_autoencoder=origin is not None, show_progress=show_progress)
        validation = None
        if processes.is_first:
            validation = _validation(training, show_progress)
        run = _claim(processes, Path(out), recipe, dataset, origin)

        def describe(weights: str) -> dict[str, Any]:
            return provenance(
                training,
                recipe_name=recipe_name,
                weights=weights,
                log=run.read_log(),
                origin=origin,
            )

        try:
            restore(training, run)
            with Log.open(run, training.step, processes, tensorboard=tensorboard) as log:
                loop = Loop(
                    training, stages, run, log, validation, 60.0 * checkpoint_minutes, describe
                )
                received = loop.train(show_progress)
            finished = training.stage == len(stages)
            scores, validation_scores = {}, {}
            if finished:
                scores, validation_scores = processes.first(lambda: _finish(loop))
            return FitResult(
                training.step, finished, received, run.model, scores, validation_scores
            )
        finally:
            run.close()


def _load(
    processes: Processes,
    device: torch.device,
    recipe: Recipe,
    trajectories: Sequence[DensityTrajectory],
    cache: Path,
    storage: Storage,
    show_progress: bool,
    origin: AutoencoderOrigin | None,
) -> Dataset:
    """Read the data, the first process before the others: a mapped file is made only once."""
    loaded: list[Dataset] = []

    def load() -> None:
        with tqdm(desc="reading frames", unit="", disable=not show_progress, leave=False) as bar:

            def read(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            loaded.append(
                load_dataset(
                    recipe.data,
                    trajectories,
                    read,
                    device=device,
                    storage=storage,
                    cache=cache,
                    normalisation=None if origin is None else origin.normalisation,
                )
            )

    processes.first(load)
    if not loaded:
        load()
    (dataset,) = loaded
    if show_progress:
        _tell(dataset, origin)
    return dataset


def _tell(dataset: Dataset, origin: AutoencoderOrigin | None) -> None:
    """Say what the user should know of the data."""
    tqdm.write(f"normalised frames: {dataset.storage}")
    if origin is not None and (line := origin.tell_normalisation(dataset)):
        tqdm.write(line)
    if others := [source.name for source in dataset.sources if source.cell is not None]:
        tqdm.write(
            f"in other cells, and for training only: {', '.join(others)}; cell, normalisation and "
            f"validation are those of {dataset.sources[0].name}"
        )
    for source in dataset.sources:
        if source.n_clipped:
            tqdm.write(
                f"{source.name}: {source.n_clipped} values were not positive and are clipped to "
                f"{dataset.normalisation.floor:g} e/Å³ before the logarithm"
            )


def _validation(training: TrainingState, show_progress: bool) -> Validation | None:
    wanted = training.recipe.validation
    if len(training.dataset.validation.pairs):
        return Validation(training)
    if wanted.patience or wanted.keep == "best":
        raise EldynError(
            'validation.patience and validation.keep = "best" need validation states, and the '
            "recipe's [data] holds none back",
            remedy="Set data.validation_frames, data.validation_fraction or "
            "data.validation_trajectories.",
        )
    if show_progress:
        tqdm.write("no frames are held back for validation: training losses only")
    return None


def _claim(
    processes: Processes,
    out: Path,
    recipe: Recipe,
    dataset: Dataset,
    origin: AutoencoderOrigin | None,
) -> RunDirectory:
    """Let the first process claim the run directory; the others read beside it."""
    sha256 = None if origin is None else origin.checkpoint.sha256
    claimed: list[RunDirectory] = []

    def claim() -> None:
        claimed.append(RunDirectory.claim(out, recipe, dataset.fingerprint, sha256))

    processes.first(claim)
    return claimed[0] if claimed else RunDirectory.beside(out)


def _finish(loop: Loop) -> tuple[dict[str, float], Scores]:
    """Score the finished model and write it."""
    training = loop.training
    networks = averaged_networks(training)
    states = training.dataset.training.states
    chosen = torch.linspace(0, len(states) - 1, min(len(states), SCORED_STATES)).round().long()
    scores = reconstruction_scores(training, networks, states[chosen])
    validation: Scores = {}
    if loop.validation is not None:
        validation = {**loop.validation(networks), **loop.validation.reference_scores}
    loop.export(
        loop.run.model,
        None,
        training.done[-1]["weights"],
        scores_on_training_states=scores,
        scores_on_validation_states=validation,
    )
    return scores, validation
