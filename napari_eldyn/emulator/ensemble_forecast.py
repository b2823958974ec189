"""Forecast ensembles from frames of a reference, scored beside forecasts without diffusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator.autoregression import LatentAutoregression
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.lead_scores import LeadScores, ScoreAccumulator
from napari_eldyn.emulator.start import start_state
from napari_eldyn.emulator.trajectory_latents import encode_trajectory
from napari_eldyn.emulator.unrelated_frames import UnrelatedFrames, scattered
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.memorisation.training import normalised_frame
from napari_eldyn.observables.uncertainty import BLOCK_FS

__all__ = ["EnsembleForecast", "ensemble_forecast"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Fields = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]

# Latents decoded at once.
_BATCH = 16


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
        everywhere; ``autoencoder``, the truth encoded and decoded: what a perfect forecast in
        the latent space reaches; and with training data ``latent autoregression``.
    against_reconstruction : mapping of str to LeadScores
        ``model``, ``persistence`` (the start frame's own reconstruction) and ``latent
        autoregression`` scored against the truth encoded and decoded: what the autoencoder
        loses is then lost on both sides, and only the forecast is judged.
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
    against_reconstruction: Mapping[str, LeadScores]
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
    training: Sequence[DensityTrajectory] = (),
    members: int = 16,
    starts: int = 8,
    max_lead_fs: float = 100.0,
    max_leads: int = 10,
    sampler: str | None = None,
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
    training : sequence of DensityTrajectory
        What the model was trained on, in its cell: fits the latent autoregression, and gives the
        unrelated frames of climatology. Without any there is no autoregression, and climatology
        takes frames of the reference at least 200 fs from the frame to be forecast, or the
        farthest that there are.
    members : int
        At least 2.
    starts : int
        Start frames, evenly spread; fewer if the reference is short.
    max_lead_fs : float
        Longest lead; cut to what the reference allows.
    max_leads : int
        Lead times scored, closer together where they are short; every step is one if they fit.
    sampler : str, optional
        As for :class:`~napari_eldyn.emulator.rollout.Rollout`; default the model's own.
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
    sampler, evaluations = model.choose_sampler(sampler, evaluations)
    stride = model.check_compatible(reference)
    start_frames, steps = _plan(model, reference, stride, starts, max_lead_fs, max_leads)
    n_training = sum(len(trajectory) for trajectory in training)
    total = n_training + len(start_frames) * len(steps)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, total)

    autoregression = None
    if training:
        stretches: list[Fields] = []
        before = 0
        for trajectory in training:
            counted = _shifted(report, before)
            stretches += encode_trajectory(model, trajectory, counted)
            before += len(trajectory)
        autoregression = LatentAutoregression.fit(stretches)
    pool = UnrelatedFrames(model, training or [reference])
    scores = _Scores()
    for number, frame in enumerate(start_frames.tolist()):
        start = model.encode(reference, frame)
        density = normalised_frame(reference, frame, model.normalisation)
        decoded = _reconstructed(model, reference, frame)
        ensemble = np.repeat(start[None], members, axis=0)
        forecasts = {
            "model": _forecast(model, ensemble, steps, sampler, evaluations, (seed, number))
        }
        if autoregression is not None:
            drawn = autoregression.sample(ensemble, int(steps[-1]), (seed, number))
            forecasts["latent autoregression"] = drawn[steps - 1]
        rng = np.random.default_rng((seed, number, 0))
        for i, step in enumerate(steps.tolist()):
            index = frame + step * stride
            truth = normalised_frame(reference, index, model.normalisation)
            kept = _reconstructed(model, reference, index)
            unrelated = pool.unrelated(None if training else reference.times[index])
            for name, latents_at in forecasts.items():
                fields = _decoded(model, latents_at[i])
                scores.add(name, fields, truth)
                scores.add(name, fields, kept[0], against_reconstruction=True)
            scores.add("persistence", density[None], truth)
            scores.add("persistence", decoded, kept[0], against_reconstruction=True)
            scores.add("autoencoder", kept, truth)
            scores.add("climatology", scattered(unrelated, members, rng), truth)
            scores.add("mean field", np.full_like(truth, unrelated.mean())[None], truth)
            report(n_training + number * len(steps) + i + 1)
    times = reference.times[start_frames]
    blocks = np.floor((times - times[0]) / BLOCK_FS + 1e-6).astype(np.int64)
    blocks = np.unique(blocks, return_inverse=True)[1].astype(np.int64)
    return EnsembleForecast(
        lead=model.timestep * steps.astype(np.float64),
        scores=scores.result(len(steps), blocks),
        against_reconstruction=scores.result(len(steps), blocks, against_reconstruction=True),
        start_frames=start_frames,
        members=members,
        sampler=sampler,
        evaluations=evaluations,
        seed=seed,
        climatology_source="training" if training else "reference",
    )


def _shifted(report: Callable[[int], None], before: int) -> Progress:
    """Count on from what was done before."""
    return lambda done, _: report(before + done)


class _Scores:
    """Scores of all forecasts, against the truth and against its reconstruction."""

    def __init__(self) -> None:
        self._by_side: dict[bool, dict[str, ScoreAccumulator]] = {False: {}, True: {}}

    def add(
        self, name: str, fields: Fields, truth: Fields, *, against_reconstruction: bool = False
    ) -> None:
        """Score one forecast at one lead; leads go fastest."""
        side = self._by_side[against_reconstruction]
        side.setdefault(name, ScoreAccumulator()).add(fields, truth)

    def result(
        self, leads: int, blocks: IntArray, *, against_reconstruction: bool = False
    ) -> dict[str, LeadScores]:
        """Return the scores of every forecast."""
        side = self._by_side[against_reconstruction]
        return {name: one.result(leads, blocks) for name, one in side.items()}


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
    # One start at least must remain; from frame 2 of the context on rates are of second order.
    earliest = 2 + (model.context_frames - 1) * stride
    n_steps = min(int(max_lead_fs / model.timestep + 1e-6), (n - 1 - earliest) // stride)
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
    frames = np.linspace(earliest, last, min(starts, last - earliest + 1)).round().astype(np.int64)
    return np.unique(frames), steps


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
        noise = rng.standard_normal(
            (evaluations + 1, len(latents), *model.noise_shape), dtype=np.float32
        )
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


def _reconstructed(model: Emulator, trajectory: DensityTrajectory, index: int) -> Fields:
    """Encode and decode one frame to ρ̃, shape (1, nx, ny, nz)."""
    state = start_state(trajectory, index, model.normalisation).state
    return _decoded(model, model.encode_states(state[None]))
