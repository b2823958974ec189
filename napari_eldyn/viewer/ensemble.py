"""Volumes of an ensemble: the mean and the standard deviation over its members, and each member.

Made on worker threads (`make`), read by the window without delay (`get`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.frames import FrameCache
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.torch_threads import leave_a_core_to_the_window

__all__ = ["EnsembleVolumes", "Kind"]

Volume = npt.NDArray[np.float32]
Kind = Literal["mean", "std"] | int
"""Mean, standard deviation, or the number of a member."""

_CACHE_BYTES = 128 * 2**20
_AHEAD = 4


class EnsembleVolumes:
    """Volumes of rollouts that differ in their noise alone, by index of the comparison.

    The standard deviation is that of a sample (ddof = 1: the squares are divided by the number
    of members − 1), at every grid point on its own. Mean and standard deviation exist where all
    members have a frame, and are made together.

    Parameters
    ----------
    sessions : sequence of Session
        The members.
    max_bytes : int
        Bound of the volumes kept.
    """

    def __init__(self, sessions: Sequence[Session], max_bytes: int = _CACHE_BYTES) -> None:
        self.sessions = tuple(sessions)
        self._volumes = FrameCache(max_bytes)
        self._problems: dict[tuple[Kind, int], str] = {}
        n_points = self.sessions[0].pairing.trajectory.grid.n_points if self.sessions else 1
        self._ahead = min(_AHEAD, max(0, max_bytes // (4 * n_points) // 4))

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.sessions)

    @property
    def n_frames(self) -> int:
        """Generated frames that all members have."""
        return min((session.n_generated for session in self.sessions), default=0)

    def get(self, kind: Kind, index: int) -> Volume | None:
        """Return a volume (electrons/Å³), or None if it is not there (yet).

        Parameters
        ----------
        kind : "mean", "std" or int
            What.
        index : int
            Index of the comparison: 0 is the start frame, k is generated frame k − 1.
        """
        if isinstance(kind, int) and kind < self.n_members:
            held = self.sessions[kind].cache.get(index)
            if held is not None:
                return held
        return self._volumes.get((kind, index))

    def is_missing(self, kind: Kind, index: int) -> bool:
        """Whether `make` would bring a volume that is not there yet."""
        return (
            not self._why_not(kind, index)
            and (kind, index) not in self._problems
            and self.get(kind, index) is None
        )

    def describe(self, kind: Kind, index: int) -> str:
        """Say what a volume is, that it is in the making, or why there is none."""
        reason = self._why_not(kind, index) or self._problems.get((kind, index), "")
        if isinstance(kind, int):
            name = f"member {kind + 1} of {self.n_members}"
            if kind < self.n_members:
                name += f" (seed {self.sessions[kind].settings.seed})"
        else:
            word = {"mean": "mean", "std": "standard deviation"}[kind]
            name = f"{word} of {self.n_members} members"
        if reason:
            return f"{name}: {reason}"
        return name if self.get(kind, index) is not None else f"{name}: decoding …"

    def make(self, kind: Kind, index: int) -> None:
        """Make a volume and keep it (worker thread)."""
        if not self.is_missing(kind, index):
            return
        leave_a_core_to_the_window()
        try:
            if isinstance(kind, int):
                self._volumes.put((kind, index), _decoded(self.sessions[kind], index))
            else:
                self._make_moments(index)
        except EldynError as error:
            self._problems[(kind, index)] = str(error)

    def next_to_make(self, kind: Kind, index: int) -> int | None:
        """Return the first missing index from one on, looking a few frames ahead."""
        ahead = range(index, index + self._ahead + 1)
        return next((number for number in ahead if self.is_missing(kind, number)), None)

    def _make_moments(self, index: int) -> None:
        """Welford's algorithm, in double precision."""
        mean = np.zeros(self.sessions[0].pairing.trajectory.grid.shape)
        squares = np.zeros_like(mean)
        for count, session in enumerate(self.sessions, start=1):
            volume = _decoded(session, index)
            step = volume - mean
            mean += step / count
            squares += step * (volume - mean)
        self._volumes.put(("mean", index), mean.astype(np.float32))
        std = np.sqrt(squares / (self.n_members - 1))
        self._volumes.put(("std", index), std.astype(np.float32))

    def _why_not(self, kind: Kind, index: int) -> str:
        if isinstance(kind, int):
            if kind >= self.n_members:
                return "there is no such member"
            last = self.sessions[kind].n_generated
        elif self.n_members < 2:
            return "it takes two members or more"
        else:
            last = self.n_frames
        if not 0 <= index <= last:
            return f"ends at {self.sessions[0].pairing.time(last):g} fs"
        return ""


def _decoded(session: Session, index: int) -> Volume:
    held = session.cache.get(index)
    if held is not None:
        return held
    return session.rollout.start_density if index == 0 else session.rollout[index - 1]
