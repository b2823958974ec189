"""The training loop.

Two stages: all networks together on the objective (S15), then, if the recipe asks for it, the
denoiser alone on the latents of the finished encoder. The randomness of a step depends on the
recipe's seed and the number of the step only, so a resumed run needs no generator states and
repeats the uninterrupted one exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from eldyn_training.data import (
    Batch,
    BatchLoader,
    Part,
    Storage,
    Symmetries,
    load_dataset,
    random_source,
)
from eldyn_training.objective import denoising_loss, draw_noise, reconstruction_loss
from eldyn_training.recipe import Recipe
from eldyn_training.report import provenance, reconstruction_scores
from eldyn_training.runs import RunDirectory
from eldyn_training.signals import catch_signals
from eldyn_training.state import TrainingState, begin_refinement, restore, save, start
from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator.checkpoint import save_checkpoint
from napari_eldyn.emulator.device import resolve_device
from napari_eldyn.emulator.networks import EmulatorNetworks
from napari_eldyn.exceptions import EldynError

__all__ = ["FitResult", "fit"]


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
        Of the averaged weights over the training states, if finished.
    """

    step: int
    finished: bool
    signal: int
    model: Path
    scores: dict[str, float]


def fit(
    recipe: Recipe,
    trajectories: Sequence[DensityTrajectory],
    out: str | Path,
    *,
    device: str = "auto",
    storage: Storage = "auto",
    checkpoint_minutes: float = 5.0,
    show_progress: bool = True,
) -> FitResult:
    """Train a model, or go on with a run that was stopped.

    SIGINT and SIGTERM save a checkpoint after the step under way and return.

    Parameters
    ----------
    recipe : Recipe
        What to train and how.
    trajectories : sequence of DensityTrajectory
        Training data; the recipe chooses frames, grid and split.
    out : path-like
        Run directory: ``model.safetensors``, ``log.jsonl``, ``checkpoint.safetensors``.
    device : str
        ``auto``, ``cpu``, ``cuda``, …
    storage : {"auto", "memory", "mapped"}
        Where normalised frames are kept: in memory, or mapped from a file beside `out`.
    checkpoint_minutes : float
        Wall time between checkpoints.
    show_progress : bool
        Progress bars with ETA on stderr.

    Raises
    ------
    EldynError
        If data and recipe do not fit, the directory belongs to another run, the device is
        missing, or the loss diverges.
    """
    target = resolve_device(device)
    with tqdm(desc="reading frames", unit="", disable=not show_progress, leave=False) as bar:

        def read(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        dataset = load_dataset(
            recipe.data,
            trajectories,
            read,
            device=target,
            storage=storage,
            cache=Path(out).parent,
        )
    if show_progress:
        tqdm.write(f"normalised frames: {dataset.storage}")
    if dataset.report.n_clipped and show_progress:
        tqdm.write(
            f"{dataset.report.n_clipped} of {dataset.report.n_values} values were not positive "
            f"and are clipped to {dataset.normalisation.floor:g} e/Å³ before the logarithm"
        )
    training = start(recipe, dataset, target)
    run = RunDirectory.claim(Path(out), recipe, dataset)
    try:
        restore(training, run)
        received = _loop(training, run, checkpoint_minutes, show_progress)
        finished = training.step >= recipe.total_steps
        scores: dict[str, float] = {}
        if finished:
            averaged: EmulatorNetworks = training.average.module  # type: ignore[assignment]
            scores = reconstruction_scores(training, averaged)
            save_checkpoint(
                run.model,
                averaged,
                training.config,
                dataset.normalisation,
                provenance(training, scores),
            )
        return FitResult(training.step, finished, received, run.model, scores)
    finally:
        run.close()


def _loop(
    training: TrainingState, run: RunDirectory, checkpoint_minutes: float, show_progress: bool
) -> int:
    """Train until done or stopped; return the number of the signal received, or 0."""
    recipe = training.recipe
    last_save = time.monotonic()
    loader = BatchLoader(
        training.dataset,
        Symmetries(
            training.dataset.grid,
            shifts=recipe.data.random_shifts,
            point_group=recipe.data.random_point_group,
            device=training.device,
        ),
        seed=recipe.training.seed,
        batch_size=recipe.training.batch_size,
    )
    with catch_signals() as received, loader:
        for name, end in (("training", recipe.training.steps), ("refining", recipe.total_steps)):
            if training.step >= end or received:
                continue
            if name == "refining" and training.latents is None:
                begin_refinement(training)
            begin = end - recipe.refinement.steps if name == "refining" else 0
            bar = tqdm(
                desc=name,
                total=end - begin,
                initial=training.step - begin,
                unit="step",
                disable=not show_progress,
            )
            with bar:
                while training.step < end and not received:
                    started = time.monotonic()
                    entry = (
                        _joint_step(training, loader.batch(training.step))
                        if name == "training"
                        else _refine(training)
                    )
                    training.step += 1
                    elapsed = time.monotonic() - started
                    training.seconds += elapsed
                    if not math.isfinite(entry["loss"]):
                        raise EldynError(
                            f"the loss is {entry['loss']} at step {training.step}: training "
                            "diverged",
                            path=run.path,
                            remedy="Lower training.learning_rate; the last checkpoint is kept.",
                        )
                    frames = entry.pop("frames")
                    rate = frames / elapsed
                    run.log({"step": training.step, "stage": name, **entry, "frames_per_s": rate})
                    bar.update()
                    bar.set_postfix_str(
                        " ".join(f"{k} {entry[k]:.3g}" for k in ("mse", "denoising") if k in entry)
                    )
                    if time.monotonic() - last_save > 60.0 * checkpoint_minutes:
                        save(training, run)
                        last_save = time.monotonic()
        save(training, run)
    return received[0] if received else 0


def _joint_step(training: TrainingState, batch: Batch) -> dict[str, float]:
    """One step on all networks; return losses for the log."""
    recipe, networks = training.recipe, training.networks
    rate = _learning_rate(recipe, training.step)
    generator = random_source(recipe.training.seed, training.step)
    current, following = batch.current, batch.following
    with torch.autocast(
        training.device.type,
        dtype=torch.bfloat16,
        enabled=recipe.training.precision == "bfloat16",
    ):
        raw = networks.encoder(current)
        generated = networks.decoder(raw)
        with torch.set_grad_enabled(recipe.objective.denoising_reaches_encoder):
            raw_following = networks.encoder(following)
    raw, raw_following, generated = raw.float(), raw_following.float(), generated.float()
    _track_latents(networks, raw.detach(), recipe.training.latent_momentum, training.step == 0)
    z_0, z_next = (
        (z if recipe.objective.denoising_reaches_encoder else z.detach()).sub(networks.latent_mean)
        / networks.latent_std
        for z in (raw, raw_following)
    )

    channels = reconstruction_loss(generated, current)
    with torch.no_grad():
        target = training.distribution.counts(current[:, 0])
    sjsd, jsd = training.distribution(generated[:, 0], target)
    draws = draw_noise(recipe.objective, training.schedule, len(z_0), z_0.shape[1], generator)
    denoising, noise_error = denoising_loss(
        recipe.objective, networks.denoiser, training.schedule, z_0, z_next, draws
    )
    loss = (
        channels.mean()
        + recipe.objective.denoising_weight * denoising
        + _sjsd_weight(recipe, training.step) * sjsd
    )
    norm = _descend(training, loss, rate)
    return {
        "loss": loss.item(),
        "mse": channels.mean().item(),
        "mse_density": channels[0].item(),
        "mse_rate": channels[1].item(),
        "denoising": denoising.item(),
        "noise_mse": noise_error.item(),
        "sjsd": sjsd.item(),
        "jsd": jsd.item(),
        "learning_rate": rate,
        "gradient_norm": norm,
        "frames": len(current),
    }


def _refine(training: TrainingState) -> dict[str, float]:
    """One step on the denoiser alone; return losses for the log."""
    recipe, part = training.recipe, training.dataset.training
    assert training.latents is not None
    rate = _learning_rate(recipe, training.step)
    generator = random_source(recipe.training.seed, training.step)
    chosen = torch.randint(len(part.pairs), (recipe.refinement.batch_size,), generator=generator)
    pairs = part.pairs[chosen]
    rows = _state_rows(part, pairs)
    current, following = (training.latents[rows[:, k]] for k in (0, 1))
    draws = draw_noise(recipe.objective, training.schedule, len(current), current.shape[1], generator)
    denoising, noise_error = denoising_loss(
        recipe.objective,
        training.networks.denoiser,
        training.schedule,
        current,
        following,
        draws,
    )
    norm = _descend(training, denoising, rate)
    return {
        "loss": denoising.item(),
        "denoising": denoising.item(),
        "noise_mse": noise_error.item(),
        "learning_rate": rate,
        "gradient_norm": norm,
        "frames": len(pairs),
    }


def _descend(training: TrainingState, loss: Tensor, rate: float) -> float:
    """Step against the gradient and update the averaged weights; return the gradient's norm."""
    for group in training.optimiser.param_groups:
        group["lr"] = rate
    training.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in training.optimiser.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, training.recipe.training.gradient_clip)
    training.optimiser.step()
    training.average.update_parameters(training.networks)
    return norm.item()


