"""Forecast ensembles from frames of a reference, scored beside forecasts without diffusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import DensityTrajectory, check_frame, shift
from napari_eldyn.emulator.autoregression import LatentAutoregression
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.lead_scores import LeadScores, ScoreAccumulator
from napari_eldyn.emulator.samplers import (
    check_sampler,
    default_evaluations,
    trailing_timesteps,
)
from napari_eldyn.emulator.start import start_state
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.uncertainty import BLOCK_FS

__all__ = ["EnsembleForecast", "LeadScores", "encode_trajectory", "ensemble_forecast"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Fields = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]

# States encoded, and latents decoded, at once.
_BATCH = 16
# Unrelated frames held for climatology and the mean field.
_POOL = 64


@dataclass(frozen=True, eq=False)
class EnsembleForecast:
    """Ensembles of a model and of the forecasts that it has to beat, from the same starts.

    Parameters
    ----------
    lead : numpy.ndarray, shape (leads,)
        Time since the start frame, fs.
    scores : mapping of str to LeadScores
        ``model``; ``persistence``, the start frame kept; ``climatology``, unrelated real frames,
        each moved by a random shift of the grid; ``mean field``, their mean, which is the same
        everywhere; and with training data ``latent autoregression``.
    start_frames : numpy.ndarray of int, shape (starts,)
        Frames of the reference.
    members : int
        Of each ensemble.
    sampler : str
        The model's sampler.
    evaluations : int
        Of the denoiser per step.
    seed : int
        All random numbers follow from it and the index of the start.
    climatology_source : str
        Where unrelated frames were taken from.
    """

    lead: FloatArray
    scores: Mapping[str, LeadScores]
    start_frames: IntArray
    members: int
    sampler: str
    evaluations: int
    seed: int
    climatology_source: str


def ensemble_forecast(
    model: Emulator,
    reference: DensityTrajectory,
    *,
    training: DensityTrajectory | None = None,
    members: int = 16,
    starts: int = 8,
    max_lead_fs: float = 100.0,
    max_leads: int = 10,
    sampler: str = "ddim",
    evaluations: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EnsembleForecast:
    """Forecast from several frames of a reference and score every lead time.

    Parameters
    ----------
    model : Emulator
        The model.
    reference : DensityTrajectory
        Frames that the model has not seen, on its grid.
    training : DensityTrajectory, optional
        What the model was trained on: fits the latent autoregression, and gives the unrelated
        frames of climatology. Without it there is no autoregression, and climatology takes
        frames of the reference at least 200 fs from the frame to be forecast, or the
        farthest that there are.
    members : int
        At least 2.
    starts : int
        Start frames, evenly spread; fewer if the reference is short.
    max_lead_fs : float
        Longest lead; cut to what the reference allows.
    max_leads : int
        Lead times scored, closer together where they are short; every step is one if they fit.
    sampler : str
        As for :class:`~napari_eldyn.emulator.rollout.Rollout`.
    evaluations : int, optional
        Of the denoiser per step; default as for a rollout.
    seed : int
        0 or more.
    progress : callable, optional
        Called with (done, in all) of training frames encoded and lead times scored together;
        what it raises ends the forecast.

    Returns
    -------
    EnsembleForecast
        Scores of ρ̃, normalised as the model normalises.

    Raises
    ------
    EldynError
        If a trajectory does not fit the model, the reference is shorter than four model steps,
        members, starts, sampler or evaluations are not possible, or a frame or latent is not
        finite.
    """
    if members < 2 or starts < 1 or max_leads < 1 or seed < 0:
        raise EldynError(
            f"an ensemble of {members} members from {starts} starts at {max_leads} lead times "
            f"with the seed {seed} is not possible",
            remedy="Choose at least 2 members, 1 start and 1 lead time, and a seed from 0.",
        )
    check_sampler(sampler)
    if evaluations is None:
        evaluations = default_evaluations(sampler, model.schedule)
    trailing_timesteps(model.schedule, evaluations)
    stride = model.check_compatible(reference)
    start_frames, steps = _plan(model, reference, stride, starts, max_lead_fs, max_leads)
    n_training = 0 if training is None else len(training)
    total = n_training + len(start_frames) * len(steps)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, total)

    autoregression = None
    if training is not None:
        latents = encode_trajectory(model, training, lambda done, _: report(done))
        autoregression = LatentAutoregression.fit(latents)
    pool = _Pool(model, reference if training is None else training)
    scores: dict[str, ScoreAccumulator] = {}

    def score(name: str, fields: Fields, truth: Fields) -> None:
        scores.setdefault(name, ScoreAccumulator()).add(fields, truth)

    for number, frame in enumerate(start_frames.tolist()):
        start = start_state(reference, frame, model.normalisation)
        ensemble = np.repeat(model.encode_states(start.state[None]), members, axis=0)
        forecasts = {
            "model": _forecast(model, ensemble, steps, sampler, evaluations, (seed, number))
        }
        if autoregression is not None:
            drawn = autoregression.sample(ensemble, int(steps[-1]), (seed, number))
            forecasts["latent autoregression"] = drawn[steps - 1]
        rng = np.random.default_rng((seed, number, 0))
        for i, step in enumerate(steps.tolist()):
            index = frame + step * stride
            truth = _normalised(model, reference, index)
            unrelated = pool.unrelated(None if training is not None else reference.times[index])
            for name, latents_at in forecasts.items():
                score(name, _decoded(model, latents_at[i]), truth)
            score("persistence", start.state[:1], truth)
            score("climatology", _scattered(unrelated, members, rng), truth)
            score("mean field", np.full_like(truth, unrelated.mean())[None], truth)
            report(n_training + number * len(steps) + i + 1)
    return EnsembleForecast(
        lead=model.timestep * steps.astype(np.float64),
        scores={name: one.result(len(steps)) for name, one in scores.items()},
        start_frames=start_frames,
        members=members,
        sampler=sampler,
        evaluations=evaluations,
        seed=seed,
        climatology_source="reference" if training is None else "training",
    )


def encode_trajectory(
    model: Emulator, trajectory: DensityTrajectory, progress: Progress | None = None
) -> list[Fields]:
    """Encode all frames of a trajectory.

    Parameters
    ----------
    model : Emulator
        The model.
    trajectory : DensityTrajectory
        On its grid, with a time step that divides the model's.
    progress : callable, optional
        Called with (frames done, frames in all).

    Returns
    -------
    list of ndarray, (n, *latent)
        Normalised latents one model step apart; where the model skips frames, one stretch for
        each first frame. Rates are differenced from past frames, as at a start.

    Raises
    ------
    EldynError
        If the trajectory does not fit the model, or a frame is not finite.
    """
    stride = model.check_compatible(trajectory)
    latents: list[Fields] = []
    for first in range(0, len(trajectory), _BATCH):
        chosen = range(first, min(first + _BATCH, len(trajectory)))
        states = [start_state(trajectory, i, model.normalisation).state for i in chosen]
        latents.append(model.encode_states(np.stack(states)))
        if progress is not None:
            progress(chosen[-1] + 1, len(trajectory))
    joined = np.concatenate(latents)
    return [joined[first::stride] for first in range(stride)]


def _plan(
    model: Emulator,
    reference: DensityTrajectory,
    stride: int,
    starts: int,
    max_lead_fs: float,
    max_leads: int,
) -> tuple[IntArray, IntArray]:
    """Start frames, and model steps after them that are scored."""
    n = len(reference)
    # One start at least must remain; from frame 2 on its rate is of second order.
    n_steps = min(int(max_lead_fs / model.timestep + 1e-6), (n - 3) // stride)
    if n_steps < 1:
        raise EldynError(
            f"a reference of {n} frames holds no forecast up to {max_lead_fs:g} fs in steps of "
            f"{model.timestep:g} fs",
            path=reference.path,
            remedy="Give a longer reference, or a longer lead.",
        )
    steps = np.arange(1, n_steps + 1)
    if n_steps > max_leads:
        steps = np.unique(np.geomspace(1, n_steps, max_leads).round().astype(np.int64))
    last = n - 1 - n_steps * stride
    frames = np.linspace(2, last, min(starts, last - 1)).round().astype(np.int64)
    return np.unique(frames), steps


class _Pool:
    """Real frames that have nothing to do with the one to be forecast."""

    def __init__(self, model: Emulator, source: DensityTrajectory) -> None:
        n = len(source)
        chosen = np.unique(np.linspace(0, n - 1, min(n, _POOL)).round().astype(int))
        model.check_grid(source)
        self._times = source.times[chosen]
        self._fields: Fields = np.stack([_normalised(model, source, int(i)) for i in chosen])

    def unrelated(self, time: float | None) -> Fields:
        """All frames, or if a time is given those at least 200 fs away, or the farthest few."""
        if time is None:
            return self._fields
        away = np.abs(self._times - time)
        far = away >= BLOCK_FS
        if far.sum() < 4:
            far = away >= np.sort(away)[-min(4, len(away))]
        fields: Fields = self._fields[far]
        return fields


def _scattered(fields: Fields, members: int, rng: np.random.Generator) -> Fields:
    """Draw frames, each moved by a random shift: an exact symmetry of a fluid's statistics."""
    chosen = rng.choice(len(fields), members, replace=len(fields) < members)
    return np.stack([shift(fields[i], rng.integers(fields.shape[1:]).tolist()) for i in chosen])


