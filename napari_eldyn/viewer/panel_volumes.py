"""The volumes of a rollout's panels, worked out on threads as they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.ensemble import EnsembleVolumes
from napari_eldyn.viewer.frames import CheckedFrames
from napari_eldyn.viewer.judging import Agreements, Alignments, Reconstructions
from napari_eldyn.viewer.latest import LatestWork
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.worker import Job

__all__ = ["FROM_GENERATED", "FROM_REFERENCE", "PanelVolumes"]

Volume = npt.NDArray[np.float32]

FROM_GENERATED = ("generated", "difference", "aligned")
FROM_REFERENCE = ("reference", "reconstruction", "difference", "aligned")
_Task = tuple[Callable[[int], object], Callable[[int], int | None]]
_NOTHING = (None, None)
_NEAR = 32  # frames around the one shown that are compared ahead


@dataclass(frozen=True, eq=False)
class _Source:
    """Where generated volumes come from: the live session, or a member of the ensemble."""

    get: Callable[[int], Volume | None]
    make: Callable[[int], object]
    next_to_make: Callable[[int], int | None]
    n_generated: Callable[[], int]
    agreements: Agreements
    alignments: Alignments


class PanelVolumes(QObject):
    """Gives each panel its volume without delay, or has it made.

    What nobody has made yet (frames that left the cache, reconstructions, shifts, ensemble
    moments) is worked out on threads, the latest wish first, and only for panels that ask.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    made = Signal(int, object)
    """An index, and the names of the panels that have something new there."""
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.reconstructions: Reconstructions | None = None
        self.ensemble = EnsembleVolumes(())
        self.member: int | None = None
        self._session: Session | None = None
        self._pairing: Pairing | None = None
        self._source: _Source | None = None
        self._last: tuple[int, Volume] | None = None
        self._works: dict[str, LatestWork] = {}
        self._tasks: dict[str, _Task] = {}
        for name, title, panels in (
            ("decode", "Decode frame", FROM_GENERATED),
            ("agree", "Compare frame", ()),
            ("aligned", "Align frame", ("aligned",)),
            ("reconstruction", "Reconstruct frame", ("reconstruction",)),
            ("mean", "Mean of frame", ("mean", "std")),
            ("std", "Standard deviation of frame", ("mean", "std")),
        ):
            work = self._works[name] = LatestWork(self, title)
            work.done.connect(lambda index, panels=panels: self.made.emit(index, panels))
            work.failed.connect(self.failed)

    # -- of what ------------------------------------------------------------------------------

    def attach(self, session: Session, pairing: Pairing) -> None:
        """Take the volumes of a session from now on; reconstructions that fit are kept."""
        made, before = self.reconstructions, self._session
        if made is None or before is None or not before.is_like(session):
            self.reconstructions = Reconstructions(session.rollout.model, pairing)
            self._read_trajectory = CheckedFrames(pairing.trajectory)
            self._last = None
        self._session = session
        self.member = None
        self.set_pairing(pairing)

    def set_pairing(self, pairing: Pairing) -> None:
        """Pair generated and reference frames in another way."""
        self._pairing = pairing
        if self.reconstructions is not None:
            self.reconstructions.pairing = pairing
        self._choose_source()

    def set_ensemble(self, ensemble: EnsembleVolumes, member: int | None) -> None:
        """Choose the ensemble, and which member is shown as generated; None for the session."""
        if ensemble is not self.ensemble or member != self.member:
            self.ensemble, self.member = ensemble, member
            self._choose_source()

    def attach_works(self, shown: Iterable[str]) -> None:
        """Work for the panels shown; what is under way for others ends with its frame."""
        names = set(shown)
        wanted = names | ({"decode", "agree"} if names.intersection(FROM_GENERATED) else set())
        for name, work in self._works.items():
            work.attach(*self._tasks.get(name, _NOTHING) if name in wanted else _NOTHING)

    def clear(self) -> None:
        """Let go of everything."""
        self._session = self._pairing = self._source = self._last = self.reconstructions = None
        self.ensemble, self.member = EnsembleVolumes(()), None
        self.attach_works(())

    def close(self) -> list[Job[Any]]:
        """Let go of everything; return the jobs under way."""
        self._session = self._pairing = self._source = self._last = self.reconstructions = None
        jobs = [work.close() for work in self._works.values()]
        return [job for job in jobs if job is not None]

    def _choose_source(self) -> None:
        session, pairing, made = self._session, self._pairing, self.reconstructions
        if session is None or pairing is None or made is None:
            self._source, self._tasks = None, {}
            return
        if self.member is None:
            session.agreements.pairing = pairing
            source = _live_source(session, pairing)
        else:
            source = _member_source(self.ensemble, self.member, pairing)
        self._source, ensemble = source, self.ensemble
        self._tasks = {
            "decode": (source.make, source.next_to_make),
            "aligned": _judging(source, source.alignments),
            "reconstruction": (made.make, made.next_to_make),
            "mean": (partial(ensemble.make, "mean"), partial(ensemble.next_to_make, "mean")),
            "std": (partial(ensemble.make, "std"), partial(ensemble.next_to_make, "std")),
        }
        if session.measures_agreement:
            self._tasks["agree"] = _judging(source, source.agreements)

    # -- the volumes --------------------------------------------------------------------------

    def read(self, panel: str, index: int) -> Volume | None:
        """Return the volume of a panel at an index, or None if there is none (yet).

        Raises
        ------
        EldynError
            If the reference frame cannot be read.
        """
        if self._source is None:
            return None
        if panel in ("mean", "std"):
            self._works[panel].look(index)
            return self.ensemble.get(panel, index)  # type: ignore[arg-type]
        if panel == "reference":
            return self._read_reference(index)
        if panel == "reconstruction":
            return self._read_reconstruction(index)
        generated = self._read_generated(index)
        if panel == "generated" or generated is None:
            return generated
        if panel == "aligned":
            return self._moved(index, generated)
        reference = self._read_reference(index)
        return None if reference is None else generated - reference

    def is_ready(self, index: int, shown: Iterable[str]) -> bool:
        """Whether nothing that panels show or say at an index is still to be made.

        Parameters
        ----------
        index : int
            Index of the comparison.
        shown : iterable of str
            Names of the panels.
        """
        names = set(shown)
        needed = names | ({"decode", "agree"} if names.intersection(FROM_GENERATED) else set())
        chosen = (self._tasks[name][1] for name in needed.intersection(self._tasks))
        return all(choose(index) != index for choose in chosen)

    def _read_generated(self, index: int) -> Volume | None:
        source = self._source
        volume = None if source is None else source.get(index)
        self._works["decode" if volume is None else "agree"].look(index)
        return volume

    def _read_reference(self, index: int) -> Volume | None:
        pairing = self._pairing
        frame = None if pairing is None else pairing.reference_frame(index)
        if frame is None:
            return None
        if self._last is None or self._last[0] != frame:  # two panels show the same frame
            self._last = frame, self._read_trajectory(frame)
        return self._last[1]

    def _read_reconstruction(self, index: int) -> Volume | None:
        made = self.reconstructions
        if made is None:
            return None
        self._works["reconstruction"].look(
            index
        )  # if it is there, those that follow are made ahead
        return made.get(index)

    def _moved(self, index: int, generated: Volume) -> Volume | None:
        if self._source is None:
            return None
        self._works["aligned"].look(index)
        found = self._source.alignments.result(index)
        return None if found is None else np.roll(generated, found.shift, axis=(0, 1, 2))

    def maker(self, panel: str) -> Callable[[int], Volume | None]:
        """Return what works out a panel's volume at an index, taking its time (worker thread).

        Parameters
        ----------
        panel : str
            Its name. Offset, member and ensemble are those of now.
        """
        source, pairing, made = self._source, self._pairing, self.reconstructions
        if source is None or pairing is None or made is None:
            return lambda index: None
        read, ensemble = self._read_trajectory, self.ensemble

        def generated(index: int) -> Volume | None:
            return None if index > source.n_generated() else _made(source.get, source.make, index)

        def reference(index: int) -> Volume | None:
            frame = pairing.reference_frame(index)
            return None if frame is None else read(frame)

        def difference(index: int) -> Volume | None:
            first, second = generated(index), reference(index)
            return None if first is None or second is None else first - second

        def aligned(index: int) -> Volume | None:
            volume = generated(index)
            if volume is None:
                return None
            source.alignments.measure(index, volume)
            found = source.alignments.result(index)
            return None if found is None else np.roll(volume, found.shift, axis=(0, 1, 2))

        makers: dict[str, Callable[[int], Volume | None]] = {
            "generated": generated,
            "reference": reference,
            "reconstruction": partial(_made, made.get, made.make),
            "difference": difference,
            "aligned": aligned,
            "mean": partial(_made, partial(ensemble.get, "mean"), partial(ensemble.make, "mean")),
            "std": partial(_made, partial(ensemble.get, "std"), partial(ensemble.make, "std")),
        }
        return makers[panel]

    # -- what is to be said of them -----------------------------------------------------------

    def describe(self, index: int, shown: Iterable[str]) -> list[str]:
        """Remarks on the panels shown at an index: numbers, and what is missing.

        Parameters
        ----------
        index : int
            Index of the comparison.
        shown : iterable of str
            Names of the panels.
        """
        source, session, names = self._source, self._session, set(shown)
        if source is None or session is None:
            return []
        lines, numbers = [], []
        if names.intersection(FROM_GENERATED):
            if self.member is not None and source.get(index) is None:
                lines.append(self.ensemble.describe(self.member, index))
            elif index > source.n_generated():
                lines.append("not generated yet")
            elif source.get(index) is None:
                lines.append("decoding …")
            else:
                if session.measures_agreement:
                    numbers.append(source.agreements.describe(index))
                if "aligned" in names:
                    lines.append(source.alignments.describe(index))
        if "reconstruction" in names and self.reconstructions is not None:
            numbers.append(self.reconstructions.describe(index))
        for kind in ("mean", "std"):
            if kind in names and self.ensemble.get(kind, index) is None:
                lines.append(self.ensemble.describe(kind, index))
        measured = ", ".join(number for number in numbers if number.endswith("%"))
        lines += [number for number in numbers if not number.endswith("%")]
        return [line for line in (*lines, f"NMAE: {measured}" if measured else "") if line]


