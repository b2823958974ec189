"""The one owner of a live rollout in a viewer: its state, its threads, its panels."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]

from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.presentation import presentation_of
from napari_eldyn.viewer.running import Running
from napari_eldyn.viewer.session import FrameUpdate, Session
from napari_eldyn.viewer.session_control import SessionControl
from napari_eldyn.viewer.worker import Job

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["RolloutController", "controller_of"]

_ANNOUNCE_MS = 66
_PATIENCE_S = 20.0  # for a thread to end when the window closes


class RolloutController(SessionControl):
    """Model, reference, rollouts and panels of one viewer; `controller_of` gives the viewer's.

    States: ``idle`` (model or reference missing), ``loading``, ``ready``, ``running``,
    ``paused``, ``measuring`` (frames of a stored rollout), ``members`` (more of an ensemble),
    ``stopping``, ``saving``. Nothing here blocks: work is done on threads, results come back
    through signals.
    """

    updated = Signal(object)
    """A `FrameUpdate`; they come in order, none is left out."""
    progressed = Signal(object)
    """A `RunProgress`."""
    frame_shown = Signal(int)
    """Index shown: 0 is the start frame, k is generated frame k − 1."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.panels.index_changed.connect(self._index_shown)
        self.panels.scrubbed.connect(self._scrubbed)
        self._running = Running(self, self._work)
        self._running.arrived.connect(self._frames_arrived)
        self._running.refresh.connect(self._show_news)
        self._running.progressed.connect(self.progressed)
        self._running.member_made.connect(self._member_made)
        self._announce = self._single_shot(_ANNOUNCE_MS, self._announce_frame)
        window = main_window(viewer)
        if window is not None:
            ClosingWatch(window, self.shut_down)

    # -- running ------------------------------------------------------------------------------

    def step(self) -> None:
        """Generate one frame."""
        self._generate(1)

    def run(self) -> None:
        """Generate `n_frames` more frames, or those left after a pause."""
        left = self._target - len(self.generated_statistics) if self.state == "paused" else 0
        self._generate(left if left > 0 else self.settings.n_frames)

    def pause(self) -> None:
        """End the run after the frame in the making; `run` takes it up again."""
        if self.state == "running":
            self._running.pause()

    def stop(self) -> None:
        """Give up the frame in the making (or the loading) at once; frames made are kept."""
        self._work.stop()
        if self.state == "paused":
            self._set_state("ready")

    def reset(self) -> None:
        """Start over with the settings as they are now.

        A rollout that is not kept is discarded; `bring_back` takes it up again.
        """
        self._when_free(self._prepare)

    def run_members(self, n: int) -> None:
        """Generate the current rollout with more seeds, each with as many frames as it has now.

        Members go to the shelf as they are done; `stop` keeps those that are.

        Parameters
        ----------
        n : int
            How many more.
        """
        session = self.session
        if session is None or not self.has_frames or self._work.is_busy or n < 1:
            return
        self.shelf.keep()
        last = max(member.session.settings.seed for member in self.shelf.members)
        seeds = range(last + 1, last + 1 + n)

        def end(job: Job[Any], paused: bool) -> None:
            self._report_error(job)
            self._set_state("ready")

        self._set_state("members")
        self._running.make_members(session, seeds, end)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the rollout as an ``.eldyn`` store, on a thread.

        Parameters
        ----------
        path : path-like
            Where to.
        overwrite : bool
            Whether to replace a store that is there.
        """
        session, path, before = self.session, Path(path), self.state
        if session is None or not self.has_frames or self._work.is_busy:
            return

        def end(job: Job[Any], superseded: bool) -> None:
            self._report_error(job)
            if job.error is None and not job.should_stop():
                self.message.emit(f"Saved {session.n_generated} frames to {path}")
            self._set_state(before)

        self._set_state("saving")
        self._work.begin(
            f"Save rollout {path.name}", lambda job: session.save(path, overwrite, job.check), end
        )

    def shut_down(self) -> None:
        """End all threads and let go of everything; called when the window closes."""
        if self.is_closed:
            return
        self.is_closed = True
        self._settle.stop()
        self._announce.stop()
        jobs = [self._work.abandon(), self._measuring.close(), *self.panels.close()]
        for job in jobs:
            if job is not None:
                job.stop()
        for job in jobs:
            if job is not None:
                job.wait(_PATIENCE_S)
        self._running.discard()
        self.shelf.clear()
        viewer = self._viewer()
        if viewer is not None:
            _controllers.pop(viewer, None)
        self.session = self.model = self.reference_layer = None

    # -- the run ------------------------------------------------------------------------------

    def _measure_stored(self) -> None:
        self._generate(0)

    def _generate(self, n_frames: int) -> None:
        session, panels = self.session, self.comparison
        if session is None or panels is None or self._work.is_busy or self.needs_reset:
            return
        self._target = session.n_generated + n_frames
        panels.make_room(self._target)

        def end(job: Job[Any], paused: bool) -> None:
            self._report_error(job)
            self._set_state("paused" if paused else "ready")

        self._set_state("running" if n_frames else "measuring")
        self._running.generate(session, n_frames, end)

    def _frames_arrived(self, updates: list[FrameUpdate]) -> None:
        is_first = not self.generated_statistics
        for update in updates:
            self.generated_statistics.append(update.statistics)
            self.updated.emit(update)
        if is_first:
            self.shelf.tell()

    def _member_made(self, member: Session) -> None:
        self.shelf.add(member)

    def _show_news(self) -> None:
        newest = len(self.generated_statistics)
        if self.comparison is None or newest == 0 or self.state == "measuring":
            return
        if self._follow and self.comparison.index != newest:
            self.panels.go_to(newest)
        else:
            self.panels.refresh(newest)

    # -- the panels ---------------------------------------------------------------------------

    def _scrubbed(self) -> None:
        if self.state == "running":
            self.follow_live = False

    def _index_shown(self, index: int) -> None:
        if not self._announce.isActive():
            self._announce.start()

    def _announce_frame(self) -> None:
        if self.comparison is not None:
            self.frame_shown.emit(self.comparison.index)


_controllers: weakref.WeakKeyDictionary[Any, RolloutController] = weakref.WeakKeyDictionary()


def controller_of(viewer: Viewer) -> RolloutController:
    """Return the viewer's controller, made at the first call; the docks share it."""
    viewer = unwrap(viewer)
    controller = _controllers.get(viewer)
    if controller is None:
        controller = _controllers[viewer] = RolloutController(viewer)
        presentation_of(viewer)
    return controller
