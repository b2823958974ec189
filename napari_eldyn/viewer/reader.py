"""napari's reader of density trajectories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.opening_paths import can_be_ours

__all__ = ["get_reader", "read_layers", "read_session"]

PathOrPaths = str | Sequence[str]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[Any]] | None:
    """Return a reader for paths that can be ours, None for others; never raises.

    Parameters
    ----------
    path : str or list of str
        A file or directory of any supported format, or a list of files; or one
        ``.eldynsession`` file.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) == 1 and Path(paths[0]).suffix.lower() == ".eldynsession":
        return read_session
    return read_layers if paths and all(can_be_ours(Path(item)) for item in paths) else None


def read_layers(path: PathOrPaths) -> list[Any]:
    """Open a trajectory as layers.

    What users drop or choose in the File menu is opened on a thread, with all that was dropped
    together; scripts get the layers at once. A path that cannot be opened is explained in the
    window: napari's own dialog would hide the reason behind an offer to try another reader.

    Parameters
    ----------
    path : str or list of str
        Files given as a list make one trajectory.

    Returns
    -------
    list of layer tuples
        napari's "nothing to add" if nothing could be opened, or it is being opened.
    """
    from napari import current_viewer
    from napari.utils.notifications import show_error

    from napari_eldyn.viewer._compat import is_user_opening
    from napari_eldyn.viewer.layers import trajectory_layers
    from napari_eldyn.viewer.opening import open_now, opening_of
    from napari_eldyn.viewer.workbench import equip_current_viewer

    equip_current_viewer()
    viewer = current_viewer()
    paths = [Path(item) for item in ([path] if isinstance(path, str) else path)]
    if viewer is not None and is_user_opening():
        opening = opening_of(viewer)
        if isinstance(path, str):
            opening.gather(paths)
        else:
            opening.open([paths])
        return [(None,)]
    try:
        trajectory = open_now(viewer, paths)
        return [(None,)] if trajectory is None else trajectory_layers(trajectory)
    except EldynError as error:
        show_error(str(error))
        return [(None,)]


def read_session(path: PathOrPaths) -> list[Any]:
    """Open a saved session in the window in front, as soon as napari is done with reading.

    Parameters
    ----------
    path : str
        An ``.eldynsession`` file.

    Returns
    -------
    list of layer tuples
        napari's "nothing to add": the session brings its own layers.
    """
    from napari import current_viewer
    from qtpy.QtCore import QTimer

    from napari_eldyn.viewer.session_commands import open_session_file
    from napari_eldyn.viewer.workbench import equip_current_viewer

    equip_current_viewer()
    viewer = current_viewer()
    if viewer is not None:
        file = Path(path if isinstance(path, str) else path[0])
        QTimer.singleShot(0, lambda: open_session_file(viewer, file))
    return [(None,)]