def _learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine, in each stage."""
    if step < recipe.training.steps:
        peak, total = recipe.training.learning_rate, recipe.training.steps
    else:
        peak, total = recipe.refinement.learning_rate, recipe.refinement.steps
        step -= recipe.training.steps
    warmup = min(recipe.training.warmup_steps, total // 2)
    if step < warmup:
        return peak * (step + 1) / warmup
    floor = recipe.training.final_learning_rate
    cosine = 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return peak * (floor + (1.0 - floor) * cosine)


def _sjsd_weight(recipe: Recipe, step: int) -> float:
    """Return λ2 at a step."""
    start = recipe.objective.sjsd_start
    ramp = min(1.0, max(0.0, (step - start) / start)) if start else 1.0
    return recipe.objective.sjsd_weight * ramp


def _track_latents(
    networks: EmulatorNetworks, latents: Tensor, momentum: float, first: bool
) -> None:
    """Update the running mean and standard deviation of raw latents (B, D)."""
    weight = 1.0 if first else momentum
    networks.latent_mean.lerp_(latents.mean(dim=0), weight)
    variance = networks.latent_std.square()
    variance.lerp_((latents - networks.latent_mean).square().mean(dim=0), weight)
    networks.latent_std.copy_(variance.sqrt().clamp_min(1e-6))


def _state_rows(part: Part, states: Tensor) -> Tensor:
    """Return where states (..., 2) stand in `part.states`, (...)."""
    # Sorted by frame, then sign, so frame·4 + sign increases.
    keys = part.states[:, 0] * 4 + part.states[:, 1]
    return torch.searchsorted(keys, states[..., 0] * 4 + states[..., 1])
