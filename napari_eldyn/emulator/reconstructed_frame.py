"""One frame encoded and decoded: what a model's autoencoder makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_eldyn.density import DensityTrajectory
from napari_eldyn.emulator.emulator import Emulator
from napari_eldyn.emulator.start import start_state
from napari_eldyn.observables.errors import nmae

__all__ = ["ReconstructedFrame", "reconstruct_frame"]


@dataclass(frozen=True, eq=False)
class ReconstructedFrame:
    """A frame after encode → decode.

    Attributes
    ----------
    density : ndarray, (nx, ny, nz) float32
        Electrons/Å³.
    nmae : float
        100 Σ|ρ̂ − ρ|/Σ|ρ| against the frame itself, percent.
    """

    density: npt.NDArray[np.float32]
    nmae: float


def reconstruct_frame(
    model: Emulator, trajectory: DensityTrajectory, frame: int
) -> ReconstructedFrame:
    """Encode and decode one frame of a trajectory, without those before it.

    Parameters
    ----------
    model : Emulator
        The model.
    trajectory : DensityTrajectory
        On a grid that the model can run on.
    frame : int
        Index of the frame.

    Raises
    ------
    EldynError
        If the trajectory does not fit the model, has no such frame, or the frame holds NaN.
    """
    model = model.for_trajectory(trajectory)
    start = start_state(trajectory, frame, model.normalisation)
    density = model.decode(model.encode_states(start.states))[0]
    return ReconstructedFrame(density, nmae(density, trajectory[frame]))
