"""What a writer of one file format gives, and what the writers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityTrajectory, check_frame

__all__ = ["Atoms", "FileFormat", "atoms_of", "checked_frame", "describe", "when"]


@dataclass(frozen=True)
class Atoms:
    """Atoms of one frame.

    Parameters
    ----------
    numbers : ndarray of int, shape (atoms,)
        Atomic numbers; 0 for atoms of no element.
    positions : ndarray, shape (atoms, 3)
        [Å], in the coordinates of the grid's origin.
    """

    numbers: npt.NDArray[np.int64]
    positions: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FileFormat:
    """A format that trajectories are written in, frame by frame.

    Parameters
    ----------
    name : str
        For messages and dialogs, such as "Gaussian cube".
    suffixes : tuple of str
        Endings of file names, such as ``.cube``; the first is the usual one.
    accepts : callable
        Whether a file of this name is to be written in this format.
    exactness : str
        How exactly the values are kept.
    frame : callable
        ``frame(trajectory, index)``: the bytes of one frame, in pieces.
    notes : callable
        ``notes(trajectory, path)``: what a user should know that the file does not hold. Raises
        EldynError if the format cannot hold the trajectory at all.
    assemble : callable, optional
        ``assemble(trajectory, frames, file)``: makes one file of all frames. Without it each
        frame is a file by itself, and several are numbered.
    """

    name: str
    suffixes: tuple[str, ...]
    accepts: Callable[[Path], bool]
    exactness: str
    frame: Callable[[DensityTrajectory, int], Iterator[bytes]]
    notes: Callable[[DensityTrajectory, Path], tuple[str, ...]]
    assemble: Callable[[DensityTrajectory, Iterable[Iterable[bytes]], BinaryIO], None] | None = None


def atoms_of(trajectory: DensityTrajectory, index: int) -> Atoms:
    """Return the atoms of a frame; none if their positions are not known."""
    positions = trajectory.positions_at(index)
    if positions is None:
        return Atoms(np.zeros(0, np.int64), np.zeros((0, 3)))
    numbers = trajectory.numbers
    if numbers is None:
        numbers = np.zeros(len(positions), np.int64)
    return Atoms(numbers, positions)


def checked_frame(trajectory: DensityTrajectory, index: int) -> npt.NDArray[np.float32]:
    """Return a frame.

    Raises
    ------
    NonFiniteFrameError
        If it holds NaN or infinite values: text formats have no numbers for them.
    """
    frame = trajectory[index]
    check_frame(frame, trajectory.path, index)
    return frame


def describe(trajectory: DensityTrajectory) -> str:
    """Name a trajectory and what its values are, in one line of ASCII."""
    kind = "" if trajectory.kind == "unknown" else f" ({trajectory.kind})"
    text = f"{trajectory.name}: {QUANTITIES[trajectory.quantity].title.lower()}{kind}"
    return " ".join(text.encode("ascii", "replace").decode().split())


def when(trajectory: DensityTrajectory, index: int) -> str:
    """Tell the number of a frame, and its time [fs] where that is known, as CP2K does."""
    if not trajectory.times_known:
        return f"i = {index}"
    return f"i = {index}, time = {trajectory.times[index]:.6f}"
