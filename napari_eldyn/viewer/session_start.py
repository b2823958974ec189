"""What a new session starts from, and what is to be said of its start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.viewer.layers import layer_trajectory, trajectory_layer
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.presentation import presentation_of
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.session import Session

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["possible_start", "remarks_on_start", "shown_layer"]


def possible_start(
    settings: RolloutSettings, model: LoadedModel, trajectory: DensityTrajectory
) -> tuple[RolloutSettings, str]:
    """Move the start to the first frame that a model can start from, if it lies before it.

    Returns
    -------
    RolloutSettings
        With that start frame.
    str
        Why it was moved, or nothing.
    """
    first = model.first_start(trajectory)
    if settings.start_frame >= first:
        return settings, ""
    return (
        replace(settings, start_frame=first),
        f"{model.emulator.name} starts from {model.emulator.context_frames} frames, so "
        f"{first} is the first start frame.",
    )


def remarks_on_start(session: Session) -> list[str]:
    """Say what a user should know of the start of a rollout."""
    start = session.rollout.origin.start
    remarks = []
    if start.frame == 0:
        remarks.append("Start frame 0 has no earlier frame: its rate takes frame 1 as well.")
    if start.n_clipped:
        remarks.append(f"{start.n_clipped} values of the start were not positive: clipped.")
    return remarks


def shown_layer(viewer: Viewer, trajectory: DensityTrajectory) -> Any:
    """Return the layer that shows a trajectory; a new one if there is none."""
    from napari.layers import Layer

    for layer in viewer.layers:
        if layer_trajectory(layer) is trajectory:
            return layer
    presentation_of(viewer)
    return viewer.add_layer(Layer.create(*trajectory_layer(trajectory)))
