"""Density trajectories: frames read when asked for, with times, atoms and provenance."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    SupportsIndex,
    get_args,
    overload,
)

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.frames import (
    ArrayFrames,
    FieldRows,
    ResampledFrames,
    Rows,
    SelectedFrames,
    SourceOf,
)
from napari_eldyn.density.grid import PeriodicGrid, resample
from napari_eldyn.density.quantities import QUANTITIES, Quantity, channel_quantity
from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density.formats.volume_file import Unit
    from napari_eldyn.density.frame_cache import CachePlace

__all__ = ["DensityKind", "DensityTrajectory", "FrameSource", "NonFiniteFrameError", "check_frame"]

DensityKind = Literal[
    "pseudo", "pseudo_valence", "valence", "core", "all_electron", "spin", "unknown"
]

Progress = Callable[[int, int], None]
"""Called with the number of frames done and the number of frames in all."""


class FrameSource(Protocol):
    """Where frames come from; reading one frame does not read its neighbours."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`, shape (nx, ny, nz) [electrons/Å³]."""
        ...


class DensityTrajectory:
    """Electron density on a periodic grid against time; frames are read when asked for.

    Parameters
    ----------
    frames : FrameSource
        Source of the densities [electrons/Å³].
    grid : PeriodicGrid
        Cell [Å] and points.
    times : array-like, shape (n,)
        Increasing times [fs].
    numbers : array-like of int, shape (atoms,), optional
        Atomic numbers.
    positions, velocities : array-like, shape (n, atoms, 3), optional
        Atomic positions [Å], unwrapped, and velocities [Å/fs]; read from disk at first use.
    scalars : mapping of str to array-like, shape (n,)
        Numbers per frame, such as ``energy`` [eV] and ``temperature`` [K].
    extra : mapping of str to array-like, shape (n, ...)
        Further arrays per frame, such as a rollout's ``latents``; read when indexed.
    kind : {"pseudo", "pseudo_valence", "valence", "core", "all_electron", "spin", "unknown"}
        What the density includes.
    quantity : str
        What the values are, a key of `QUANTITIES`; an electron density unless said otherwise.
    times_known : bool
        False if the files hold no times, so that `times` only count the frames.
    provenance : mapping
        Where the data came from; anything JSON can hold. ``expected_electrons`` is the number of
        electrons that the density should integrate to.
    path : path-like, optional
        The file or directory behind it.

    Raises
    ------
    EldynError
        If lengths disagree, times do not increase, or the kind is not a known one.
    """

    def __init__(
        self,
        frames: FrameSource,
        grid: PeriodicGrid,
        times: npt.ArrayLike,
        *,
        numbers: npt.ArrayLike | None = None,
        positions: Any | None = None,
        velocities: Any | None = None,
        scalars: Mapping[str, npt.ArrayLike] | None = None,
        extra: Mapping[str, Any] | None = None,
        kind: DensityKind = "unknown",
        quantity: str = "density",
        times_known: bool = True,
        provenance: Mapping[str, Any] | None = None,
        path: str | Path | None = None,
    ) -> None:
        self._frames = frames
        self._grid = grid
        self._times = np.array(times, dtype=np.float64).reshape(-1)
        self._numbers = None if numbers is None else np.asarray(numbers, dtype=np.int64)
        self._positions = positions
        self._velocities = velocities
        self._scalars = {
            key: np.asarray(value, dtype=np.float64) for key, value in (scalars or {}).items()
        }
        self._extra = dict(extra or {})
        self._kind: DensityKind = kind
        self._quantity = quantity
        self._times_known = times_known
        self._provenance = dict(provenance or {})
        self._path = None if path is None else Path(path)
        self._check()

    def _check(self) -> None:
        n = len(self._frames)
        if self._kind not in get_args(DensityKind):
            known = ", ".join(get_args(DensityKind))
            raise EldynError(f"density kind '{self._kind}' is not one of {known}", path=self._path)
        if self._quantity not in QUANTITIES:
            known = ", ".join(QUANTITIES)
            raise EldynError(f"quantity '{self._quantity}' is not one of {known}", path=self._path)
        per_frame: dict[str, Any] = {"times": self._times, **self._scalars, **self._extra}
        for name, value in (("positions", self._positions), ("velocities", self._velocities)):
            if value is None:
                continue
            per_frame[name] = value
            atoms = value.shape[1] if self._numbers is None else len(self._numbers)
            if tuple(value.shape[1:]) != (atoms, 3):
                raise EldynError(
                    f"{name} have shape {tuple(value.shape)}, not (frames, {atoms} atoms, 3)",
                    path=self._path,
                )
        for name, value in per_frame.items():
            if value.shape[0] != n:
                raise EldynError(
                    f"{n} frames of density but {value.shape[0]} of {name}", path=self._path
                )
        if not np.all(np.isfinite(self._times)) or np.any(np.diff(self._times) <= 0.0):
            raise EldynError("the times of the frames do not increase", path=self._path)

    @classmethod
    def open(
        cls,
        path: str | Path | Sequence[str | Path],
        *,
        timestep: float | None = None,
        cell: npt.ArrayLike | None = None,
        unit: Unit | None = None,
        dataset: str | None = None,
        kind: DensityKind | None = None,
        cache: CachePlace | None = None,
    ) -> DensityTrajectory:
        """Open a trajectory of any supported format without reading its frames.

        Parameters
        ----------
        path : path-like, or sequence of path-like
            A file, a directory, a pattern such as ``run/*.cube``, or several files of one series.
        timestep, cell, unit, dataset, kind
            What the files leave open; see `OpenOptions`.
        cache : {"beside", "user"}, optional
            Where parsed frames are kept for the next time; see `frame_cache`.

        Raises
        ------
        EldynError
            If the path is missing, damaged, or of no supported format.
        MissingInformationError
            If a file leaves something open that an option says.
        """
        from napari_eldyn.density.formats import open_any
        from napari_eldyn.density.formats.volume_file import OpenOptions

        vectors = None if cell is None else np.asarray(cell, dtype=np.float64)
        return open_any(path, OpenOptions(timestep, vectors, unit, dataset, kind), cache=cache)

    @classmethod
    def from_array(
        cls, array: npt.ArrayLike, grid: PeriodicGrid, times: npt.ArrayLike, **fields: Any
    ) -> DensityTrajectory:
        """Make a trajectory of an array in memory, shape (n, nx, ny, nz) [electrons/Å³].

        The further arguments are those of the class. The array is not copied if it is float32.
        """
        values = np.asarray(array, dtype=np.float32)
        if values.ndim != 4 or values.shape[1:] != grid.shape:
            raise EldynError(
                f"the array has shape {values.shape}, not that of frames on {grid.shape} points"
            )
        for name in ("positions", "velocities"):
            if fields.get(name) is not None:
                fields[name] = np.asarray(fields[name], dtype=np.float64)
        fields["extra"] = {k: np.asarray(v) for k, v in (fields.get("extra") or {}).items()}
        return DensityTrajectory(ArrayFrames(values), grid, times, **fields)

    @property
    def grid(self) -> PeriodicGrid:
        """Cell [Å] and grid points."""
        return self._grid

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Time of each frame, shape (n,) [fs]."""
        return self._times

    @property
    def numbers(self) -> npt.NDArray[np.int64] | None:
        """Atomic numbers, shape (atoms,), if known."""
        return self._numbers

    @property
    def positions(self) -> npt.NDArray[np.float64] | None:
        """Positions of the atoms, unwrapped, shape (n, atoms, 3) [Å], if known."""
        if self._positions is not None and not isinstance(self._positions, np.ndarray):
            self._positions = np.asarray(self._positions, dtype=np.float64)
        return self._positions

    def positions_at(self, index: int) -> npt.NDArray[np.float64] | None:
        """Return the atoms' positions in one frame, (atoms, 3) [Å], reading no others."""
        return self._row(self._positions, index)

    def velocities_at(self, index: int) -> npt.NDArray[np.float64] | None:
        """Return the atoms' velocities in one frame, (atoms, 3) [Å/fs], reading no others."""
        return self._row(self._velocities, index)

    def _row(self, rows: Any | None, index: int) -> npt.NDArray[np.float64] | None:
        if rows is None:
            return None
        return np.asarray(rows[_resolve(index, len(self))], dtype=np.float64)

    @property
    def velocities(self) -> npt.NDArray[np.float64] | None:
        """Velocities of the atoms, shape (n, atoms, 3) [Å/fs], if known."""
        if self._velocities is not None and not isinstance(self._velocities, np.ndarray):
            self._velocities = np.asarray(self._velocities, dtype=np.float64)
        return self._velocities

    @property
    def scalars(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """Numbers per frame by name, each of shape (n,)."""
        return self._scalars

    @property
    def extra(self) -> Mapping[str, Any]:
        """Further arrays per frame by name, each of shape (n, ...); read when indexed."""
        return self._extra

    @property
    def kind(self) -> DensityKind:
        """What the density includes."""
        return self._kind

    @property
    def quantity(self) -> str:
        """What the values are: a key of `QUANTITIES`, mostly ``density``."""
        return self._quantity

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return QUANTITIES[self._quantity].unit

    @property
    def times_known(self) -> bool:
        """Whether `times` are times [fs], and not mere counts of frames."""
        return self._times_known

    @property
    def channels(self) -> Mapping[str, Quantity]:
        """Further fields on the same grid, by their name in `extra`, and what they are."""
        return {
            name: channel_quantity(name)
            for name, values in self.extra.items()
            if tuple(values.shape[1:]) == self.grid.shape
        }

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the data came from."""
        return self._provenance

    @property
    def path(self) -> Path | None:
        """The file or directory behind the trajectory, if any."""
        return self._path

    @property
    def name(self) -> str:
        """A short name for lists and legends: the file's name without its ending."""
        if self.path is None:
            return "trajectory"
        return self.path.stem if self.path.suffix in (".eldyn", ".npz") else self.path.name

    @property
    def timestep(self) -> float:
        """Time between frames [fs].

        Raises
        ------
        EldynError
            If there are fewer than two frames, or the steps differ by more than 1e-3 of a step.
        """
        times = self.times
        if len(times) < 2:
            raise EldynError("a time step needs at least two frames", path=self.path)
        steps = np.diff(times)
        step = float((times[-1] - times[0]) / (len(times) - 1))
        if np.max(np.abs(steps - step)) > 1e-3 * step:
            raise EldynError(
                f"the frames are not equally spaced: steps from {steps.min():g} "
                f"to {steps.max():g} fs",
                path=self.path,
                remedy="Choose a stretch with one spacing (eldyn convert --frames A:B:S).",
            )
        return step

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return f"<DensityTrajectory '{self.name}': {len(self)} frames, {self.grid!r}, {self.kind}>"

    @overload
    def __getitem__(self, index: SupportsIndex) -> npt.NDArray[np.float32]: ...

    @overload
    def __getitem__(self, index: slice) -> DensityTrajectory: ...

    def __getitem__(
        self, index: SupportsIndex | slice
    ) -> npt.NDArray[np.float32] | DensityTrajectory:
        """Return one frame [electrons/Å³], or a lazy trajectory for a slice."""
        if isinstance(index, slice):
            return self._select(range(len(self))[index])
        return self._read(_resolve(index, len(self)))

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        for index in range(len(self)):
            yield self[index]

    def _read(self, index: int) -> npt.NDArray[np.float32]:
        return self._frames.read(index)

    def _select(self, chosen: range) -> DensityTrajectory:
        if chosen.step < 0:
            raise ValueError("a trajectory runs forward in time: slice with a positive step")
        return self._derived(SelectedFrames(SourceOf(self), chosen), chosen)

    def _derived(
        self,
        frames: FrameSource,
        chosen: range,
        *,
        grid: PeriodicGrid | None = None,
        channels: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> DensityTrajectory:
        """Return a trajectory of other frames, with all else as here for the `chosen` frames.

        A rollout may grow meanwhile: what is derived from it keeps the frames of now.
        """

        def rows(array: Any) -> Any:
            return None if array is None else Rows(array, chosen)

        return DensityTrajectory(
            frames,
            self.grid if grid is None else grid,
            rows(self.times),
            numbers=self.numbers,
            positions=rows(self._positions),
            velocities=rows(self._velocities),
            scalars={name: rows(values) for name, values in self.scalars.items()},
            extra={
                name: rows(values) for name, values in {**self.extra, **(channels or {})}.items()
            },
            kind=self.kind,
            quantity=self.quantity,
            times_known=self.times_known,
            provenance={**self.provenance, **(provenance or {})},
            path=self.path,
        )

    def electrons(self, index: int) -> float:
        """Return the number of electrons in frame `index`, Σ ρ ΔV."""
        return float(np.sum(self[index], dtype=np.float64)) * self.grid.voxel_volume

    def resampled(self, shape: Sequence[int]) -> DensityTrajectory:
        """Return the trajectory on another number of points by Fourier resampling, lazily.

        Parameters
        ----------
        shape : sequence of 3 int
            Points along each cell vector.
        """
        grid = self.grid.with_shape(shape)
        if grid.shape == self.grid.shape:
            return self
        chosen = range(len(self))
        return self._derived(
            ResampledFrames(SelectedFrames(SourceOf(self), chosen), grid.shape),
            chosen,
            grid=grid,
            channels={
                name: FieldRows(self.extra[name], grid.shape, partial(resample, shape=grid.shape))
                for name in self.channels
            },
            provenance={"resampled_from": list(self.grid.shape)},
        )

    def annotated(self, provenance: Mapping[str, Any]) -> DensityTrajectory:
        """Return the same trajectory with entries added to its provenance.

        Parameters
        ----------
        provenance : mapping
            JSON values; entries of the same name are replaced.
        """
        chosen = range(len(self))
        return self._derived(SelectedFrames(SourceOf(self), chosen), chosen, provenance=provenance)

    def save(
        self,
        path: str | Path,
        *,
        encoding: Literal["log16", "float32"] = "log16",
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Write the trajectory as an ``.eldyn`` store.

        The store is written as ``PATH.partial`` and takes its name when it is whole.

        Parameters
        ----------
        path : path-like
            The new store; its name ends in ``.eldyn``.
        encoding : {"log16", "float32"}
            16-bit logarithm with its error stated in the store, or lossless float32.
        overwrite : bool
            Replace a store that exists; it stays until the new one is whole.
        progress : callable, optional
            Called with (frames done, frames in all).

        Raises
        ------
        EldynError
            If the path exists, the disk is full, or a frame cannot be stored: NaN or infinite
            values, or with ``log16`` values that are not positive.
        """
        from napari_eldyn.density.store_saving import save_trajectory

        save_trajectory(self, path, encoding=encoding, overwrite=overwrite, progress=progress)


def _resolve(index: SupportsIndex, n: int) -> int:
    wanted = operator.index(index)
    resolved = wanted + n if wanted < 0 else wanted
    if not 0 <= resolved < n:
        raise IndexError(f"frame {wanted} of a trajectory of {n} frames")
    return resolved


class NonFiniteFrameError(EldynError):
    """A frame holds NaN or infinite values.

    Attributes
    ----------
    frame : int or None
        Its index, if known.
    """

    frame: int | None = None


def check_frame(
    values: npt.NDArray[Any], path: str | Path | None = None, index: int | None = None
) -> None:
    """Refuse a frame that holds NaN or infinite values.

    Raises
    ------
    NonFiniteFrameError
        Naming the file, the frame, and how many values are not finite.
    """
    n_bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if n_bad:
        where = "the density" if index is None else f"frame {index}"
        error = NonFiniteFrameError(
            f"{where} has {n_bad} values of {values.size} that are NaN or infinite",
            path=path,
            remedy="Leave this frame out, or write it again from its calculation.",
        )
        error.frame = index
        raise error
