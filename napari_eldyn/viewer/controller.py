"""The one owner of a live rollout in a viewer: its state, its threads, its panels."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.statistics import FrameStatistics
from napari_eldyn.viewer._compat import main_window, unwrap
from napari_eldyn.viewer.closing import ClosingWatch
from napari_eldyn.viewer.comparison import Comparison
from napari_eldyn.viewer.exclusive import ExclusiveWork
from napari_eldyn.viewer.layers import layer_trajectory, trajectory_layer
from napari_eldyn.viewer.live_run import LiveRun
from napari_eldyn.viewer.models import LoadedModel, load_model
from napari_eldyn.viewer.panels import RolloutPanels
from napari_eldyn.viewer.presentation import presentation_of
from napari_eldyn.viewer.session import (
    FrameUpdate,
    MeasuredReference,
    RolloutSettings,
    Session,
    measure_reference,
)
from napari_eldyn.viewer.worker import Job, explain_error, start_job

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["RolloutController", "controller_of"]

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
    """Model, reference, rollout and panels of one viewer; `controller_of` gives the viewer's.

    States: ``idle`` (model or reference missing), ``loading``, ``ready``, ``running``,
    ``paused``, ``stopping``, ``saving``. Nothing here blocks: work is done on threads, results
    come back through signals.
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
        self.measured: MeasuredReference | None = None
        self.generated_statistics: list[FrameStatistics] = []
        self._follow = True
        self.is_closed = False
        self._target = 0
        self._run: LiveRun | None = None
        self._measuring: Job[MeasuredReference] | None = None
        self._work = ExclusiveWork(self, lambda: self._set_state("stopping"))
        self.panels = RolloutPanels(self)
        self.panels.failed.connect(self.failed)
        self.panels.index_changed.connect(self._index_shown)
        self.panels.scrubbed.connect(self._scrubbed)
        self.panels.removed.connect(self._panel_removed)
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
        self._when_free(lambda: self._load(Path(path), device))

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

        Without generated frames there is nothing to lose, so they take effect at once.

        Parameters
        ----------
        **changes
            Fields of `RolloutSettings`.
        """
        settings = replace(self.settings, **changes)
        if settings != self.settings:
            self.settings = settings
            self.settings_changed.emit(settings)
            if self.needs_reset and not self.has_frames:
                self._settle.start()

    @property
    def comparison(self) -> Comparison | None:
        """The panels that stand side by side, or None while there is no rollout."""
        return self.panels.comparison

    @property
    def has_frames(self) -> bool:
        """Whether the rollout holds generated frames."""
        return self.session is not None and self.session.n_generated > 0

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
        if self.state == "running" and self._run is not None:
            self._run.pause()

    def stop(self) -> None:
        """Give up the frame in the making (or the loading) at once; frames made are kept."""
        self._work.stop()
        if self.state == "paused":
            self._set_state("ready")

    def reset(self) -> None:
        """Discard the generated frames and start over with the settings as they are now."""
        self._when_free(self._prepare)

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
        jobs = [self._work.abandon(), self._measuring, *self.panels.close()]
        for job in jobs:
            if job is not None:
                job.stop()
        for job in jobs:
            if job is not None:
                job.wait(_PATIENCE_S)
        if self._run is not None:
            self._run.discard()
        viewer = self._viewer()
        if viewer is not None:
            _controllers.pop(viewer, None)
        self._run = self._measuring = self.measured = None
        self.session = self.model = self.reference_layer = None

    # -- model, reference, session ------------------------------------------------------------

    def _load(self, path: Path, device: str) -> None:
        def end(job: Job[LoadedModel], superseded: bool) -> None:
            self._report_error(job)
            if job.result is not None and not superseded and not job.should_stop():
                self._take_model(job.result)
            else:
                self._rest()

        self._set_state("loading")
        self._work.begin(f"Load model {path.name}", lambda job: load_model(path, device), end)

    def _take_model(self, model: LoadedModel) -> None:
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
            layer = _layer_of(viewer, reference)
        if layer is self.reference_layer:
            return
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
        first = model.first_start(trajectory)
        if self.settings.start_frame < first:
            self.configure(start_frame=first)
            self._settle.stop()
            self.message.emit(
                f"{model.emulator.name} starts from {model.emulator.context_frames} frames, so "
                f"{first} is the first start frame."
            )
        settings, known = self.settings, self.measured

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
            "Start rollout", lambda job: Session(model, trajectory, settings, known), end
        )

    def _begin_session(self, session: Session) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        self.session = session
        start = session.rollout.origin.start
        if start.frame == 0:
            self.message.emit("Start frame 0 has no earlier frame: its rate takes frame 1 as well.")
        if start.n_clipped:
            self.message.emit(f"{start.n_clipped} values of the start were not positive: clipped.")
        self.generated_statistics = []
        self._target = 0
        self.follow_live = True
        self.panels.show(viewer, self.reference_layer, session, self.settings.n_frames)
        self.session_started.emit(session)
        self._rest()
        self._measure(session)
        if self.needs_reset:  # changed while this was being prepared
            self._settle.start()

    def _settings_settled(self) -> None:
        if self.needs_reset and not self.has_frames and not self._work.is_busy:
            self._prepare()

    def _drop_session(self) -> None:
        self.panels.clear()
        self.generated_statistics = []
        if self.session is not None:
            self.session = None
            self.session_started.emit(None)

    def _measure(self, session: Session) -> None:
        known = self.measured
        if self._measuring is not None:
            self._measuring.stop()
        self._measuring = Job(
            "Measure the reference", lambda job: measure_reference(session, known, job.check)
        )
        start_job(self._measuring, self._measured)

    def _measured(self) -> None:
        job = self._measuring
        if job is None or not job.is_done or self.is_closed:
            return
        self._measuring = None
        self._report_error(job)
        if job.result is not None:
            self.measured = job.result
            self.reference_ready.emit(job.result)
            if job.result.problem:
                self.message.emit(job.result.problem)

    # -- the run ------------------------------------------------------------------------------

    def _generate(self, n_frames: int) -> None:
        session, panels = self.session, self.comparison
        if session is None or panels is None or self._work.is_busy or self.needs_reset:
            return
        self._target = session.n_generated + n_frames
        panels.make_room(self._target)
        run = self._run = LiveRun(session, n_frames)
        run.arrived.connect(self._frames_arrived)
        run.refresh.connect(self._show_news)
        run.progressed.connect(self.progressed)

        def end(job: Job[Any], superseded: bool) -> None:
            run.close()
            self._run = None
            self._report_error(job)
            self._set_state("paused" if run.is_paused and not job.should_stop() else "ready")

        self._set_state("running")
        self.progressed.emit(run.progress())
        self._work.begin(f"Rollout of {n_frames} frames", run.work, end)

    def _frames_arrived(self, updates: list[FrameUpdate]) -> None:
        for update in updates:
            self.generated_statistics.append(update.statistics)
            self.updated.emit(update)

    def _show_news(self) -> None:
        newest = len(self.generated_statistics)
        if self.comparison is None or newest == 0:
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


def _layer_of(viewer: Viewer, trajectory: DensityTrajectory) -> Any:
    from napari.layers import Layer

    for layer in viewer.layers:
        if layer_trajectory(layer) is trajectory:
            return layer
    presentation_of(viewer)
    return viewer.add_layer(Layer.create(*trajectory_layer(trajectory)))


_controllers: weakref.WeakKeyDictionary[Any, RolloutController] = weakref.WeakKeyDictionary()


def controller_of(viewer: Viewer) -> RolloutController:
    """Return the viewer's controller, made at the first call; the docks share it."""
    viewer = unwrap(viewer)
    controller = _controllers.get(viewer)
    if controller is None:
        controller = _controllers[viewer] = RolloutController(viewer)
        presentation_of(viewer)
    return controller
