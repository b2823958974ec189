"""What tells a panel's error: reconstructions of the reference, and agreement with it.

Made on worker threads (`make`, `measure`), read by the window without delay (`get`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from napari_eldyn.exceptions import EldynError
from napari_eldyn.observables.alignment import Alignment, align
from napari_eldyn.observables.errors import nmae
from napari_eldyn.viewer.frames import FrameCache
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.torch_threads import leave_a_core_to_the_window

if TYPE_CHECKING:
    from napari_eldyn.emulator.emulator import Emulator

__all__ = ["Agreements", "Alignments", "Reconstructions"]

Volume = npt.NDArray[np.float32]

_CACHE_BYTES = 128 * 2**20
_AHEAD = 12


@dataclass(frozen=True)
class _Known:
    """Error of one frame, or why there is none."""

    nmae: float = np.nan
    problem: str = ""


class Reconstructions:
    """Reference frames encoded and decoded, by index of the comparison.

    They stay when the pairing changes: they are kept by their frame.

    Parameters
    ----------
    model : Emulator
        Encodes and decodes.
    pairing : Pairing
        Says which frame an index stands for; may be replaced.
    max_bytes : int
        Bound of the volumes kept.
    """

    def __init__(self, model: Emulator, pairing: Pairing, max_bytes: int = _CACHE_BYTES) -> None:
        self.pairing = pairing
        self._model = model
        self._volumes = FrameCache(max_bytes)
        self._known: dict[int, _Known] = {}
        fitting = max_bytes // (4 * model.grid.n_points)
        self._ahead = min(_AHEAD, max(0, fitting // 2))

    def get(self, index: int) -> Volume | None:
        """Return the volume at an index, or None if it is not there (yet)."""
        frame = self.pairing.reference_frame(index)
        return None if frame is None else self._volumes.get(frame)

    def is_missing(self, index: int) -> bool:
        """Whether `make` would bring a volume that is not there yet."""
        frame = self.pairing.reference_frame(index)
        if frame is None or frame in self._volumes:
            return False
        known = self._known.get(frame)
        return known is None or not known.problem

    def describe(self, index: int) -> str:
        """Say how large the NMAE of the reconstruction is, or why there is none."""
        frame = self.pairing.reference_frame(index)
        if frame is None:
            return ""
        known = self._known.get(frame)
        if known is not None and known.problem:
            return f"reconstruction: {known.problem}"
        if known is None or frame not in self._volumes:
            return "reconstructing …"
        return f"reconstruction {known.nmae:.3g} %"

    def make(self, index: int) -> None:
        """Encode and decode the reference frame at an index (worker thread)."""
        from napari_eldyn.emulator.reconstructed_frame import reconstruct_frame

        pairing = self.pairing
        frame = pairing.reference_frame(index)
        if frame is None or frame in self._volumes:
            return
        leave_a_core_to_the_window()
        try:
            result = reconstruct_frame(self._model, pairing.trajectory, frame)
        except EldynError as error:
            self._known[frame] = _Known(problem=str(error))
            return
        self._known[frame] = _Known(nmae=result.nmae)
        self._volumes.put(frame, result.density)

    def next_to_make(self, index: int) -> int | None:
        """Return the first missing frame from an index on, looking a dozen frames ahead."""
        ahead = range(index, index + self._ahead + 1)
        return next((number for number in ahead if self.is_missing(number)), None)


ResultT = TypeVar("ResultT")


class _Compared(Generic[ResultT]):
    """What a comparison of generated frames with their reference frames gave, by index.

    Results stay valid when the pairing changes: they are kept by index and reference frame.

    Parameters
    ----------
    pairing : Pairing
        Says which frame an index stands for; may be replaced.
    """

    def __init__(self, pairing: Pairing, compare: Callable[[Volume, Volume], ResultT]) -> None:
        self.pairing = pairing
        self._compare = compare
        self._known: dict[tuple[int, int], ResultT | None] = {}

    def measure(self, index: int, generated: Volume) -> None:
        """Compare a generated frame with its reference frame (worker thread)."""
        pairing = self.pairing
        frame = pairing.reference_frame(index)
        if frame is None or (index, frame) in self._known:
            return
        try:
            found: ResultT | None = self._compare(generated, pairing.trajectory[frame])
        except EldynError:
            found = None  # the reference's panel says what is wrong with the frame
        self._known[index, frame] = found

    def is_missing(self, index: int) -> bool:
        """Whether `measure` would bring something new."""
        frame = self.pairing.reference_frame(index)
        return frame is not None and (index, frame) not in self._known

    def result(self, index: int) -> ResultT | None:
        """Return what is known about an index, or None."""
        frame = self.pairing.reference_frame(index)
        return None if frame is None else self._known.get((index, frame))


class Agreements(_Compared[float]):
    """The error of generated frames as they lie: NMAE in per cent.

    Parameters
    ----------
    pairing : Pairing
        Says which frame an index stands for; may be replaced.
    """

    def __init__(self, pairing: Pairing) -> None:
        super().__init__(pairing, nmae)

    def describe(self, index: int) -> str:
        """Say how large the NMAE at an index is, or nothing if it is not known."""
        known = self.result(index)
        return "" if known is None else f"generated {known:.3g} %"


class Alignments(_Compared[Alignment]):
    """The circular shift that brings generated frames nearest to the reference, by FFT.

    Parameters
    ----------
    pairing : Pairing
        Says which frame an index stands for; may be replaced.
    """

    def __init__(self, pairing: Pairing) -> None:
        super().__init__(pairing, align)

    def describe(self, index: int) -> str:
        """Say how far a frame was moved and how well it then agrees, or that it is sought."""
        known = self.result(index)
        if known is None:
            return "aligning …" if self.is_missing(index) else ""
        vectors = self.pairing.trajectory.grid.voxel_vectors
        length = float(np.linalg.norm(np.asarray(known.shift) @ vectors))
        correlation = f"{known.correlation:.2f}".replace("-", "−")
        return f"aligned: moved {length:.2f} Å, correlation {correlation}"
