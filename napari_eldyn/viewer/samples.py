"""The sample trajectory and the sample models that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.layers import LayerTuple, trajectory_layer
from napari_eldyn.viewer.workbench import equip_current_viewer

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "li32",
    "li32_paper",
    "li32_spatial",
    "sample_directory",
    "sample_models",
    "sample_title",
    "sample_trajectory",
]

_TRAJECTORY = "li32_800K.eldyn"
_TITLES = {"spatial_li32": "Spatial (flagship)", "pooled_li32": "Paper (pooled)"}
"""Models by file name, in the order in which they are offered."""


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
    """Paths of the sample models, the flagship first; empty if there is no sample data."""
    try:
        paths = sorted((sample_directory() / "models").glob("*.safetensors"))
    except EldynError:
        return []
    ranks = {name: rank for rank, name in enumerate(_TITLES)}
    return sorted(paths, key=lambda path: ranks.get(path.stem, len(ranks)))


def sample_title(path: Path) -> str:
    """Return the name that a model is offered by: a sample model's own, or its file's."""
    return _TITLES.get(path.stem, path.stem) if path in sample_models() else path.stem


def li32() -> list[LayerTuple]:
    """Open the sample trajectory (File > Open Sample).

    Raises
    ------
    EldynError
        If it is missing or damaged.
    """
    equip_current_viewer()
    return [trajectory_layer(DensityTrajectory.open(sample_trajectory()))]


def li32_spatial() -> list[LayerTuple]:
    """Open the sample trajectory with the spatial model, ready to run (File > Open Sample).

    Raises
    ------
    EldynError
        If either is missing, or the trajectory is damaged.
    """
    return _with_model("spatial_li32")


def li32_paper() -> list[LayerTuple]:
    """Open the sample trajectory with the paper's pooled model, ready to run.

    Raises
    ------
    EldynError
        If either is missing, or the trajectory is damaged.
    """
    return _with_model("pooled_li32")


def _with_model(name: str) -> list[LayerTuple]:
    from napari import current_viewer
    from qtpy.QtCore import QTimer

    path = sample_directory() / "models" / f"{name}.safetensors"
    if not path.exists():
        raise EldynError(
            "this sample model is missing", path=path, remedy="Clone the repository again."
        )
    trajectory = DensityTrajectory.open(sample_trajectory())
    equip_current_viewer()
    viewer = current_viewer()
    if viewer is not None:
        # After napari has added the layer.
        QTimer.singleShot(0, lambda: _start_session(viewer, trajectory, path))
    return [trajectory_layer(trajectory)]


def _start_session(viewer: Viewer, trajectory: DensityTrajectory, model: Path) -> None:
    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.docking import open_workbench

    control = controller_of(viewer)
    if control.is_closed:
        return
    open_workbench(viewer)
    control.set_reference(trajectory)
    control.set_model(model)
