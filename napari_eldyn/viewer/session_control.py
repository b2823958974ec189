"""What a viewer's rollout is made of, as others choose it: model, reference, other rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_eldyn.density.trajectory import DensityTrajectory
from napari_eldyn.observables.trajectory_statistics import TrajectoryStatistics
from napari_eldyn.viewer.finding import Located
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.models import LoadedModel, load_model
from napari_eldyn.viewer.reopening import open_stored_rollout
from napari_eldyn.viewer.rollout_settings import RolloutSettings
from napari_eldyn.viewer.session import Session
from napari_eldyn.viewer.session_life import SessionLife
from napari_eldyn.viewer.session_start import shown_layer
from napari_eldyn.viewer.shelf import ShelvedRollout
from napari_eldyn.viewer.worker import Job

if TYPE_CHECKING:
    from napari_eldyn.viewer.workspace_load import LoadedRollout

__all__ = ["SessionControl"]


class SessionControl(SessionLife):
    """Model, reference, settings and rollouts of one viewer, without running them."""

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

    def _opened(self) -> list[DensityTrajectory]:
        viewer = self._viewer()
        layers = [] if viewer is None else list(viewer.layers)
        found = (layer_trajectory(layer) for layer in layers)
        return [trajectory for trajectory in found if trajectory is not None]

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
        self.configure(n_frames=settings.n_frames)
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

    def reference_statistics(self, trajectory: DensityTrajectory) -> TrajectoryStatistics | None:
        """Return the statistics of a trajectory that was a reference, if they are there."""
        return self._measuring.statistics_of(trajectory)

    def know_statistics(
        self, trajectory: DensityTrajectory, statistics: TrajectoryStatistics
    ) -> None:
        """Take over statistics of a reference that were counted before."""
        self._measuring.know(trajectory, statistics)
