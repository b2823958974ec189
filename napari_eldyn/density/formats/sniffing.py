"""The formats that are read, and which of them a file or directory is of.

A `TrajectoryFormat` is a trajectory with its times, such as our store. A `VolumeFormat` describes
a file with one or several volumes, of which trajectories are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_eldyn.density.formats import (
    arrays,
    cube,
    eldyn,
    espresso,
    gpaw_gpw,
    npz_chunks,
    opendx,
    vasp,
    vaspwave,
    xsf,
)
from napari_eldyn.density.formats.byte_source import read_head
from napari_eldyn.density.formats.numbered_files import FileGroup, group_files
from napari_eldyn.density.formats.volume_file import VolumeFormat
from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = [
    "FORMATS",
    "TRAJECTORY_FORMATS",
    "VOLUME_FORMATS",
    "TrajectoryFormat",
    "find_format",
    "find_series",
]


@dataclass(frozen=True)
class TrajectoryFormat:
    """A format that holds a trajectory with its times.

    Parameters
    ----------
    name : str
        For messages and lists.
    patterns : tuple of str
        File name patterns for dialogs.
    accepts : callable
        Whether a path looks like this format; cheap, reads no data.
    open : callable
        Opens the path lazily.
    """

    name: str
    patterns: tuple[str, ...]
    accepts: Callable[[Path], bool]
    open: Callable[[Path], DensityTrajectory]


TRAJECTORY_FORMATS: tuple[TrajectoryFormat, ...] = (
    TrajectoryFormat(eldyn.NAME, ("*.eldyn",), eldyn.accepts, eldyn.open_eldyn),
    TrajectoryFormat(
        npz_chunks.NAME, ("frames_*.npz",), npz_chunks.accepts, npz_chunks.open_npz_chunks
    ),
)

VOLUME_FORMATS: tuple[VolumeFormat, ...] = (
    cube.FORMAT,
    opendx.FORMAT,
    vasp.FORMAT,
    vaspwave.FORMAT,
    xsf.FORMAT,
    gpaw_gpw.FORMAT,
    espresso.FORMAT,
    arrays.FORMAT,
)
"""Arrays, which look least like anything, come last."""

FORMATS: tuple[TrajectoryFormat | VolumeFormat, ...] = (*TRAJECTORY_FORMATS, *VOLUME_FORMATS)


def find_format(path: str | Path) -> TrajectoryFormat | VolumeFormat | None:
    """Return the format that a file or directory is of, or None.

    Parameters
    ----------
    path : path-like
        Name and first bytes are looked at. A directory of numbered files is of no format; see
        `find_series`.
    """
    path = Path(path)
    try:
        for known in TRAJECTORY_FORMATS:
            if known.accepts(path):
                return known
        return _find_volume_format(path)
    except OSError:  # such as a directory that may not be looked into
        return None


def find_series(directory: str | Path) -> list[tuple[FileGroup, VolumeFormat]]:
    """Return the series of volumes in a directory, or in its subdirectories.

    Files make a series if their names differ in numbers only. Of each series, the first file's
    name and first bytes are looked at.
    """
    directory = Path(directory)
    groups = group_files(directory) if directory.is_dir() else []
    found = ((group, _find_volume_format(group.files[0])) for group in groups)
    return [(group, known) for group, known in found if known is not None]


def _find_volume_format(path: Path) -> VolumeFormat | None:
    if not path.exists():
        return None
    head = read_head(path) if path.is_file() else b""
    return next((known for known in VOLUME_FORMATS if known.accepts(path, head)), None)