def _forecast(
    model: Emulator,
    latents: Fields,
    steps: IntArray,
    sampler: str,
    evaluations: int,
    key: tuple[int, int],
) -> Fields:
    """Latents of all members at the steps asked for, shape (leads, members, *latent)."""
    kept = []
    for step in range(1, int(steps[-1]) + 1):
        # Independent streams for each start and step, whatever the leads.
        rng = np.random.default_rng((*key, step))
        noise = rng.standard_normal((evaluations + 1, *latents.shape), dtype=np.float32)
        latents = model.step(latents, noise, sampler)
        if not np.isfinite(latents).all():
            raise EldynError(
                f"a latent is not finite after {step} steps of the model {model.name}",
                remedy="Use more evaluations, or another model.",
            )
        if step in steps:
            kept.append(latents)
    return np.stack(kept)


def _decoded(model: Emulator, latents: Fields) -> Fields:
    """Decode latents to ρ̃, shape (members, nx, ny, nz)."""
    parts = [
        model.decode_states(latents[first : first + _BATCH])[:, 0]
        for first in range(0, len(latents), _BATCH)
    ]
    return np.concatenate(parts)


def _normalised(model: Emulator, trajectory: DensityTrajectory, index: int) -> Fields:
    density = trajectory[index]
    check_frame(density, trajectory.path, index)
    return model.normalisation.normalise(density)[0]
