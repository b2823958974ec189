"""What figures are made from, as a window has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_eldyn.density.transforms import LogNormalisation
from napari_eldyn.evaluation.inputs import Candidate, Start
from napari_eldyn.evaluation.logs import TrainingLog
from napari_eldyn.exceptions import EldynError
from napari_eldyn.export.figures import FigureSources
from napari_eldyn.export.look import Look, look_of
from napari_eldyn.observables.statistics import combine
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.samples import sample_title

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.viewer.controller import RolloutController
    from napari_eldyn.viewer.shelf import ShelvedRollout

__all__ = ["window_look", "window_sources"]


def window_sources(
    controller: RolloutController,
    rollouts: Sequence[ShelvedRollout],
    runs: Mapping[str, TrainingLog] | None = None,
) -> FigureSources:
    """Take up rollouts of a window with the frames they have now; cheap, on the GUI thread.

    Parameters
    ----------
    controller : RolloutController
        Of the window.
    rollouts : sequence of ShelvedRollout
        Those to show.
    runs : mapping of str to TrainingLog, optional
        Training runs for Fig. S2.

    Raises
    ------
    EldynError
        If there is no reference.
    """
    layer = controller.reference_layer
    reference = layer_trajectory(layer)
    if reference is None and rollouts:
        reference = rollouts[0].session.pairing.trajectory
    if reference is None and not runs:
        raise EldynError("there is no reference to draw", remedy="Choose one in the Rollout dock.")
    candidates = tuple(
        Candidate(
            one.label.replace("=", " ") or "generated",
            one.session.rollout[:],
            Start(one.session.settings.start_frame, True, "a rollout of this window"),
            None,
        )
        for one in rollouts
        if one.session.n_generated
    )
    measured = controller.measured
    settings = rollouts[0].session.statistics_settings if rollouts else None
    counted = None
    if measured is not None and measured.levels is not None and settings is measured.settings:
        counted = {
            candidate.name: combine(list(one.statistics), measured.settings)
            for candidate, one in zip(candidates, rollouts, strict=False)
            if one.statistics
        }
        if len(counted) < len(candidates):
            counted = None
    models: dict[str, Any] = {}
    known = [one.session.model for one in rollouts]
    known += [] if controller.model is None else [controller.model]
    for model in known:
        models.setdefault(sample_title(model.path), model.emulator)
    return FigureSources(
        candidates,
        reference,
        _normalisation(controller, rollouts),
        runs=runs or {},
        cards={name: emulator.provenance for name, emulator in models.items()},
        model_hashes={name: emulator.sha256 for name, emulator in models.items()},
        counted=counted,
        levels=None if counted is None or measured is None else measured.levels,
    )


def _normalisation(
    controller: RolloutController, rollouts: Sequence[ShelvedRollout]
) -> LogNormalisation | None:
    """Return that of the first rollout, else of the model; None leaves it to be fitted."""
    if rollouts:
        return rollouts[0].session.statistics_settings.normalisation
    model = controller.model
    return None if model is None else model.emulator.normalisation


def window_look(viewer: Viewer, controller: RolloutController) -> Look | None:
    """Return camera, colours and contrast of the panels of a window; None without a layer."""
    layer = controller.reference_layer
    return None if layer is None else look_of(viewer, layer)