def _made(
    get: Callable[[int], Volume | None], make: Callable[[int], object], index: int
) -> Volume | None:
    """Return a volume, made if it is not there (worker thread)."""
    volume = get(index)
    if volume is None:
        make(index)
        volume = get(index)
    return volume


def _live_source(session: Session, pairing: Pairing) -> _Source:
    return _Source(
        session.cache.get,
        session.decode,
        session.next_to_decode,
        lambda: session.n_generated,
        session.agreements,
        Alignments(pairing),
    )


def _member_source(ensemble: EnsembleVolumes, number: int, pairing: Pairing) -> _Source:
    member = ensemble.sessions[number]
    return _Source(
        partial(ensemble.get, number),
        partial(ensemble.make, number),
        partial(ensemble.next_to_make, number),
        lambda: member.n_generated,
        Agreements(pairing),
        Alignments(pairing),
    )


def _judging(source: _Source, judged: Agreements | Alignments) -> _Task:
    """Return work that compares a frame that is there, and the choice of the nearest such frame."""

    def judge(index: int) -> None:
        volume = source.get(index)
        if volume is not None:
            judged.measure(index, volume)

    def choose(index: int) -> int | None:
        last = min(source.n_generated(), index + _NEAR)
        near = sorted(range(max(0, index - _NEAR), last + 1), key=lambda k: abs(k - index))
        return next((k for k in near if judged.is_missing(k) and source.get(k) is not None), None)

    return judge, choose
