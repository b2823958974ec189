"""A loaded session put into a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_eldyn.viewer._compat import redraw_boxes
from napari_eldyn.viewer.layers import layer_trajectory, trajectory_layer
from napari_eldyn.viewer.panel_kinds import PANELS
from napari_eldyn.viewer.workbench import equip
from napari_eldyn.viewer.workspace_docks import lay_out_docks, open_docks, restore_contents
from napari_eldyn.viewer.workspace_load import LoadedWorkspace, settings_of
from napari_eldyn.viewer.workspace_looks import apply_camera, apply_look, apply_view
from napari_eldyn.viewer.workspace_record import WorkspaceRecord

if TYPE_CHECKING:
    from napari import Viewer

    from napari_eldyn.viewer.controller import RolloutController

__all__ = ["restore_workspace"]


def restore_workspace(viewer: Viewer, control: RolloutController, loaded: LoadedWorkspace) -> None:
    """Put a session into a window, in place of its trajectories and rollouts.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    control : RolloutController
        Its controller, with nothing under way.
    loaded : LoadedWorkspace
        The session.
    """
    record = loaded.record
    equip(viewer)
    with control.set_apart():
        control.forget()
        for layer in [layer for layer in viewer.layers if layer_trajectory(layer) is not None]:
            viewer.layers.remove(layer)
        _set_theme(viewer, record.theme)
        if record.docks is not None:
            open_docks(viewer, record.docks)
        layers = _add_layers(viewer, loaded)
        for trajectory, statistics in loaded.statistics.items():
            control.know_statistics(trajectory, statistics)
        _show_panels(control, record)
        control.restore(
            reference=None if record.reference is None else layers[record.reference],
            model=None if record.model is None else loaded.models[record.model],
            settings=settings_of(record.settings),
            rollouts=loaded.rollouts,
            has_current=record.has_current,
        )
    control.panels.offset = record.offset
    if record.member is not None and record.member < len(control.panels.members):
        control.panels.member = record.member
    for name, look in record.looks.items():
        if name in control.panels.layers:
            apply_look(control.panels.layers[name], look, colours=name != "difference")
    if record.docks is not None:
        restore_contents(viewer, record.docks)
        lay_out_docks(viewer, record.docks)
    apply_view(viewer, record.view)
    _keep_camera(viewer, control, record)


def _add_layers(viewer: Viewer, loaded: LoadedWorkspace) -> list[Any]:
    from napari.layers import Layer

    layers = []
    for described in loaded.record.layers:
        data, keywords, kind = trajectory_layer(loaded.trajectories[described.trajectory])
        layer = viewer.add_layer(Layer.create(data, {**keywords, "name": described.name}, kind))
        apply_look(layer, described.look)
        layer.visible = described.look.visible
        layers.append(layer)
    return layers


def _show_panels(control: RolloutController, record: WorkspaceRecord) -> None:
    wanted = [name for name in PANELS if name in record.panels]
    for name in wanted:
        control.panels.set_shown(name, True)
    for name in PANELS:
        if wanted and name not in wanted:
            control.panels.set_shown(name, False)


def _set_theme(viewer: Viewer, theme: str) -> None:
    from napari.utils.theme import available_themes

    if theme in (*available_themes(), "system"):
        viewer.theme = theme


def _keep_camera(viewer: Viewer, control: RolloutController, record: WorkspaceRecord) -> None:
    """Set the camera once more when the canvas has taken its size, which refits it."""
    from qtpy.QtCore import QTimer

    def keep() -> None:
        redraw_boxes(viewer, control.panels.layers.values())  # panels may have moved
        apply_camera(viewer, record.view)

    QTimer.singleShot(0, keep)
