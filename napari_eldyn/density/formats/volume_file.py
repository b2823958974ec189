"""What a reader of one file of volumes gives: a header read at once, and frames read on demand.

Each file format has a module with ``accepts`` and ``open_volumes``; the registry makes
trajectories of what they return, of one file or of a series of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.grid import PeriodicGrid
from napari_eldyn.density.trajectory import DensityKind
from napari_eldyn.exceptions import EldynError

__all__ = [
    "DENSITY",
    "MAX_LENGTH",
    "MAX_POINTS",
    "OpenOptions",
    "Unit",
    "VolumeFile",
    "VolumeFormat",
    "VolumeHeader",
    "checked_grid",
]

DENSITY = "density"
"""Name of a file's first channel; the names of further ones are keys of a trajectory's ``extra``,
such as ``density_spin`` or ``orbital_54``."""

MAX_POINTS = 2**30
"""Points of a grid above which a header is taken for damaged: 4 GiB a frame."""

MAX_LENGTH = 1e6
"""Length [Å] above which a cell is taken for damaged; products of three must be finite."""

Unit = Literal["e/Å³", "e/bohr³"]


@dataclass(frozen=True)
class OpenOptions:
    """What a user may add to files that do not say everything.

    Parameters
    ----------
    timestep : float, optional
        Time between frames [fs], where the files hold no times.
    cell : ndarray, shape (3, 3), optional
        Cell vectors as rows [Å], where the file has none.
    unit : {"e/Å³", "e/bohr³"}, optional
        Unit of the values, where the file leaves it open.
    dataset : str, optional
        Name or number of the data set to show, where a file has several.
    kind : str, optional
        Kind of density, where a file can give several (GPAW), or does not say.
    """

    timestep: float | None = None
    cell: npt.NDArray[np.float64] | None = None
    unit: Unit | None = None
    dataset: str | None = None
    kind: DensityKind | None = None


@dataclass(frozen=True, eq=False)
class VolumeHeader:
    """What is known of a file before its volumes are read.

    Parameters
    ----------
    grid : PeriodicGrid
        Without the end planes that a periodic file repeats.
    n_frames : int
        Volumes in the order of time.
    channels : tuple of str
        The first is always ``density``: what the trajectory's frames are.
    quantity : str
        Of the first channel, a key of `QUANTITIES`.
    kind : str
        What a density includes.
    numbers : ndarray, shape (atoms,), optional
        Atomic numbers; 0 for atoms of no element.
    positions, velocities : ndarray, shape (n_frames, atoms, 3), optional
        [Å], in the coordinates of the grid's origin; [Å/fs].
    times : ndarray, shape (n_frames,), optional
        [fs], where the file holds them.
    steps : ndarray of int, shape (n_frames,), optional
        Numbers of MD steps, where the file or its name holds them.
    scalars : mapping of str to ndarray, shape (n_frames,)
        Such as ``energy`` [eV].
    expected_electrons : float, optional
        That the density should integrate to (valence electrons of a valence density).
    notes : mapping
        For the provenance, JSON values: ``comment``, ``unit_in_file``, ``removed_end_planes``, …
    """

    grid: PeriodicGrid
    n_frames: int = 1
    channels: tuple[str, ...] = (DENSITY,)
    quantity: str = "density"
    kind: DensityKind = "unknown"
    numbers: npt.NDArray[np.int64] | None = None
    positions: npt.NDArray[np.float64] | None = None
    velocities: npt.NDArray[np.float64] | None = None
    times: npt.NDArray[np.float64] | None = None
    steps: npt.NDArray[np.int64] | None = None
    scalars: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    expected_electrons: float | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


class VolumeFile(Protocol):
    """An opened file: the header is read, the volumes are not."""

    @property
    def header(self) -> VolumeHeader:
        """What is known of the file."""
        ...

    def read(self, frame: int, channel: str = DENSITY) -> npt.NDArray[np.float32]:
        """Return one volume, shape of the grid, in the unit of its quantity.

        Raises
        ------
        EldynError
            Naming the file and the place (line, or byte) if it is damaged.
        """
        ...


@dataclass(frozen=True)
class VolumeFormat:
    """A format of files that hold volumes.

    Parameters
    ----------
    name : str
        For messages, dialogs and lists, such as "Gaussian cube".
    patterns : tuple of str
        File name patterns for dialogs, such as ``*.cube``; ``.gz`` is understood.
    accepts : callable
        ``accepts(path, head)``: whether a file is of this format, by its name and its first
        64 KiB (uncompressed). Never raises.
    open : callable
        ``open(path, options)``: reads the header of one file.
    """

    name: str
    patterns: tuple[str, ...]
    accepts: Callable[[Path, bytes], bool]
    open: Callable[[Path, OpenOptions], VolumeFile]


def checked_grid(
    path: Path,
    cell: npt.ArrayLike,
    shape: tuple[int, ...],
    origin: npt.ArrayLike = (0.0, 0.0, 0.0),
) -> PeriodicGrid:
    """Return the grid of a file's header.

    Raises
    ------
    EldynError
        Naming the file, if the cell has no volume, or the counts cannot be meant.
    """
    points = 1
    for count in shape:
        points *= max(int(count), 0)
    if len(shape) != 3 or not 0 < points <= MAX_POINTS:
        raise EldynError(
            f"the header claims a grid of {' × '.join(map(str, shape))} points", path=path
        )
    lengths = np.abs(np.asarray([*np.ravel(cell), *np.ravel(origin)], dtype=np.float64))
    if not np.all(lengths < MAX_LENGTH):
        raise EldynError(
            f"the header claims lengths of {lengths.max():g} Å, more than {MAX_LENGTH:g} Å",
            path=path,
        )
    try:
        return PeriodicGrid(cell, shape, origin)
    except EldynError as error:
        raise EldynError(error.problem, path=path) from error
