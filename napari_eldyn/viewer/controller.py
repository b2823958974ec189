"""The one owner of a live rollout in a viewer: its state, its threads, its panels."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.statistics import FrameStatistics, StatisticsSettings
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.comparison import Comparison
from napari_eldyn.viewer.exclusive import ExclusiveWork
from napari_eldyn.viewer.finding import Located, MissingPartError
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.models import LoadedModel, load_model
from napari_eldyn.viewer.panels import RolloutPanels
from napari_eldyn.viewer.presentation import presentation_of
from napari_eldyn.viewer.reference_measure import MeasuredReference, ReferenceMeasuring
from napari_eldyn.viewer.reopening import open_stored_rollout
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.running import Running
from napari_eldyn.viewer.session import FrameUpdate, Session
from napari_eldyn.viewer.session_start import possible_start, remarks_on_start, shown_layer
from napari_eldyn.viewer.shelf import RolloutShelf, ShelvedRollout
from napari_eldyn.viewer.worker import Job, explain_error

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["RolloutController", "controller_of"]

T = TypeVar("T")

_SETTLE_MS = 250  # a spin box that is typed in changes several times
_ANNOUNCE_MS = 66
_PATIENCE_S = 20.0  # for a thread to end when the window closes


def _setting(name: str, doc: str) -> Any:
    return property(
        lambda self: getattr(self.settings, name),
        lambda self, value: self.configure(**{name: value}),
        doc=doc,
    )


class RolloutController(QObject):
    """Model, reference, rollouts and panels of one viewer; `controller_of` gives the viewer's.

    States: ``idle`` (model or reference missing), ``loading``, ``ready``, ``running``,
    ``paused``, ``measuring`` (frames of a stored rollout), ``members`` (more of an ensemble),
    ``stopping``, ``saving``. Nothing here blocks: work is done on threads, results come back
    through signals.

    Attributes
    ----------
    shelf : RolloutShelf
        The current rollout, and those kept to compare it with.
    panels : RolloutPanels
        What stands on the canvas.
    locate : callable or None
        Asks the user where a missing file is: called with a `MissingPartError`, returns a path,
        or None to give up.
    """

    state_changed = Signal(str)
    settings_changed = Signal(object)
    """New `RolloutSettings`."""
    model_changed = Signal(object)
    """The `LoadedModel`, or None."""
    reference_changed = Signal(object)
    """The layer of the reference, or None."""
    reference_ready = Signal(object)
    """The `MeasuredReference` of the session."""
    session_started = Signal(object)
    """A new `Session` without frames, or None when there is none any more."""
    updated = Signal(object)
    """A `FrameUpdate`; they come in order, none is left out."""
    progressed = Signal(object)
    """A `RunProgress`."""
    frame_shown = Signal(int)
    """Index shown: 0 is the start frame, k is generated frame k − 1."""
    follow_changed = Signal(bool)
    message = Signal(str)
    failed = Signal(str)

    start_frame = _setting("start_frame", "Frame of the reference to start from.")
    sampler = _setting("sampler", "Name of the sampler.")
    evaluations = _setting("evaluations", "Evaluations of the denoiser per frame.")
    n_frames = _setting("n_frames", "Frames that Run generates.")
    seed = _setting("seed", "Seed of the noise.")

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self.state = "idle"
        self.settings = RolloutSettings()
        self.model: LoadedModel | None = None
        self.reference_layer: Any = None
        self.session: Session | None = None
        self.locate: Callable[[MissingPartError], Path | None] | None = None
        self._follow = True
        self.is_closed = False
        self._target = 0
        self._work = ExclusiveWork(self, lambda: self._set_state("stopping"))
        self.shelf = RolloutShelf(self)
        self.shelf.let_go.connect(self.message)
        self.panels = RolloutPanels(self)
        self.shelf.changed.connect(self._take_ensemble)
        self.panels.failed.connect(self.failed)
        self.panels.index_changed.connect(self._index_shown)
        self.panels.scrubbed.connect(self._scrubbed)
        self.panels.removed.connect(self._panel_removed)
        self._measuring = ReferenceMeasuring(self)
        self._measuring.failed.connect(self.failed)
        self._measuring.ready.connect(self._reference_measured)
        self._running = Running(self, self._work)
        self._running.arrived.connect(self._frames_arrived)
        self._running.refresh.connect(self._show_news)
        self._running.progressed.connect(self.progressed)
        self._running.member_made.connect(self._member_made)
        self._settle = self._single_shot(_SETTLE_MS, self._settings_settled)
        self._announce = self._single_shot(_ANNOUNCE_MS, self._announce_frame)
        viewer.layers.events.removed.connect(self._layer_removed)
        window = main_window(viewer)
        if window is not None:
            ClosingWatch(window, self.shut_down)

    # -- what a rollout is made of ------------------------------------------------------------

    def set_model(self, path: str | Path, device: str = "auto") -> None:
        """Load a model on a thread; a run under way is stopped first.

        Parameters
        ----------
        path : path-like
            A checkpoint (``.safetensors``).
        device : str
            ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …
        """
        path = Path(path)
        self.load(f"Load model {path.name}", lambda job: load_model(path, device), self._take_model)

    def set_reference(self, reference: Any) -> None:
        """Choose the reference; a run under way is stopped first.

        Parameters
        ----------
        reference : DensityTrajectory or napari.layers.Image or None
            A trajectory is shown in a new layer if no layer shows it yet.
        """
        self._when_free(lambda: self._take_reference(reference))

    def configure(self, **changes: Any) -> None:
        """Change settings; those that make another rollout take effect at the next `reset`.

        Without frames to lose (none are generated, or they are kept), they take effect at once.

        Parameters
        ----------
        **changes
            Fields of `RolloutSettings`.
        """
        settings = replace(self.settings, **changes)
        if settings != self.settings:
            self.settings = settings
            self.settings_changed.emit(settings)
            if self.needs_reset and not self.frames_to_lose:
                self._settle.start()

    @property
    def measured(self) -> MeasuredReference | None:
        """Statistics of the reference, if they are there."""
        return self._measuring.measured

    @property
    def generated_statistics(self) -> list[FrameStatistics]:
        """Statistics of the frames of the current rollout."""
        return [] if self.session is None else self.session.statistics

    @property
    def comparison(self) -> Comparison | None:
        """The panels that stand side by side, or None while there is no rollout."""
        return self.panels.comparison

    @property
    def has_frames(self) -> bool:
        """Whether the rollout holds generated frames."""
        return self.session is not None and self.session.n_generated > 0

    @property
    def frames_to_lose(self) -> int:
        """Number of frames that `reset` would discard: none if the rollout is kept."""
        current = self.shelf.current
        if self.session is None or current is None or current.is_kept:
            return 0
        return self.session.n_generated

    @property
    def needs_reset(self) -> bool:
        """Whether the settings ask for another rollout than the present one."""
        return self.session is not None and not self.settings.same_rollout(self.session.settings)

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

    # -- several rollouts ---------------------------------------------------------------------

    def keep(self) -> None:
        """Keep the current rollout to compare others with; settings changed take effect now."""
        self.shelf.keep()
        if self.needs_reset:
            self._settle.start()

    def take_up(self, rollout: ShelvedRollout) -> None:
        """Show a rollout of the shelf in the panels and go on with it; the present one is kept."""
        if not rollout.is_current:
            session = rollout.session
            self._when_free(lambda: self._show_again(session))

    def bring_back(self) -> None:
        """Take up the rollout that was discarded last."""
        if self.shelf.discarded is not None:
            self.take_up(self.shelf.discarded)

    def open_rollout(self, path: str | Path, located: Located | None = None) -> None:
        """Take up a stored rollout beside the trajectory that it started from.

        Its frames are decoded from the stored latents, its statistics counted in the background.
        Frames that `run` adds are those it would have had.

        Parameters
        ----------
        path : path-like
            An ``.eldyn`` store that holds latents.
        located : Located, optional
            Where its model or its trajectory are, if they are not at hand.
        """
        path = Path(path)
        device = "auto" if self.model is None else str(self.model.emulator.device)

        def work(job: Job[Session]) -> Session:
            return open_stored_rollout(
                path,
                self.settings.n_frames,
                device=device,
                loaded=self.models,
                opened=self._opened(),
                counted_with=self._counted_with,
                located=located,
            )

        self.load(
            f"Open rollout {path.name}",
            work,
            self._show_again,
            lambda place: self.open_rollout(path, {**(located or {}), **place}),
        )

    @property
    def models(self) -> tuple[LoadedModel, ...]:
        """Models in memory: that of the next rollout, and those of rollouts kept."""
        models = [] if self.model is None else [self.model]
        models += [rollout.session.model for rollout in self.shelf.kept]
        return tuple({id(model): model for model in models}.values())

    def load(
        self,
        title: str,
        work: Callable[[Job[T]], T],
        take: Callable[[T], None],
        again: Callable[[Located], None] | None = None,
    ) -> None:
        """Load something on a thread, as the state ``loading``; a run is stopped first.

        Parameters
        ----------
        title : str
            For napari's "still busy" dialog.
        work : callable
            Runs on a thread.
        take : callable
            Takes the result.
        again : callable, optional
            Tries again with the place of a missing part, if the user knows it.
        """

        def end(job: Job[T], superseded: bool) -> None:
            wanted = not superseded and not job.should_stop()
            if wanted and job.result is not None:
                take(job.result)
            elif wanted and isinstance(job.error, MissingPartError) and again and self.locate:
                place = self.locate(job.error)
                if place is not None:
                    again({job.error.key: place})
            else:
                self._report_error(job)
            if not self._work.is_busy:
                self._rest()

        def begin() -> None:
            self._set_state("loading")
            self._work.begin(title, work, end)

        self._when_free(begin)

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

    @property
    def follow_live(self) -> bool:
        """Whether the panels show the newest frame while it runs."""
        return self._follow

    @follow_live.setter
    def follow_live(self, follow: bool) -> None:
        if follow != self._follow:
            self._follow = follow
            self.follow_changed.emit(follow)
            if follow and self.has_frames:
                self.panels.go_to(len(self.generated_statistics))

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
        self.session = self.model = self.reference_layer = self.locate = None

    # -- model, reference, session ------------------------------------------------------------

    def _take_model(self, model: LoadedModel) -> None:
        self._keep_frames()
        before, self.model = self.model, model
        self.model_changed.emit(model)
        chosen, fitting = self.settings, self.settings.for_model(model, before)
        self.configure(sampler=fitting.sampler, evaluations=fitting.evaluations)
        if chosen.sampler and chosen.sampler != fitting.sampler:
            self.message.emit(
                f"Sampler {fitting.sampler} with {fitting.evaluations} evaluations, usual for "
                f"{model.emulator.name}."
            )
        self._prepare()

    def _take_reference(self, reference: Any) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        layer = reference
        if isinstance(reference, DensityTrajectory):
            layer = shown_layer(viewer, reference)
        if layer is self.reference_layer:
            return
        self._keep_frames()
        self._drop_session()
        self.reference_layer = layer
        self.reference_changed.emit(layer)
        trajectory = layer_trajectory(layer)
        if trajectory is not None and self.settings.start_frame >= len(trajectory):
            self.configure(start_frame=0)
        self._prepare()

    def _prepare(self) -> None:
        """Start a new rollout, if there are a model and a reference."""
        self._settle.stop()
        model, trajectory = self.model, layer_trajectory(self.reference_layer)
        if model is None or trajectory is None:
            self._drop_session()
            self._set_state("idle")
            return
        possible, reason = possible_start(self.settings, model, trajectory)
        if reason:
            self.configure(start_frame=possible.start_frame)
            self._settle.stop()
            self.message.emit(reason)
        settings, counted_with = self.settings, self._counted_with.get(trajectory)

        def end(job: Job[Session], superseded: bool) -> None:
            self._report_error(job)
            if job.error is not None:
                self._drop_session()
            if job.result is not None and not superseded and not job.should_stop():
                self._begin_session(job.result)
            else:
                self._rest()

        self._set_state("loading")
        self._work.begin(
            "Start rollout", lambda job: Session(model, trajectory, settings, counted_with), end
        )

    def _begin_session(self, session: Session) -> None:
        for remark in remarks_on_start(session):
            self.message.emit(remark)
        self._show_session(session, 0)
        if self.needs_reset:  # changed while this was being prepared
            self._settle.start()

    def _show_again(self, session: Session) -> None:
        """Show a rollout that has frames, with its model, reference and settings."""
        viewer = self._viewer()
        if viewer is None:
            return
        self._keep_frames()
        index = 0 if self.comparison is None else self.comparison.index
        layer = shown_layer(viewer, session.pairing.trajectory)
        if layer is not self.reference_layer:
            self._drop_session()
            self.reference_layer = layer
            self.reference_changed.emit(layer)
        if session.model is not self.model:
            self.model = session.model
            self.model_changed.emit(session.model)
        self.configure(**{**asdict(session.settings), "n_frames": self.settings.n_frames})
        self._settle.stop()
        self._show_session(session, min(index, session.n_generated))
        if session.n_unmeasured:
            self._generate(0)

    def _show_session(self, session: Session, index: int) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        self.session = session
        self.shelf.begin(session)
        self._target = 0
        self.follow_live = True
        n_steps = max(self.settings.n_frames, session.n_generated)
        self.panels.show(viewer, self.reference_layer, session, n_steps)
        self.session_started.emit(session)
        self._rest()
        if index:
            self.panels.go_to(index)
        self._measuring.begin(session)

    def _settings_settled(self) -> None:
        if self.needs_reset and not self.frames_to_lose and not self._work.is_busy:
            self._prepare()

    def _keep_frames(self) -> None:
        """Keep frames that the user has not said to discard."""
        n_frames = self.frames_to_lose
        if n_frames:
            self.shelf.keep()
            self.message.emit(f"The rollout so far ({n_frames} frames) is kept, to compare.")

    def _drop_session(self) -> None:
        self.panels.clear()
        if self.session is not None:
            self.session = None
            self.shelf.begin(None)
            self.session_started.emit(None)

    def _reference_measured(self, measured: MeasuredReference) -> None:
        if self.is_closed:
            return
        self.reference_ready.emit(measured)
        if measured.problem:
            self.message.emit(measured.problem)

    @property
    def _counted_with(self) -> dict[DensityTrajectory, StatisticsSettings]:
        """Bins and shells of the references so far: what is compared is counted alike."""
        sessions = [rollout.session for rollout in self.shelf.kept]
        if self.session is not None:
            sessions.append(self.session)
        return {session.pairing.trajectory: session.statistics_settings for session in sessions}

    def _opened(self) -> list[DensityTrajectory]:
        viewer = self._viewer()
        layers = [] if viewer is None else list(viewer.layers)
        found = (layer_trajectory(layer) for layer in layers)
        return [trajectory for trajectory in found if trajectory is not None]

    # -- the run ------------------------------------------------------------------------------

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

    def _when_free(self, action: Any) -> None:
        if not self.is_closed:
            self._work.when_free(action)

    def _report_error(self, job: Job[Any]) -> None:
        if job.error is not None:
            device = self.model.device if self.model is not None else ""
            self.failed.emit(explain_error(job.error, device))

    def _rest(self) -> None:
        self._set_state("idle" if self.session is None else "ready")

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)

    def _single_shot(self, milliseconds: int, action: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(action)
        return timer

    # -- the panels ---------------------------------------------------------------------------

    def _take_ensemble(self) -> None:
        self.panels.set_ensemble(self.shelf.ensemble)

    def _scrubbed(self) -> None:
        if self.state == "running":
            self.follow_live = False

    def _index_shown(self, index: int) -> None:
        if not self._announce.isActive():
            self._announce.start()

    def _announce_frame(self) -> None:
        if self.comparison is not None:
            self.frame_shown.emit(self.comparison.index)

    def _panel_removed(self) -> None:
        """Someone deleted the generated or the reference layer."""
        # Not at once: napari may be in the middle of deleting several layers.
        QTimer.singleShot(0, lambda: self._when_free(self._end_comparison))

    def _end_comparison(self) -> None:
        viewer = self._viewer()
        self._drop_session()
        if viewer is not None and self.reference_layer not in viewer.layers:
            self.reference_layer = None
            self.reference_changed.emit(None)
        self._set_state("idle")

    def _layer_removed(self, event: Any) -> None:
        if self.comparison is None and event.value is self.reference_layer:
            QTimer.singleShot(0, lambda: self.set_reference(None))


_controllers: weakref.WeakKeyDictionary[Any, RolloutController] = weakref.WeakKeyDictionary()


def controller_of(viewer: Viewer) -> RolloutController:
    """Return the viewer's controller, made at the first call; the docks share it."""
    viewer = unwrap(viewer)
    controller = _controllers.get(viewer)
    if controller is None:
        controller = _controllers[viewer] = RolloutController(viewer)
        presentation_of(viewer)
    return controller
