"""What is kept from one session to the next: which reader opens our files, and last choices.

Choices of the docks (models, sizes, switches) are kept in one JSON file beside napari's settings.
With ``NAPARI_CONFIG=""``, where napari keeps nothing, they last as long as the process.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import json
import logging
import os
from pathlib import Path
from typing import Any

__all__ = [
    "forget",
    "prefer_own_reader",
    "remember",
    "remembered",
    "write_choices",
]

Choices = dict[str, dict[str, Any]]

_PLUGIN = "napari-eldyn"
_PATTERNS = (
    f"*.eldyn{os.sep}",
    f"*{os.sep}frames_*.npz",
    f"*{os.sep}vaspwave.h5",
    f"*{os.sep}vaspout.h5",
    f"*{os.sep}charge-density.hdf5",
)
_FILE = "napari-eldyn-choices.json"
_DELAY_MS = 1000  # a spin box that is held down changes many times
_logger = logging.getLogger(__name__)


def prefer_own_reader() -> None:
    """Make napari open our formats with our reader without asking, unless the user chose another.

    napari's own reader claims every directory, and every ``.npz`` and ``.h5`` file, so that napari
    would ask which of the two to use. The preference is what its dialog would store.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    chosen = plugins.extension2reader
    missing = {pattern: _PLUGIN for pattern in _PATTERNS if pattern not in chosen}
    if missing:
        plugins.extension2reader = {**chosen, **missing}


class _Memory:
    """The choices in memory, and which of them the file does not have yet."""

    def __init__(self) -> None:
        self.choices: Choices | None = None  # read at the first question
        self.unwritten: Choices = {}


_memory = _Memory()


def remembered(group: str) -> dict[str, Any]:
    """Return what was remembered last, in this session or an earlier one.

    The caller checks the values: a file may be old, or edited.

    Parameters
    ----------
    group : str
        Whose choices, such as ``rollout``.

    Returns
    -------
    dict
        A copy; empty at first.
    """
    if _memory.choices is None:
        path = _path()
        _memory.choices = {} if path is None else _read(path)
    return copy.deepcopy(_memory.choices.get(group, {}))


def remember(group: str, **choices: Any) -> None:
    """Keep choices for the next session; the others of the group stay as they are.

    Called on the GUI thread. They are written a second later, all that came in between at once.

    Parameters
    ----------
    group : str
        Whose choices.
    **choices
        What JSON can hold: numbers, strings, booleans, None, lists, dictionaries of these.

    Raises
    ------
    TypeError, ValueError
        If JSON cannot hold a value.
    """
    choices = json.loads(json.dumps(choices, allow_nan=False))
    known = remembered(group)
    news = {key: value for key, value in choices.items() if key not in known or known[key] != value}
    if not news:
        return
    assert _memory.choices is not None
    _memory.choices.setdefault(group, {}).update(news)
    if _path() is None:
        return
    waiting = bool(_memory.unwritten)
    _memory.unwritten.setdefault(group, {}).update(news)
    if not waiting:
        _write_later()


def forget() -> None:
    """Forget all choices, those in the file as well."""
    _memory.choices, _memory.unwritten = {}, {}
    path = _path()
    if path is not None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("%s cannot be removed: %s", path, error)


def write_choices() -> None:
    """Write what has not been written yet; done by itself a second after a choice and at exit.

    Other windows may have written since: only what was chosen here is changed.
    """
    news, _memory.unwritten = _memory.unwritten, {}
    path = _path() if news else None
    if path is None:
        return
    together = _read(path)
    for group, choices in news.items():
        together.setdefault(group, {}).update(choices)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(together, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        _logger.warning("The last choices are not kept: %s cannot be written: %s", path, error)


atexit.register(write_choices)


def _write_later() -> None:
    from qtpy.QtCore import QCoreApplication, QThread, QTimer

    app = QCoreApplication.instance()
    if app is not None and app.thread() is QThread.currentThread():
        QTimer.singleShot(_DELAY_MS, write_choices)
    else:
        write_choices()


def _path() -> Path | None:
    from napari.settings import get_settings

    settings = get_settings().config_path
    return None if not settings else Path(settings).parent / _FILE


def _read(path: Path) -> Choices:
    """Read the file; what is damaged or of another shape is left out, and said in the log."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _logger.warning("The last choices are ignored: %s cannot be read: %s", path, error)
        return {}
    if not isinstance(found, dict):
        _logger.warning("The last choices are ignored: %s holds no groups", path)
        return {}
    groups = {name: group for name, group in found.items() if isinstance(group, dict)}
    for name in found.keys() - groups.keys():
        _logger.warning("The choices of %s are ignored: %s holds no group there", name, path)
    return groups
