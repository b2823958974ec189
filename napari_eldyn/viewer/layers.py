"""Density trajectories as napari layers: axes in Å and fs, contrast, and the layer's look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.frames import LazyVolumes

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = [
    "LINKED_ATTRIBUTES",
    "PANEL_KEY",
    "LayerTuple",
    "checked_reader",
    "contrast_limits",
    "dress_layer",
    "layer_keywords",
    "layer_trajectory",
    "shows_density",
    "time_axis",
    "trajectory_layer",
]

LayerTuple = tuple[Any, dict[str, Any], str]

TRAJECTORY_KEY = "density_trajectory"
"""Key of the trajectory in a layer's metadata."""

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
    keywords = layer_keywords(trajectory.grid, first, step, contrast_limits(trajectory[0]))
    keywords["name"] = trajectory.name
    keywords["metadata"] = {TRAJECTORY_KEY: trajectory}
    data = LazyVolumes(len(trajectory), trajectory.grid.shape, checked_reader(trajectory))
    return data, keywords, "image"


def checked_reader(trajectory: DensityTrajectory) -> Callable[[int], npt.NDArray[np.float32]]:
    """Return a reader of frames that raises EldynError on NaN and on infinite values."""

    def read(index: int) -> npt.NDArray[np.float32]:
        density = trajectory[index]
        check_frame(density, trajectory.path, index)
        return density

    return read


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

    Grid point (i, j, k) lies at i a/nx + j b/ny + k c/nz. Maximum-intensity projection is the
    default rendering because its colours are densities, so the colour bar holds.

    Parameters
    ----------
    grid : PeriodicGrid
        Cell and points; a cell at odd angles gives an affine transform.
    first_time, time_step : float
        Time of index 0 and between indices [fs].
    limits : tuple of 2 float
        Densities [electrons/Å³] drawn in the first and last colour.
    """
    vectors = grid.voxel_vectors
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
        keywords["affine"] = affine
    return keywords


def contrast_limits(density: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Densities to draw in the first and last colour, so that atoms stand out.

    The first is the median: in a metal it is the sea between the atoms, in a molecule it is
    vacuum. The last is exceeded by one voxel in a thousand.
    """
    finite = density[np.isfinite(density)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, (50.0, 99.9)))
    if not high > low:
        return low, low + max(abs(low), 1e-3)
    # Two digits are enough, and make a colour bar with round ends.
    digits = 1 - int(np.floor(np.log10(high - low)))
    return round(low, digits), round(high, digits)


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


def layer_trajectory(layer: Any) -> DensityTrajectory | None:
    """Return the trajectory behind a layer, or None for other layers."""
    metadata = getattr(layer, "metadata", None) or {}
    trajectory = metadata.get(TRAJECTORY_KEY)
    return trajectory if isinstance(trajectory, DensityTrajectory) else None


def shows_density(layer: Any) -> bool:
    """Whether a layer is a trajectory or a panel of a rollout."""
    metadata = getattr(layer, "metadata", None) or {}
    return PANEL_KEY in metadata or layer_trajectory(layer) is not None
