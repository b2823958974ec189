"""What menus and buttons do about sessions and stored rollouts, with the dialogs it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "open_rollout",
    "open_session",
    "open_session_file",
    "open_session_here",
    "save_session",
    "save_session_here",
]


def save_session(viewer: Viewer) -> None:
    """Ask for a file, and save the session of a window to it."""
    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.questions import ask_session_to_save
    from napari_eldyn.viewer.workspace import save_workspace

    control = controller_of(viewer)
    path = ask_session_to_save(viewer)
    if path is None:
        return
    try:
        # The dialog has already asked whether to replace what is there.
        remarks = save_workspace(viewer, path, overwrite=True)
    except EldynError as error:
        _complain(control.failed.emit, str(error))
        return
    for text in (f"Session saved to {path}", *remarks):
        control.message.emit(text)


def open_session(viewer: Viewer) -> None:
    """Ask for a session, and open it in a window."""
    from napari_eldyn.viewer.questions import ask_session_to_open

    path = ask_session_to_open(viewer)
    if path is not None:
        open_session_file(viewer, path)


def open_session_file(viewer: Viewer, path: Path) -> None:
    """Open a session in a window, unless the user wants to keep what is there."""
    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.questions import may_replace
    from napari_eldyn.viewer.workspace import load_into_window

    if may_replace(viewer, controller_of(viewer)):
        load_into_window(viewer, path)


def open_rollout(viewer: Viewer) -> None:
    """Ask for a stored rollout, and take it up."""
    from napari_eldyn.viewer.controller import controller_of
    from napari_eldyn.viewer.questions import ask_rollout_to_open

    path = ask_rollout_to_open(viewer)
    if path is not None:
        controller_of(viewer).open_rollout(path)


def save_session_here() -> None:
    """Save the session of the window in front (a command of the manifest)."""
    _in_front(save_session)


def open_session_here() -> None:
    """Open a session in the window in front (a command of the manifest)."""
    _in_front(open_session)


def _in_front(act: Callable[[Viewer], None]) -> None:
    from napari import current_viewer

    from napari_eldyn.viewer.workbench import equip

    viewer = current_viewer()
    if viewer is not None:
        equip(viewer)
        act(viewer)


def _complain(say: Callable[[str], None], text: str) -> None:
    from napari.utils.notifications import show_error

    say(text)
    show_error(text)
