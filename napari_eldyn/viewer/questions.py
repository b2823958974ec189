"""Questions to the user: files to open and to save, files that are missing, what may be lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_eldyn.viewer._compat import is_shown, main_window
from napari_eldyn.viewer.finding import MissingPartError
from napari_eldyn.viewer.preferences import remember, remembered
from napari_eldyn.viewer.workspace_file import SUFFIX

if TYPE_CHECKING:
    from napari import Viewer

__all__ = [
    "ask_for_part",
    "ask_rollout_to_open",
    "ask_session_to_open",
    "ask_session_to_save",
    "may_replace",
]

_SESSIONS = f"Sessions (*{SUFFIX})"
_GROUP = "folders"


def ask_for_part(viewer: Viewer, error: MissingPartError) -> Path | None:
    """Ask where a missing model or trajectory is; None to give up, or without a window.

    Parameters
    ----------
    viewer : napari.Viewer
        Asks.
    error : MissingPartError
        What is missing.
    """
    if not is_shown(viewer):
        return None
    window = main_window(viewer)
    box = QMessageBox(QMessageBox.Icon.Question, f"Missing {error.part}", "", parent=window)
    box.setText(f"{error.path.name if error.path else 'This'}: {error.problem}.")
    locate = box.addButton("Locate …", QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.exec()
    if box.clickedButton() is not locate:
        return None
    folder = str(error.path.parent) if error.path is not None else ""
    if error.part == "model":
        name, _ = QFileDialog.getOpenFileName(
            window, "Locate the model", folder, "Models (*.safetensors);;All files (*)"
        )
    else:
        name = QFileDialog.getExistingDirectory(window, "Locate the trajectory (.eldyn)", folder)
    return Path(name) if name else None


def ask_session_to_save(viewer: Viewer) -> Path | None:
    """Ask where to save a session."""
    name, _ = QFileDialog.getSaveFileName(
        main_window(viewer), "Save the session", str(_folder() / f"session{SUFFIX}"), _SESSIONS
    )
    return _chosen(name)


def ask_session_to_open(viewer: Viewer) -> Path | None:
    """Ask which session to open."""
    name, _ = QFileDialog.getOpenFileName(
        main_window(viewer), "Open a session", str(_folder()), _SESSIONS
    )
    return _chosen(name)


def ask_rollout_to_open(viewer: Viewer) -> Path | None:
    """Ask which stored rollout to take up; it is a directory."""
    name = QFileDialog.getExistingDirectory(
        main_window(viewer), "Open a stored rollout (.eldyn)", str(_folder())
    )
    return _chosen(name)


def may_replace(viewer: Viewer, control: Any) -> bool:
    """Ask whether the rollouts of a window may go; without any, they may."""
    n_rollouts = len(control.shelf.rollouts)
    if n_rollouts == 0 or not is_shown(viewer):
        return True
    what = "the rollout" if n_rollouts == 1 else f"{n_rollouts} rollouts"
    button = QMessageBox.question(
        main_window(viewer),
        "Open a session",
        f"The session takes the place of {what} in this window. Open it?",
    )
    return bool(button == QMessageBox.StandardButton.Yes)


def _folder() -> Path:
    folder = remembered(_GROUP).get("session")
    return Path(folder) if isinstance(folder, str) and Path(folder).is_dir() else Path.cwd()


def _chosen(name: str) -> Path | None:
    if not name:
        return None
    remember(_GROUP, session=str(Path(name).parent))
    return Path(name)
