"""What the panels of a rollout show: generated, aligned and reconstructed frames, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer.comparison import Comparison
from napari_eldyn.viewer.judging import Reconstructions
from napari_eldyn.viewer.latest import LatestWork
from napari_eldyn.viewer.preferences import panel_preferences
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.worker import Job

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["RolloutPanels"]

Volume = npt.NDArray[np.float32]


class RolloutPanels(QObject):
    """Fills the panels of a viewer's rollout without making the window wait.

    What a panel needs and nobody has made yet (frames that left the cache, reconstructions,
    alignments) is worked out on threads, the latest wish first.
    """

    index_changed = Signal(int)
    """The index shown, whoever changed it."""
    scrubbed = Signal()
    """Someone other than `go_to` changed the index."""
    removed = Signal()
    """Someone deleted the generated or the reference layer."""
    failed = Signal(str)
    reconstruction_toggled = Signal(bool)
    aligned_toggled = Signal(bool)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.comparison: Comparison | None = None
        self._session: Session | None = None
        self._reconstructions: Reconstructions | None = None
        self._moving = False
        self._preferences = panel_preferences()
        self._shows_reconstruction = bool(self._preferences.reconstruction)
        self._aligned = False
        self._decoding = LatestWork(self, "Decode frame")
        self._aligning = LatestWork(self, "Align frame")
        self._reconstructing = LatestWork(self, "Reconstruct frame")
        for work, panel in (
            (self._decoding, "generated"),
            (self._aligning, "generated"),
            (self._reconstructing, "reconstruction"),
        ):
            work.done.connect(lambda index, panel=panel: self.refresh(index, panel))
            work.failed.connect(self.failed)

    # -- switches -----------------------------------------------------------------------------

    @property
    def shows_reconstruction(self) -> bool:
        """Whether the reference encoded and decoded stands beside it; remembered by napari."""
        return self._shows_reconstruction

    @shows_reconstruction.setter
    def shows_reconstruction(self, show: bool) -> None:
        if show != self._shows_reconstruction:
            self._shows_reconstruction = self._preferences.reconstruction = show
            self._update_reconstruction()
            self.reconstruction_toggled.emit(show)

    @property
    def aligned(self) -> bool:
        """Whether generated frames are moved onto the reference, where positions mean nothing.

        Of a model whose positions are comparable, frames are never moved.
        """
        return self._aligned

    @aligned.setter
    def aligned(self, aligned: bool) -> None:
        if aligned != self._aligned:
            self._aligned = aligned
            self._update_alignment()
            if self.comparison is not None:
                self.refresh(self.comparison.index)
            self.aligned_toggled.emit(aligned)

    @property
    def can_align(self) -> bool:
        """Whether the present model's frames may be moved."""
        return self._session is not None and self._session.agreements.aligned

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
        if not fits or self._reconstructions is None:
            self._reconstructions = Reconstructions(session.rollout.model, session.pairing)
        self._decoding.attach(session.decode, session.next_to_decode)
        self._update_alignment()
        if fits:
            self.go_to(0)
            self.refresh(0)
            return
        if self.comparison is not None:
            self.comparison.close()
        self._moving = True
        self.comparison = Comparison(
            viewer,
            reference_layer,
            session.pairing,
            n_steps,
            title=session.model.emulator.name,
            read_generated=self._read_generated,
            note=self._note,
            warning=self._warning,
            on_index=self._index_shown,
            on_removed=self._layer_removed,
        )
        self._update_reconstruction()
        self._moving = False

    def clear(self) -> None:
        """Give the viewer back as it was."""
        if self.comparison is not None:
            self.comparison.close()
        self.comparison = self._session = self._reconstructions = None
        for work in (self._decoding, self._aligning, self._reconstructing):
            work.attach(None)

    def close(self) -> list[Job[Any]]:
        """Let go of everything without touching the viewer; return the jobs under way."""
        self.comparison = self._session = self._reconstructions = None
        jobs = [work.close() for work in (self._decoding, self._aligning, self._reconstructing)]
        return [job for job in jobs if job is not None]

    def go_to(self, index: int) -> None:
        """Show an index in all panels."""
        if self.comparison is not None:
            self._moving = True
            self.comparison.go_to(index)
            self._moving = False

    def refresh(self, index: int, panel: str = "generated") -> None:
        """Draw a panel again if this index is shown."""
        if self.comparison is not None:
            self.comparison.refresh(index, panel)

    def _update_reconstruction(self) -> None:
        made, comparison = self._reconstructions, self.comparison
        if made is None or comparison is None:
            return
        if self._shows_reconstruction:
            self._reconstructing.attach(made.make, made.next_to_make)
            comparison.show_reconstruction(self._read_reconstruction)
        else:
            self._reconstructing.attach(None)
            comparison.hide_reconstruction()

    def _update_alignment(self) -> None:
        session = self._session
        if session is None or not session.agreements.aligned:
            self._aligning.attach(None)
            return
        session.measures_agreement = self._aligned
        if self._aligned:
            self._aligning.attach(session.agree, session.next_to_agree)
        else:
            self._aligning.attach(None)

    def _read_generated(self, index: int) -> Volume | None:
        session = self._session
        if session is None:
            return None
        volume = session.cache.get(index)
        if volume is None:
            self._decoding.look(index)
        elif self._is_moved(session, index):
            self._aligning.look(index)
            found = session.agreements.alignment(index)
            if found is not None:
                return np.roll(volume, found.shift, axis=(0, 1, 2))
        return volume

    def _is_moved(self, session: Session, index: int) -> bool:
        return (
            self._aligned
            and session.agreements.aligned
            and session.pairing.reference_frame(index) is not None
        )

    def _read_reconstruction(self, index: int) -> Volume | None:
        made = self._reconstructions
        if made is None:
            return None
        self._reconstructing.look(index)  # if it is there, those that follow are made ahead
        return made.get(index)

    # -- what they say ------------------------------------------------------------------------

    def _note(self, index: int) -> str:
        """Remarks on what is shown at an index."""
        session, made = self._session, self._reconstructions
        if session is None:
            return ""
        lines = []
        if self._shows_reconstruction and made is not None:
            lines.append(made.describe(index))
        if index > session.n_generated:
            lines.append("not generated yet")
        elif index not in session.cache:
            lines.append("decoding …")
        elif not session.agreements.aligned:
            lines.append(session.agreements.describe(index))
        return "\n".join(line for line in lines if line)

    def _warning(self, index: int) -> str:
        """Say that positions are not comparable, and how far a frame was moved."""
        session = self._session
        if session is None or not session.agreements.aligned:
            return ""
        lines = ["statistics only, not positions"]
        if index in session.cache and self._is_moved(session, index):
            known = index in session.agreements
            lines.append(session.agreements.describe(index) if known else "aligning …")
        return "\n".join(lines)

    # -- what the viewer says -----------------------------------------------------------------

    def _index_shown(self, index: int) -> None:
        if not self._moving:
            self.scrubbed.emit()
        self.index_changed.emit(index)

    def _layer_removed(self, layer: Any) -> None:
        comparison = self.comparison
        if comparison is not None and layer in (comparison.generated, comparison.reference):
            self.removed.emit()
        else:
            self._reconstructing.attach(None)
            self._shows_reconstruction = self._preferences.reconstruction = False
            self.reconstruction_toggled.emit(False)
