"""Samplers: from noise to the latents of the next frame, with a denoiser.

:mod:`.edm` holds solvers in the terms of Karras et al. 2022; :mod:`.vp` samples the pooled
family's denoiser, which predicts noise on a discrete schedule; :mod:`.choice` knows the names.
"""

from napari_eldyn.emulator.samplers.choice import SAMPLERS, check_evaluations, check_sampler
from napari_eldyn.emulator.samplers.edm import (
    SOLVERS,
    Denoise,
    Solver,
    StepCallback,
    dpmpp_2m,
    heun,
    karras_sigmas,
    solve,
    solver_steps,
)
from napari_eldyn.emulator.samplers.vp import (
    VP_SAMPLERS,
    Denoiser,
    Sampler,
    ddim,
    ddpm,
    default_evaluations,
    probability_flow,
    quadratic_timesteps,
    trailing_timesteps,
)

__all__ = [
    "SAMPLERS",
    "SOLVERS",
    "VP_SAMPLERS",
    "Denoise",
    "Denoiser",
    "Sampler",
    "Solver",
    "StepCallback",
    "check_evaluations",
    "check_sampler",
    "ddim",
    "ddpm",
    "default_evaluations",
    "dpmpp_2m",
    "heun",
    "karras_sigmas",
    "probability_flow",
    "quadratic_timesteps",
    "solve",
    "solver_steps",
    "trailing_timesteps",
]
