"""The life of a viewer's current rollout: prepared, shown in the panels, let go."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.statistics import FrameStatistics, StatisticsSettings
from napari_eldyn.viewer.comparison import Comparison
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.models import LoadedModel
from napari_eldyn.viewer.panels import RolloutPanels
from napari_eldyn.viewer.reference_measure import MeasuredReference, ReferenceMeasuring
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.session_start import possible_start, remarks_on_start, shown_layer
from napari_eldyn.viewer.shelf import RolloutShelf
from napari_eldyn.viewer.worker import Job
from napari_eldyn.viewer.workroom import Workroom

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["SessionLife"]

_SETTLE_MS = 250  # a spin box that is typed in changes several times


def _setting(name: str, doc: str) -> Any:
    return property(
        lambda self: getattr(self.settings, name),
        lambda self, value: self.configure(**{name: value}),
        doc=doc,
    )


class SessionLife(Workroom):
    """Settings, panels and the current rollout of one viewer.

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

    # -- settings, and what there is ----------------------------------------------------------

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

    @property
    def counted_with(self) -> dict[DensityTrajectory, StatisticsSettings]:
        """Bins and shells of the references so far: what is compared is counted alike."""
        sessions = [rollout.session for rollout in self.shelf.kept]
        if self.session is not None:
            sessions.append(self.session)
        return {session.pairing.trajectory: session.statistics_settings for session in sessions}

    # -- the current rollout ------------------------------------------------------------------

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

    def _device(self) -> str:
        return "" if self.model is None else self.model.device

    def _rest(self) -> None:
        self._set_state("idle" if self.session is None else "ready")

    # -- the panels ---------------------------------------------------------------------------

    def _take_ensemble(self) -> None:
        self.panels.set_ensemble(self.shelf.ensemble)

    def _panel_removed(self) -> None:
        """Someone deleted the reference layer."""
        # Not at once: napari may be in the middle of deleting several layers.
        QTimer.singleShot(0, self._end_without_reference)

    def _layer_removed(self, event: Any) -> None:
        if self.comparison is None and event.value is self.reference_layer:
            QTimer.singleShot(0, self._end_without_reference)

    def _end_without_reference(self) -> None:
        if self._lacks_reference():
            self._when_free(self._end_comparison)

    def _end_comparison(self) -> None:
        if self._lacks_reference():
            self._drop_session()
            self.reference_layer = None
            self.reference_changed.emit(None)
            self._set_state("idle")

    def _lacks_reference(self) -> bool:
        """Whether the reference's layer is gone, and no other one was chosen meanwhile."""
        viewer, layer = self._viewer(), self.reference_layer
        return viewer is not None and layer is not None and layer not in viewer.layers
