"""What tells a panel's error: reconstructions of the reference, and agreement with it.

Made on worker threads (`make`, `measure`), read by the window without delay (`get`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

__all__ = ["Agreements", "Reconstructions"]

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

    Parameters
    ----------
    model : Emulator
        Encodes and decodes.
    pairing : Pairing
        Says which frame an index stands for.
    max_bytes : int
        Bound of the volumes kept.
    """

    def __init__(self, model: Emulator, pairing: Pairing, max_bytes: int = _CACHE_BYTES) -> None:
        self._model = model
        self._pairing = pairing
        self._volumes = FrameCache(max_bytes)
        self._known: dict[int, _Known] = {}
        fitting = max_bytes // (4 * model.grid.n_points)
        self._ahead = min(_AHEAD, max(0, fitting // 2))

    def get(self, index: int) -> Volume | None:
        """Return the volume at an index, or None if it is not there (yet)."""
        return self._volumes.get(index)

    def is_missing(self, index: int) -> bool:
        """Whether `make` would bring a volume that is not there yet."""
        known = self._known.get(index)
        return (
            index not in self._volumes
            and self._pairing.reference_frame(index) is not None
            and (known is None or not known.problem)
        )

    def describe(self, index: int) -> str:
        """Say how good the reconstruction at an index is, or why there is none."""
        if self._pairing.reference_frame(index) is None:
            return ""
        known = self._known.get(index)
        if known is not None and known.problem:
            return f"reconstruction: {known.problem}"
        if known is None or index not in self._volumes:
            return "reconstructing …"
        return f"reconstruction: NMAE {known.nmae:.3g} %"

    def make(self, index: int) -> None:
        """Encode and decode the reference frame at an index (worker thread)."""
        from napari_eldyn.emulator.reconstructed_frame import reconstruct_frame

        frame = self._pairing.reference_frame(index)
        if frame is None or not self.is_missing(index):
            return
        leave_a_core_to_the_window()
        try:
            result = reconstruct_frame(self._model, self._pairing.trajectory, frame)
        except EldynError as error:
            self._known[index] = _Known(problem=str(error))
            return
        self._known[index] = _Known(nmae=result.nmae)
        self._volumes.put(index, result.density)

    def next_to_make(self, index: int) -> int | None:
        """Return the first missing frame from an index on, looking a dozen frames ahead."""
        ahead = range(index, index + self._ahead + 1)
        return next((number for number in ahead if self.is_missing(number)), None)


class Agreements:
    """How generated frames agree with the reference of the same time, by index.

    Where positions are comparable this is the error as they lie, otherwise the agreement after
    the best circular shift.

    Parameters
    ----------
    pairing : Pairing
        Says which frame an index stands for.
    aligned : bool
        Whether frames are shifted.
    """

    def __init__(self, pairing: Pairing, aligned: bool) -> None:
        self._pairing = pairing
        self.aligned = aligned
        self._known: dict[int, Alignment | float | None] = {}

    def measure(self, index: int, generated: Volume) -> None:
        """Compare a generated frame with its reference frame (worker thread)."""
        frame = self._pairing.reference_frame(index)
        if frame is None or index in self._known:
            return
        reference = self._pairing.trajectory[frame]
        try:
            measure: Callable[..., Alignment | float] = align if self.aligned else nmae
            self._known[index] = measure(generated, reference)
        except EldynError:
            self._known[index] = None  # the reference's panel says what is wrong with the frame

    def __contains__(self, index: int) -> bool:
        return index in self._known

    def alignment(self, index: int) -> Alignment | None:
        """Return the best shift at an index, or None if it is not known."""
        known = self._known.get(index)
        return known if isinstance(known, Alignment) else None

    def describe(self, index: int) -> str:
        """Say how well the generated frame at an index agrees, or nothing if it is not known."""
        known = self._known.get(index)
        if known is None:
            return ""
        if not isinstance(known, Alignment):
            return f"generated: NMAE {known:.3g} %"
        points = ", ".join(f"{step:d}".replace("-", "−") for step in known.shift)
        vectors = self._pairing.trajectory.grid.voxel_vectors
        length = float(np.linalg.norm(np.asarray(known.shift) @ vectors))
        return (
            f"moved by ({points}) voxels\n"
            f"{length:.2f} Å, correlation {known.correlation:.2f}".replace("-", "−")
        )
