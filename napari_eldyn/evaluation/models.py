"""What a rollout's model says about itself: its autoencoder alone, and its own rate."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.evaluation.inputs import Candidate
from napari_eldyn.evaluation.stages import Stages
from napari_eldyn.observables.metrics import judged_metrics, plain
from napari_eldyn.observables.statistics import StatisticsSettings

if TYPE_CHECKING:
    from napari_eldyn.emulator import Emulator
    from napari_eldyn.emulator.reconstruction import ReconstructionScores

__all__ = ["assess_model"]


def assess_model(
    model: Emulator,
    candidate: Candidate,
    reference: DensityTrajectory,
    settings: StatisticsSettings,
    stages: Stages,
) -> dict[str, Any]:
    """Give the errors of encode → decode, and of the ∂ρ̃/∂τ channel along the rollout.

    Parameters
    ----------
    model : Emulator
        What made the rollout.
    candidate : Candidate
        The rollout.
    reference : DensityTrajectory
        Frames to encode and decode.
    settings : StatisticsSettings
        Bins and shells.
    stages : Stages
        Shows progress.

    Returns
    -------
    dict
        ``reconstruction`` and, if the rollout stores its latents, ``rate_consistency``.

    Raises
    ------
    EldynError
        If the reference does not fit the model.
    """
    from napari_eldyn.emulator.assessment import rate_consistency
    from napari_eldyn.emulator.reconstruction import reconstruction

    with stages.stage("autoencoder alone") as report:
        alone = reconstruction(model, reference, settings, progress=report)
    result: dict[str, Any] = {
        "reconstruction": {
            "meaning": "reference frames encoded and decoded, against the same frames",
            "frames": alone.frames,
            "state_numbers": alone.state_numbers,
            "latent_numbers": alone.latent_numbers,
            "compression": alone.compression,
            **_scores(alone.scores["plain"], settings),
            "moved": {
                "meaning": "the same frames, each shifted by a random part of a latent cell "
                f"(below {' × '.join(map(str, alone.shift_below))} grid points), or under a random "
                f"operation of the cell's point group, before they are encoded; seed {alone.seed}",
                "shift_below": alone.shift_below,
                "seed": alone.seed,
                **{
                    name: _scores(one, settings)
                    for name, one in alone.scores.items()
                    if name != "plain"
                },
            },
        }
    }
    latents = candidate.trajectory.extra.get("latents")
    if latents is not None and len(candidate.trajectory) >= 3:
        with stages.stage("rate of the density") as report:
            rate = rate_consistency(model, latents[:], progress=report)
        result["rate_consistency"] = {
            "meaning": "decoded rate of the normalised density against the central difference "
            "of the frames before and after; 'relative_error' in units of the difference's RMS",
            **asdict(rate),
        }
    return dict(plain(result))


def _scores(one: ReconstructionScores, settings: StatisticsSettings) -> dict[str, Any]:
    return {
        "nmae": one.nmae,
        "nmae_std_over_frames": one.nmae_std,
        "mse": one.mse,
        "rate_mse": one.rate_mse,
        **judged_metrics(one.level, settings.shells.q),
    }
