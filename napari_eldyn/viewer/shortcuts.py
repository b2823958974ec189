"""Keys of the viewer: run, pause, step, look around.

They work wherever the keyboard is not needed for something else: on the canvas, and on docks
unless one types in a field of theirs. Layers that have another meaning for a key (Labels, Points,
Shapes) keep it while they are selected.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_eldyn.viewer._compat import unwrap
from napari_eldyn.viewer.controller import RolloutController, controller_of
from napari_eldyn.viewer.layers import layer_trajectory
from napari_eldyn.viewer.panel_kinds import PANELS
from napari_eldyn.viewer.presentation import presentation_of

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["MENU_KEYS", "SHORTCUTS", "Shortcut", "bind_shortcuts"]

_LEAP = 10  # frames


@dataclass(frozen=True)
class Shortcut:
    """A key and what it does.

    Parameters
    ----------
    keys : str
        As people write it.
    text : str
        What it does.
    group : str
        Heading that it stands under in the help.
    """

    keys: str
    text: str
    group: str


_RUN, _LOOK, _PANELS, _WINDOW = "Rollout", "Time and view", "Panels", "Window"

_TITLES = {"mean": "mean of the ensemble", "std": "standard deviation of the ensemble"}

SHORTCUTS = (
    Shortcut("Space", "Run, pause, resume", _RUN),
    Shortcut("S", "Step: generate one frame", _RUN),
    Shortcut("Esc", "Stop: give up the frame in the making, keep the others", _RUN),
    Shortcut("L", "Follow live: show the newest frame while it runs", _RUN),
    Shortcut("← →", "Previous, next frame", _LOOK),
    Shortcut("Shift+← →", f"{_LEAP} frames back, ahead", _LOOK),
    Shortcut("Home, End", "First frame, last or newest generated frame", _LOOK),
    Shortcut("Ctrl+Alt+P", "Play, stop playing", _LOOK),
    Shortcut("F", "Fit the whole cell into the view", _LOOK),
    Shortcut("D", "Look from the default direction in 3D", _LOOK),
    Shortcut("Ctrl+Y", "2D or 3D view", _LOOK),
    *(
        Shortcut(f"Alt+{place}", f"Show or hide: {_TITLES.get(name, name)}", _PANELS)
        for place, name in enumerate(PANELS, start=1)
    ),
    Shortcut("Ctrl+Alt+Z", "Undo layout change", _WINDOW),
    Shortcut("Ctrl+Alt+Shift+Z", "Redo layout change", _WINDOW),
    Shortcut("Ctrl+Shift+T", "Dark or light theme", _WINDOW),
    Shortcut("F1, ?", "This help", _WINDOW),
)
"""All keys, ours and the most useful ones of napari's, for the help."""

MENU_KEYS = {
    "undo": "Ctrl+Alt+Z",
    "redo": "Ctrl+Alt+Shift+Z",
    "help": "F1",
    **{name: f"Alt+{place}" for place, name in enumerate(PANELS, start=1)},
}
"""Keys that belong to entries of our menu, and work wherever the keyboard is."""


def bind_shortcuts(viewer: Viewer) -> None:
    """Bind the keys on a viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Only this one; napari's own bindings of others stay as they are.
    """
    viewer = unwrap(viewer)
    viewer.bind_key("Space", _toggle_run, overwrite=True)
    bindings: dict[str, Callable[[Any], None]] = {
        "S": lambda viewer: _when_resting(viewer, RolloutController.step),
        "Escape": lambda viewer: controller_of(viewer).stop(),
        "L": _follow_live,
        "Shift-Left": lambda viewer: _move(viewer, -_LEAP),
        "Shift-Right": lambda viewer: _move(viewer, _LEAP),
        "Home": lambda viewer: _go_to_end(viewer, last=False),
        "End": lambda viewer: _go_to_end(viewer, last=True),
        "F": lambda viewer: presentation_of(viewer).fit(),
        "D": lambda viewer: presentation_of(viewer).show_3d(),
        "?": _show_help,
    }
    for key, action in bindings.items():
        viewer.bind_key(key, action, overwrite=True)


def _toggle_run(viewer: Viewer) -> Generator[None, None, None]:
    layer = viewer.layers.selection.active
    if layer is not None and layer.mode not in ("pan_zoom", "PAN_ZOOM"):
        # Someone is drawing or moving a layer: what napari does while Space is held.
        mode, layer.mode = layer.mode, "pan_zoom"
        yield
        layer.mode = mode
        return
    control = controller_of(viewer)
    if control.state == "running":
        control.pause()
    else:
        _when_resting(viewer, RolloutController.run)


def _when_resting(viewer: Viewer, action: Callable[[RolloutController], None]) -> None:
    """Act if a rollout can go on; else say what is missing."""
    control = controller_of(viewer)
    if control.state in ("ready", "paused"):
        if control.needs_reset and control.has_frames:
            viewer.status = "These settings make another rollout: press Reset in the Rollout dock"
        else:
            action(control)
    elif control.state == "idle":
        viewer.status = "Choose a model and a reference trajectory in the Rollout dock first"


def _follow_live(viewer: Viewer) -> None:
    control = controller_of(viewer)
    control.follow_live = not control.follow_live


def _move(viewer: Viewer, n_frames: int) -> None:
    axis = viewer.dims.last_used
    viewer.dims.set_current_step(axis, viewer.dims.current_step[axis] + n_frames)


def _go_to_end(viewer: Viewer, last: bool) -> None:
    """Go to the first frame, or to the newest generated one, or the last of the trajectory."""
    control = controller_of(viewer)
    if control.comparison is not None:
        newest = len(control.generated_statistics)
        if control.state == "running":
            control.follow_live = last
        control.panels.go_to(newest if last else 0)
        return
    layer = next((x for x in viewer.layers if layer_trajectory(x) is not None), None)
    if layer is not None:
        axis = viewer.dims.ndim - layer.ndim
        viewer.dims.set_current_step(axis, viewer.dims.nsteps[axis] - 1 if last else 0)


def _show_help(viewer: Viewer) -> None:
    from napari_eldyn.viewer.menu import show_help

    show_help()
