"""What a viewer's rollout is made of: model, reference, settings, and its life in the panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.statistics import FrameStatistics, StatisticsSettings
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics
from napari_eldyn.viewer.comparison import Comparison
from napari_eldyn.viewer.finding import Located
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.models import LoadedModel, load_model
from napari_eldyn.viewer.panels import RolloutPanels
from napari_eldyn.viewer.reference_measure import MeasuredReference, ReferenceMeasuring
from napari_eldyn.viewer.reopening import open_stored_rollout
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.session_start import possible_start, remarks_on_start, shown_layer
from napari_eldyn.viewer.shelf import RolloutShelf, ShelvedRollout
from napari_eldyn.viewer.worker import Job
from napari_eldyn.viewer.workroom import Workroom

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.viewer.workspace_load import LoadedRollout

__all__ = ["SessionControl"]

_SETTLE_MS = 250  # a spin box that is typed in changes several times


def _setting(name: str, doc: str) -> Any:
    return property(
        lambda self: getattr(self.settings, name),
        lambda self, value: self.configure(**{name: value}),
        doc=doc,
    )


class SessionControl(Workroom):
    """Model, reference, settings and rollouts of one viewer, without running them.

    Attributes
    ----------
    shelf : RolloutShelf
        The current rollout, and those kept to compare it with.
    panels : RolloutPanels
        What stands on the canvas.
    """

    settings_changed = Signal(object)
    """New `RolloutSettings`."""
    model_changed = Signal(object)
    """The `LoadedModel`, or None."""
    reference_changed = Signal(object)
    """The layer of the reference, or None."""
    reference_ready = Signal(object)
    """The `MeasuredReference` of the session."""
    session_started = Signal(object)
    """A `Session`, new or taken up again, or None when there is none any more."""
    follow_changed = Signal(bool)

    start_frame = _setting("start_frame", "Frame of the reference to start from.")
    sampler = _setting("sampler", "Name of the sampler.")
    evaluations = _setting("evaluations", "Evaluations of the denoiser per frame.")
    n_frames = _setting("n_frames", "Frames that Run generates.")
    seed = _setting("seed", "Seed of the noise.")

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.settings = RolloutSettings()
        self.model: LoadedModel | None = None
        self.reference_layer: Any = None
        self.session: Session | None = None
        self._follow = True
        self._target = 0
        self.shelf = RolloutShelf(self)
        self.shelf.let_go.connect(self.message)
        self.panels = RolloutPanels(self)
        self.shelf.changed.connect(self._take_ensemble)
        self.panels.failed.connect(self.failed)
        self.panels.removed.connect(self._panel_removed)
        self._measuring = ReferenceMeasuring(self)
        self._measuring.failed.connect(self.failed)
        self._measuring.ready.connect(self._reference_measured)
        self._settle = self._single_shot(_SETTLE_MS, self._settings_settled)
        viewer.layers.events.removed.connect(self._layer_removed)

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
                counted_with=self.counted_with,
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

    # -- a saved session ----------------------------------------------------------------------

    def forget(self) -> None:
        """Let go of model, reference and all rollouts; only while nothing is under way."""
        self._settle.stop()
        self._drop_session()
        self.shelf.clear()
        self.model = self.reference_layer = None
        self.model_changed.emit(None)
        self.reference_changed.emit(None)
        self._rest()

    def restore(
        self,
        reference: Any,
        model: LoadedModel | None,
        settings: RolloutSettings,
        rollouts: Sequence[LoadedRollout],
        has_current: bool,
    ) -> None:
        """Take over a saved session; only after `forget`.

        Parameters
        ----------
        reference : napari.layers.Image or None
            The layer of the reference.
        model : LoadedModel or None
            The model.
        settings : RolloutSettings
            Settings of the next rollout.
        rollouts : sequence of LoadedRollout
            The current one first, if there is one.
        has_current : bool
            Whether there is.
        """
        current = rollouts[0] if has_current else None
        for item in rollouts:
            if item is not current or item.is_kept:
                self.shelf.add(item.session, colour=item.colour, visible=item.visible)
        if current is not None:
            self._show_again(current.session)
            shown = self.shelf.current
            if shown is not None:
                shown.colour, shown.visible = current.colour, current.visible
        if current is None or model is not self.model:
            self.model, self.reference_layer = model, reference
            self.reference_changed.emit(reference)
            self.model_changed.emit(model)
        self.configure(**asdict(settings))
        if current is None:
            self._prepare()

    @property
    def counted_with(self) -> dict[DensityTrajectory, StatisticsSettings]:
        """Bins and shells of the references so far: what is compared is counted alike."""
        sessions = [rollout.session for rollout in self.shelf.kept]
        if self.session is not None:
            sessions.append(self.session)
        return {session.pairing.trajectory: session.statistics_settings for session in sessions}

    def reference_statistics(self, trajectory: DensityTrajectory) -> TrajectoryStatistics | None:
        """Return the statistics of a trajectory that was a reference, if they are there."""
        return self._measuring.statistics_of(trajectory)

    def know_statistics(
        self, trajectory: DensityTrajectory, statistics: TrajectoryStatistics
    ) -> None:
        """Take over statistics of a reference that were counted before."""
        self._measuring.know(trajectory, statistics)

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
        if layer is not self.reference_layer:
            return  # who heard of it has chosen another one
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
        settings, counted_with = self.settings, self.counted_with.get(trajectory)

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
            self._measure_stored()

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

    def _measure_stored(self) -> None:
        """Count the statistics of a stored rollout."""

    def _opened(self) -> list[DensityTrajectory]:
        viewer = self._viewer()
        layers = [] if viewer is None else list(viewer.layers)
        found = (layer_trajectory(layer) for layer in layers)
        return [trajectory for trajectory in found if trajectory is not None]

    def _device(self) -> str:
        return "" if self.model is None else self.model.device

    def _rest(self) -> None:
        self._set_state("idle" if self.session is None else "ready")

    # -- the panels ---------------------------------------------------------------------------

    def _take_ensemble(self) -> None:
        self.panels.set_ensemble(self.shelf.ensemble)

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
        if not self._work.is_busy:  # who heard of it may have chosen another reference
            self._rest()

    def _layer_removed(self, event: Any) -> None:
        if self.comparison is None and event.value is self.reference_layer:
            QTimer.singleShot(0, lambda: self.set_reference(None))
