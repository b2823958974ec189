"""Stage after stage, step after step: log, validate, save, stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from eldyn_training.log import Log
from eldyn_training.runs import RunDirectory
from eldyn_training.signals import catch_signals
from eldyn_training.stages import Stage
from eldyn_training.state import Best, TrainingState, averaged_networks, save
from eldyn_training.steps import StoppedError
from eldyn_training.validation import Scores, Validation
from napari_eldyn.emulator.checkpoint import save_checkpoint
from napari_eldyn.emulator.networks import build_networks
from napari_eldyn.exceptions import EldynError

__all__ = ["Loop"]

_SHOWN = ("mse", "denoising")
"""Losses beside the progress bar."""


class Loop:
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
                try:
                    self._ready(stage, received)
                except StoppedError as stop:
                    self._save()
                    return stop.signal
                closing.callback(stage.close)
                begin = training.stage_begin or 0
                end = begin + stage.steps
                with tqdm(
                    desc=stage.name,
                    total=stage.steps,
                    initial=training.step - begin,
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

    def _ready(self, stage: Stage, received: list[int]) -> None:
        """Begin a stage, or get ready to go on with it."""
        training = self.training

        def check() -> None:
            if number := training.processes.largest(received[0] if received else 0):
                raise StoppedError(number)

        if training.stage_begin is None:
            stage.begin(training, check)
            training.stage_begin = training.step
        stage.prepare(training, check)

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
