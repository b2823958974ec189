"""napari's preferences that concern this plugin."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["panel_preferences", "prefer_own_reader"]

_PLUGIN = "napari-eldyn"
_PATTERNS = (f"*.eldyn{os.sep}", f"*{os.sep}frames_*.npz")


def prefer_own_reader() -> None:
    """Make napari open our formats with our reader without asking, unless the user chose another.

    napari's own reader claims every directory and every ``.npz`` file, so that napari would ask
    which of the two to use. The preference is what its dialog would store.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    chosen = plugins.extension2reader
    missing = {pattern: _PLUGIN for pattern in _PATTERNS if pattern not in chosen}
    if missing:
        plugins.extension2reader = {**chosen, **missing}


def panel_preferences() -> Any:
    """Return napari's preferences of our panels; what is set in them is there the next time.

    They are declared in the manifest, and listed in napari's Preferences.
    """
    from napari.settings import get_plugin_settings

    return get_plugin_settings(_PLUGIN).panels
