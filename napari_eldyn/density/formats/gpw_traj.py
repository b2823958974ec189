"""GPAW's ``.gpw`` files beside the ASE ``.traj`` of their run, which has times and energies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ase.units
import numpy as np
import numpy.typing as npt

from napari_eldyn.density.formats.numbered_files import differing_numbers
from napari_eldyn.density.frames import LazyRows, SourceOf
from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from ase import Atoms
    from ase.io.trajectory import TrajectoryReader

__all__ = ["find_traj", "with_atoms"]

TOLERANCE = 1e-3
"""Å by which an atom may differ between the two files of one frame."""


def find_traj(directory: Path, files: Sequence[Path]) -> Path | None:
    """Return the one ``.traj`` file in a directory of ``.gpw`` files, None if there is none.

    Raises
    ------
    EldynError
        If there are several.
    """
    if any(path.suffix != ".gpw" for path in files):
        return None
    found = sorted(directory.glob("*.traj"))
    if len(found) > 1:
        raise EldynError(
            f"the directory holds several .traj files: {', '.join(path.name for path in found)}",
            path=directory,
            remedy=f"Keep the one of this run, or open '{directory / '*.gpw'}' without it.",
        )
    return found[0] if found else None


def with_atoms(
    trajectory: DensityTrajectory, files: Sequence[Path], traj: Path
) -> DensityTrajectory:
    """Return a trajectory of ``.gpw`` files with what the run's ``.traj`` knows of its frames.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Of the files.
    files : sequence of Path
        In its order.
    traj : Path
        ASE's trajectory. Its frames are paired with the files by their order if there are as many,
        else by the numbers in the files' names, as frames or as MD steps; the atoms of the first
        and the last file tell whether that is right.

    Returns
    -------
    DensityTrajectory
        With positions [Å], velocities [Å/fs], energies [eV] and times [fs], where it has them.

    Raises
    ------
    EldynError
        If the files cannot be paired, or the ``.traj`` is damaged.
    """
    with _opened(traj) as reader:
        period = _period(reader)
        pairs = _pairs(trajectory, files, reader, traj)
        atoms = reader[pairs[0]]
        has_velocities = atoms.has("momenta")
        energies = [energy for row in pairs if (energy := _energy(reader, row)) is not None]
    times, times_known = trajectory.times, trajectory.times_known
    if period is not None:
        times, times_known = np.array(pairs) * period, True
    shape = (len(pairs), len(atoms), 3)
    return DensityTrajectory(
        SourceOf(trajectory),
        trajectory.grid,
        times,
        numbers=atoms.numbers,
        positions=_Rows(traj, pairs, shape, "positions"),
        velocities=_Rows(traj, pairs, shape, "velocities") if has_velocities else None,
        scalars={"energy": energies} if len(energies) == len(pairs) else {},
        extra=trajectory.extra,
        kind=trajectory.kind,
        quantity=trajectory.quantity,
        times_known=times_known,
        provenance={**trajectory.provenance, "atoms_from": traj.name},
        path=trajectory.path,
    )


@contextmanager
def _opened(path: Path) -> Iterator[TrajectoryReader]:
    from ase.io.trajectory import TrajectoryReader

    try:
        with TrajectoryReader(path) as reader:
            yield reader
    except EldynError:
        raise
    except Exception as error:
        # ase raises many types for damaged files.
        raise EldynError(f"this is not a whole ASE trajectory ({error})", path=path) from error


def _period(reader: TrajectoryReader) -> float | None:
    """Return the time between frames [fs], which ase notes when it runs the dynamics."""
    noted = getattr(reader, "description", None) or {}
    timestep, interval = noted.get("timestep"), noted.get("interval", 1)
    if timestep is None or not float(timestep) * int(interval) > 0.0:
        return None
    return float(timestep) / float(ase.units.fs) * int(interval)


def _pairs(
    trajectory: DensityTrajectory, files: Sequence[Path], reader: TrajectoryReader, traj: Path
) -> list[int]:
    """Return the frame of the ``.traj`` for each file."""
    candidates: list[list[int]] = []
    if len(files) == len(reader):
        candidates.append(list(range(len(files))))
    numbers = differing_numbers(files)
    if numbers is not None:
        interval = int((getattr(reader, "description", None) or {}).get("interval", 1))
        candidates.append(numbers)
        candidates.append([number - numbers[0] for number in numbers])
        if interval > 1 and not any(number % interval for number in numbers):
            candidates.append([number // interval for number in numbers])
    for rows in candidates:
        if max(rows) < len(reader) and all(
            _same_atoms(trajectory, index, reader[rows[index]]) for index in (0, len(files) - 1)
        ):
            return rows
    raise EldynError(
        f"its {len(reader)} frames cannot be paired with the {len(files)} .gpw files beside it: "
        "neither the order nor the numbers in the names lead to the same positions",
        path=traj,
        remedy=f"To open the files without it, open '{files[0].parent / '*.gpw'}'.",
    )


def _same_atoms(trajectory: DensityTrajectory, index: int, atoms: Atoms) -> bool:
    positions = trajectory.positions_at(index)
    if positions is None:
        return True
    return positions.shape == atoms.positions.shape and bool(
        np.all(np.abs(positions - atoms.positions) < TOLERANCE)
    )


def _energy(reader: TrajectoryReader, row: int) -> float | None:
    """Return the potential energy [eV] of a frame, if it was written."""
    frame = reader.backend[row]
    if "calculator" not in frame or "energy" not in frame.calculator:
        return None
    return float(frame.calculator.energy)


class _Rows(LazyRows):
    """Positions or velocities of chosen frames of a ``.traj``, read when indexed."""

    def __init__(
        self,
        path: Path,
        rows: Sequence[int],
        shape: tuple[int, int, int],
        name: Literal["positions", "velocities"],
    ) -> None:
        self._path = path
        self._chosen = rows
        self._shape = shape
        self._read: Callable[[Atoms], npt.NDArray[np.float64]] = (
            (lambda atoms: atoms.positions)
            if name == "positions"
            else (lambda atoms: atoms.get_velocities() * ase.units.fs)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def _row(self, index: int) -> npt.NDArray[Any]:
        return np.asarray(self._rows(range(index, index + 1))[0])

    def _rows(self, chosen: range) -> npt.NDArray[Any]:
        with _opened(self._path) as reader:
            return np.stack([self._read(reader[self._chosen[index]]) for index in chosen])
