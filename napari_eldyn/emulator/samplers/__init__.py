"""Samplers: from noise to the latent of the next frame, with a denoiser.

:mod:`.edm` holds solvers in the terms of Karras et al. 2022; :mod:`.vp` samples the pooled
family's denoiser, which predicts noise on a discrete schedule.
"""

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
    SAMPLERS,
    Denoiser,
    Sampler,
    check_sampler,
    ddim,
    ddpm,
    default_evaluations,
    trailing_timesteps,
)

__all__ = [
    "SAMPLERS",
    "SOLVERS",
    "Denoise",
    "Denoiser",
    "Sampler",
    "Solver",
    "StepCallback",
    "check_sampler",
    "ddim",
    "ddpm",
    "default_evaluations",
    "dpmpp_2m",
    "heun",
    "karras_sigmas",
    "solve",
    "solver_steps",
    "trailing_timesteps",
]
