"""napari's writers of density trajectories: what stands behind a layer, whole, in each format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["write_chgcar", "write_cube", "write_npz", "write_store", "write_xsf"]

Attributes = Mapping[str, Any]


def write_store(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write the trajectory behind a layer as an ``.eldyn`` store; a writer of the manifest.

    Parameters
    ----------
    path : str
        Where to. If its ending tells another format that we write, it is that format.
    data : array-like
        What the layer shows; not used.
    attributes : mapping
        The layer's attributes with its metadata.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    EldynError
        If there is no trajectory behind the layer, it cannot be written, or the user stops it.
    """
    return _write(path, ".eldyn", attributes)


def write_cube(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write Gaussian cube files, numbered if there are several frames; see `write_store`."""
    return _write(path, ".cube", attributes)


def write_chgcar(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write VASP CHGCAR files, numbered if there are several frames; see `write_store`."""
    return _write(path, ".vasp", attributes)


def write_xsf(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write an XSF file, animated if there are several frames; see `write_store`."""
    return _write(path, ".xsf", attributes)


def write_npz(path: str, data: Any, attributes: Attributes) -> list[str]:
    """Write a NumPy archive; see `write_store`."""
    return _write(path, ".npz", attributes)


def _write(path: str, suffix: str, attributes: Attributes) -> list[str]:
    from napari import current_viewer

    from napari_eldyn.viewer.saving import write_from_window

    metadata = attributes.get("metadata") or {}
    report = write_from_window(current_viewer(), metadata, Path(path), suffix)
    return [str(written) for written in report.paths]
