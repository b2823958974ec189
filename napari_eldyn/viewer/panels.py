"""Which panels of a rollout are shown, with which member and offset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.comparison import Comparison
from napari_eldyn.viewer.ensemble import EnsembleVolumes
from napari_eldyn.viewer.pairing import Pairing
from napari_eldyn.viewer.panel_kinds import PANELS
from napari_eldyn.viewer.panel_volumes import FROM_GENERATED, FROM_REFERENCE, PanelVolumes
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.slice_planes import SlicePlanes
from napari_eldyn.viewer.worker import Job

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

__all__ = ["PANELS", "RolloutPanels"]

_FIRST_CHOICE = ("generated", "reference")
_GROUP = "compare"


class RolloutPanels(QObject):
    """The panels of a viewer's rollout: any of `PANELS`, at least one.

    What is chosen is remembered between sessions; what cannot be shown now (`why_not`) appears
    as soon as it can.
    """

    index_changed = Signal(int)
    """The index shown, whoever changed it."""
    scrubbed = Signal()
    """Someone other than `go_to` changed the index."""
    removed = Signal()
    """Someone deleted the reference layer."""
    failed = Signal(str)
    shown_changed = Signal(str, bool)
    """Name of a panel, and whether it is shown."""
    offset_changed = Signal(int)
    """Reference frames by which the reference is shown later."""
    possible_changed = Signal()
    """`why_not`, `members` or `offset_range` may be other ones now."""
    member_changed = Signal()
    """The generated panel shows another member."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.comparison: Comparison | None = None
        self._session: Session | None = None
        self._moving = False
        self._offset = 0
        self._unticked: list[str] = []
        chosen = remembered(_GROUP).get("panels")
        known = [name for name in chosen if name in PANELS] if isinstance(chosen, list) else []
        self._wanted = set(known or _FIRST_CHOICE)
        self._volumes = PanelVolumes(self)
        self._volumes.made.connect(self._made)
        self._volumes.failed.connect(self.failed)
        self.planes = SlicePlanes(self, self._volumes.maker)
        """Planes through the panels' volumes, for the strip of slices."""
        self.planes.failed.connect(self.failed)
        for signal in (self.possible_changed, self.offset_changed, self.member_changed):
            signal.connect(self.planes.forget)

    # -- which panels -------------------------------------------------------------------------

    @property
    def layers(self) -> dict[str, Image]:
        """The panels shown, by name, in the order in which they stand."""
        return {} if self.comparison is None else self.comparison.layers

    def is_shown(self, name: str) -> bool:
        """Whether a panel is shown (or will be, as soon as there is a rollout)."""
        return name in (self._possible() if self.comparison is None else self.layers)

    def set_shown(self, name: str, shown: bool) -> None:
        """Show or hide a panel. The last one stays.

        Parameters
        ----------
        name : str
            One of `PANELS`.
        shown : bool
            Whether it is to be shown.
        """
        if name not in PANELS:
            raise ValueError(f"there is no panel '{name}'; panels are {', '.join(PANELS)}")
        if shown and name not in self._wanted:
            self._wanted.add(name)
        elif not shown and self.is_shown(name) and len(self._shown()) == 1:
            self.shown_changed.emit(name, True)  # for who has unticked it
            return
        elif not shown:
            self._wanted.discard(name)
        self._remember()
        self._update([name])

    def why_not(self, name: str) -> str:
        """Say why a panel cannot be shown now; empty if it can."""
        session = self._session
        if name == "difference" and session is not None and not session.measures_agreement:
            return "positions are not comparable"
        if name in ("mean", "std") and self._volumes.ensemble.n_members < 2:
            return "it takes two members or more"
        return ""

    def fit_scales(self) -> None:
        """Spread the scales of difference and standard deviation over the frame shown."""
        if self.comparison is not None:
            self.comparison.fit_scales()

    def _possible(self) -> list[str]:
        names = [name for name in PANELS if name in self._wanted and not self.why_not(name)]
        return names or ["generated"]

    def _shown(self) -> list[str]:
        return self._possible() if self.comparison is None else list(self.layers)

    def _update(self, changed: Iterable[str] = ()) -> None:
        """Show what is wanted and possible."""
        comparison = self.comparison
        told = set(changed)
        if comparison is not None:
            before, after = set(comparison.layers), self._possible()
            self._volumes.attach_works(after)
            for name in after:
                comparison.show(name)
            for name in before.difference(after):
                comparison.hide(name)
            told |= before.symmetric_difference(after)
        for name in PANELS:
            if name in told:
                self.shown_changed.emit(name, self.is_shown(name))

    def _remember(self) -> None:
        names = [name for name in PANELS if name in self._wanted]
        if names:
            remember(_GROUP, panels=names)

    # -- offset and members -------------------------------------------------------------------

    @property
    def pairing(self) -> Pairing | None:
        """What stands beside what, with the offset; None without a rollout."""
        session = self._session
        return None if session is None else replace(session.pairing, offset=self._offset)

    @property
    def offset(self) -> int:
        """Reference frames by which the reference is shown later than the generated frame."""
        return self._offset

    @offset.setter
    def offset(self, offset: int) -> None:
        low, high = self.offset_range
        offset = min(max(int(offset), low), high)
        if offset == self._offset:
            return
        self._offset = offset
        comparison, pairing = self.comparison, self.pairing
        if comparison is not None and pairing is not None:
            comparison.pairing = pairing
            self._volumes.set_pairing(pairing)
            self._volumes.attach_works(self.layers)
            comparison.rename()
            comparison.refresh(comparison.index, FROM_REFERENCE, thumbnail=True)
        self.offset_changed.emit(offset)

    @property
    def offset_range(self) -> tuple[int, int]:
        """Least and greatest offset: those for which the start frame has a reference frame."""
        return (0, 0) if self._session is None else self._session.pairing.offset_range

    @property
    def members(self) -> tuple[Session, ...]:
        """The members of the ensemble, by seed; empty while there are fewer than two."""
        ensemble = self._volumes.ensemble
        return ensemble.sessions if ensemble.n_members > 1 else ()

    @property
    def member(self) -> int | None:
        """Number of the member that the generated panel shows; None for the live rollout."""
        return self._volumes.member

    @member.setter
    def member(self, member: int | None) -> None:
        if member is not None and self.members[member] is self._session:
            member = None
        if member != self.member:
            self._take_ensemble(self._volumes.ensemble, member)
            self.member_changed.emit()

    def set_ensemble(self, ensemble: EnsembleVolumes) -> None:
        """Take mean, standard deviation and other seeds from these members.

        Parameters
        ----------
        ensemble : EnsembleVolumes
            Among them the live rollout; may have no member.
        """
        if ensemble is self._volumes.ensemble:
            return
        number = self.member
        seen = None if number is None else self._volumes.ensemble.sessions[number]
        places = {id(session): place for place, session in enumerate(ensemble.sessions)}
        self._take_ensemble(ensemble, places.get(id(seen)) if seen is not None else None)
        if number is not None and self.member is None:
            self.member_changed.emit()
        self._update()
        self.possible_changed.emit()

    def _take_ensemble(self, ensemble: EnsembleVolumes, member: int | None) -> None:
        self._volumes.set_ensemble(ensemble, member)
        comparison = self.comparison
        if comparison is not None:
            self._volumes.attach_works(self.layers)
            comparison.rename()
            comparison.refresh(comparison.index, (*FROM_GENERATED, "mean", "std"), thumbnail=True)

    # -- what they show -----------------------------------------------------------------------

    def show(self, viewer: Viewer, reference_layer: Any, session: Session, n_steps: int) -> None:
        """Show a session, in the panels that are there if they fit it.

        Parameters
        ----------
        viewer : napari.Viewer
            Where.
        reference_layer : napari.layers.Image
            The layer of the reference trajectory.
        session : Session
            A new session.
        n_steps : int
            Generated frames to make room for.
        """
        before, self._session = self._session, session
        fits = self.comparison is not None and before is not None and before.is_like(session)
        if not fits and self._offset:
            self._offset = 0
            self.offset_changed.emit(0)
        pairing = self.pairing
        assert pairing is not None
        self._volumes.attach(session, pairing)
        if fits and self.comparison is not None:
            self._volumes.attach_works(self.layers)
            self.comparison.rename()
            self.comparison.make_room(n_steps)
            self.go_to(0)
            self.refresh(0)
        else:
            if self.comparison is not None:
                self.comparison.close()
            self._begin(viewer, reference_layer, pairing, n_steps)
        self.possible_changed.emit()
        self.member_changed.emit()

    def _begin(self, viewer: Viewer, reference_layer: Any, pairing: Pairing, n_steps: int) -> None:
        names = self._possible()
        self._volumes.attach_works(names)
        self._moving = True
        self.comparison = Comparison(
            viewer,
            reference_layer,
            pairing,
            n_steps,
            shown=names,
            read=self._volumes.read,
            title=self._title,
            note=self._note,
            warning=self._warning,
            on_index=self._index_shown,
            on_removed=self._layer_removed,
            on_visible=self._eye_clicked,
        )
        self._moving = False
        for name in PANELS:
            self.shown_changed.emit(name, name in names)

    def clear(self) -> None:
        """Give the viewer back as it was."""
        if self.comparison is not None:
            self.comparison.close()
        self.comparison = self._session = None
        self._volumes.clear()
        self.possible_changed.emit()

    def close(self) -> list[Job[Any]]:
        """Let go of everything without touching the viewer; return the jobs under way."""
        self.comparison = self._session = None
        job = self.planes.close()
        return [*self._volumes.close(), *([] if job is None else [job])]

    def go_to(self, index: int) -> None:
        """Show an index in all panels."""
        if self.comparison is not None:
            self._moving = True
            self.comparison.go_to(index)
            self._moving = False

    def refresh(self, index: int) -> None:
        """Draw what depends on generated frames again if this index is shown."""
        if self.comparison is not None:
            self.comparison.refresh(index, (*FROM_GENERATED, "mean", "std"))

    def is_ready(self, index: int) -> bool:
        """Whether nothing that the panels show at an index is still to be made."""
        return self._volumes.is_ready(index, self.layers)

    # -- what they say ------------------------------------------------------------------------

    def remarks(self, index: int) -> list[str]:
        """Return what the canvas says of the index shown, apart from time and step."""
        if self.comparison is None or self.comparison.index != index:
            return []
        return self.comparison.describe().splitlines()[:-1]

    def warning(self, index: int) -> str:
        """Return what must not be overlooked at an index."""
        return self._warning(index)

    def _title(self, name: str) -> str:
        members, pairing = self.members, self.pairing
        if name == "generated" and members and self._session is not None:
            shown = self._session if self.member is None else members[self.member]
            return f"generated · seed {shown.settings.seed}"
        if name == "reference" and pairing is not None and pairing.offset:
            return f"reference {pairing.offset_time:+g} fs".replace("-", "−")
        return f"{name} of {len(members)}" if name in ("mean", "std") else name

    def _note(self, index: int) -> str:
        """Remarks on what is shown at an index."""
        return "\n".join(self._volumes.describe(index, self.layers))

    def _warning(self, index: int) -> str:
        """Say that positions are not comparable."""
        session = self._session
        if session is None or session.measures_agreement or "generated" not in self.layers:
            return ""
        return "statistics only, not positions"

    # -- what threads and the viewer say ------------------------------------------------------

    def _made(self, index: int, panels: tuple[str, ...]) -> None:
        if self.comparison is not None:
            late = not set(panels).intersection(FROM_GENERATED)
            self.comparison.refresh(index, panels, thumbnail=late)

    def _index_shown(self, index: int) -> None:
        if not self._moving:
            self.scrubbed.emit()
        self.index_changed.emit(index)

    def _eye_clicked(self, name: str) -> None:
        """Someone hid a panel in the layer list, or brought it back."""
        shown = name in self.layers
        (self._wanted.add if shown else self._wanted.discard)(name)
        self._remember()
        self._volumes.attach_works(self.layers)
        self.shown_changed.emit(name, shown)

    def _layer_removed(self, name: str) -> None:
        if name == "reference":
            self.removed.emit()
            return
        if not self._unticked:
            # Not at once: napari may be in the middle of deleting several layers, or all.
            QTimer.singleShot(0, self._untick)
        self._unticked.append(name)

    def _untick(self) -> None:
        names, self._unticked = self._unticked, []
        comparison = self.comparison
        if comparison is None or not comparison.has_reference:
            return
        gone = [name for name in names if name not in comparison.layers]
        self._wanted.difference_update(gone)
        if not comparison.layers:
            self._wanted.add("reference")
        self._remember()
        self._update(gone)
