"""Choosing a sampler by name, and how often it evaluates the denoiser."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from napari_eldyn.exceptions import EldynError

__all__ = ["SAMPLERS", "check_evaluations", "check_sampler"]

SAMPLERS = ("ddpm", "ddim", "dpmpp_2m", "heun")
"""All samplers, by the names used in configurations, files and the interface."""


def check_sampler(name: str, supported: Sequence[str] = SAMPLERS, model: str = "") -> None:
    """Check that there is a sampler of a name and that a model can be sampled with it.

    Parameters
    ----------
    name : str
        The sampler.
    supported : sequence of str
        Those of the model.
    model : str
        Name of the model, for the message.

    Raises
    ------
    EldynError
        If there is no such sampler, with the nearest name, or it does not suit the model.
    """
    if name in supported:
        return
    choices = ", ".join(supported)
    if name in SAMPLERS:
        raise EldynError(
            f"the model {model} samples with {choices}, not with {name}",
            remedy=f"Choose one of {choices}.",
        )
    near = difflib.get_close_matches(name, supported, n=1, cutoff=0.0)
    raise EldynError(
        f"there is no sampler '{name}'",
        remedy=f"Choose one of {choices} (did you mean '{near[0]}'?).",
    )


def check_evaluations(evaluations: int, most: int) -> None:
    """Check the number of evaluations of the denoiser per frame.

    Raises
    ------
    EldynError
        If it is not between 1 and `most`.
    """
    if not 1 <= evaluations <= most:
        raise EldynError(
            f"{evaluations} evaluations of the denoiser per frame are not possible",
            remedy=f"Choose 1 to {most}.",
        )
