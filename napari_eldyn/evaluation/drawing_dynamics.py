"""Figures that tell dynamics from replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_eldyn.evaluation.drawn import Drawn
from napari_eldyn.evaluation.judge import Judged
from napari_eldyn.evaluation.motion import Dynamics, Motion
from napari_eldyn.evaluation.nearness import Nearness
from napari_eldyn.figures.ensemble_plot import EnsembleCurves, ensemble_figure
from napari_eldyn.figures.nearness_plot import nearness_figure
from napari_eldyn.figures.scattering_plot import (
    Relaxation,
    ShellCurves,
    relaxation_figure,
    scattering_figure,
    spectrum_figure,
)

if TYPE_CHECKING:
    from napari_eldyn.emulator.ensemble_forecast import EnsembleForecast
    from napari_eldyn.emulator.lead_scores import LeadScores

__all__ = [
    "draw_ensemble",
    "draw_ensemble_reconstruction",
    "draw_memorisation",
    "draw_relaxation",
    "draw_scattering",
    "draw_spectrum",
]

# In this order they get the same colours as elsewhere.
_BASELINES = ("persistence", "climatology", "mean field", "latent autoregression", "autoencoder")


def draw_scattering(motion: Motion) -> Drawn | None:
    """Draw F(q,t) of some shells, with the band between the reference's halves."""
    if motion.reference is None:
        return None
    shells = list(motion.shells)
    scattering = motion.reference.scattering

    def curves(one: Dynamics) -> ShellCurves:
        return ShellCurves(one.scattering.lag, one.scattering.normalised[shells])

    first, second = (half.normalised[shells] for half in motion.halves)
    band = np.full((2, len(shells), len(scattering.lag)), np.nan)
    known = min(first.shape[1], second.shape[1], band.shape[2])
    band[0, :, :known] = np.minimum(first[:, :known], second[:, :known])
    band[1, :, :known] = np.maximum(first[:, :known], second[:, :known])
    reference = ShellCurves(scattering.lag, scattering.normalised[shells], (band[0], band[1]))
    return Drawn(
        scattering_figure(
            scattering.q[shells].tolist(),
            scattering.counts[shells].tolist(),
            reference,
            {name: curves(one) for name, one in motion.rollouts.items()},
        ),
        "Intermediate scattering function of the density, normalised, for some wave numbers. The "
        "band lies between the two halves of the reference.",
        wide=True,
    )


def draw_relaxation(motion: Motion) -> Drawn | None:
    """Draw relaxation times against q."""
    if motion.reference is None:
        return None

    def times(one: Dynamics) -> Relaxation:
        scattering = one.scattering
        return Relaxation(scattering.q, scattering.relaxation_time, scattering.relaxation_error)

    return Drawn(
        relaxation_figure(
            times(motion.reference), {name: times(one) for name, one in motion.rollouts.items()}
        ),
        "Relaxation time of density waves against wave number; a missing point means that the "
        "correlation does not fall to 1/e within the lags.",
    )


def draw_spectrum(motion: Motion) -> Drawn | None:
    """Draw S(q,ω) of the same shells."""
    if motion.reference is None:
        return None
    shells = list(motion.shells)

    def curves(one: Dynamics) -> ShellCurves:
        return ShellCurves(one.spectrum.frequency, one.spectrum.values[shells])

    scattering = motion.reference.scattering
    return Drawn(
        spectrum_figure(
            scattering.q[shells].tolist(),
            scattering.counts[shells].tolist(),
            curves(motion.reference),
            {name: curves(one) for name, one in motion.rollouts.items()},
        ),
        "Dynamic structure factor: the Fourier transform of F(q,t), with a Hann window as long "
        f"as the reference's lags ({scattering.lag[-1]:g} fs).",
        wide=True,
    )


def draw_ensemble(judged: Mapping[str, Judged]) -> Drawn | None:
    """Draw CRPS and spread over skill beside those of simple forecasts."""
    forecasts = _forecasts(judged)
    if not forecasts:
        return None
    # The first model's own linear autoregression stands for those of all.
    first = next(iter(forecasts.values()))
    return Drawn(
        ensemble_figure(
            {name: _curves(one, one.scores["model"]) for name, one in forecasts.items()},
            {
                name: _curves(first, first.scores[name])
                for name in _BASELINES
                if name in first.scores
            },
        ),
        "Fair CRPS of forecast ensembles, and their spread over their skill, against lead time, "
        "beside forecasts without diffusion (those of the first model; 'autoencoder' is the truth "
        "encoded and decoded). Shaded: 0.8 to 1.25.",
    )


def draw_ensemble_reconstruction(judged: Mapping[str, Judged]) -> Drawn | None:
    """Draw the same against the truth encoded and decoded."""
    forecasts = _forecasts(judged)
    if not forecasts:
        return None
    first = next(iter(forecasts.values()))
    others = first.against_reconstruction
    return Drawn(
        ensemble_figure(
            {
                name: _curves(one, one.against_reconstruction["model"])
                for name, one in forecasts.items()
            },
            {name: _curves(first, others[name]) for name in _BASELINES if name in others},
            truth="the reconstruction",
        ),
        "The same forecasts scored against the truth encoded and decoded: the error of the "
        "forecast without that of the autoencoder.",
    )


def _forecasts(judged: Mapping[str, Judged]) -> dict[str, EnsembleForecast]:
    return {name: one.ensemble for name, one in judged.items() if one.ensemble is not None}


def _curves(forecast: EnsembleForecast, scores: LeadScores) -> EnsembleCurves:
    return EnsembleCurves(forecast.lead, scores.crps, scores.ratio)


def draw_memorisation(nearness: Nearness | None) -> Drawn | None:
    """Draw distances to the nearest training frame."""
    if nearness is None or len(nearness.held_back) == 0:
        return None
    return Drawn(
        nearness_figure(
            nearness.held_back,
            nearness.rollouts,
            label="distance to the nearest training frame (RMS units)",
        ),
        "How near frames come to the nearest training frame, over all shifts and symmetry "
        "operations; 0 is a copy. Shaded: reference frames that were held back from training.",
    )
