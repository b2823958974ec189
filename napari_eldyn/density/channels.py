"""Further fields of a trajectory, such as its spin density, as trajectories of their own."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from napari_eldyn.density.frames import LazyRows
from napari_eldyn.density.quantities import QUANTITIES
from napari_eldyn.density.trajectory import DensityKind, DensityTrajectory
from napari_eldyn.exceptions import EldynError

__all__ = ["ChannelTrajectory", "channel_trajectory"]


class ChannelTrajectory(DensityTrajectory):
    """A further field of another trajectory.

    Attributes
    ----------
    channel : str
        Its name there.
    """

    channel: str = ""


def channel_trajectory(trajectory: DensityTrajectory, name: str) -> ChannelTrajectory:
    """Return a further field of a trajectory with the same times and atoms, lazily.

    Parameters
    ----------
    trajectory : DensityTrajectory
        Whose field it is.
    name : str
        A key of its `channels`.

    Raises
    ------
    EldynError
        If it has no such field.
    """
    channels = trajectory.channels
    if name not in channels:
        known = ", ".join(channels) or "none"
        raise EldynError(f"there is no channel '{name}' (channels: {known})", path=trajectory.path)
    quantity = next(key for key, value in QUANTITIES.items() if value is channels[name])
    provenance = {
        key: value for key, value in trajectory.provenance.items() if key != "expected_electrons"
    }
    made = ChannelTrajectory(
        _Channel(trajectory.extra[name]),
        trajectory.grid,
        trajectory.times,
        numbers=trajectory.numbers,
        positions=_positions(trajectory),
        scalars=trajectory.scalars,
        kind=_kind(name, quantity),
        quantity=quantity,
        times_known=trajectory.times_known,
        provenance={**provenance, "channel": name},
        path=trajectory.path,
    )
    made.channel = name
    return made


def _positions(trajectory: DensityTrajectory) -> _Positions | None:
    first = trajectory.positions_at(0) if len(trajectory) else None
    return None if first is None else _Positions(trajectory, len(first))


class _Positions(LazyRows):
    """The positions of another trajectory, read when indexed."""

    def __init__(self, trajectory: DensityTrajectory, n_atoms: int) -> None:
        self._trajectory = trajectory
        self._n_atoms = n_atoms

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return (len(self._trajectory), self._n_atoms, 3)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(np.float64)

    def _row(self, index: int) -> npt.NDArray[Any]:
        row = self._trajectory.positions_at(index)
        assert row is not None
        return row


def _kind(name: str, quantity: str) -> DensityKind:
    if quantity == "spin_density":
        return "spin"
    kinds: dict[str, DensityKind] = {f"density_{kind}": kind for kind in get_args(DensityKind)}
    return kinds.get(name, "unknown")


class _Channel:
    """The frames of a further field."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def read(self, index: int) -> npt.NDArray[np.float32]:
        """Return frame `index`."""
        return np.asarray(self._rows[index], dtype=np.float32)
