"""Forecast ensembles of the models that made the rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_eldyn.evaluation.inputs import Candidate, Inputs
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.uncertainty import BLOCK_FS

if TYPE_CHECKING:
    from napari_eldyn.emulator import Emulator
    from napari_eldyn.emulator.ensemble_forecast import EnsembleForecast
    from napari_eldyn.emulator.lead_scores import LeadScores

__all__ = ["EnsembleCache", "judge_ensemble"]

# Decoding takes the time: so many members and leads keep it to minutes on one core.
_MEMBERS, _STARTS, _LEADS = 8, 8, 12
# Beyond so many evaluations per frame a rollout's sampler is too slow for ensembles.
_MOST_EVALUATIONS = 50

EnsembleCache = dict[tuple[object, ...], tuple["EnsembleForecast | None", dict[str, Any]]]


def judge_ensemble(
    model: Emulator, candidate: Candidate, inputs: Inputs, stages: Stages, cache: EnsembleCache
) -> tuple[EnsembleForecast | None, dict[str, Any]]:
    """Forecast from several frames of the reference and score each lead time.

    Parameters
    ----------
    model : Emulator
        What made the rollout.
    candidate : Candidate
        The rollout: its sampler is used if it takes few evaluations.
    inputs : Inputs
        Reference, and training data if given.
    stages : Stages
        Shows progress.
    cache : dict
        Results of rollouts of the same model and sampler.

    Returns
    -------
    forecast : EnsembleForecast or None
        None where the reference holds no forecast.
    metrics : dict
        Numbers for JSON, or the reason why there are none.
    """
    from napari_eldyn.emulator.ensemble_forecast import ensemble_forecast

    sampler, evaluations, note = _sampler(candidate.trajectory.provenance)
    key = (model.sha256, sampler, evaluations)
    if key not in cache:
        try:
            with stages.stage("forecast ensembles") as report:
                forecast = ensemble_forecast(
                    model,
                    inputs.reference,
                    training=inputs.comparable_training,
                    members=_MEMBERS,
                    starts=_STARTS,
                    max_leads=_LEADS,
                    sampler=sampler,
                    evaluations=evaluations,
                    progress=report,
                )
            cache[key] = forecast, _numbers(forecast, note)
        except EldynError as error:
            cache[key] = None, {"available": False, "reason": error.problem}
    return cache[key]


def _sampler(provenance: Mapping[str, Any]) -> tuple[str | None, int | None, str]:
    sampler, evaluations = provenance.get("sampler"), provenance.get("evaluations")
    if isinstance(sampler, str) and isinstance(evaluations, int):
        if evaluations <= _MOST_EVALUATIONS:
            return sampler, evaluations, ""
        return None, None, f" instead of the rollout's {sampler} with {evaluations}"
    return None, None, ""


def _numbers(forecast: EnsembleForecast, note: str) -> dict[str, Any]:
    model = forecast.scores["model"]
    blocks = len(np.unique(model.blocks))
    return {
        "available": True,
        "meaning": f"{forecast.members} members from each of {len(forecast.start_frames)} frames "
        f"of the reference, {forecast.sampler} with {forecast.evaluations} evaluations{note}, "
        f"seed {forecast.seed}; scores of the normalised density, mean over voxels and starts; "
        f"climatology and mean field from unrelated frames of the "
        + ("reference" if forecast.climatology_source == "reference" else "training data")
        + f"; errors from the scatter of {blocks} block{'' if blocks == 1 else 's'} of starts, "
        f"{BLOCK_FS:g} fs each",
        "members": forecast.members,
        "start_frames": forecast.start_frames,
        "blocks": blocks,
        "lead": forecast.lead,
        **_scores(model, model),
        "baselines": {
            name: _scores(scores, model)
            for name, scores in forecast.scores.items()
            if name != "model"
        },
        "against_reconstruction": {
            "meaning": "the same forecasts against the truth encoded and decoded instead of the "
            "truth: what the autoencoder loses is lost on both sides, so this is the error of the "
            "forecast alone",
            **{
                name: _scores(scores, forecast.against_reconstruction["model"])
                for name, scores in forecast.against_reconstruction.items()
            },
        },
    }


def _scores(scores: LeadScores, model: LeadScores) -> dict[str, Any]:
    """Give one forecast's scores, and by how much the model beats it, pair by pair."""
    gain, error = model.gain_over(scores)
    beaten = {} if scores is model else {"gain_of_model": gain, "gain_error": error}
    return {
        "crps": scores.crps,
        "crps_error": scores.crps_error,
        "spread": scores.spread,
        "skill": scores.skill,
        "ratio": scores.ratio,
        **beaten,
    }
