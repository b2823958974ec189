"""Sessions: the whole workspace of a window saved to a file, and opened again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer._compat import is_shown, unwrap
from napari_eldyn.viewer.controller import controller_of
from napari_eldyn.viewer.docking import open_dock
from napari_eldyn.viewer.finding import Located
from napari_eldyn.viewer.worker import Job
from napari_eldyn.viewer.workspace_capture import capture_workspace
from napari_eldyn.viewer.workspace_file import SUFFIX, write_workspace
from napari_eldyn.viewer.workspace_load import LoadedWorkspace, load_workspace
from napari_eldyn.viewer.workspace_restore import restore_workspace

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["load_into_window", "open_workspace", "save_workspace"]


def save_workspace(viewer: Viewer, path: str | Path, *, overwrite: bool = False) -> list[str]:
    """Save the session of a window: trajectories by path, rollouts as latents, view and docks.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    path : path-like
        File to write; ``.eldynsession`` is appended if it has another suffix. A run under way
        goes on; the frames it has made so far are saved.
    overwrite : bool
        Whether to replace a file that is there.

    Returns
    -------
    list of str
        What a session cannot hold, such as layers that are no density trajectories.

    Raises
    ------
    EldynError
        If the file is there, or cannot be written, or the reference is in memory only.
    """
    viewer, path = unwrap(viewer), Path(path)
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    if path.exists() and not overwrite:
        raise EldynError(
            "the file is already there", path=path, remedy="Choose another name, or overwrite it."
        )
    record, arrays = capture_workspace(viewer, controller_of(viewer), path.parent)
    write_workspace(path, record, arrays)
    if not record.others:
        return []
    return [f"Not in the session: {', '.join(record.others)}. It holds density trajectories only."]


def open_workspace(viewer: Viewer, path: str | Path, located: Located | None = None) -> list[str]:
    """Open a session in a window, in place of the trajectories and rollouts that are there.

    Everything is in place when this returns, apart from the reference's levels, which follow in
    the background (`RolloutController.reference_ready`).

    Parameters
    ----------
    viewer : napari.Viewer
        The window; layers that are no density trajectories stay.
    path : path-like
        A session's file.
    located : Located, optional
        Where missing parts are, by the key of the `MissingPartError` that names them.

    Returns
    -------
    list of str
        What is not as it was.

    Raises
    ------
    MissingPartError
        If a trajectory or a model is nowhere.
    EldynError
        If the file is missing, damaged, or of a newer version, or a run is under way.
    """
    viewer, path = unwrap(viewer), Path(path)
    control = controller_of(viewer)
    if control.is_busy:
        raise EldynError(
            "something is still under way in the window",
            path=path,
            remedy="Stop it before opening a session.",
        )
    loaded = load_workspace(path, loaded=control.models, located=located)
    restore_workspace(viewer, control, loaded)
    return list(loaded.remarks)


def load_into_window(viewer: Viewer, path: str | Path, located: Located | None = None) -> None:
    """Open a session while the window goes on; what is missing is asked for.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    path : path-like
        A session's file.
    located : Located, optional
        Where missing parts are.
    """
    from napari.utils.notifications import show_warning

    viewer, path = unwrap(viewer), Path(path)
    control = controller_of(viewer)
    models = control.models

    def work(job: Job[LoadedWorkspace]) -> LoadedWorkspace:
        return load_workspace(path, loaded=models, located=located)

    def take(loaded: LoadedWorkspace) -> None:
        restore_workspace(viewer, control, loaded)
        for remark in loaded.remarks:
            control.message.emit(remark)
            show_warning(remark)  # the Rollout dock may not be part of the session

    if is_shown(viewer):
        open_dock(viewer, "Rollout")  # says how it goes, and what goes wrong
    control.load(
        f"Open session {path.name}",
        work,
        take,
        lambda place: load_into_window(viewer, path, {**(located or {}), **place}),
    )
