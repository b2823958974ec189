"""The training loop: stage after stage, step after step, with checkpoints and validation.

What a step does is in :mod:`eldyn_training.stages`; what changes is in
:mod:`eldyn_training.state`. With several processes (``torchrun``) all go through this loop
together, and the first writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from eldyn_training.data import Dataset, Storage, load_dataset
from eldyn_training.distributed import Processes, join_processes
from eldyn_training.log import Log
from eldyn_training.origin import AutoencoderOrigin
from eldyn_training.recipe import Recipe
from eldyn_training.report import provenance
from eldyn_training.runs import RunDirectory
from eldyn_training.signals import catch_signals
from eldyn_training.stages import Stage, plan
from eldyn_training.state import Best, TrainingState, averaged_networks, restore, save, start
from eldyn_training.validation import Scores, Validation, reconstruction_scores
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator.checkpoint import save_checkpoint
from napari_eldyn.emulator.networks import build_networks
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
        A model whose autoencoder is used as it is; only the denoiser is trained.
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
        dataset = _load(
            processes, target, recipe, trajectories, Path(out).parent, storage, show_progress
        )
        training = start(recipe, dataset, target, processes)
        origin = None if autoencoder is None else AutoencoderOrigin.load(autoencoder)
        if origin is not None:
            origin.give_to(training)
        stages = plan(recipe, trained_autoencoder=origin is not None)
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
                loop = _Loop(
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
                    recipe.data, trajectories, read, device=device, storage=storage, cache=cache
                )
            )

    processes.first(load)
    if not loaded:
        load()
    (dataset,) = loaded
    if show_progress:
        tqdm.write(f"normalised frames: {dataset.storage}")
    if dataset.report.n_clipped and show_progress:
        tqdm.write(
            f"{dataset.report.n_clipped} of {dataset.report.n_values} values were not positive "
            f"and are clipped to {dataset.normalisation.floor:g} e/Å³ before the logarithm"
        )
    return dataset


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


class _Loop:
    """Goes through the stages; everything that has to happen at some step happens here."""

    def __init__(
        self,
        training: TrainingState,
        stages: Sequence[Stage],
        run: RunDirectory,
        log: Log,
        validation: Validation | None,
        checkpoint_seconds: float,
        describe: Callable[[str], dict[str, Any]],
    ) -> None:
        self.training, self.stages, self.run, self.log = training, stages, run, log
        self.validation, self.checkpoint_seconds = validation, checkpoint_seconds
        self._describe = describe

    def train(self, show_progress: bool) -> int:
        """Train until done or stopped; return the number of the signal received, or 0."""
        training = self.training
        self._saved = time.monotonic()
        with catch_signals() as received, ExitStack() as closing:
            while training.stage < len(self.stages):
                closing.close()
                stage = self.stages[training.stage]
                if training.stage_begin is None:
                    stage.begin(training)
                    training.stage_begin = training.step
                stage.prepare(training)
                closing.callback(stage.close)
                end = training.stage_begin + stage.steps
                with tqdm(
                    desc=stage.name,
                    total=stage.steps,
                    initial=training.step - training.stage_begin,
                    unit="step",
                    disable=not show_progress,
                ) as bar:
                    stopped = 0
                    while training.step < end and not self._is_stale() and not stopped:
                        entry = self._step(stage, end)
                        bar.update()
                        bar.set_postfix_str(
                            " ".join(f"{k} {entry[k]:.3g}" for k in _SHOWN if k in entry)
                        )
                        stopped = training.processes.largest(received[0] if received else 0)
                if stopped and training.step <= end:
                    self._save()
                    return stopped
                self._end(stage, end)
            self._save()
        return 0

    def _step(self, stage: Stage, end: int) -> dict[str, float]:
        """Do one step, log it, and validate and save when it is time."""
        training = self.training
        started = time.monotonic()
        entry = stage.step(training)
        training.step += 1
        elapsed = time.monotonic() - started
        training.seconds += elapsed
        if not math.isfinite(entry["loss"]):
            raise EldynError(
                f"the loss is {entry['loss']} at step {training.step}: training diverged",
                path=self.run.path,
                remedy="Lower training.learning_rate; the last checkpoint is kept.",
            )
        rate = entry.pop("frames") / elapsed
        self.log.write({"step": training.step, "stage": stage.name, **entry, "frames_per_s": rate})
        begin = training.stage_begin or 0
        due = (training.step - begin) % training.recipe.validation.every == 0
        if (due or training.step == end) and len(training.dataset.validation.pairs):
            started = time.monotonic()
            self._validate(stage)
            training.seconds += time.monotonic() - started
        if time.monotonic() - self._saved > self.checkpoint_seconds:
            self._save()
        return entry

    def _validate(self, stage: Stage) -> None:
        """Score the averaged weights, and keep them if they are the best of the stage."""
        training = self.training
        networks = averaged_networks(training)

        def score() -> Scores:
            assert self.validation is not None
            return self.validation(networks, autoencoder=stage.autoencoder, denoiser=stage.denoiser)

        scores: Scores = training.processes.first(score)
        value = scores.get(training.recipe.validation.quantity)
        better = value is not None and (training.best is None or value < training.best.value)
        training.stale = 0 if better or value is None else training.stale + 1
        if better:
            assert value is not None
            weights = {name: w.detach().cpu().clone() for name, w in networks.state_dict().items()}
            training.best = Best(training.step, value, weights)
        self.log.write(
            {
                "step": training.step,
                "stage": "validation",
                "during": stage.name,
                **scores,
                "best": better,
            }
        )

    def _is_stale(self) -> bool:
        patience = self.training.recipe.validation.patience
        return bool(patience) and self.training.stale >= patience

    def _end(self, stage: Stage, end: int) -> None:
        """End a stage with the weights that the recipe asks for, and write down which."""
        training = self.training
        quantity, best = training.recipe.validation.quantity, training.best
        record = {
            "name": stage.name,
            "steps": training.step - (training.stage_begin or 0),
            "last_step": training.step,
            "weights": "last",
            "ended_early": "",
        }
        if training.step < end:
            record["ended_early"] = (
                f"no better {quantity} in {training.recipe.validation.patience} validations"
            )
        if best is not None:
            record |= {"best_step": best.step, f"best_{quantity}": best.value}
            if training.recipe.validation.keep == "best":
                record["weights"] = f"best, of step {best.step}"
                averaged_networks(training).load_state_dict(best.weights)
            elif best.step == training.step:
                record["weights"] = "last, which are the best"
        training.done.append(record)
        training.stage += 1
        if training.stage < len(self.stages):
            training.stage_begin, training.best, training.stale = None, None, 0

    def _save(self) -> None:
        """Write a checkpoint, and the best weights as a model of their own."""
        training = self.training
        if training.processes.is_first:
            save(training, self.run)
            best = training.best
            if best is not None and not (
                training.stage == len(self.stages) and "best" in training.done[-1]["weights"]
            ):
                self.export(self.run.best, best.weights, f"best so far, of step {best.step}")
            else:
                self.run.best.unlink(missing_ok=True)
        self._saved = time.monotonic()

    def export(
        self, path: Path, weights: dict[str, torch.Tensor] | None, which: str, **more: object
    ) -> None:
        """Write averaged weights, or others, as a model file."""
        training = self.training
        networks = averaged_networks(training)
        if weights is not None:
            networks = build_networks(training.config)
            networks.load_state_dict(weights)
        save_checkpoint(
            path,
            networks,
            training.config,
            training.dataset.normalisation,
            {**self._describe(which), **more},
        )


def _finish(loop: _Loop) -> tuple[dict[str, float], Scores]:
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


_SHOWN = ("mse", "denoising")
"""Losses beside the progress bar."""
