"""The sample trajectory and the sample models that come with the package."""

from __future__ import annotations

from pathlib import Path

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.layers import LayerTuple, trajectory_layer
from napari_eldyn.viewer.presentation import watch_current_viewer

__all__ = ["li32", "sample_directory", "sample_models", "sample_trajectory"]

_TRAJECTORY = "li32_800K.eldyn"


def sample_directory() -> Path:
    """Directory of the sample data: inside an installed package, or in the checkout.

    Raises
    ------
    EldynError
        If it is in neither place.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "sample_data", package.parent / "sample_data"):
        if candidate.is_dir():
            return candidate
    raise EldynError(
        "the sample data is missing",
        path=package.parent / "sample_data",
        remedy="Install the package again, or clone the repository again.",
    )


def sample_trajectory() -> Path:
    """Path of the sample trajectory: 32 liquid lithium atoms at 800 K."""
    return sample_directory() / _TRAJECTORY


def sample_models() -> list[Path]:
    """Paths of the sample models, by name; empty if there is no sample data."""
    try:
        return sorted((sample_directory() / "models").glob("*.safetensors"))
    except EldynError:
        return []


def li32() -> list[LayerTuple]:
    """Open the sample trajectory (File > Open Sample).

    Raises
    ------
    EldynError
        If it is missing or damaged.
    """
    watch_current_viewer()
    return [trajectory_layer(DensityTrajectory.open(sample_trajectory()))]
