"""The file of a session: a zip archive of one JSON record and plain numpy arrays.

``session.json`` holds a `WorkspaceRecord` with the format's name and version, ``arrays/NAME.npy``
the arrays. Nothing in it is ever executed: arrays are read without pickles.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_eldyn.config import parse_config
from napari_eldyn.density.files import write_whole
from napari_eldyn.exceptions import EldynError
from napari_eldyn.viewer.workspace_record import WorkspaceRecord

__all__ = ["SUFFIX", "read_workspace", "write_workspace"]

SUFFIX = ".eldynsession"

_FORMAT = "napari-eldyn session"
_VERSION = 1
_RECORD = "session.json"
_ARRAYS = "arrays/"
_MOST_BYTES = 8 * 2**30  # of one array: what claims to be larger is damaged

_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    ValueError,
    EOFError,
    NotImplementedError,  # compressions and encryptions that zipfile does not know
)

Array = npt.NDArray[Any]


def write_workspace(path: Path, record: WorkspaceRecord, arrays: Mapping[str, Array]) -> None:
    """Write a session, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write; one that is there is replaced.
    record : WorkspaceRecord
        What is no array.
    arrays : mapping of str to ndarray
        The arrays by name; names may hold ``/``.

    Raises
    ------
    EldynError
        If the file cannot be written.
    """
    content = io.BytesIO()
    head = {"format": _FORMAT, "version": _VERSION, **record.model_dump(mode="json")}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_RECORD, json.dumps(head, indent=1, allow_nan=False))
        for name, array in arrays.items():
            with archive.open(f"{_ARRAYS}{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    write_whole(path, content.getvalue())


def read_workspace(path: Path) -> tuple[WorkspaceRecord, dict[str, Array]]:
    """Read a session.

    Raises
    ------
    EldynError
        If the file is missing, damaged, no session, or of a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            head = json.loads(archive.read(_RECORD))
            _check_head(head, path)
            names = [name for name in archive.namelist() if name.startswith(_ARRAYS)]
            arrays = {
                name.removeprefix(_ARRAYS).removesuffix(".npy"): _read_array(archive, name)
                for name in names
            }
    except FileNotFoundError as error:
        raise EldynError(
            "there is no such file", path=path, remedy="Check the name and the folder."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise EldynError(f"the session cannot be read ({reason})", path=path) from error
    except KeyError as error:
        raise EldynError(
            "this is no session: it holds no session.json", path=path, remedy=_remedy()
        ) from error
    except _DAMAGE as error:
        raise EldynError(
            f"the session is damaged, or no session at all ({error})", path=path, remedy=_remedy()
        ) from error
    body = {key: value for key, value in head.items() if key not in ("format", "version")}
    return parse_config(WorkspaceRecord, body, path=path), arrays


def _check_head(head: Any, path: Path) -> None:
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise EldynError("this is no session of napari-eldyn", path=path, remedy=_remedy())
    version = head.get("version")
    if not isinstance(version, int) or version > _VERSION:
        raise EldynError(
            f"the session was saved by a newer napari-eldyn (format {version}; this one reads "
            f"up to {_VERSION})",
            path=path,
            remedy="Update napari-eldyn: pip install --upgrade napari-eldyn.",
        )


def _read_array(archive: zipfile.ZipFile, name: str) -> Array:
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} is impossibly large")
    with archive.open(name) as file:
        return np.lib.format.read_array(io.BytesIO(file.read()), allow_pickle=False)


def _remedy() -> str:
    return f"Give a file saved by “Save session …” (*{SUFFIX}), or copy it again."
