"""The rollouts of one window that can be compared: the current one, and those kept."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.observables.statistics import FrameStatistics
from napari_eldyn.viewer.ensemble import EnsembleVolumes
from napari_eldyn.viewer.rollout_labels import full_label, rollout_labels
from napari_eldyn.viewer.session import Session

__all__ = ["RolloutShelf", "ShelvedRollout"]

_MOST = 32
_MOST_BYTES = 256 * 2**20


class ShelvedRollout:
    """A rollout of the window.

    Attributes
    ----------
    session : Session
        Latents, statistics, and a few volumes.
    label : str
        What tells it from the others on the shelf.
    colour : int
        Its place in `Palette.generated`, for as long as it is there.
    is_current : bool
        Whether the panels show it.
    is_kept : bool
        Whether it stays when another one becomes the current.
    """

    def __init__(self, session: Session, colour: int, is_current: bool = True) -> None:
        self.session = session
        self.colour = colour
        self.is_current = is_current
        self.is_kept = not is_current
        self.label = ""
        self._visible = True
        self._on_visible: Callable[[], None] = _nobody

    def __repr__(self) -> str:
        return f"<{self.label or full_label(self.session)}: {len(self.statistics)} frames>"

    @property
    def statistics(self) -> list[FrameStatistics]:
        """Statistics of its frames, from the first on; grows while it runs."""
        return self.session.statistics

    @property
    def visible(self) -> bool:
        """Whether plots show it."""
        return self._visible

    @visible.setter
    def visible(self, visible: bool) -> None:
        if visible != self._visible:
            self._visible = visible
            self._on_visible()

    @property
    def description(self) -> str:
        """Everything it is made with, in words."""
        return full_label(self.session)

    @property
    def n_bytes(self) -> int:
        """Memory of latents and statistics, about."""
        arrays = vars(self.statistics[0]).values() if self.statistics else ()
        per_frame = sum(getattr(value, "nbytes", 32) for value in arrays)
        return int(self.session.rollout.latents.nbytes) + per_frame * len(self.statistics)


class RolloutShelf(QObject):
    """Rollouts of one window, to compare: latents and statistics, and few volumes.

    It holds 32 rollouts and 256 MiB; beyond that the oldest goes, which `let_go` tells.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    changed = Signal()
    """Another rollout, name or choice of what is visible. A rollout that grows does not count."""
    let_go = Signal(str)
    """A kept rollout had to go; says which."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.current: ShelvedRollout | None = None
        """The one in the panels, also while it has no frames."""
        self.discarded: ShelvedRollout | None = None
        """The one given up last, which can be brought back."""
        self._kept: list[ShelvedRollout] = []
        self._ensemble = EnsembleVolumes(())

    # -- what is there ------------------------------------------------------------------------

    @property
    def rollouts(self) -> tuple[ShelvedRollout, ...]:
        """Rollouts to compare: the current one if it has frames, then those kept.

        Those counted with other bins or shells than the current one (of another reference) are
        left out; `kept` has them.
        """
        current = self.current
        if current is None:
            return tuple(self._kept)
        settings = current.session.statistics_settings
        others = (x for x in self._kept if x.session.statistics_settings is settings)
        first = (current,) if current.session.n_generated else ()
        return (*first, *(x for x in others if x is not current))

    @property
    def kept(self) -> tuple[ShelvedRollout, ...]:
        """All rollouts kept, the oldest first; the current one is among them if it is kept."""
        return tuple(self._kept)

    @property
    def members(self) -> tuple[ShelvedRollout, ...]:
        """The current rollout and those that differ from it in the seed alone, by seed."""
        current = self.current
        if current is None or current.session.n_generated == 0:
            return ()
        members = {current.session.settings.seed: current}
        for rollout in self._kept:
            if _is_fellow(rollout.session, current.session):
                members.setdefault(rollout.session.settings.seed, rollout)
        return tuple(members[seed] for seed in sorted(members))

    @property
    def ensemble(self) -> EnsembleVolumes:
        """Volumes of the members: the same object as long as they are the same."""
        sessions = tuple(member.session for member in self.members)
        if sessions != self._ensemble.sessions:
            self._ensemble = EnsembleVolumes(sessions)
        return self._ensemble

    # -- what happens -------------------------------------------------------------------------

    def begin(self, session: Session | None) -> None:
        """Make a session the current one; a current one that is not kept goes.

        Parameters
        ----------
        session : Session or None
            A new one, or one of a rollout that is kept.
        """
        before = self.current
        if before is not None:
            before.is_current = False
            if before.is_kept:
                before.session.rest()
            elif before.session.n_generated:
                before.session.rest()
                self.discarded = before
        known = [*self._kept, *([self.discarded] if self.discarded is not None else [])]
        self.current = next((x for x in known if x.session is session), None)
        if session is not None and self.current is None:
            self.current = ShelvedRollout(session, self._free_colour())
        if self.current is not None:
            if self.current is self.discarded:
                self.discarded = None
                self.current.colour = self._free_colour()
            self.current.is_current = True
            self.current.session.wake()
        self.tell()

    def keep(self) -> None:
        """Keep the current rollout when another one becomes the current, if it has frames."""
        current = self.current
        if current is not None and current.session.n_generated and not current.is_kept:
            self._insert(current)
            self.tell()

    def add(
        self, session: Session, *, colour: int | None = None, visible: bool = True
    ) -> ShelvedRollout:
        """Keep a rollout that is not in the panels.

        Parameters
        ----------
        session : Session
            With its statistics.
        colour : int, optional
            The first that is free if not given.
        visible : bool
            Whether plots show it.
        """
        session.rest()
        rollout = ShelvedRollout(
            session, self._free_colour() if colour is None else colour, is_current=False
        )
        rollout._visible = visible
        self._insert(rollout)
        self.tell()
        return rollout

    def remove(self, rollout: ShelvedRollout) -> None:
        """Let go of a rollout; the current one stays in the panels, but is not kept any more."""
        if rollout in self._kept:
            self._kept.remove(rollout)
            rollout.is_kept = False
            if not rollout.is_current:
                self.discarded = rollout
            self.tell()

    def clear(self) -> None:
        """Let go of everything."""
        self._kept = []
        self.current = self.discarded = None
        self._ensemble = EnsembleVolumes(())

    def tell(self) -> None:
        """Name the rollouts, and say that something has changed."""
        rollouts = self.rollouts
        labels = rollout_labels([rollout.session for rollout in rollouts])
        for rollout, label in zip(rollouts, labels, strict=True):
            rollout.label = label
            rollout._on_visible = self.changed.emit
        self.changed.emit()

    def _insert(self, rollout: ShelvedRollout) -> None:
        rollout.is_kept = True
        self._kept.append(rollout)
        while len(self._kept) > _MOST or sum(x.n_bytes for x in self._kept) > _MOST_BYTES:
            oldest = next((x for x in self._kept if not x.is_current and x is not rollout), None)
            if oldest is None:
                break
            self._kept.remove(oldest)
            oldest.is_kept = False
            self.let_go.emit(
                f"The shelf is full: “{oldest.label or oldest.description}” had to go. Save "
                "rollouts that you need."
            )

    def _free_colour(self) -> int:
        taken = {rollout.colour for rollout in self._kept}
        return next(colour for colour in range(len(taken) + 1) if colour not in taken)


def _nobody() -> None:
    """Hear of nothing."""


def _is_fellow(session: Session, other: Session) -> bool:
    return (
        session.model.emulator.sha256 == other.model.emulator.sha256
        and session.pairing == other.pairing
        and session.settings.same_ensemble(other.settings)
    )
