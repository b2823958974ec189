"""napari's reader of density trajectories."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_eldyn.exceptions import EldynError

if TYPE_CHECKING:
    from napari_eldyn.density.trajectory import DensityTrajectory

__all__ = ["get_reader", "read_layers", "read_session"]

PathOrPaths = str | Sequence[str]

_CHUNK = re.compile(r"frames_\d+\.npz")


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[Any]] | None:
    """Return a reader for paths that can be ours, None for others; never raises.

    Parameters
    ----------
    path : str or list of str
        An ``.eldyn`` directory, a ``frames_NNNNNN.npz`` chunk, a directory of chunks, or a list
        of these; or one ``.eldynsession`` file.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) == 1 and Path(paths[0]).suffix.lower() == ".eldynsession":
        return read_session
    return read_layers if paths and all(_is_ours(Path(item)) for item in paths) else None


def _is_ours(path: Path) -> bool:
    if path.suffix.lower() == ".eldyn" or _CHUNK.fullmatch(path.name):
        return True
    try:
        return path.is_dir() and any(_CHUNK.fullmatch(item.name) for item in path.iterdir())
    except OSError:
        return False


def read_layers(path: PathOrPaths) -> list[Any]:
    """Open trajectories as layers.

    A path that cannot be opened is explained in the window: napari's own dialog would hide the
    reason behind an offer to try another reader.

    Parameters
    ----------
    path : str or list of str
        Chunks given as a list make one trajectory.

    Returns
    -------
    list of layer tuples
        napari's "nothing to add" if nothing could be opened.
    """
    from napari.utils.notifications import show_error

    from napari_eldyn.viewer.layers import trajectory_layer
    from napari_eldyn.viewer.workbench import equip_current_viewer

    equip_current_viewer()
    try:
        return [trajectory_layer(trajectory) for trajectory in _open(path)]
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


def _open(path: PathOrPaths) -> list[DensityTrajectory]:
    from napari_eldyn.density.formats import open_any

    paths = [path] if isinstance(path, str) else list(path)
    if all(Path(item).suffix == ".npz" for item in paths):
        return [open_any(paths)]
    return [open_any(item) for item in paths]
