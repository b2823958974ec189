"""What a saved session holds besides its arrays, as checked by pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from napari_eldyn.config import StrictModel
from napari_eldyn.density.transforms import LogNormalisation

__all__ = [
    "CameraRecord",
    "DockRecord",
    "FileRecord",
    "LayerRecord",
    "LookRecord",
    "ModelRecord",
    "RolloutRecord",
    "SettingsRecord",
    "StatisticsRecord",
    "TrajectoryRecord",
    "ViewRecord",
    "WorkspaceRecord",
]

Index = Annotated[int, Field(ge=0)]
Pair = tuple[float, float]
Triple = tuple[float, float, float]


class FileRecord(StrictModel):
    """Where a file is: absolute, and relative to the session's folder if it lies below it."""

    absolute: str
    relative: str | None

    @classmethod
    def of(cls, path: Path, folder: Path) -> Self:
        """Record a path."""
        path, folder = path.resolve(), folder.resolve()
        below = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None
        return cls(absolute=str(path), relative=below)

    def places(self, folder: Path) -> list[Path]:
        """Where to look, the most likely place first."""
        relative = [] if self.relative is None else [folder / self.relative]
        return [*relative, Path(self.absolute)]


class LookRecord(StrictModel):
    """How a layer looks."""

    contrast_limits: Pair
    contrast_limits_range: Pair
    colormap: str | list[tuple[float, float, float, float]]
    """A name, or the colours of one that napari does not know by name."""
    rendering: str
    iso_threshold: float
    attenuation: float
    gamma: float
    interpolation2d: str
    interpolation3d: str
    blending: str
    opacity: float
    depiction: str
    visible: bool


class StatisticsRecord(StrictModel):
    """What the frames beside a trajectory are counted with; bins and counts are arrays."""

    normalisation: LogNormalisation
    measured: bool
    """Whether the statistics of the trajectory itself are stored."""
    first: Index
    lag: Annotated[int, Field(ge=1)]


class TrajectoryRecord(StrictModel):
    """A trajectory's file."""

    file: FileRecord
    fingerprint: str
    """Hash of cell, grid, times and some frames."""
    points: tuple[Index, Index, Index]
    n_frames: Index
    statistics: StatisticsRecord | None
    channel: str | None = None
    """Which further field of the file it is, such as ``density_spin``."""


class LayerRecord(StrictModel):
    """A layer of a trajectory."""

    name: str
    trajectory: Index
    """Place in the list of trajectories."""
    look: LookRecord


class ModelRecord(StrictModel):
    """A model's file."""

    name: str
    file: FileRecord
    sha256: str
    device: str


class SettingsRecord(StrictModel):
    """Settings of the Rollout dock."""

    start_frame: Index
    sampler: str
    evaluations: Index
    n_frames: Index
    seed: Index


class RolloutRecord(StrictModel):
    """A rollout; its latents and statistics are arrays beside this record."""

    model: Index
    """Place in the list of models."""
    trajectory: Index
    """Place in the list of trajectories: the one that it started from."""
    settings: SettingsRecord
    origin: dict[str, Any]
    """A `RolloutOrigin`."""
    n_frames: Index
    colour: Index
    visible: bool
    is_kept: bool


class CameraRecord(StrictModel):
    """The camera."""

    center: tuple[float, ...]
    zoom: float
    angles: Triple
    perspective: float


class ViewRecord(StrictModel):
    """What the window shows of the layers."""

    ndisplay: Literal[2, 3]
    order: tuple[Index, ...]
    point: tuple[float, ...]
    camera: CameraRecord
    grid: bool
    scale_bar: bool
    axes: bool


class DockRecord(StrictModel):
    """Docks of the plugin, and how they lie."""

    open: list[str]
    """Names of those that are there, shown or hidden."""
    state: str
    """Qt's saveState in base64."""
    size: tuple[Index, Index]
    """Width and height of the window in logical pixels."""
    contents: dict[str, dict[str, Any]]
    """What the docks themselves say, by name."""


class WorkspaceRecord(StrictModel):
    """A session. Its format and the version of it stand beside it in the file."""

    versions: dict[str, str]
    theme: str
    trajectories: list[TrajectoryRecord]
    layers: list[LayerRecord]
    reference: Index | None
    """Place of the reference in the list of layers."""
    models: list[ModelRecord]
    model: Index | None
    settings: SettingsRecord
    rollouts: list[RolloutRecord]
    """The current one first, if there is one."""
    has_current: bool
    panels: list[str]
    looks: dict[str, LookRecord]
    """Looks of the panels that are layers of their own."""
    offset: int
    member: int | None
    view: ViewRecord
    docks: DockRecord | None
    others: list[str]
    """Names of layers that a session cannot hold."""
