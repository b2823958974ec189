"""Density trajectories as napari layers: axes in Å and fs, contrast, and the layer's look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_eldyn.density.channels import ChannelTrajectory, channel_trajectory
from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.field_looks import contrast_limits, field_look
from napari_eldyn.viewer.frames import CheckedFrames, LazyVolumes

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = [
    "CHANNEL_KEY",
    "LINKED_ATTRIBUTES",
    "PANEL_KEY",
    "LayerTuple",
    "contrast_limits",
    "dress_layer",
    "layer_keywords",
    "layer_trajectory",
    "shown_electrons",
    "shows_density",
    "time_axis",
    "trajectory_layer",
    "trajectory_layers",
]

LayerTuple = tuple[Any, dict[str, Any], str]

TRAJECTORY_KEY = "density_trajectory"
"""Key of the trajectory in a layer's metadata."""

FRAMES_KEY = "density_frames"
"""Key of what reads the frames of a layer, in its metadata."""

CHANNEL_KEY = "density_channel"
"""Key of a further channel's name in the metadata of its layer."""

PANEL_KEY = "density_panel"
"""Key of a panel's name in the metadata of the layers that we make."""

LINKED_ATTRIBUTES = (
    "contrast_limits",
    "contrast_limits_range",
    "colormap",
    "rendering",
    "gamma",
    "attenuation",
    "iso_threshold",
    "interpolation3d",
)
"""What two panels share so that equal colours mean equal densities."""

_OUTLINE = "#8a93a6"  # visible on napari's dark and light canvas alike


def trajectory_layers(trajectory: DensityTrajectory) -> list[LayerTuple]:
    """Return the layer of a trajectory, and hidden ones of its further channels.

    Parameters
    ----------
    trajectory : DensityTrajectory
        At least one frame; frame 0 of each channel is read for the contrast.

    Raises
    ------
    EldynError
        If there is no frame, or frame 0 cannot be read.
    """
    layers = [trajectory_layer(trajectory)]
    for name in trajectory.channels:
        channel = channel_trajectory(trajectory, name)
        data, keywords, kind = trajectory_layer(channel)
        what = name.removeprefix("density_").replace("_", " ")
        keywords["name"] = f"{trajectory.name} {what}"
        keywords["visible"] = False
        layers.append((data, keywords, kind))
    return layers


def trajectory_layer(trajectory: DensityTrajectory) -> LayerTuple:
    """Return the image layer of a trajectory as napari's (data, keywords, type).

    Parameters
    ----------
    trajectory : DensityTrajectory
        At least one frame; frame 0 is read for the contrast.

    Raises
    ------
    EldynError
        If there is no frame, or frame 0 cannot be read.
    """
    if len(trajectory) == 0:
        raise EldynError("the trajectory holds no frame", path=trajectory.path)
    first, step = time_axis(trajectory)
    frames = CheckedFrames(trajectory)
    look = field_look(trajectory.quantity, trajectory[0])
    keywords = layer_keywords(trajectory.grid, first, step, look["contrast_limits"]) | look
    if not trajectory.times_known:
        keywords["axis_labels"] = ("frame", *keywords["axis_labels"][1:])
    keywords["name"] = trajectory.name
    keywords["metadata"] = {TRAJECTORY_KEY: trajectory, FRAMES_KEY: frames}
    if isinstance(trajectory, ChannelTrajectory):
        keywords["metadata"][CHANNEL_KEY] = trajectory.channel
    return LazyVolumes(len(trajectory), trajectory.grid.shape, frames), keywords, "image"


def time_axis(trajectory: DensityTrajectory) -> tuple[float, float]:
    """Time of the first frame and the step of the slider [fs].

    Unequal steps are shown at their mean; the text on the canvas gives the true time.
    """
    times = trajectory.times
    step = float(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
    return float(times[0]), step


def layer_keywords(
    grid: PeriodicGrid, first_time: float, time_step: float, limits: tuple[float, float]
) -> dict[str, Any]:
    """Keywords of ``add_image`` for volumes on a grid against time.

    Grid point (i, j, k) lies at the origin + i a/nx + j b/ny + k c/nz. Maximum-intensity
    projection is the default rendering because its colours are densities, so the colour bar holds.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell and points; a cell at odd angles gives an affine transform.
    first_time, time_step : float
        Time of index 0 and between indices [fs].
    limits : tuple of 2 float
        Densities [electrons/Å³] drawn in the first and last colour.
    """
    vectors, origin = grid.voxel_vectors, grid.origin
    lengths = np.linalg.norm(vectors, axis=1)
    directions = vectors / lengths[:, None]
    keywords: dict[str, Any] = {
        "scale": (time_step, *lengths.tolist()),
        "translate": (first_time, 0.0, 0.0, 0.0),
        "units": ("femtosecond", "angstrom", "angstrom", "angstrom"),
        "axis_labels": ("time", "x", "y", "z"),
        "multiscale": False,
        "rgb": False,
        "contrast_limits": limits,
        "colormap": "inferno",
        "rendering": "mip",
        "interpolation3d": "linear",
        "iso_threshold": 0.5 * (limits[0] + limits[1]),
        "blending": "translucent_no_depth",
    }
    if not np.allclose(directions, np.eye(3), atol=1e-9):
        affine = np.eye(5)
        affine[1:4, 1:4] = directions.T
        affine[1:4, 4] = origin
        keywords["affine"] = affine
    else:
        keywords["translate"] = (first_time, *origin.tolist())
    return keywords


def dress_layer(layer: Image) -> None:
    """Give a density layer its box, its colour bar and room for the contrast sliders."""
    low, high = layer.contrast_limits
    layer.contrast_limits_range = (min(0.0, low), high + 0.25 * (high - low))
    box = layer.bounding_box
    box.line_color = _OUTLINE
    box.points = False
    box.visible = True
    bar = layer.colorbar
    bar.size = (9, 130)
    bar.font_size = 8
    bar.box = False
    bar.visible = True


def shown_electrons(layer: Any, index: int) -> float | None:
    """Return the electrons in a frame of a density, if the layer has just shown it."""
    metadata = getattr(layer, "metadata", None) or {}
    frames = metadata.get(FRAMES_KEY)
    return frames.electrons(index) if isinstance(frames, CheckedFrames) else None


def layer_trajectory(layer: Any) -> DensityTrajectory | None:
    """Return the trajectory behind a layer, or None for other layers."""
    metadata = getattr(layer, "metadata", None) or {}
    trajectory = metadata.get(TRAJECTORY_KEY)
    return trajectory if isinstance(trajectory, DensityTrajectory) else None


def shows_density(layer: Any) -> bool:
    """Whether a layer is a trajectory or a panel of a rollout."""
    metadata = getattr(layer, "metadata", None) or {}
    return PANEL_KEY in metadata or layer_trajectory(layer) is not None
